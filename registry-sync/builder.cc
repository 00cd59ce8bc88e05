// SPDX-License-Identifier: Apache-2.0
#include "registry-sync/builder.h"

#include <algorithm>

#include "registry-sync/resolve.h"

namespace weft::registry {
namespace {

bool same(const lb::Endpoint& a, const lb::Endpoint& b) {
  return a.name == b.name && a.address == b.address && a.port == b.port && a.weight == b.weight && a.state == b.state &&
         a.slot == b.slot;
}

/// Targets follow from endpoints and table.
bool same(const lb::Service& a, const lb::Service& b) {
  return a.name == b.name && a.port_name == b.port_name && a.address == b.address && a.port == b.port &&
         a.protocol == b.protocol && a.slot == b.slot && a.table == b.table &&
         std::equal(a.endpoints.begin(), a.endpoints.end(), b.endpoints.begin(), b.endpoints.end(),
                    [](const lb::Endpoint& x, const lb::Endpoint& y) { return same(x, y); });
}

bool takes_new_flows(const lb::Endpoint& endpoint) {
  return endpoint.state == lb::EndpointState::ready && endpoint.weight > 0;
}

/// A service port in slot ledgers. With the VIP: a flow that was made for another address is another endpoint's to
/// steer.
std::string identity_of(const lb::Service& service) {
  return service.name + " " + to_string(service.address, service.port) + "/" +
         std::string(lb::to_string(service.protocol));
}

Diagnostic left_out(const ResolvedPort& resolved, const std::string& what, uint32_t limit, const std::string& of_what) {
  const Metadata& metadata = resolved.service->metadata;
  return {.file = metadata.file,
          .line = metadata.line,
          .message = what + " left out: all " + std::to_string(limit) + " slots of " + of_what + " are taken"};
}

/// In the order of the table's members, which is that of the endpoints: both are sorted by identity.
std::vector<lb::Target> targets_of(const lb::Service& service) {
  std::vector<lb::Target> targets;
  for (const lb::Endpoint& endpoint : service.endpoints) {
    if (takes_new_flows(endpoint)) {
      targets.push_back({.address = endpoint.address, .port = endpoint.port, .slot = endpoint.slot});
    }
  }
  return targets;
}

/// Marks the drained and forgets wishes for endpoints that are gone.
void apply(std::set<Drain>& drains, std::vector<ResolvedPort>& ports) {
  std::set<Drain> present;
  for (ResolvedPort& resolved : ports) {
    for (lb::Endpoint& endpoint : resolved.endpoints) {
      Drain drain{.service = resolved.service->metadata.key(), .endpoint = endpoint.address};
      if (drains.contains(drain)) {
        endpoint.state = lb::EndpointState::draining;
        present.insert(std::move(drain));
      }
    }
  }
  drains = std::move(present);
}

}  // namespace

Builder::Builder(uint64_t seed, SlotLimits limits)
    : seed_(seed), limits_(limits), service_slots_(limits.services), endpoint_slots_(limits.endpoints) {}

std::shared_ptr<const lb::MaglevTable> Builder::table_for(const lb::Service& service, uint32_t size) const {
  std::vector<lb::MaglevMember> members;
  for (const lb::Endpoint& endpoint : service.endpoints) {
    if (takes_new_flows(endpoint)) {
      members.push_back({.identity = endpoint.identity(), .weight = endpoint.weight});
    }
  }
  const lb::Service* previous =
      snapshot_ == nullptr ? nullptr : snapshot_->find(service.address, service.port, service.protocol);
  if (previous != nullptr && previous->table->members() == members &&
      (members.empty() || previous->table->size() == size)) {
    return previous->table;
  }
  return std::make_shared<lb::MaglevTable>(std::move(members), size, seed_);
}

void Builder::place_endpoints(lb::Service& service, const std::string& service_identity,
                              std::vector<lb::Endpoint> endpoints, std::unordered_set<std::string>& identities) {
  for (lb::Endpoint& endpoint : endpoints) {
    std::string identity = service_identity + " " + endpoint.identity();
    const std::optional<uint32_t> slot = endpoint_slots_.take(identity);
    if (!slot) {
      continue;
    }
    endpoint.slot = *slot;
    identities.insert(std::move(identity));
    by_slot_.resize(std::max<size_t>(by_slot_.size(), *slot + 1));
    by_slot_[*slot] = {.slot = *slot,
                       .vip = service.address,
                       .vip_port = service.port,
                       .protocol = service.protocol,
                       .address = endpoint.address,
                       .port = endpoint.port};
    service.endpoints.push_back(std::move(endpoint));
  }
}

Builder::Outcome Builder::build(const ResourceSet& resources, std::set<Drain>& drains, const SlotUse& in_use) {
  Outcome outcome;
  const std::vector<TrackedEndpoint> tracked_before = tracked();
  // First of all: only slots that the snapshot in force is already without may be given to others.
  reclaim(in_use);

  std::vector<ResolvedPort> ports = resolve(resources);
  apply(drains, ports);
  std::vector<lb::Service> services;
  std::unordered_set<std::string> service_identities;
  std::unordered_set<std::string> endpoint_identities;
  for (ResolvedPort& resolved : ports) {
    lb::Service service{.name = resolved.service->metadata.key(),
                        .port_name = resolved.port->name,
                        .address = *resolved.service->address,
                        .port = resolved.port->port,
                        .protocol = resolved.port->protocol};
    const std::string identity = identity_of(service);
    const std::optional<uint32_t> service_slot = service_slots_.take(identity);
    if (!service_slot) {
      report(outcome.errors, left_out(resolved, "service " + identity, limits_.services, "services"));
      continue;
    }
    service.slot = *service_slot;
    service_identities.insert(identity);
    const size_t endpoints = resolved.endpoints.size();
    place_endpoints(service, identity, std::move(resolved.endpoints), endpoint_identities);
    if (const size_t missing = endpoints - service.endpoints.size(); missing > 0) {
      report(outcome.errors, left_out(resolved, std::to_string(missing) + " endpoints of service " + identity,
                                      limits_.endpoints, "endpoints"));
    }
    service.table = table_for(service, resolved.service->table_size);
    service.targets = targets_of(service);
    services.push_back(std::move(service));
  }
  service_slots_.retain(service_identities);
  endpoint_slots_.retain(endpoint_identities);

  const bool unchanged = snapshot_ != nullptr && services.size() == snapshot_->services().size() &&
                         std::equal(services.begin(), services.end(), snapshot_->services().begin(),
                                    [](const lb::Service& a, const lb::Service& b) { return same(a, b); });
  if (!unchanged) {
    const uint64_t epoch = snapshot_ == nullptr ? 1 : snapshot_->epoch() + 1;
    snapshot_ = std::make_shared<lb::Snapshot>(epoch, seed_, std::move(services));
  }
  outcome.changed = !unchanged || tracked() != tracked_before;
  return outcome;
}

bool Builder::reclaim(const SlotUse& in_use) {
  const auto tell = [](const std::vector<uint32_t>& slots, const std::function<void(uint32_t)>& freed) {
    if (freed) {
      std::for_each(slots.begin(), slots.end(), freed);
    }
    return !slots.empty();
  };
  tell(service_slots_.reclaim(in_use.services), in_use.service_freed);
  return tell(endpoint_slots_.reclaim(in_use.endpoints), in_use.endpoint_freed);
}

std::vector<TrackedEndpoint> Builder::tracked() const {
  std::vector<bool> in_snapshot(by_slot_.size());
  if (snapshot_ != nullptr) {
    for (const lb::Service& service : snapshot_->services()) {
      for (const lb::Endpoint& endpoint : service.endpoints) {
        in_snapshot[endpoint.slot] = true;
      }
    }
  }
  std::vector<TrackedEndpoint> result;
  for (uint32_t slot = 0; slot < by_slot_.size(); ++slot) {
    const bool lingers = endpoint_slots_.lingering().contains(slot);
    if (lingers || in_snapshot[slot]) {
      result.push_back(by_slot_[slot]);
      result.back().lingering = lingers;
    }
  }
  return result;
}

}  // namespace weft::registry
