// SPDX-License-Identifier: Apache-2.0
/// @file Which small number belongs to whom, over the lives of snapshots.
///
/// Counters and flows know services and endpoints by slot. A slot is free, current (its owner is in the registry) or
/// lingering (its owner left, and flows may still hold it). A lingering one goes back to its owner if that returns, and
/// becomes free only once the caller says that nobody uses it.
///
/// One thread. About 100 bytes an identity, at most `capacity` of them.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

namespace weft::registry {

/// Does anything that counts or forwards still refer to this slot?
using InUse = std::function<bool(uint32_t slot)>;

class SlotLedger {
 public:
  explicit SlotLedger(uint32_t capacity) : capacity_(capacity) {}

  /// The owner's slot, current from now on: the one that it had, else the lowest free one, else none.
  std::optional<uint32_t> take(const std::string& identity);
  /// Makes a current slot linger.
  void release(uint32_t slot) { lingering_.insert(slot); }
  /// Frees the lingering slots that are not in use. Returns those.
  std::vector<uint32_t> reclaim(const InUse& in_use);

  /// In ascending order.
  const std::set<uint32_t>& lingering() const { return lingering_; }

 private:
  uint32_t capacity_;
  std::unordered_map<std::string, uint32_t> slots_;
  std::vector<const std::string*> owners_;  ///< by slot: the key in slots_; null if free
  std::set<uint32_t> free_;                 ///< below owners_.size()
  std::set<uint32_t> lingering_;
};

}  // namespace weft::registry
