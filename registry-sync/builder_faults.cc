// SPDX-License-Identifier: Apache-2.0
/// @file The part of the builder that gives services their faults: those of the registry, and those that somebody has
/// started for a while.
#include <algorithm>
#include <utility>

#include "lb/fault.h"
#include "registry-sync/builder.h"

namespace weft::registry {
namespace {

lb::Fault fault_of(const FaultInjection& injection, const LiveFault* live) {
  lb::Fault fault = injection.fault;
  fault.name = live == nullptr ? injection.metadata.key() : injection.metadata.name;
  fault.is_live = live != nullptr;
  fault.until_ns = live == nullptr ? 0 : live->until_ns;
  return fault;
}

bool is_for(const FaultInjection& injection, const lb::Service& service) {
  return !injection.port || *injection.port == lb::to_host(service.port);
}

std::string called_by(const FaultInjection& injection) {
  switch (injection.kind) {
    case FaultInjection::Kind::gateway:
      return "Gateway " + injection.target;
    case FaultInjection::Kind::route:
      return "HTTPRoute " + injection.target;
    case FaultInjection::Kind::service:
      break;
  }
  return "service " + injection.target;
}

}  // namespace

/// All that a group's requests, connections and packets may meet: of the registry by name, and then live ones by name.
std::vector<Builder::Injected> Builder::faults_about(const std::string& key, const Group& group) const {
  std::set<std::string> keys = {key};
  for (const auto& route : group.resources.routes) {
    keys.insert(route_faults_key(route->metadata.key()));
  }
  std::vector<Injected> all;
  for (const std::string& each : keys) {
    const auto at = groups_.find(each);
    if (at != groups_.end()) {
      for (const auto& injection : at->second.resources.faults) {
        all.push_back({injection.get(), nullptr});
      }
    }
  }
  std::sort(all.begin(), all.end(),
            [](const Injected& a, const Injected& b) { return a.what->metadata.key() < b.what->metadata.key(); });
  for (const auto& [name, live] : live_faults_) {
    if (keys.contains(live.what.key())) {
      all.push_back({&live.what, &live});
    }
  }
  return all;
}

/// And all that has one of these HTTPRoutes.
std::set<std::string> Builder::with_routes_of(std::set<std::string> all) const {
  std::set<std::string> routes;
  for (const std::string& key : all) {
    if (key.starts_with(route_faults_key(""))) {
      routes.insert(key.substr(route_faults_key("").size()));
    }
  }
  if (!routes.empty()) {
    for (const auto& [key, group] : groups_) {
      const auto& own = group.resources.routes;
      if (std::any_of(own.begin(), own.end(),
                      [&](const auto& each) { return routes.contains(each->metadata.key()); })) {
        all.insert(key);
      }
    }
  }
  return all;
}

bool Builder::inject(const std::string& key, Group& group) {
  const std::vector<Injected> about = faults_about(key, group);
  const bool asks =
      std::any_of(about.begin(), about.end(), [](const Injected& each) { return !each.what->fault.from.empty(); });
  if (asks) {
    faulted_by_source_.insert(key);
  } else {
    faulted_by_source_.erase(key);
  }
  bool changed = false;
  bool any = false;
  for (Port& port : group.ports) {
    lb::Faults faults;
    for (const auto& [injection, live] : about) {
      if (!is_for(*injection, *port.service) || !carrying_problem(*injection, carrier_of(*port.service)).empty()) {
        continue;
      }
      if (std::optional<lb::Fault> fault = fault_ledger_.numbered(fault_of(*injection, live))) {
        faults.push_back(std::move(*fault));
      } else {
        without_number_.insert(key);
        report(fault_problems_, {.file = injection->metadata.file,
                                 .line = injection->metadata.line,
                                 .message = "FaultInjection " + injection->metadata.key() + " is left out: there are " +
                                            std::to_string(lb::Fault::kMost) + " others"});
      }
    }
    any |= !faults.empty();
    const std::shared_ptr<const lb::Faults>& current = port.service->faults;
    if (current == nullptr ? !faults.empty() : *current != faults) {
      lb::Service service = *port.service;
      service.faults = faults.empty() ? nullptr : std::make_shared<const lb::Faults>(std::move(faults));
      port.service = std::make_shared<const lb::Service>(std::move(service));
      changed = true;
    }
  }
  if (any) {
    faulted_.insert(key);
  } else {
    faulted_.erase(key);
  }
  return changed;
}

void Builder::end_live_faults(Time now) {
  std::erase_if(live_faults_, [&](const auto& each) {
    if (each.second.until > now) {
      return false;
    }
    live_turned_.insert(each.second.what.key());
    return true;
  });
}

std::vector<std::string> Builder::inject_all(const std::set<std::string>& keys, Time now) {
  end_live_faults(now);
  for (const std::string& key : keys) {
    const auto group = groups_.find(key);
    if (group == groups_.end() || group->second.resources.faults.empty()) {
      with_faults_.erase(key);
    } else {
      with_faults_.insert(key);
    }
  }
  fault_problems_.clear();
  if (with_faults_.empty() && faulted_.empty() && live_faults_.empty() && live_turned_.empty()) {
    without_number_.clear();
    fault_ledger_.keep({});
    return {};  // as nearly always
  }
  std::vector<std::string> changed;
  const auto inject_those = [&](const std::set<std::string>& those) {
    for (const std::string& key : those) {
      const auto group = groups_.find(key);
      if (group != groups_.end() && key != kNameServers && inject(key, group->second)) {
        changed.push_back(key);
      }
    }
  };
  std::set<std::string> turned = keys;
  turned.insert(live_turned_.begin(), live_turned_.end());
  turned = with_routes_of(std::move(turned));
  turned.merge(std::exchange(without_number_, {}));
  live_turned_.clear();
  fault_ledger_.keep(known_faults());  // numbers of those that are gone are for those that come
  inject_those(turned);
  fault_ledger_.keep(faults_in_force());
  if (!without_number_.empty() && !fault_ledger_.is_full()) {  // some are in force nowhere any more
    fault_problems_.clear();
    inject_those(std::exchange(without_number_, {}));
  }
  tell_unattached();
  return changed;
}

/// Of documents and live ones, wherever they are in force.
std::set<std::string> Builder::known_faults() const {
  std::set<std::string> identities;
  for (const std::string& key : with_faults_) {
    for (const auto& injection : groups_.at(key).resources.faults) {
      identities.insert(FaultLedger::identity_of(fault_of(*injection, nullptr)));
    }
  }
  for (const auto& [name, live] : live_faults_) {
    identities.insert(FaultLedger::identity_of(fault_of(live.what, &live)));
  }
  return identities;
}

std::set<std::string> Builder::faults_in_force() const {
  std::set<std::string> identities;
  for (const std::string& key : faulted_) {
    for (const Port& port : groups_.at(key).ports) {
      if (port.service->faults != nullptr) {
        for (const lb::Fault& fault : *port.service->faults) {
          identities.insert(FaultLedger::identity_of(fault));
        }
      }
    }
  }
  return identities;
}

/// Of faults of HTTPRoutes that nothing serves.
void Builder::tell_unattached() {
  for (const std::string& key : with_faults_) {
    if (!key.starts_with(route_faults_key(""))) {
      continue;
    }
    const std::string route = key.substr(route_faults_key("").size());
    if (!is_attached_anywhere(route)) {
      for (const auto& fault : groups_.at(key).resources.faults) {
        report(fault_problems_, {.file = fault->metadata.file,
                                 .line = fault->metadata.line,
                                 .field = "spec.targetRef",
                                 .message = "no Service or Gateway has an HTTPRoute " + route + " (yet)"});
      }
    }
  }
}

bool Builder::is_attached_anywhere(const std::string& route) const {
  return std::any_of(groups_.begin(), groups_.end(), [&](const auto& each) {
    const auto& own = each.second.resources.routes;
    return !each.second.ports.empty() &&
           std::any_of(own.begin(), own.end(), [&](const auto& known) { return known->metadata.key() == route; });
  });
}

/// What part of a group's traffic a fault is about: with one endpoint of several, by its weight where that is most.
uint32_t Builder::share_at(const FaultInjection& injection, const Group& group) {
  const uint32_t share = injection.fault.share;
  std::optional<uint32_t> most;
  for (const Port& port : group.ports) {
    const lb::Service& service = *port.service;
    if (!injection.fault.killed || !is_for(injection, service) ||
        !carrying_problem(injection, carrier_of(service)).empty()) {
      continue;
    }
    uint64_t own = 0;
    uint64_t all = 0;
    for (uint32_t i = 0; i < service.targets.size(); ++i) {
      const uint32_t weight = service.table->order().weight(i);
      all += weight;
      own += service.targets[i].address == *injection.fault.killed ? weight : 0;
    }
    if (own > 0) {
      most = std::max(most.value_or(0), static_cast<uint32_t>((share * own + all - 1) / all));
    }
  }
  return most.value_or(share);
}

/// Of a group's traffic, what live faults are about that are given to it. @param starting counts too where it is given
uint64_t Builder::live_share_at(const std::string& key, const FaultInjection* starting) const {
  const auto group = groups_.find(key);
  if (group == groups_.end()) {
    return 0;
  }
  uint64_t sum = starting == nullptr ? 0 : share_at(*starting, group->second);
  for (const Injected& each : faults_about(key, group->second)) {
    sum += each.live == nullptr ? 0 : share_at(*each.what, group->second);
  }
  return sum;
}

/// A request meets the faults of the service that it asks, and of the one that a route leads it to. @returns why they
/// would be too much; empty: they are not
std::string Builder::cap_problem(const LiveFault& live, const std::set<std::string>& given) const {
  const auto share = [&](const std::string& key) {
    return live_share_at(key, given.contains(key) ? &live.what : nullptr);
  };
  const auto problem = [&](uint64_t sum, const std::string& where) {
    return sum <= live.most_share
               ? ""
               : "live faults would be about " + lb::percent(static_cast<uint32_t>(sum)) + " of the traffic " + where +
                     "; this node allows for " + lb::percent(live.most_share) + " (faults.max_percentage)";
  };
  for (const std::string& key : given) {
    const uint64_t own = share(key);
    if (std::string why = problem(own, "of " + key); !why.empty()) {
      return why;
    }
    const auto [first, last] = dependents_.equal_range(key);
    for (auto each = first; each != last; ++each) {
      const uint64_t both = each->second == key ? own : own + share(each->second);
      if (std::string why = problem(both, "from " + each->second + " to " + key); !why.empty()) {
        return why;
      }
    }
    if (const auto leads = dependencies_.find(key); leads != dependencies_.end()) {
      for (const std::string& backend : leads->second) {
        const uint64_t both = backend == key ? own : own + share(backend);
        if (std::string why = problem(both, "from " + key + " to " + backend); !why.empty()) {
          return why;
        }
      }
    }
  }
  return "";
}

std::string Builder::start_fault(LiveFault live, Time now) {
  end_live_faults(now);
  const FaultInjection& what = live.what;
  if (live_faults_.contains(what.metadata.name)) {
    return "a live fault " + in_quotes(what.metadata.name) + " is there already: stop it first, or give another name";
  }
  if (fault_ledger_.is_full()) {
    return "there are " + std::to_string(lb::Fault::kMost) + " faults on this node, and there can be no more";
  }
  std::string problem;
  bool any_group = false;
  bool any_port = false;
  bool is_carried = false;
  std::set<std::string> given;
  bool has_endpoint = !what.fault.killed || what.kind != FaultInjection::Kind::service;
  for (const std::string& key : with_routes_of({what.key()})) {
    const auto group = groups_.find(key);
    if (group == groups_.end() || key.starts_with(route_faults_key("")) || group->second.ports.empty()) {
      continue;
    }
    any_group = true;
    for (const Port& port : group->second.ports) {
      if (!is_for(what, *port.service)) {
        continue;
      }
      any_port = true;
      const std::string why = carrying_problem(what, carrier_of(*port.service));
      is_carried |= why.empty();
      if (!why.empty() && problem.empty()) {
        problem = "port " + std::to_string(lb::to_host(port.service->port)) + " of " + called_by(what) +
                  " can't have this fault: " + why;
      }
      for (const lb::Endpoint& endpoint : port.service->endpoints) {
        has_endpoint |= endpoint.address == what.fault.killed;
      }
    }
    given.insert(key);
  }
  if (!any_group) {
    return what.kind == FaultInjection::Kind::route ? "no Service or Gateway has an HTTPRoute " + what.target
                                                    : "there is no " + called_by(what) + ", or it has no address";
  }
  if (!any_port) {
    return called_by(what) + " has no port " + std::to_string(what.port.value_or(0));
  }
  if (!is_carried) {
    return problem;
  }
  if (!has_endpoint) {
    return called_by(what) + " has no endpoint " + lb::to_string(*what.fault.killed);
  }
  if (std::string why = cap_problem(live, given); !why.empty()) {
    return why;
  }
  live_turned_.insert(what.key());
  live_faults_.emplace(what.metadata.name, std::move(live));
  return "";
}

std::string Builder::stop_fault(const std::optional<std::string>& name) {
  if (name && !live_faults_.contains(*name)) {
    std::vector<std::string> names;
    for (const auto& [each, live] : live_faults_) {
      names.push_back(each);
    }
    return "no live fault " + in_quotes(*name) +
           (names.empty() ? "; there are none" : "; there are: " + listed(names, ", "));
  }
  std::erase_if(live_faults_, [&](const auto& each) {
    const bool is_meant = !name || each.first == *name;
    if (is_meant) {
      live_turned_.insert(each.second.what.key());
    }
    return is_meant;
  });
  return "";
}

}  // namespace weft::registry
