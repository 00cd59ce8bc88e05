// SPDX-License-Identifier: Apache-2.0
/// @file What a device does for segments of weft's own TCP. What is forwarded needs nothing of it.
#pragma once

#include <cstdint>

namespace weft::runtime {

struct TransmitOffload {
  bool checksums = false;     ///< writes TCP's, and takes packets in several buffers
  bool segmentation = false;  ///< cuts what is longer than a segment (TSO)
  bool ip_checksums = false;  ///< writes IPv4's
  uint16_t most_buffers = 1;  ///< of a packet, the headers' included
};

}  // namespace weft::runtime
