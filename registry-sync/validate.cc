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

bool same_port(const ServicePort& a, const ServicePort& b) {
  return a.name == b.name && a.protocol == b.protocol;
}

/// In the order of places, so that messages do not depend on the order of arrival.
template <typename Resource>
std::vector<const Resource*> by_place(const std::vector<std::shared_ptr<const Resource>>& resources) {
  std::vector<const Resource*> sorted;
  for (const auto& resource : resources) {
    sorted.push_back(resource.get());
  }
  std::stable_sort(sorted.begin(), sorted.end(), [](const Resource* a, const Resource* b) {
    return std::tie(a->metadata.file, a->metadata.line) < std::tie(b->metadata.file, b->metadata.line);
  });
  return sorted;
}

template <typename Resource>
void find_duplicates(std::string_view kind, const std::vector<std::shared_ptr<const Resource>>& resources,
                     std::vector<Diagnostic>& errors) {
  std::map<std::string, const Resource*> seen;
  for (const Resource* resource : by_place(resources)) {
    const auto [first, is_new] = seen.emplace(resource->metadata.key(), resource);
    if (!is_new) {
      add(errors, resource->metadata, "metadata.name",
          "duplicate " + std::string(kind) + " " + resource->metadata.key() + "; the first is at " +
              place(first->second->metadata));
    }
  }
}

void find_shared_vips(const ResourceSet& all, std::vector<Diagnostic>& errors) {
  std::map<std::tuple<lb::Address, lb::Port, lb::Protocol>, const Service*> seen;
  for (const Service* service : by_place(all.services)) {
    for (const lb::Address& address : service->addresses) {
      for (const ServicePort& port : service->ports) {
        const auto [first, is_new] = seen.emplace(std::tuple(address, port.port, port.protocol), service);
        if (!is_new && first->second->metadata.key() != service->metadata.key()) {
          add(errors, service->metadata, address == service->addresses[0] ? "spec.clusterIP" : "spec.clusterIPs",
              to_string(address, port.port) + "/" + std::string(lb::to_string(port.protocol)) + " of service " +
                  service->metadata.key() + " is that of service " + first->second->metadata.key() + " at " +
                  place(first->second->metadata) + " too");
        }
      }
    }
  }
}

