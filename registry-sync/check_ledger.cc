// SPDX-License-Identifier: Apache-2.0
#include "registry-sync/check_ledger.h"

#include <algorithm>

namespace weft::registry {
namespace {

/// Nothing that is connected to answers at a UDP port.
bool can_check(const ResolvedPort& resolved) {
  return resolved.check != nullptr && (resolved.port->protocol == lb::Protocol::tcp || resolved.check->port != 0);
}

}  // namespace

void CheckLedger::apply(const std::string& service, std::vector<ResolvedPort>& ports) {
  const auto known = services_.find(service);
  const bool any = std::any_of(ports.begin(), ports.end(), can_check);
  if (!any && known == services_.end()) {
    return;
  }
  Targets before;
  if (known != services_.end()) {
    before = std::move(known->second);
  }
  Targets after;
  bool changed = false;
  for (ResolvedPort& resolved : ports) {
    for (Candidate& each : resolved.endpoints) {
      if (!can_check(resolved)) {
        break;
      }
      lb::Endpoint& endpoint = each.endpoint;
      const Key key{.port_name = resolved.port->name, .address = endpoint.address, .port = endpoint.port};
      auto at = after.find(key);
      if (at == after.end()) {
        CheckTarget target{.service = service,
                           .port_name = resolved.port->name,
                           .name = endpoint.name,
                           .address = endpoint.address,
                           .port = endpoint.port,
                           .check = resolved.check};
        Entry entry;
        if (auto old = before.extract(key)) {
          entry = std::move(old.mapped());
          target.id = entry.target.id;
          changed |= !(target == entry.target);
        } else {
          target.id = ++last_id_;
          places_.emplace(target.id, std::pair(service, key));
          changed = true;
        }
        entry.target = std::move(target);
        at = after.emplace(key, std::move(entry)).first;
      }
      if (at->second.failed) {
        endpoint.state = lb::EndpointState::not_ready;
      }
    }
  }
  for (const auto& [key, entry] : before) {
    places_.erase(entry.target.id);
    changed = true;
  }
  if (after.empty()) {
    services_.erase(service);
  } else {
    services_[service] = std::move(after);
  }
  if (changed) {
    changed_.insert(service);
  }
}

std::optional<std::string> CheckLedger::judge(const CheckVerdict& verdict) {
  const auto place = places_.find(verdict.id);
  if (place == places_.end()) {
    return std::nullopt;
  }
  const auto& [service, key] = place->second;
  Entry& entry = services_[service].at(key);
  if (entry.failed == verdict.failed) {
    return std::nullopt;
  }
  entry.failed = verdict.failed;
  return service;
}

CheckChanges CheckLedger::take_changes() {
  CheckChanges changes;
  for (const std::string& service : changed_) {
    std::vector<CheckTarget>& targets = changes[service];
    if (const auto known = services_.find(service); known != services_.end()) {
      for (const auto& [key, entry] : known->second) {
        targets.push_back(entry.target);
      }
    }
  }
  changed_.clear();
  return changes;
}

}  // namespace weft::registry
