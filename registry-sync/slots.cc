// SPDX-License-Identifier: Apache-2.0
#include "registry-sync/slots.h"

namespace weft::registry {

std::optional<uint32_t> SlotLedger::take(const std::string& identity) {
  if (const auto known = slots_.find(identity); known != slots_.end()) {
    lingering_.erase(known->second);
    return known->second;
  }
  uint32_t slot = static_cast<uint32_t>(owners_.size());
  if (!free_.empty()) {
    slot = *free_.begin();
    free_.erase(free_.begin());
  } else if (slot < capacity_) {
    owners_.push_back(nullptr);
  } else {
    return std::nullopt;
  }
  owners_[slot] = &slots_.emplace(identity, slot).first->first;
  return slot;
}

std::vector<uint32_t> SlotLedger::reclaim(const InUse& in_use) {
  std::vector<uint32_t> freed;
  for (uint32_t slot : lingering_) {
    if (!in_use || !in_use(slot)) {
      freed.push_back(slot);
    }
  }
  for (uint32_t slot : freed) {
    lingering_.erase(slot);
    slots_.erase(slots_.find(*owners_[slot]));
    owners_[slot] = nullptr;
    free_.insert(slot);
  }
  return freed;
}

}  // namespace weft::registry
