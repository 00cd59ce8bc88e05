// SPDX-License-Identifier: Apache-2.0
/// @file Consistent hashing as in Maglev (Eisenbud et al., NSDI 2016, section 3.4), with weights.
///
/// Each member walks the table in an order of its own, (offset + j * skip) mod size, and members take turns in claiming
/// the next free slot of their walk. Shares then differ by a slot, and few slots change owner when membership changes.
///
/// Weights are cumulative: in each round a member gains its weight, and takes a turn once it has gained the largest
/// weight of all. Shares are right for any ratio that the size can express; keep size >= 100 * sum(weights) / smallest
/// weight.
///
/// Members are sorted by identity before filling: nodes that learn of them in different orders build the same table.
/// Immutable after construction. 2 bytes a slot: 128 KiB at the default size.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "lb/weighted_order.h"

namespace weft::lb {

/// One member's walk over the table: offset < size, 1 <= skip < size.
struct MaglevWalk {
  uint32_t offset;
  uint32_t skip;
};

struct MaglevMember {
  std::string identity;  ///< stable over restarts and equal on all nodes, such as "10.0.0.1:8080"; unique in a table
  uint32_t weight = 1;   ///< relative; 0 takes no slots

  bool operator==(const MaglevMember&) const = default;
};

/// Section 3.4's procedure. Returns for each slot the index of its member; empty if no member has weight.
/// Preconditions, asserted: size is prime (else a walk need not reach every slot), one weight a walk.
std::vector<uint16_t> fill_maglev(std::span<const MaglevWalk> walks, std::span<const uint32_t> weights, uint32_t size);

class MaglevTable {
 public:
  static constexpr uint32_t kDefaultSize = 65537;
  static constexpr std::array<uint32_t, 11> kSizes = {251,   509,   1021,  2039,   4093,  8191,
                                                      16381, 32749, 65537, 131071, 655373};
  static constexpr size_t kMaxMembers = 65535;
  static constexpr uint32_t kMaxWeight = 65535;

  static bool valid_size(uint32_t size);

  /// @param members at most kMaxMembers, unique identities, weights up to kMaxWeight; sorted here
  /// @param size one of kSizes
  /// @param seed shared by all nodes
  MaglevTable(std::vector<MaglevMember> members, uint32_t size, uint64_t seed);

  bool empty() const { return slots_.empty(); }
  uint32_t size() const { return static_cast<uint32_t>(slots_.size()); }
  /// In the order that pick() and slots() count in: by identity.
  const std::vector<MaglevMember>& members() const { return members_; }
  std::span<const uint16_t> slots() const { return slots_; }
  /// The members by their weights: for choices that need not be consistent, and are exact.
  const WeightedOrder& order() const { return order_; }

  /// The slot of a flow: the hash's upper 32 bits, scaled without a division. Precondition: not empty.
  uint32_t slot_of(uint64_t hash) const { return static_cast<uint32_t>(((hash >> 32) * slots_.size()) >> 32); }
  uint16_t pick(uint64_t hash) const { return slots_[slot_of(hash)]; }

  /// How many slots each member owns.
  std::vector<uint32_t> shares() const;
  /// Equal on two nodes if and (but for chance) only if their tables are.
  uint64_t digest() const;
  size_t memory_bytes() const { return slots_.capacity() * sizeof(uint16_t) + order_.memory_bytes(); }

 private:
  std::vector<MaglevMember> members_;
  std::vector<uint16_t> slots_;
  WeightedOrder order_;
};

}  // namespace weft::lb
