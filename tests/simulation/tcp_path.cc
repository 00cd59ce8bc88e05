// SPDX-License-Identifier: Apache-2.0
#include "tcp_path.h"

namespace weft::simulation {

Path::Fate Path::send(const Frame& frame, time::Time now) {
  Fate fate;
  if (frame.size() > config_.mtu) {
    fate.too_big = true;
    return fate;
  }
  time::Time at{};
  if (is_lost(frame.size(), now) || !leaves(frame.size(), now, at)) {
    return fate;
  }
  at += config_.delay + random_.between(time::Time{}, config_.jitter);
  at = last_arrival_ = std::max(at, last_arrival_);
  const int copies = happens(config_.duplication) ? 2 : 1;
  for (int i = 0; i < copies; ++i) {
    Crossing& crossing = fate.crossings.emplace_back(Crossing{at, frame});
    if (happens(config_.reordering)) {
      crossing.at += random_.between(time::Time{}, config_.held_up);
    }
    if (happens(config_.corruption)) {
      const uint64_t bit = random_.below(frame.size() * 8);
      crossing.frame[bit / 8] ^= static_cast<std::byte>(1U << bit % 8);
    }
  }
  return fate;
}

bool Path::happens(double share) {
  constexpr double kScale = 1.0 / (uint64_t{1} << 53);
  return share > 0 && static_cast<double>(random_.bits() >> 11) * kScale < share;
}

bool Path::is_lost(size_t bytes, time::Time now) {
  if (happens(in_burst_ ? config_.burst_ends : config_.burst_begins)) {
    in_burst_ = !in_burst_;
  }
  const bool lost_in_burst = in_burst_ && happens(config_.burst_loss);
  const bool lost_alone = happens(config_.loss);
  const bool lost_as_small = bytes <= config_.small_bytes && happens(config_.small_loss);
  const bool lost_in_dark = now >= config_.dark_from && now < config_.dark_to;
  return lost_in_burst || lost_alone || lost_as_small || lost_in_dark;
}

bool Path::leaves(size_t bytes, time::Time now, time::Time& at) {
  at = now;
  if (config_.bits_per_second == 0) {
    return true;
  }
  const auto takes = [&](size_t what) {
    return time::Time(static_cast<int64_t>(what * 8 * 1'000'000'000 / config_.bits_per_second));
  };
  free_at_ = std::max(free_at_, now);
  if (config_.queue_bytes > 0 && free_at_ - now > takes(config_.queue_bytes)) {
    return false;
  }
  free_at_ += takes(bytes);
  at = free_at_;
  return true;
}

}  // namespace weft::simulation
