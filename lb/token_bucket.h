// SPDX-License-Identifier: Apache-2.0
/// @file A token bucket in eight bytes: so many at once, so many a second after that.
#pragma once

#include <algorithm>
#include <cstdint>

#include "lb/policy.h"

namespace weft::lb {

/// Zeroed memory is a full bucket. One thread.
class TokenBucket {
 public:
  /// @param now in milliseconds, wrapping; of a bucket idle for more than 49 days, tokens may be late
  bool take(const Rate& rate, uint32_t now) {
    spent_ = spent(rate, now);
    last_ = now;
    if (spent_ + uint64_t{1000} > most(rate)) {
      return false;
    }
    spent_ += 1000;
    return true;
  }
  /// Would take() say yes?
  bool has_some(const Rate& rate, uint32_t now) const { return spent(rate, now) + uint64_t{1000} <= most(rate); }

 private:
  // In thousandths of a token, so that a millisecond's share of any rate is a whole number.
  static uint64_t most(const Rate& rate) { return uint64_t{rate.burst} * 1000; }
  uint32_t spent(const Rate& rate, uint32_t now) const {
    const uint64_t earned = uint64_t{now - last_} * rate.per_second;
    return static_cast<uint32_t>(std::min<uint64_t>(spent_ - std::min<uint64_t>(spent_, earned), most(rate)));
  }

  uint32_t spent_ = 0;  ///< thousandths of a token; a burst is at most kMaxBurst, so they fit
  uint32_t last_ = 0;
};

constexpr uint32_t kMaxBurst = UINT32_MAX / 1000 - 1;

/// What one of several workers has of a bound that all share: the parts add up to the whole.
constexpr uint32_t share_of(uint32_t whole, uint32_t worker, uint32_t workers) {
  return whole / workers + (worker < whole % workers ? 1 : 0);
}

}  // namespace weft::lb
