// SPDX-License-Identifier: Apache-2.0
/// @file Who may take the next record of a flow table: a bulkhead between services.
///
/// Half of the table is divided evenly among the services as their guarantee; the other half is for whoever comes
/// first. A service beyond its guarantee gets a record only if enough stay free for what the others have not yet taken
/// of theirs. So a flood of one service, or of all but one, leaves the last its share. (Services of one table; one
/// worker's.)
///
/// Constant time a flow; a pass over the services a snapshot. One thread.
#pragma once

#include <cstdint>
#include <vector>

#include "l4/counters.h"
#include "lb/snapshot.h"

namespace weft::l4 {

class Shares {
 public:
  Shares(uint32_t capacity, uint32_t max_services) : capacity_(capacity), guaranteed_(max_services) {}

  /// @param counters whose active_flows are the services' flows
  void renew(const lb::Snapshot& snapshot, lb::Family family, const SlotCounters& counters);

  /// May a service with `used` flows have another, in a table with `size`?
  bool admit(uint32_t service_slot, uint64_t used, uint32_t size) const {
    return (guaranteed_[service_slot] && used < guarantee_) || capacity_ - size > owed_;
  }
  /// Has a service with `used` flows no more than its guarantee?
  bool is_within(uint32_t service_slot, uint64_t used) const { return guaranteed_[service_slot] && used <= guarantee_; }
  void added(uint32_t service_slot, uint64_t used_before) {
    owed_ -= guaranteed_[service_slot] && used_before < guarantee_ ? 1 : 0;
  }
  void removed(uint32_t service_slot, uint64_t used_after) {
    owed_ += guaranteed_[service_slot] && used_after < guarantee_ ? 1 : 0;
  }

 private:
  uint32_t capacity_;
  uint64_t guarantee_ = 0;        ///< flows of each service
  uint64_t owed_ = 0;             ///< what all services together have not taken of their guarantees
  std::vector<bool> guaranteed_;  ///< by service slot: is in the snapshot, and of this table's family
};

}  // namespace weft::l4
