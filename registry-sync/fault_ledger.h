// SPDX-License-Identifier: Apache-2.0
/// @file Numbers of faults: a small one that is each fault's while it is in force, and one that no other ever has.
///
/// One thread.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>

#include "lb/fault.h"

namespace weft::registry {

class FaultLedger {
 public:
  /// The fault with its numbers: those that it had, if it is the same; or with the small one that another of its name
  /// had. Nothing: all numbers are taken.
  std::optional<lb::Fault> numbered(lb::Fault fault);
  /// Takes the numbers of all others back.
  void keep(const std::set<std::string>& identities);
  /// What a fault is known by.
  static std::string identity_of(const lb::Fault& fault) { return (fault.is_live ? "live " : "") + fault.name; }
  bool is_full() const { return known_.size() >= lb::Fault::kMost; }

 private:
  std::map<std::string, lb::Fault> known_;
  std::set<uint32_t> taken_;
  uint64_t last_id_ = 0;
};

}  // namespace weft::registry
