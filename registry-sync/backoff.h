// SPDX-License-Identifier: Apache-2.0
/// @file How long to wait before trying again: twice as long each time, up to a bound, and by chance between half of
/// that and all, so that a thousand nodes do not come back at once.
#pragma once

#include <algorithm>
#include <chrono>
#include <random>

namespace weft::registry {

class Backoff {
 public:
  using Wait = std::chrono::milliseconds;

  Backoff(Wait first, Wait longest, uint64_t seed) : first_(first), longest_(longest), next_(first), random_(seed) {}

  Wait next() {
    const Wait most = next_;
    next_ = std::min(next_ * 2, longest_);
    return Wait(std::uniform_int_distribution<int64_t>(most.count() / 2, most.count())(random_));
  }
  void reset() { next_ = first_; }

 private:
  Wait first_;
  Wait longest_;
  Wait next_;
  std::mt19937_64 random_;
};

}  // namespace weft::registry
