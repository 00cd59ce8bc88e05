// SPDX-License-Identifier: Apache-2.0
#include "registry-sync/validate.h"

#include <algorithm>
#include <map>

#include "registry-sync/resolve.h"

namespace weft::registry {
namespace {

/// About a second's work.
constexpr uint64_t kMaxFillSteps = uint64_t{1} << 30;

std::string place(const Metadata& metadata) {
  return escaped(metadata.file, 4096) + ":" + std::to_string(metadata.line);
}

void add(std::vector<Diagnostic>& diagnostics, const Metadata& at, std::string field, std::string message) {
  report(diagnostics, {.file = at.file, .line = at.line, .field = std::move(field), .message = std::move(message)});
}

/// In the order of places, so that messages do not depend on the order of arrival.
template <typename Resource>
std::vector<const Resource*> by_place(const std::vector<Resource>& resources) {
  std::vector<const Resource*> sorted;
  for (const Resource& resource : resources) {
    sorted.push_back(&resource);
  }
  std::stable_sort(sorted.begin(), sorted.end(), [](const Resource* a, const Resource* b) {
    return std::tie(a->metadata.file, a->metadata.line) < std::tie(b->metadata.file, b->metadata.line);
  });
  return sorted;
}

template <typename Resource>
void find_duplicates(std::string_view kind, const std::vector<const Resource*>& resources,
                     std::vector<Diagnostic>& errors) {
  std::map<std::string, const Resource*> seen;
  for (const Resource* resource : resources) {
    const auto [first, is_new] = seen.emplace(resource->metadata.key(), resource);
    if (!is_new) {
      add(errors, resource->metadata, "metadata.name",
          "duplicate " + std::string(kind) + " " + resource->metadata.key() + "; the first is at " +
              place(first->second->metadata));
    }
  }
}

void find_shared_vips(const std::vector<const Service*>& services, std::vector<Diagnostic>& errors) {
  std::map<std::tuple<lb::Ipv4Address, lb::Port, lb::Protocol>, const Service*> seen;
  for (const Service* service : services) {
    if (!service->address) {
      continue;
    }
    for (const ServicePort& port : service->ports) {
      const auto [first, is_new] = seen.emplace(std::tuple(*service->address, port.port, port.protocol), service);
      if (!is_new && first->second->metadata.key() != service->metadata.key()) {
        add(errors, service->metadata, "spec.clusterIP",
            to_string(*service->address, port.port) + "/" + std::string(lb::to_string(port.protocol)) + " of service " +
                service->metadata.key() + " is that of service " + first->second->metadata.key() + " at " +
                place(first->second->metadata) + " too");
      }
    }
  }
}

void check_slices(const ResourceSet& resources, std::vector<Diagnostic>& warnings) {
  std::map<std::string, const Service*> services;
  for (const Service& service : resources.services) {
    services.emplace(service.metadata.key(), &service);
  }
  for (const EndpointSlice* slice : by_place(resources.slices)) {
    const auto found = services.find(slice->service);
    if (found == services.end()) {
      add(warnings, slice->metadata, "metadata.labels", "there is no service " + slice->service + " (yet)");
      continue;
    }
    const std::vector<ServicePort>& ports = found->second->ports;
    const bool any = std::any_of(slice->ports.begin(), slice->ports.end(), [&](const ServicePort& port) {
      return std::any_of(ports.begin(), ports.end(), [&](const ServicePort& other) {
        return port.name == other.name && port.protocol == other.protocol;
      });
    });
    if (!any) {
      add(warnings, slice->metadata, "ports",
          "none has the name and protocol of a port of service " + slice->service + ": these endpoints get no traffic");
    }
  }
}

void check_endpoints(const ResolvedPort& resolved, Validation& result) {
  const Metadata& metadata = resolved.service->metadata;
  const std::string port = "port " + std::to_string(lb::to_host(resolved.port->port)) + "/" +
                           std::string(lb::to_string(resolved.port->protocol)) + " of service " + metadata.key();
  if (resolved.endpoints.size() > lb::MaglevTable::kMaxMembers) {
    add(result.errors, metadata, "spec.ports",
        port + " has " + std::to_string(resolved.endpoints.size()) + " endpoints; weft takes at most " +
            std::to_string(lb::MaglevTable::kMaxMembers));
  }
  uint64_t sum = 0;
  uint64_t least = 0;
  uint64_t most = 0;
  for (const lb::Endpoint& endpoint : resolved.endpoints) {
    most = std::max<uint64_t>(most, endpoint.weight);
    sum += endpoint.weight;
    least = endpoint.weight > 0 && (least == 0 || endpoint.weight < least) ? endpoint.weight : least;
  }
  // Each round of filling asks every endpoint, and gives out as many slots as the weights have of the largest.
  const uint64_t steps = sum == 0 ? 0 : resolved.service->table_size * resolved.endpoints.size() * most / sum;
  if (steps > kMaxFillSteps) {
    add(result.errors, metadata, "metadata.annotations[\"" + std::string(kTableSizeAnnotation) + "\"]",
        "the weights of " + port + " are too far apart for a table of " + std::to_string(resolved.service->table_size) +
            " slots: it would take seconds to fill");
  }
  const uint64_t advised = least == 0 ? 0 : (100 * sum + least - 1) / least;
  if (resolved.service->table_size < advised) {
    add(result.warnings, metadata, "metadata.annotations[\"" + std::string(kTableSizeAnnotation) + "\"]",
        "a table of " + std::to_string(resolved.service->table_size) + " slots can't hold the weights of " + port +
            " to a percent; that takes " + std::to_string(advised));
  }
}

/// A packet for an endpoint that is a virtual address would come back to weft.
void check_addresses(const ResourceSet& resources, std::vector<Diagnostic>& errors) {
  std::map<lb::Ipv4Address, const Service*> vips;
  for (const Service& service : resources.services) {
    if (service.address) {
      vips.emplace(*service.address, &service);
    }
  }
  for (const EndpointSlice* slice : by_place(resources.slices)) {
    for (size_t i = 0; i < slice->endpoints.size(); ++i) {
      const auto vip = vips.find(slice->endpoints[i].address);
      if (vip != vips.end()) {
        add(errors, slice->metadata, "endpoints[" + std::to_string(i) + "].addresses",
            to_string(vip->first) + " is the virtual address of service " + vip->second->metadata.key() + " at " +
                place(vip->second->metadata));
      }
    }
  }
}

}  // namespace

Validation validate(const ResourceSet& resources) {
  Validation result;
  const std::vector<const Service*> services = by_place(resources.services);
  find_duplicates("Service", services, result.errors);
  find_duplicates("EndpointSlice", by_place(resources.slices), result.errors);
  find_shared_vips(services, result.errors);
  check_addresses(resources, result.errors);
  check_slices(resources, result.warnings);
  for (const ResolvedPort& resolved : resolve(resources)) {
    check_endpoints(resolved, result);
  }
  return result;
}

}  // namespace weft::registry
