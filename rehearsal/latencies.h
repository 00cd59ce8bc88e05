// SPDX-License-Identifier: Apache-2.0
/// @file Durations by buckets, which are 1/64 of their durations wide at most: quantiles of any number of requests, in
/// a few KB.
#pragma once

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <vector>

namespace weft::rehearsal {

class Latencies {
 public:
  void add(uint64_t micros) {
    const size_t at = index(micros);
    if (at >= buckets_.size()) {
      buckets_.resize(at + 1);
    }
    ++buckets_[at];
    ++count_;
    most_ = std::max(most_, micros);
  }

  uint64_t count() const { return count_; }

  /// The least of what no more than a share of 1 - `share` took longer than; up to 1.6 % more, and never more than the
  /// longest. 0 of none.
  uint64_t quantile(double share) const {
    const auto rank = std::max<uint64_t>(1, static_cast<uint64_t>(std::ceil(share * static_cast<double>(count_))));
    uint64_t seen = 0;
    for (size_t i = 0; i < buckets_.size(); ++i) {
      seen += buckets_[i];
      if (seen >= rank) {
        return std::min(most_, last_of(i));
      }
    }
    return most_;
  }

 private:
  static constexpr int kBits = 6;

  static size_t index(uint64_t micros) {
    const int shift = std::max(0, static_cast<int>(std::bit_width(micros)) - kBits - 1);
    return (static_cast<size_t>(shift) << kBits) + static_cast<size_t>(micros >> shift);
  }
  static uint64_t last_of(size_t index) {
    const size_t shift = index < (size_t{2} << kBits) ? 0 : (index >> kBits) - 1;
    return ((index - (shift << kBits) + 1) << shift) - 1;
  }

  std::vector<uint64_t> buckets_;
  uint64_t count_ = 0;
  uint64_t most_ = 0;
};

}  // namespace weft::rehearsal
