// SPDX-License-Identifier: Apache-2.0
/// @file Members of weights side by side on a line: which one lies at a position, and a walk that visits them in turn.
///
/// Weights are divided by what they all have in common, so equal ones are 1 each. The walk goes on by a stride near the
/// golden section of the line's length, with which it has no divisor in common: it reaches each position once in a
/// round, so that a round gives each member exactly its weight, and in any part of a round its share but for one or
/// two. So a walk's whole state is a position, and it goes on when the members have changed. Immutable; 4 bytes a
/// member.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace weft::lb {

class WeightedOrder {
 public:
  WeightedOrder() = default;
  /// @param weights whose sum is less than 2^32
  explicit WeightedOrder(std::span<const uint32_t> weights);

  /// The line's length: the sum of all weights.
  uint32_t total() const { return starts_.back(); }
  uint32_t weight(uint32_t member) const { return starts_[member + 1] - starts_[member]; }

  /// In O(log n), or O(1) if all weights are equal. Precondition: position < total().
  uint32_t member_at(uint32_t position) const;
  /// As if the member were not there. Precondition: position < total() - weight(member).
  uint32_t other_at(uint32_t position, uint32_t member) const {
    return member_at(position < starts_[member] ? position : position + weight(member));
  }
  /// Where the walk goes from a position, which may be of another line.
  uint32_t after(uint32_t position) const {
    return static_cast<uint32_t>((uint64_t{position} + stride_) % starts_.back());
  }

  size_t memory_bytes() const { return starts_.capacity() * sizeof(uint32_t); }

 private:
  std::vector<uint32_t> starts_{0};  ///< and the end of the last
  uint32_t stride_ = 1;
  bool are_equal_ = false;  ///< all weights are 1
};

}  // namespace weft::lb
