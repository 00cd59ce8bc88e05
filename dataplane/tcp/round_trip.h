// SPDX-License-Identifier: Apache-2.0
/// @file Round-trip times and the retransmission timeout made of them (RFC 6298).
#pragma once

#include <algorithm>
#include <cstdint>

#include "tcp/config.h"
#include "tcp/connection.h"

namespace weft::tcp {

/// RFC 6298, section 2. @param rtt in microseconds
inline void measure(Details& details, uint32_t rtt) {
  rtt = std::max(rtt, 1U);
  details.min_rtt = std::min(details.min_rtt, rtt);
  if (details.srtt == 0) {
    details.srtt = rtt;
    details.rttvar = rtt / 2;
    return;
  }
  const uint32_t deviation = details.srtt > rtt ? details.srtt - rtt : rtt - details.srtt;
  details.rttvar = details.rttvar - details.rttvar / 4 + deviation / 4;
  details.srtt = std::max(details.srtt - details.srtt / 8 + rtt / 8, 1U);
}

/// In milliseconds, backed off as often as it fired without progress. The least of the variance, not of the whole, is
/// bounded: a peer's delayed acknowledgment must not look like a loss, however long the way is.
inline uint32_t retransmission_timeout(const Details& details, const Config& config) {
  constexpr uint64_t kAfterLostSyn = 3000;  // RFC 6298, section 5.7
  uint64_t timeout = static_cast<uint64_t>(config.initial_rto.count());
  if ((details.flags & Details::syn_lost) != 0) {
    timeout = std::max(timeout, kAfterLostSyn);
  }
  if (details.srtt != 0) {
    const auto least = static_cast<uint64_t>(config.min_rto.count()) * 1000;
    timeout = (details.srtt + std::max<uint64_t>(4 * uint64_t{details.rttvar}, least) + 999) / 1000;
  }
  timeout <<= details.back_off;
  return static_cast<uint32_t>(std::min<uint64_t>(timeout, static_cast<uint64_t>(config.max_rto.count())));
}

/// RFC 6928.
inline uint32_t initial_window(const Connection& connection) {
  return std::min(10U * connection.mss, std::max(2U * connection.mss, 14600U));
}

}  // namespace weft::tcp
