// SPDX-License-Identifier: Apache-2.0
#include "registry-sync/names.h"

#include <algorithm>
#include <map>

namespace weft::registry {
namespace {

std::string host_of(const SliceEndpoint& endpoint) {
  if (!endpoint.host.empty()) {
    return endpoint.host;
  }
  std::string host = to_string(endpoint.address);
  std::replace_if(
      host.begin(), host.end(), [](char c) { return c == '.' || c == ':'; }, '-');
  return host;
}

void add_endpoints(const Service& service, const ServiceResources& resources, lb::NamedService& named) {
  std::map<std::pair<std::string, lb::Address>, std::vector<lb::Port>> found;
  for (const auto& slice : resources.slices) {
    std::vector<lb::Port> ports;
    for (const lb::NamedPort& port : named.ports) {
      const auto same = std::find_if(slice->ports.begin(), slice->ports.end(), [&](const ServicePort& each) {
        return each.name == port.name && each.protocol == port.protocol;
      });
      ports.push_back(same == slice->ports.end() ? lb::Port{} : same->port);
    }
    for (const SliceEndpoint& endpoint : slice->endpoints) {
      if (endpoint.state != lb::EndpointState::ready && !service.publish_not_ready) {
        continue;
      }
      // In two slices while it moves from one to the other: whatever the order, it has the higher port.
      std::vector<lb::Port>& known = found[{host_of(endpoint), endpoint.address}];
      known.resize(ports.size());
      std::transform(known.begin(), known.end(), ports.begin(), known.begin(),
                     [](lb::Port a, lb::Port b) { return to_host(a) < to_host(b) ? b : a; });
    }
  }
  for (auto& [host_at, ports] : found) {
    named.endpoints.push_back({.host = host_at.first, .address = host_at.second, .ports = std::move(ports)});
    if (host_at.second.is_ipv4()) {
      named.ipv4.push_back(host_at.second.ipv4());
    } else {
      named.ipv6.push_back(host_at.second.ipv6());
    }
  }
}

template <typename A>
void sort_and_unite(std::vector<A>& addresses) {
  std::sort(addresses.begin(), addresses.end());
  addresses.erase(std::unique(addresses.begin(), addresses.end()), addresses.end());
  addresses.shrink_to_fit();
}

}  // namespace

std::shared_ptr<const lb::NamedService> named_service(const ServiceResources& resources) {
  if (resources.services.empty()) {
    return nullptr;
  }
  const Service& service = *resources.services[0];
  auto named = std::make_shared<lb::NamedService>();
  named->name = lb::wire_name(service.metadata.name, service.metadata.name_space);
  for (const ServicePort& port : service.ports) {
    if (!port.name.empty()) {
      named->ports.push_back({.name = port.name, .protocol = port.protocol, .port = port.port});
    }
  }
  named->headless = service.addresses.empty();
  if (named->headless) {
    add_endpoints(service, resources, *named);
  }
  for (const lb::Address& address : service.addresses) {
    if (address.is_ipv4()) {
      named->ipv4.push_back(address.ipv4());
    } else {
      named->ipv6.push_back(address.ipv6());
    }
  }
  sort_and_unite(named->ipv4);
  sort_and_unite(named->ipv6);
  named->arrange();
  return named;
}

}  // namespace weft::registry
