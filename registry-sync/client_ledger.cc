// SPDX-License-Identifier: Apache-2.0
#include "registry-sync/client_ledger.h"

#include <algorithm>

namespace weft::registry {

void ClientLedger::replace(const std::string& name_space, const Slices& before, const Slices& after) {
  // Unchanged documents are the same objects. What comes is counted first: who stays does not leave meanwhile.
  const auto count_all = [&](const Slices& slices, const Slices& but, int sign) {
    for (const auto& slice : slices) {
      if (std::find(but.begin(), but.end(), slice) == but.end()) {
        for (const SliceEndpoint& endpoint : slice->endpoints) {
          count(endpoint.address, name_space, sign);
        }
      }
    }
  };
  count_all(after, before, 1);
  count_all(before, after, -1);
}

std::vector<std::pair<lb::Address, std::string>> ClientLedger::clients_of(
    const std::set<std::string>& namespaces) const {
  std::vector<std::pair<lb::Address, std::string>> clients;
  for (const auto& [address, counts] : uses_) {
    if (counts.size() == 1 && namespaces.contains(counts.begin()->first)) {
      clients.emplace_back(address, counts.begin()->first);
    }
  }
  return clients;
}

void ClientLedger::count(const lb::Address& address, const std::string& name_space, int sign) {
  std::map<std::string, uint32_t>& counts = uses_[address];
  uint32_t& own = counts[name_space];
  own += static_cast<uint32_t>(sign);
  if (own == (sign > 0 ? 1U : 0U)) {
    for (const auto& [each, uses] : counts) {  // whose alone it was, or is now
      changed_.insert(each);
    }
  }
  if (own == 0) {
    counts.erase(name_space);
  }
  if (counts.empty()) {
    uses_.erase(address);
  }
}

}  // namespace weft::registry
