// SPDX-License-Identifier: Apache-2.0
#include "tcp/cubic.h"

#include <algorithm>
#include <cmath>

namespace weft::tcp {
namespace {

constexpr float kC = 0.4F;                               // RFC 9438, section 5
constexpr float kBeta = 0.7F;                            // section 4.6
constexpr float kAlpha = 3 * (1 - kBeta) / (1 + kBeta);  // section 4.3
constexpr uint32_t kMaxWindow = 1 << 30;

// RFC 9406, section 4.3. Its limit of eight segments an acknowledgment (L) is left out, as it is of slow start.
constexpr uint32_t kLeastGrowth = 4'000;  // microseconds
constexpr uint32_t kMostGrowth = 16'000;
constexpr uint8_t kSamples = 8;
constexpr uint32_t kConservativeDivisor = 4;
constexpr uint8_t kConservativeRounds = 5;

}  // namespace

void grow_window(Connection& connection, Details& details, uint32_t acknowledged, time::Millis now) {
  const uint32_t window = connection.congestion_window;
  if (window < details.slow_start_threshold) {  // RFC 5681, section 3.1, by bytes
    const uint32_t grown = details.conservative_rounds > 0 ? acknowledged / kConservativeDivisor : acknowledged;
    connection.congestion_window = std::min({window + grown, details.slow_start_threshold, kMaxWindow});
    return;
  }
  const auto mss = static_cast<float>(connection.mss);
  const auto bytes = static_cast<float>(window);
  if (details.epoch == 0) {  // section 4.8: the first since slow start, or since a loss
    details.epoch = now == 0 ? 1 : now;
    details.window_reno = bytes;
    details.window_max = std::max(details.window_max, bytes);
    details.k = std::cbrt((details.window_max - bytes) / mss / kC);
  }
  // Section 4.2: where the window should be a round trip from now.
  const float t = static_cast<float>(now - details.epoch) / 1e3F + static_cast<float>(details.srtt) / 1e6F;
  const float since = t - details.k;
  const float cubic = kC * since * since * since * mss + details.window_max;
  const float target = std::clamp(cubic, bytes, 1.5F * bytes);
  // Section 4.3: never less than Reno would have.
  const float alpha = details.window_reno < details.window_max ? kAlpha : 1;
  details.window_reno += alpha * static_cast<float>(acknowledged) * mss / bytes;
  const float grown =
      std::max(bytes + (target - bytes) * static_cast<float>(acknowledged) / bytes, details.window_reno);
  connection.congestion_window = static_cast<uint32_t>(std::min(grown, static_cast<float>(kMaxWindow)));
}

void look_for_queue(const Connection& connection, Details& details, uint32_t rtt) {
  details.round_rtt = std::min(details.round_rtt, rtt);
  details.round_samples = std::min<uint8_t>(details.round_samples + 1U, kSamples);
  if (details.round_samples >= kSamples && details.last_round_rtt != UINT32_MAX) {
    const uint32_t growth = std::clamp(details.last_round_rtt / 8, kLeastGrowth, kMostGrowth);
    if (details.conservative_rounds > 0) {
      if (details.round_rtt < details.last_round_rtt) {  // it was no queue
        details.conservative_rounds = 0;
      }
    } else if (details.round_rtt >= details.last_round_rtt + growth) {
      details.conservative_rounds = 1;
      details.last_round_rtt = details.round_rtt;
    }
  }
  if (connection.send_unacknowledged < details.round_end) {
    return;
  }
  if (details.conservative_rounds == 0) {
    details.last_round_rtt = details.round_rtt;
  } else if (++details.conservative_rounds > kConservativeRounds) {
    details.slow_start_threshold = connection.congestion_window;
  }
  details.round_end = connection.send_next;
  details.round_rtt = UINT32_MAX;
  details.round_samples = 0;
}

void reduce_threshold(const Connection& connection, Details& details) {
  const auto window = static_cast<float>(connection.congestion_window);
  // Section 4.7: a flow that lost before it was back where it had been leaves room for others.
  details.window_max = window < details.window_max ? window * (1 + kBeta) / 2 : window;
  details.slow_start_threshold = std::max(static_cast<uint32_t>(window * kBeta), 2U * connection.mss);
  details.epoch = 0;
}

}  // namespace weft::tcp
