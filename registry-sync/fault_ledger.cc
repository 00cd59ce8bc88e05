// SPDX-License-Identifier: Apache-2.0
#include "registry-sync/fault_ledger.h"

namespace weft::registry {

std::optional<lb::Fault> FaultLedger::numbered(lb::Fault fault) {
  const std::string identity = identity_of(fault);
  if (const auto known = known_.find(identity); known != known_.end()) {
    fault.number = known->second.number;
    fault.id = known->second.id;
    if (fault != known->second) {
      fault.id = ++last_id_;
      known->second = fault;
    }
    return fault;
  }
  while (taken_.contains(fault.number)) {
    ++fault.number;
  }
  if (fault.number >= lb::Fault::kMost) {
    return std::nullopt;
  }
  fault.id = ++last_id_;
  taken_.insert(fault.number);
  known_.emplace(identity, fault);
  return fault;
}

void FaultLedger::keep(const std::set<std::string>& identities) {
  std::erase_if(known_, [&](const auto& each) {
    if (identities.contains(each.first)) {
      return false;
    }
    taken_.erase(each.second.number);
    return true;
  });
}

}  // namespace weft::registry
