// SPDX-License-Identifier: Apache-2.0
#include "lb/weighted_order.h"

#include <algorithm>
#include <cassert>
#include <numeric>

namespace weft::lb {

WeightedOrder::WeightedOrder(std::span<const uint32_t> weights) {
  uint32_t common = 0;
  for (const uint32_t weight : weights) {
    common = std::gcd(common, weight);
  }
  starts_.reserve(weights.size() + 1);
  for (const uint32_t weight : weights) {
    const uint32_t reduced = common == 0 ? 0 : weight / common;
    assert(total() + reduced >= total());
    starts_.push_back(total() + reduced);
  }
  are_equal_ = std::all_of(weights.begin(), weights.end(), [&](uint32_t weight) { return weight == common; });
  constexpr double kGoldenSection = 0.6180339887498949;
  stride_ = std::max(1U, static_cast<uint32_t>(total() * kGoldenSection));
  while (std::gcd(stride_, std::max(1U, total())) != 1) {
    ++stride_;
  }
}

uint32_t WeightedOrder::member_at(uint32_t position) const {
  assert(position < total());
  if (are_equal_) {
    return position;
  }
  // Those without weight begin where the next one does, and are passed over.
  return static_cast<uint32_t>(std::upper_bound(starts_.begin(), starts_.end(), position) - starts_.begin() - 1);
}

}  // namespace weft::lb
