// SPDX-License-Identifier: Apache-2.0
/// @file What weft adds to requests by itself: who the client is, and names by which a request is found again.
#pragma once

#include <cstdint>
#include <string>

namespace weft::proxy {

struct Marks {
  std::string via;                        ///< the name in Via fields (RFC 9110, section 7.6.3); empty: none are added
  uint32_t sampled_per_million = 10'000;  ///< of traces that begin here, how many are recorded (traceparent's flag)
};

}  // namespace weft::proxy
