// SPDX-License-Identifier: Apache-2.0
#include "registry-sync/resolve.h"

#include <algorithm>
#include <map>
#include <tuple>

namespace weft::registry {
namespace {

bool wins(const lb::Endpoint& a, const lb::Endpoint& b) {
  return std::tuple(a.state, b.weight, std::string_view(a.name)) <
         std::tuple(b.state, a.weight, std::string_view(b.name));
}

std::vector<lb::Endpoint> endpoints_of(const ServicePort& port, const std::vector<const EndpointSlice*>& slices) {
  std::map<std::string, lb::Endpoint> by_identity;
  for (const EndpointSlice* slice : slices) {
    for (const ServicePort& slice_port : slice->ports) {
      if (slice_port.name != port.name || slice_port.protocol != port.protocol) {
        continue;
      }
      for (const SliceEndpoint& each : slice->endpoints) {
        lb::Endpoint endpoint{.name = each.name,
                              .address = each.address,
                              .port = slice_port.port,
                              .weight = slice->weight,
                              .state = each.state};
        const auto [present, is_new] = by_identity.emplace(endpoint.identity(), endpoint);
        if (!is_new && wins(endpoint, present->second)) {
          present->second = std::move(endpoint);
        }
      }
    }
  }
  std::vector<lb::Endpoint> endpoints;
  for (auto& [identity, endpoint] : by_identity) {
    endpoints.push_back(std::move(endpoint));
  }
  return endpoints;
}

}  // namespace

std::vector<ResolvedPort> resolve(const ResourceSet& resources) {
  std::map<std::string, std::vector<const EndpointSlice*>> slices;
  for (const EndpointSlice& slice : resources.slices) {
    slices[slice.service].push_back(&slice);
  }
  std::vector<ResolvedPort> resolved;
  for (const Service& service : resources.services) {
    if (!service.address) {
      continue;
    }
    const auto own = slices.find(service.metadata.key());
    for (const ServicePort& port : service.ports) {
      resolved.push_back({.service = &service, .port = &port});
      if (own != slices.end()) {
        resolved.back().endpoints = endpoints_of(port, own->second);
      }
    }
  }
  const auto order = [](const ResolvedPort& each) {
    return std::tuple(each.service->metadata.key(), lb::to_host(*each.service->address), each.port->protocol,
                      lb::to_host(each.port->port));
  };
  std::sort(resolved.begin(), resolved.end(),
            [&](const ResolvedPort& a, const ResolvedPort& b) { return order(a) < order(b); });
  return resolved;
}

}  // namespace weft::registry
