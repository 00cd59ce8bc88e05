// SPDX-License-Identifier: Apache-2.0
#include "registry-sync/caller_ledger.h"

#include <algorithm>

namespace weft::registry {
namespace {

/// As Istio calls a workload of the default trust domain; in place of its service account stands its service.
std::string principal_of(const std::string& service) {
  const size_t slash = service.find('/');
  return "cluster.local/ns/" + service.substr(0, slash) + "/sa/" + service.substr(slash + 1);
}

}  // namespace

void CallerLedger::replace(const std::string& service, const Slices& before, const Slices& after) {
  const auto count_all = [&](const Slices& slices, const Slices& but, int sign) {
    for (const auto& slice : slices) {
      if (std::find(but.begin(), but.end(), slice) == but.end()) {
        for (const SliceEndpoint& endpoint : slice->endpoints) {
          count(endpoint.address, service, sign);
        }
      }
    }
  };
  count_all(after, before, 1);  // who stays does not leave meanwhile
  count_all(before, after, -1);
}

void CallerLedger::count(const lb::Address& address, const std::string& service, int sign) {
  std::map<std::string, uint32_t>& services = uses_[address];
  uint32_t& uses = services[service];
  uses += static_cast<uint32_t>(sign);
  if (uses == (sign > 0 ? 1U : 0U)) {
    changed_.insert(address);
  }
  if (uses == 0) {
    services.erase(service);
  }
  if (services.empty()) {
    uses_.erase(address);
  }
}

std::shared_ptr<const lb::Caller> CallerLedger::caller_of(const std::map<std::string, uint32_t>& services) {
  std::weak_ptr<const lb::Caller>* const known = services.size() == 1 ? &callers_[services.begin()->first] : nullptr;
  if (std::shared_ptr<const lb::Caller> caller = known == nullptr ? nullptr : known->lock()) {
    return caller;
  }
  lb::Caller made;
  for (const auto& [service, uses] : services) {  // sorted, and so are both lists
    const std::string name_space = service.substr(0, service.find('/'));
    if (made.namespaces.empty() || made.namespaces.back() != name_space) {
      made.namespaces.push_back(name_space);
    }
    made.principals.push_back(principal_of(service));
  }
  auto caller = std::make_shared<const lb::Caller>(std::move(made));
  if (known != nullptr) {
    *known = caller;
  }
  return caller;
}

std::vector<lb::CallerTable::Edit> CallerLedger::take_edits() {
  std::vector<lb::CallerTable::Edit> edits;
  for (const lb::Address& address : changed_) {
    const auto uses = uses_.find(address);
    edits.push_back({.address = address, .caller = uses == uses_.end() ? nullptr : caller_of(uses->second)});
  }
  changed_.clear();
  std::erase_if(callers_, [](const auto& each) { return each.second.expired(); });
  return edits;
}

}  // namespace weft::registry
