// SPDX-License-Identifier: Apache-2.0
#include "registry-sync/builder.h"

#include <algorithm>
#include <unordered_set>

#include "registry-sync/names.h"

namespace weft::registry {
namespace {

bool same(const lb::Endpoint& a, const lb::Endpoint& b) {
  return a.name == b.name && a.zone == b.zone && a.address == b.address && a.port == b.port && a.weight == b.weight &&
         a.state == b.state && a.said == b.said && a.slot == b.slot;
}

/// Of the same address, port and protocol. Targets follow from endpoints and table; whoever makes an Http shares the
/// last one if it says the same.
bool same(const lb::Service& a, const lb::Service& b) {
  return a.port_name == b.port_name && a.slot == b.slot && a.policy == b.policy && a.table == b.table &&
         a.http == b.http && a.requests == b.requests && a.authorization == b.authorization && a.faults == b.faults &&
         a.inspection == b.inspection &&
         std::equal(a.endpoints.begin(), a.endpoints.end(), b.endpoints.begin(), b.endpoints.end(),
                    [](const lb::Endpoint& x, const lb::Endpoint& y) { return same(x, y); });
}

/// A service port in slot ledgers. With the VIP: a flow that was made for another address is another endpoint's to
/// steer.
std::string identity_of(const lb::Service& service) {
  return service.name + " " + to_string(service.address, service.port) + "/" +
         std::string(lb::to_string(service.protocol));
}

Diagnostic left_out(const ResolvedPort& resolved, const std::string& what, uint32_t limit, const std::string& of_what) {
  return {.file = resolved.metadata->file,
          .line = resolved.metadata->line,
          .message = what + " left out: all " + std::to_string(limit) + " slots of " + of_what + " are taken"};
}

/// Marks the drained.
void apply(const std::set<Drain>& drains, const std::string& service, std::vector<Candidate>& candidates) {
  if (drains.empty()) {
    return;
  }
  for (Candidate& each : candidates) {
    if (drains.contains({.service = service, .endpoint = each.endpoint.address})) {
      each.endpoint.state = lb::EndpointState::draining;
      each.drained = true;
    }
  }
}

/// The table of `previous` if it is right.
std::shared_ptr<const lb::MaglevTable> table_for(const std::vector<Candidate>& candidates,
                                                 const std::vector<Share>& shares, uint32_t size, uint64_t seed,
                                                 const lb::Service* previous) {
  std::vector<lb::MaglevMember> members;
  members.reserve(shares.size());
  for (const Share& share : shares) {
    members.push_back({.identity = candidates[share.candidate].endpoint.identity(), .weight = share.weight});
  }
  if (previous != nullptr && previous->table->members() == members &&
      (members.empty() || previous->table->size() == size)) {
    return previous->table;
  }
  return std::make_shared<lb::MaglevTable>(std::move(members), size, seed);
}

/// Have both the same ports, and the same routes at them?
bool same_frontend(const ServiceResources& a, const ServiceResources& b) {
  return a.services == b.services && a.gateways == b.gateways && a.routes == b.routes;
}

/// With the routes of `previous`: route() looks at them once all services have their slots.
std::shared_ptr<const lb::Http> http_for(const ResolvedPort& resolved, const lb::Service* previous) {
  if (!resolved.http) {
    return nullptr;
  }
  lb::Http http = *resolved.http;
  if (previous != nullptr && previous->http != nullptr) {
    http.routes = previous->http->routes;
    http.consumers = previous->http->consumers;
    http.clients = previous->http->clients;
    if (previous->http->protocol == http.protocol) {
      return previous->http;
    }
  }
  return std::make_shared<const lb::Http>(std::move(http));
}

std::shared_ptr<const lb::RequestPolicy> requests_for(const ResolvedPort& resolved, const lb::Service* previous) {
  if (resolved.requests == lb::RequestPolicy{}) {
    return nullptr;
  }
  if (previous != nullptr && previous->requests != nullptr && *previous->requests == resolved.requests) {
    return previous->requests;
  }
  return std::make_shared<const lb::RequestPolicy>(resolved.requests);
}

}  // namespace

Builder::Builder(uint64_t seed, SlotLimits limits, std::string zone, Abilities abilities)
    : seed_(seed),
      limits_(limits),
      zone_(std::move(zone)),
      abilities_(std::move(abilities)),
      service_slots_(limits.services),
      endpoint_slots_(limits.endpoints),
      names_(std::make_shared<const lb::NameTable>(seed)) {
  add_name_servers();
}

void Builder::add_name_servers() {
  constexpr uint16_t kPort = 53;
  std::vector<lb::Address> addresses = abilities_.name_servers;
  std::sort(addresses.begin(), addresses.end());
  for (const lb::Address& address : addresses) {
    for (const lb::Protocol protocol : {lb::Protocol::tcp, lb::Protocol::udp}) {
      lb::Service service{.name = std::string(kNameServers),
                          .port_name = protocol == lb::Protocol::tcp ? "dns-tcp" : "dns",
                          .address = address,
                          .port = lb::port_from_host(kPort),
                          .protocol = protocol,
                          .answers_names = true};
      service.policy.mode = lb::Mode::proxy;
      service.table =
          std::make_shared<lb::MaglevTable>(std::vector<lb::MaglevMember>(), lb::MaglevTable::kSizes[0], seed_);
      const std::optional<uint32_t> slot = service_slots_.take(identity_of(service));
      if (slot) {  // there are more than these few
        service.slot = *slot;
        groups_[std::string(kNameServers)].ports.push_back(
            {.service = std::make_shared<const lb::Service>(std::move(service))});
      }
    }
  }
}

void Builder::rename(Group& group) {
  std::shared_ptr<const lb::NamedService> named = named_service(group.resources);
  const bool is_same = named == nullptr || group.named == nullptr ? named == group.named : *named == *group.named;
  if (!is_same) {
    renamed_.push_back({group.named, named});
    group.named = std::move(named);
  }
}

Builder::Outcome Builder::build(Updates updates, std::set<Drain>& drains, const SlotUse& in_use, Time now) {
  const uint64_t revision = endpoint_slots_.revision();
  // First of all: only slots that the snapshot in force is already without may be given to others.
  reclaim(in_use);
  forget_inspections();
  const std::set<std::string> keys = dirty(updates, drains, now);
  slots_freed_ = false;
  judged_.clear();
  std::vector<std::string> changed = compile_all(keys, updates, drains, now);
  for (std::string& key : inject_all(keys, now)) {
    changed.push_back(std::move(key));
  }
  for (std::string& key : authorize_all(keys)) {
    changed.push_back(std::move(key));
  }
  if (snapshot_ == nullptr) {
    changed.emplace_back(kNameServers);
  }
  for (const std::string& key : keys) {
    if (groups_[key].resources.empty()) {
      groups_.erase(key);
      faulted_.erase(key);
      faulted_by_source_.erase(key);
      unsure_.erase(key);
    }
  }
  std::erase_if(drains, [&](const Drain& drain) { return !groups_.contains(drain.service); });
  drains_ = drains;
  const bool resets_changed = endpoint_slots_.advance(now);
  const bool is_new = !changed.empty() || !renamed_.empty() || resets_changed || callers_changed_;
  if (is_new) {
    make_snapshot(changed);
  }
  Outcome outcome{.changed = is_new || endpoint_slots_.revision() != revision};
  for (const std::string& key : left_out_) {
    for (const Diagnostic& error : groups_[key].left_out) {
      report(outcome.errors, error);
    }
  }
  for (const std::string& key : unsure_) {
    for (const Diagnostic& error : groups_[key].unsure) {
      report(outcome.errors, error);
    }
  }
  for (const Diagnostic& error : fault_problems_) {
    report(outcome.errors, error);
  }
  return outcome;
}

std::vector<std::string> Builder::compile_all(const std::set<std::string>& keys, Updates& updates,
                                              std::set<Drain>& drains, Time now) {
  std::vector<std::string> changed;
  std::set<std::string> routed;  // whose tables are to be looked at, once all have their slots
  for (const std::string& key : keys) {
    const auto update = updates.find(key);
    Group& group = groups_[key];
    const size_t ports = group.ports.size();
    // An endpoint's change is not worth looking through routes, of which there may be thousands.
    bool same_routes =
        std::none_of(group.tables.begin(), group.tables.end(), [](const Table& t) { return !t.problem.empty(); });
    if (update != updates.end()) {
      same_routes = same_routes && same_frontend(group.resources, update->second);
      if (client_ledger_) {
        client_ledger_->replace(key.substr(0, key.find('/')), group.resources.slices, update->second.slices);
      }
      if (caller_ledger_) {
        caller_ledger_->replace(key, group.resources.slices, update->second.slices);
      }
      group.resources = std::move(update->second);
      if (!abilities_.name_servers.empty()) {  // else nobody would ask for it
        rename(group);
      }
    }
    if (compile(key, group, drains, now)) {
      changed.push_back(key);
    }
    same_routes = same_routes && ports == group.ports.size();
    if (!same_routes && (!group.tables.empty() || group.takes_routes())) {
      routed.insert(key);
    }
    if (note_backends(key, group, update != updates.end())) {
      const auto [first, last] = dependents_.equal_range(key);
      std::for_each(first, last, [&](const auto& dependent) { routed.insert(dependent.second); });
    }
  }
  for (const std::string& clients : changed_clients()) {
    const auto [first, last] = dependents_.equal_range(clients);
    std::for_each(first, last, [&](const auto& dependent) { routed.insert(dependent.second); });
  }
  for (const std::string& key : routed) {
    if (route(key, groups_[key])) {
      changed.push_back(key);
    }
  }
  return changed;
}

std::set<std::string> Builder::dirty(const Updates& updates, const std::set<Drain>& drains, Time now) const {
  std::set<std::string> keys = slots_freed_ ? left_out_ : std::set<std::string>();
  for (const auto& [key, resources] : updates) {
    keys.insert(key);
  }
  keys.insert(judged_.begin(), judged_.end());
  for (const auto& [key, at] : next_step_) {
    if (at <= now) {
      keys.insert(key);
    }
  }
  std::vector<Drain> turned;
  std::set_symmetric_difference(drains.begin(), drains.end(), drains_.begin(), drains_.end(),
                                std::back_inserter(turned));
  for (const Drain& drain : turned) {
    if (groups_.contains(drain.service)) {
      keys.insert(drain.service);
    }
  }
  return keys;
}

bool Builder::compile(const std::string& key, Group& group, std::set<Drain>& drains, Time now) {
  group.left_out.clear();
  next_step_.erase(key);
  std::vector<Port> ports;
  std::set<lb::Address> addresses;
  std::vector<ResolvedPort> all = resolve(group.resources, zone_, abilities_);
  const bool asks = std::any_of(all.begin(), all.end(), [](const ResolvedPort& each) {
    const std::vector<lb::RequestLimit>& limits = each.requests.limits;
    return !each.requests.callers.empty() ||
           std::any_of(limits.begin(), limits.end(),
                       [](const lb::RequestLimit& limit) { return limit.by == lb::RequestLimit::By::service; });
  });
  if (asks) {
    limited_by_service_.insert(key);
  } else {
    limited_by_service_.erase(key);
  }
  checks_.apply(key, all);
  for (ResolvedPort& resolved : all) {
    for (const Candidate& each : resolved.endpoints) {
      addresses.insert(each.endpoint.address);
    }
    if (std::optional<Port> port = compile_port(resolved, group, drains, now)) {
      ports.push_back(std::move(*port));
    }
  }
  std::erase_if(drains,
                [&](const Drain& drain) { return drain.service == key && !addresses.contains(drain.endpoint); });
  if (group.left_out.empty()) {
    left_out_.erase(key);
  } else {
    left_out_.insert(key);
  }
  const bool changed = !std::equal(ports.begin(), ports.end(), group.ports.begin(), group.ports.end(),
                                   [](const Port& a, const Port& b) { return a.service == b.service; });
  if (changed) {
    retire(group.ports, ports, now);
  }
  group.ports = std::move(ports);
  return changed;
}

std::optional<Builder::Port> Builder::compile_port(ResolvedPort& resolved, Group& group, std::set<Drain>& drains,
                                                   Time now) {
  lb::Service service{.name = resolved.name,
                      .port_name = resolved.port->name,
                      .address = resolved.address,
                      .port = resolved.port->port,
                      .protocol = resolved.port->protocol,
                      .policy = resolved.policy};
  const std::string identity = identity_of(service);
  const std::optional<uint32_t> slot = service_slots_.take(identity);
  if (!slot) {
    group.left_out.push_back(left_out(resolved, "service " + identity, limits_.services, "services"));
    return std::nullopt;
  }
  service.slot = *slot;
  std::vector<Candidate>& candidates = resolved.endpoints;
  apply(drains, service.name, candidates);
  const size_t wanted = candidates.size();
  place_endpoints(service, identity, candidates);
  if (const size_t missing = wanted - candidates.size(); missing > 0) {
    group.left_out.push_back(left_out(resolved, std::to_string(missing) + " endpoints of service " + identity,
                                      limits_.endpoints, "endpoints"));
  }
  endpoint_slots_.warm(candidates, resolved.slow_start, now);
  const Choice choice = choose(candidates, resolved.slow_start, now);
  if (choice.next_step) {
    const auto [present, is_first] = next_step_.emplace(service.name, *choice.next_step);
    present->second = std::min(present->second, *choice.next_step);
  }
  const auto previous = std::find_if(group.ports.begin(), group.ports.end(), [&](const Port& port) {
    return port.service->address == service.address && port.service->port == service.port &&
           port.service->protocol == service.protocol;
  });
  const lb::Service* before = previous == group.ports.end() ? nullptr : previous->service.get();
  service.http = http_for(resolved, before);
  service.requests = requests_for(resolved, before);
  service.authorization = before == nullptr ? nullptr : before->authorization;  // until authorize() looks at it,
  service.inspection = before == nullptr ? nullptr : before->inspection;        // inspect() at this,
  service.faults = before == nullptr ? nullptr : before->faults;                // and inject() at these
  service.table = table_for(candidates, choice.shares, resolved.table_size, seed_, before);
  // In the order of the table's members, which is that of the candidates: both are sorted by identity.
  for (const Share& share : choice.shares) {
    const lb::Endpoint& endpoint = candidates[share.candidate].endpoint;
    service.targets.push_back({.address = endpoint.address, .port = endpoint.port, .slot = endpoint.slot});
  }
  service.endpoints.reserve(candidates.size());
  for (Candidate& each : candidates) {
    service.endpoints.push_back(std::move(each.endpoint));
  }
  if (before != nullptr && same(service, *before)) {
    return Port{.service = previous->service, .reset_grace = resolved.reset_grace};
  }
  return Port{.service = std::make_shared<const lb::Service>(std::move(service)), .reset_grace = resolved.reset_grace};
}

/// Those that get no slot are left out.
void Builder::place_endpoints(const lb::Service& service, const std::string& identity,
                              std::vector<Candidate>& candidates) {
  std::vector<Candidate> placed;
  placed.reserve(candidates.size());
  for (Candidate& each : candidates) {
    const std::optional<uint32_t> slot =
        endpoint_slots_.take(identity + " " + each.endpoint.identity(), {.vip = service.address,
                                                                         .vip_port = service.port,
                                                                         .protocol = service.protocol,
                                                                         .address = each.endpoint.address,
                                                                         .port = each.endpoint.port});
    if (slot) {
      each.endpoint.slot = *slot;
      placed.push_back(std::move(each));
    }
  }
  candidates = std::move(placed);
}

void Builder::retire(const std::vector<Port>& before, const std::vector<Port>& now_in_force, Time now) {
  std::unordered_set<uint32_t> services;
  std::unordered_set<uint32_t> endpoints;
  for (const Port& port : now_in_force) {
    services.insert(port.service->slot);
    endpoint_count_ += port.service->endpoints.size();
    for (const lb::Endpoint& endpoint : port.service->endpoints) {
      endpoints.insert(endpoint.slot);
    }
  }
  for (const Port& port : before) {
    if (!services.contains(port.service->slot)) {
      service_slots_.release(port.service->slot);
    }
    endpoint_count_ -= port.service->endpoints.size();
    for (const lb::Endpoint& endpoint : port.service->endpoints) {
      if (!endpoints.contains(endpoint.slot)) {
        // By the policy under which it was removed, not by the one that may have come with the removal.
        const bool reset = port.service->policy.removal == lb::Removal::reset;
        endpoint_slots_.release(endpoint.slot, reset ? std::optional(now + port.reset_grace) : std::nullopt);
      }
    }
  }
}

/// Only a group that has more or fewer ports than before makes a walk over all groups necessary.
lb::ServiceList::Shared Builder::services(const lb::Snapshot& before, const std::vector<std::string>& changed) const {
  lb::ServiceList::Shared services = before.services().shared();
  const auto by_name = [](const auto& service, const std::string& name) { return service->name < name; };
  for (const std::string& key : changed) {
    const auto group = groups_.find(key);
    const size_t count = group == groups_.end() ? 0 : group->second.ports.size();
    const auto first = std::lower_bound(services.begin(), services.end(), key, by_name);
    const auto last = std::find_if(first, services.end(), [&](const auto& service) { return service->name != key; });
    if (static_cast<size_t>(last - first) != count) {
      return all_services();
    }
    for (size_t i = 0; i < count; ++i) {
      first[static_cast<std::ptrdiff_t>(i)] = group->second.ports[i].service;
    }
  }
  return services;
}

lb::ServiceList::Shared Builder::all_services() const {
  lb::ServiceList::Shared services;
  for (const auto& [key, group] : groups_) {
    for (const Port& port : group.ports) {
      services.push_back(port.service);
    }
  }
  return services;
}

void Builder::make_snapshot(const std::vector<std::string>& changed) {
  const auto before = snapshot_ == nullptr
                          ? std::make_shared<const lb::Snapshot>(0, seed_, std::vector<lb::Service>(),
                                                                 std::vector<uint32_t>(), limits_.workers)
                          : snapshot_;
  if (!renamed_.empty()) {
    names_ = names_->with(renamed_);
    renamed_.clear();
  }
  const std::set<uint32_t>& resets = endpoint_slots_.resets();
  snapshot_ =
      std::make_shared<const lb::Snapshot>(*before, before->epoch() + 1, lb::ServiceList(services(*before, changed)),
                                           std::vector<uint32_t>(resets.begin(), resets.end()), names_, callers_);
  callers_changed_ = false;
}

bool Builder::judge(const std::vector<CheckVerdict>& verdicts) {
  for (const CheckVerdict& verdict : verdicts) {
    if (std::optional<std::string> service = checks_.judge(verdict)) {
      judged_.insert(std::move(*service));
    }
  }
  return !judged_.empty();
}

bool Builder::reclaim(const SlotUse& in_use) {
  const auto tell = [](const std::vector<uint32_t>& slots, const std::function<void(uint32_t)>& freed) {
    if (freed) {
      std::for_each(slots.begin(), slots.end(), freed);
    }
    return !slots.empty();
  };
  const bool services_freed = tell(service_slots_.reclaim(in_use.services), in_use.service_freed);
  const bool endpoints_freed = tell(endpoint_slots_.reclaim(in_use.endpoints), in_use.endpoint_freed);
  slots_freed_ |= services_freed || endpoints_freed;
  return endpoints_freed;
}

std::optional<Time> Builder::next_deadline() const {
  std::optional<Time> next = endpoint_slots_.next_reset();
  for (const auto& [key, at] : next_step_) {
    next = std::min(next.value_or(at), at);
  }
  for (const auto& [name, live] : live_faults_) {
    next = std::min(next.value_or(live.until), live.until);
  }
  if (!live_turned_.empty()) {
    next = Time();  // some were ended, and services have them yet
  }
  return next;
}

}  // namespace weft::registry
