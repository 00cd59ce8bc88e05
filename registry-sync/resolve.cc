// SPDX-License-Identifier: Apache-2.0
#include "registry-sync/resolve.h"

#include <algorithm>
#include <map>
#include <set>
#include <tuple>

#include "registry-sync/attach.h"
#include "registry-sync/request_policy.h"

namespace weft::registry {
namespace {

bool wins(const Candidate& a, const Candidate& b) {
  const lb::Endpoint& x = a.endpoint;
  const lb::Endpoint& y = b.endpoint;
  return std::tuple(x.state, y.weight, std::string_view(x.name), b.near, std::string_view(x.zone)) <
         std::tuple(y.state, x.weight, std::string_view(y.name), a.near, std::string_view(y.zone));
}

/// @param zone that the service prefers; empty: none
bool is_near(const SliceEndpoint& endpoint, const std::string& zone) {
  if (zone.empty()) {
    return true;
  }
  const std::vector<std::string>& hints = endpoint.for_zones;
  return hints.empty() ? endpoint.zone == zone : std::find(hints.begin(), hints.end(), zone) != hints.end();
}

/// Names of the instances that have an address of the family.
std::set<std::string_view> names_in(const ServiceResources& resources, lb::Family family) {
  std::set<std::string_view> names;
  for (const auto& slice : resources.slices) {
    for (const SliceEndpoint& endpoint : slice->endpoints) {
      if (slice->family == family && endpoint.has_name) {
        names.insert(endpoint.name);
      }
    }
  }
  return names;
}

std::vector<Candidate> endpoints_of(const ResolvedPort& resolved, const Service& service,
                                    const ServiceResources& resources, const std::string& zone) {
  const lb::Family family = resolved.address.family();
  const bool both_families = resolved.policy.mode == lb::Mode::dsr || resolved.policy.mode == lb::Mode::proxy;
  const std::set<std::string_view> own = both_families ? names_in(resources, family) : std::set<std::string_view>{};
  std::map<std::string, Candidate> by_identity;
  for (const auto& slice : resources.slices) {
    if (slice->family != family && !both_families) {
      continue;
    }
    for (const ServicePort& slice_port : slice->ports) {
      if (slice_port.name != resolved.port->name || slice_port.protocol != resolved.port->protocol) {
        continue;
      }
      for (const SliceEndpoint& each : slice->endpoints) {
        if (slice->family != family && each.has_name && own.contains(each.name)) {
          continue;
        }
        const lb::EndpointState state = service.publish_not_ready ? lb::EndpointState::ready : each.state;
        Candidate candidate{.endpoint = {.name = each.name,
                                         .zone = each.zone,
                                         .address = each.address,
                                         .port = slice_port.port,
                                         .weight = slice->weight,
                                         .state = state,
                                         .said = state},
                            .near = is_near(each, zone)};
        const auto [present, is_new] = by_identity.emplace(candidate.endpoint.identity(), candidate);
        if (!is_new && wins(candidate, present->second)) {
          present->second = std::move(candidate);
        }
      }
    }
  }
  std::vector<Candidate> endpoints;
  endpoints.reserve(by_identity.size());
  for (auto& [identity, candidate] : by_identity) {
    endpoints.push_back(std::move(candidate));
  }
  return endpoints;
}

/// Also the zone that the port prefers.
std::string apply_policy(const Service& service, const ServicePolicy* own, const TrafficPolicy* traffic,
                         const std::string& zone, ResolvedPort& resolved) {
  static const ServicePolicy kNone;
  static const TrafficPolicy kNothing;
  const ServicePolicy& said = own == nullptr ? kNone : *own;
  const TrafficPolicy& asked = traffic == nullptr ? kNothing : *traffic;
  resolved.policy = said.policy;
  resolved.policy.affinity_s = service.affinity_s;
  // Not both: validate() refuses that.
  const std::vector<lb::Prefix>& allow = service.source_ranges.empty() ? said.allow : service.source_ranges;
  if (!allow.empty() || !said.deny.empty()) {
    resolved.policy.sources = std::make_shared<lb::SourceRanges>(
        lb::SourceRanges{.allow = lb::PrefixSet(allow), .deny = lb::PrefixSet(said.deny)});
  }
  resolved.slow_start = said.slow_start.count() > 0 ? said.slow_start : asked.warmup;
  resolved.reset_grace = said.reset_grace;
  resolved.check = said.check ? std::make_shared<const HealthCheck>(*said.check) : nullptr;
  resolved.table_size = asked.table_size.value_or(service.table_size);
  return asked.prefer_own_zone.value_or(service.prefer_own_zone) ? zone : "";
}

void apply_protocol(const Service& service, const ServiceResources& resources, const ServicePolicy* own,
                    const Abilities& abilities, ResolvedPort& resolved) {
  lb::Policy& policy = resolved.policy;
  if (resolved.port->protocol != lb::Protocol::tcp) {
    return;
  }
  resolved.requests = request_policy(service, traffic_policy_of(resources, *resolved.port), own);
  const bool routed = any_route_at(resources, *resolved.port);
  const bool by_itself = resolved.port->carries == PortProtocol::http && (own == nullptr || !own->says_mode) &&
                         abilities.fullnat.contains(resolved.address.family());
  if (routed || by_itself) {
    policy.mode = lb::Mode::proxy;
    policy.max_segment = 0;  // of packets that are translated; whose connections end here find out what fits
  }
  if (policy.mode == lb::Mode::proxy) {
    resolved.http =
        lb::Http{.protocol = routed ? lb::AppProtocol::http : protocol_of(*resolved.port, policy), .routes = nullptr};
  }
}

void resolve_gateway(const Gateway& gateway, std::vector<ResolvedPort>& resolved) {
  // Nobody is balanced among, so the table is as small as one can be.
  static const uint32_t kTableSize = lb::MaglevTable::kSizes[0];
  for (const lb::Address& address : gateway.addresses) {
    for (const ServicePort& port : gateway.ports) {
      ResolvedPort& each = resolved.emplace_back();
      each.name = gateway_key(gateway.metadata.key());
      each.metadata = &gateway.metadata;
      each.port = &port;
      each.address = address;
      each.table_size = kTableSize;
      each.policy.mode = lb::Mode::proxy;
      each.http = lb::Http{.protocol = lb::AppProtocol::http, .routes = nullptr, .at_edge = true};
    }
  }
}

}  // namespace

const ServicePolicy* policy_of(const ServiceResources& resources, const ServicePort& port) {
  const ServicePolicy* of_all = nullptr;
  for (const auto& policy : resources.policies) {
    if (!policy->port.empty() && policy->port == port.name) {
      return policy.get();
    }
    of_all = policy->port.empty() ? policy.get() : of_all;
  }
  return of_all;
}

std::vector<ResolvedPort> resolve(const ServiceResources& resources, const std::string& zone,
                                  const Abilities& abilities) {
  std::vector<ResolvedPort> resolved;
  for (const auto& service : resources.services) {
    for (const lb::Address& address : service->addresses) {
      for (const ServicePort& port : service->ports) {
        ResolvedPort& each = resolved.emplace_back();
        each.name = service->metadata.key();
        each.metadata = &service->metadata;
        each.port = &port;
        each.address = address;
        const ServicePolicy* own = policy_of(resources, port);
        const std::string near = apply_policy(*service, own, traffic_policy_of(resources, port), zone, each);
        apply_protocol(*service, resources, own, abilities, each);
        each.endpoints = endpoints_of(each, *service, resources, near);
      }
    }
  }
  for (const auto& gateway : resources.gateways) {
    resolve_gateway(*gateway, resolved);
  }
  const auto order = [](const ResolvedPort& each) {
    return std::tuple(each.address, each.port->protocol, lb::to_host(each.port->port));
  };
  std::sort(resolved.begin(), resolved.end(),
            [&](const ResolvedPort& a, const ResolvedPort& b) { return order(a) < order(b); });
  return resolved;
}

}  // namespace weft::registry
