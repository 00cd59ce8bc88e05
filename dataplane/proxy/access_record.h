// SPDX-License-Identifier: Apache-2.0
/// @file What is known of an exchange when it is over: plain bytes, for a ring between threads.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <string_view>
#include <type_traits>

#include "lb/address.h"
#include "proxy/protections.h"
#include "proxy/response_flag.h"
#include "time/clock.h"

namespace weft::proxy {

/// A text that is cut where it does not fit.
template <size_t kRoom>
struct ShortText {
  uint16_t length = 0;
  std::array<char, kRoom> bytes;

  void set(std::string_view text) {
    length = static_cast<uint16_t>(std::min(text.size(), kRoom));
    std::copy_n(text.begin(), length, bytes.begin());
  }
  /// Cut at its front, for texts whose end says most.
  void set_end_of(std::string_view text) {
    constexpr std::string_view kCut = "\xe2\x80\xa6";  // an ellipsis, in UTF-8
    if (text.size() <= kRoom) {
      return set(text);
    }
    length = kRoom;
    text = text.substr(text.size() - (kRoom - kCut.size()));
    std::copy_n(text.begin(), text.size(), std::copy_n(kCut.begin(), kCut.size(), bytes.begin()));
  }
  std::string_view view() const { return {bytes.data(), length}; }
};

struct AccessRecord {
  time::Time began{};
  uint64_t duration_us = 0;    ///< from the request's head to the response's end
  uint64_t first_byte_us = 0;  ///< to the response's head; 0: there was none
  uint16_t status = 0;         ///< 0: the client was told nothing
  uint8_t attempts = 0;
  bool local = false;  ///< the response is weft's own
  ResponseFlags flags = 0;
  Protection decided_by = Protection::none;
  uint64_t request_bytes = 0;  ///< of bodies, with what frames them
  uint64_t response_bytes = 0;
  lb::Address client;
  lb::Port client_port{};
  lb::Address vip;
  lb::Port vip_port{};
  lb::Address endpoint;  ///< the last attempt's
  lb::Port endpoint_port{};
  uint32_t service_slot = 0;           ///< that the request came to
  uint32_t backend_slot = UINT32_MAX;  ///< that it was sent to; UINT32_MAX: none
  ShortText<16> method;
  ShortText<96> host;
  ShortText<192> path;
  ShortText<40> request_id;
  ShortText<64> route;   ///< the rule's route
  ShortText<80> policy;  ///< of access, that denied it; "none": no ALLOW policy matches; empty: it was not denied
  ShortText<64> limit;   ///< of requests, that had no room for it
  ShortText<64> fault;   ///< that was injected on purpose, the first of several
  ShortText<80> dry_run_policy;  ///< that would have, as above
  ShortText<80>
      signature;  ///< "namespace/policy signature" that denied it (flag SIG), else the first noted: the end of it
};
static_assert(std::is_trivially_copyable_v<AccessRecord>);

}  // namespace weft::proxy