/// A packet for an endpoint that is a virtual address would come back to weft.
void find_endpoints_that_are_vips(const ResourceSet& all, std::vector<Diagnostic>& errors) {
  std::map<lb::Address, const Service*> vips;
  for (const Service* service : by_place(all.services)) {
    for (const lb::Address& address : service->addresses) {
      vips.emplace(address, service);
    }
  }
  for (const EndpointSlice* slice : by_place(all.slices)) {
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

void check_slice(const EndpointSlice& slice, const Service& service, std::vector<Diagnostic>& warnings) {
  const bool any = std::any_of(slice.ports.begin(), slice.ports.end(), [&](const ServicePort& port) {
    return std::any_of(service.ports.begin(), service.ports.end(),
                       [&](const ServicePort& other) { return same_port(port, other); });
  });
  if (!any) {
    add(warnings, slice.metadata, "ports",
        "none has the name and protocol of a port of service " + slice.service + ": these endpoints get no traffic");
  }
}

/// A tunnel carries a packet as it is.
void check_tunnel(const ServiceResources& resources, const Service& service, std::vector<Diagnostic>& errors) {
  for (const ServicePort& port : service.ports) {
    const ServicePolicy* policy = policy_of(resources, port);
    if (policy == nullptr || policy->policy.mode != lb::Mode::dsr) {
      continue;
    }
    for (const auto& slice : resources.slices) {
      for (size_t i = 0; i < slice->ports.size(); ++i) {
        const ServicePort& other = slice->ports[i];
        if (same_port(port, other) && other.port != port.port) {
          add(errors, slice->metadata, "ports[" + std::to_string(i) + "].port",
              "EndpointSlice " + slice->metadata.key() + " has port " + std::to_string(lb::to_host(other.port)) +
                  " where service " + service.metadata.key() + " has " + std::to_string(lb::to_host(port.port)) +
                  ": mode dsr of ServicePolicy " + policy->metadata.key() + " at " + place(policy->metadata) +
                  " does not translate ports");
        }
      }
    }
  }
}

/// What is proxied are TCP's connections.
void check_proxy(const ServiceResources& resources, const Service& service, std::vector<Diagnostic>& errors) {
  for (const ServicePort& port : service.ports) {
    const ServicePolicy* policy = policy_of(resources, port);
    if (policy != nullptr && policy->policy.mode == lb::Mode::proxy && port.protocol != lb::Protocol::tcp) {
      add(errors, policy->metadata, "spec.forwarding.mode",
          "port " + std::to_string(lb::to_host(port.port)) + "/" + std::string(lb::to_string(port.protocol)) +
              " of service " + service.metadata.key() + " can't be proxied: mode proxy is for TCP");
    }
  }
}

void check_policies(const ServiceResources& resources, const Service& service, Validation& result) {
  for (const ServicePolicy* policy : by_place(resources.policies)) {
    if (!policy->allow.empty() && !service.source_ranges.empty()) {
      add(result.errors, policy->metadata, "spec.sources.allow",
          "service " + service.metadata.key() + " at " + place(service.metadata) +
              " has spec.loadBalancerSourceRanges: say it in one place");
    }
    const bool known = std::any_of(service.ports.begin(), service.ports.end(),
                                   [&](const ServicePort& port) { return port.name == policy->port; });
    if (!policy->port.empty() && !known) {
      add(result.warnings, policy->metadata, "spec.targetRef.sectionName",
          "service " + service.metadata.key() + " has no port " + in_quotes(policy->port) + " (yet)");
    }
  }
  check_tunnel(resources, service, result.errors);
  check_proxy(resources, service, result.errors);
}

/// Every packet of such a port would drop.
void check_abilities(const ServiceResources& resources, const ResolvedPort& resolved, const Abilities& abilities,
                     std::vector<Diagnostic>& warnings) {
  const lb::Mode mode = resolved.policy.mode;
  const auto lacks = [&](const lb::Address& address) {
    return (mode == lb::Mode::dsr ? abilities.tunnels : abilities.fullnat).count(address.family()) == 0;
  };
  const auto warn = [&](const lb::Address& address) {
    add(warnings, policy_of(resources, *resolved.port)->metadata, "spec.forwarding.mode",
        "port " + std::to_string(lb::to_host(resolved.port->port)) + " of service " + resolved.service->metadata.key() +
            " drops all packets: " +
            (mode == lb::Mode::fullnat ? "mode fullnat sends from snat.addresses"
             : mode == lb::Mode::proxy ? "mode proxy sends from snat.addresses"
                                       : "mode dsr sends from tunnels.sources") +
            ", where this node has no " + std::string(lb::to_string(address.family())));
  };
  if (mode == lb::Mode::fullnat && lacks(resolved.address)) {
    warn(resolved.address);
  }
  if (mode == lb::Mode::dsr || mode == lb::Mode::proxy) {
    const auto lacking = std::find_if(resolved.endpoints.begin(), resolved.endpoints.end(),
                                      [&](const Candidate& each) { return lacks(each.endpoint.address); });
    if (lacking != resolved.endpoints.end()) {
      warn(lacking->endpoint.address);
    }
  }
}

void find_rival_policies(const ServiceResources& resources, std::vector<Diagnostic>& errors) {
  std::map<std::string, const ServicePolicy*> seen;
  for (const ServicePolicy* policy : by_place(resources.policies)) {
    const auto [first, is_new] = seen.emplace(policy->port, policy);
    if (!is_new && first->second->metadata.key() != policy->metadata.key()) {
      add(errors, policy->metadata, "spec.targetRef",
          "ServicePolicy " + policy->metadata.key() + " and ServicePolicy " + first->second->metadata.key() + " at " +
              place(first->second->metadata) + " are both for " +
              (policy->port.empty() ? "" : "port " + policy->port + " of ") + "service " + policy->service);
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
  for (const Candidate& each : resolved.endpoints) {
    const uint64_t weight = each.endpoint.weight;
    most = std::max(most, weight);
    sum += weight;
    least = weight > 0 && (least == 0 || weight < least) ? weight : least;
  }
  // Each round of filling asks every endpoint, and gives out as many slots as the weights have of the largest. A slow
  // start takes up to nine tenths of the others' weights away.
  const uint64_t least_share = resolved.slow_start.count() > 0 ? 10 : 1;
  const uint64_t steps =
      sum == 0 ? 0 : least_share * resolved.service->table_size * resolved.endpoints.size() * most / sum;
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

}  // namespace

Validation validate(const std::string& service, const ServiceResources& resources, const Abilities& abilities) {
  Validation result;
  find_duplicates("Service", resources.services, result.errors);
  find_rival_policies(resources, result.errors);
  if (resources.services.empty()) {
    for (const EndpointSlice* slice : by_place(resources.slices)) {
      add(result.warnings, slice->metadata, "metadata.labels", "there is no service " + service + " (yet)");
    }
    for (const ServicePolicy* policy : by_place(resources.policies)) {
      add(result.warnings, policy->metadata, "spec.targetRef.name", "there is no service " + service + " (yet)");
    }
    return result;
  }
  const Service& first = *by_place(resources.services).front();
  for (const EndpointSlice* slice : by_place(resources.slices)) {
    check_slice(*slice, first, result.warnings);
  }
  check_policies(resources, first, result);
  // Of any zone: preference makes tables smaller only.
  for (const ResolvedPort& resolved : resolve(resources, "")) {
    result.endpoints += resolved.endpoints.size();
    check_endpoints(resolved, result);
    check_abilities(resources, resolved, abilities, result.warnings);
  }
  return result;
}

std::vector<Diagnostic> find_conflicts(const ResourceSet& all) {
  std::vector<Diagnostic> errors;
  find_duplicates("EndpointSlice", all.slices, errors);
  find_duplicates("ServicePolicy", all.policies, errors);
  find_shared_vips(all, errors);
  find_endpoints_that_are_vips(all, errors);
  return errors;
}

std::vector<Diagnostic> in_order(std::vector<Diagnostic> diagnostics) {
  std::sort(diagnostics.begin(), diagnostics.end(), [](const Diagnostic& a, const Diagnostic& b) {
    return std::tie(a.file, a.line, a.field, a.message) < std::tie(b.file, b.line, b.field, b.message);
  });
  std::vector<Diagnostic> first;
  for (Diagnostic& each : diagnostics) {
    report(first, std::move(each));
  }
  return first;
}

}  // namespace weft::registry
