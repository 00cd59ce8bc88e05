// SPDX-License-Identifier: Apache-2.0
#include "registry-sync/validate.h"

#include <algorithm>
#include <map>

#include "registry-sync/request_policy.h"
#include "registry-sync/validate_parts.h"

namespace weft::registry {
namespace {

/// About a second's work.
constexpr uint64_t kMaxFillSteps = uint64_t{1} << 30;

bool same_port(const ServicePort& a, const ServicePort& b) {
  return a.name == b.name && a.protocol == b.protocol;
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

/// What has virtual addresses.
struct Front {
  std::string called;  ///< "service default/web"
  const Metadata* metadata = nullptr;
  const std::vector<lb::Address>* addresses = nullptr;
  const std::vector<ServicePort>* ports = nullptr;
  bool is_gateway = false;
};

std::vector<Front> fronts_of(const ResourceSet& all) {
  std::vector<Front> fronts;
  for (const Service* service : by_place(all.services)) {
    fronts.push_back(
        {"service " + service->metadata.key(), &service->metadata, &service->addresses, &service->ports, false});
  }
  for (const Gateway* gateway : by_place(all.gateways)) {
    fronts.push_back(
        {"Gateway " + gateway->metadata.key(), &gateway->metadata, &gateway->addresses, &gateway->ports, true});
  }
  return fronts;
}

void find_shared_vips(const std::vector<Front>& fronts, std::vector<Diagnostic>& errors) {
  std::map<std::tuple<lb::Address, lb::Port, lb::Protocol>, const Front*> seen;
  for (const Front& front : fronts) {
    for (const lb::Address& address : *front.addresses) {
      for (const ServicePort& port : *front.ports) {
        const auto [first, is_new] = seen.emplace(std::tuple(address, port.port, port.protocol), &front);
        if (!is_new && first->second->called != front.called) {
          add(errors, *front.metadata,
              front.is_gateway                      ? "spec.addresses"
              : address == front.addresses->front() ? "spec.clusterIP"
                                                    : "spec.clusterIPs",
              to_string(address, port.port) + "/" + std::string(lb::to_string(port.protocol)) + " of " + front.called +
                  " is that of " + first->second->called + " at " + place(*first->second->metadata) + " too");
        }
      }
    }
  }
}

/// A packet for an endpoint that is a virtual address would come back to weft.
void find_endpoints_that_are_vips(const ResourceSet& all, const std::vector<Front>& fronts,
                                  std::vector<Diagnostic>& errors) {
  std::map<lb::Address, const Front*> vips;
  for (const Front& front : fronts) {
    for (const lb::Address& address : *front.addresses) {
      vips.emplace(address, &front);
    }
  }
  for (const EndpointSlice* slice : by_place(all.slices)) {
    for (size_t i = 0; i < slice->endpoints.size(); ++i) {
      const auto vip = vips.find(slice->endpoints[i].address);
      if (vip != vips.end()) {
        add(errors, slice->metadata, "endpoints[" + std::to_string(i) + "].addresses",
            to_string(vip->first) + " is the virtual address of " + vip->second->called + " at " +
                place(*vip->second->metadata));
      }
    }
  }
}

void find_shared_instances(const ResourceSet& all, std::vector<Diagnostic>& errors) {
  std::map<std::string, const EndpointSlice*> seen;
  for (const EndpointSlice* slice : by_place(all.slices)) {
    for (const std::string& name : instance_names(*slice)) {
      const auto [first, is_new] = seen.emplace(name, slice);
      if (!is_new) {
        add(errors, slice->metadata, "addresses",
            name + " is registered at " + escaped(first->second->metadata.file, 1024) + " too");
      }
    }
  }
}

/// Of the node's configuration; empty if the address is none of the node's own.
std::string_view own_field(const lb::Address& address, const Abilities& abilities) {
  const auto& own = abilities.own_addresses;
  const auto& sources = abilities.tunnel_sources;
  if (std::find(own.begin(), own.end(), address) != own.end()) {
    return "snat.addresses";
  }
  const auto& servers = abilities.name_servers;
  if (std::find(servers.begin(), servers.end(), address) != servers.end()) {
    return "dns.addresses";
  }
  const bool is_source =
      std::any_of(sources.begin(), sources.end(), [&](const lb::Prefix& source) { return source.contains(address); });
  return is_source ? "tunnels.sources" : "";
}

/// Answers to the node itself would be taken for requests, of whatever service they are.
void check_own_addresses(const ServiceResources& resources, const Abilities& abilities, Validation& result) {
  for (const Service* service : by_place(resources.services)) {
    for (const lb::Address& address : service->addresses) {
      if (const std::string_view field = own_field(address, abilities); !field.empty()) {
        add(result.errors, service->metadata, address == service->addresses[0] ? "spec.clusterIP" : "spec.clusterIPs",
            to_string(address) + " of service " + service->metadata.key() +
                " is an address of this node's own: " + std::string(field) + " has it");
      }
    }
  }
  for (const Gateway* gateway : by_place(resources.gateways)) {
    for (size_t i = 0; i < gateway->addresses.size(); ++i) {
      if (const std::string_view field = own_field(gateway->addresses[i], abilities); !field.empty()) {
        add(result.errors, gateway->metadata, "spec.addresses[" + std::to_string(i) + "].value",
            to_string(gateway->addresses[i]) + " of Gateway " + gateway->metadata.key() +
                " is an address of this node's own: " + std::string(field) + " has it");
      }
    }
  }
  for (const EndpointSlice* slice : by_place(resources.slices)) {
    for (size_t i = 0; i < slice->endpoints.size(); ++i) {
      const lb::Address& address = slice->endpoints[i].address;
      const std::string_view field = own_field(address, abilities);
      if (!field.empty()) {
        const bool is_source = field == "tunnels.sources";
        add(is_source ? result.warnings : result.errors, slice->metadata,
            "endpoints[" + std::to_string(i) + "].addresses",
            to_string(address) + " is an address of this node's own: " + std::string(field) + " has it" +
                (is_source ? "; what comes in a tunnel may seem to come from the endpoint itself" : ""));
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
  const auto is_of_family = [&](const SliceEndpoint& endpoint) {
    return std::any_of(service.addresses.begin(), service.addresses.end(),
                       [&](const lb::Address& address) { return address.family() == endpoint.address.family(); });
  };
  if (!service.addresses.empty() && !slice.endpoints.empty() &&
      std::none_of(slice.endpoints.begin(), slice.endpoints.end(), is_of_family)) {
    add(warnings, slice.metadata, "endpoints",
        "service " + slice.service + " has no address of their family: these endpoints get no traffic");
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
    const ServicePolicy* policy = policy_of(resources, *resolved.port);
    const bool by_policy = policy != nullptr && policy->says_mode;
    add(warnings, by_policy ? policy->metadata : *resolved.metadata, by_policy ? "spec.forwarding.mode" : "spec.ports",
        "port " + std::to_string(lb::to_host(resolved.port->port)) + " of service " + resolved.name +
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

/// Who asks for a table of this size.
struct TableSizeSource {
  const Metadata* metadata = nullptr;
  std::string field;
};

TableSizeSource table_size_source(const ServiceResources& resources, const ResolvedPort& resolved) {
  const TrafficPolicy* traffic = traffic_policy_of(resources, *resolved.port);
  if (traffic != nullptr && traffic->table_size) {
    return {.metadata = &resources.rules.front()->metadata,
            .field = "spec.trafficPolicy.loadBalancer.consistentHash.maglev.tableSize"};
  }
  return {.metadata = resolved.metadata,
          .field = "metadata.annotations[\"" + std::string(kTableSizeAnnotation) + "\"]"};
}

void check_endpoints(const ServiceResources& resources, const ResolvedPort& resolved, Validation& result) {
  const Metadata& metadata = *resolved.metadata;
  const TableSizeSource size = table_size_source(resources, resolved);
  const std::string port = "port " + std::to_string(lb::to_host(resolved.port->port)) + "/" +
                           std::string(lb::to_string(resolved.port->protocol)) + " of service " + resolved.name;
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
  const uint64_t steps = sum == 0 ? 0 : least_share * resolved.table_size * resolved.endpoints.size() * most / sum;
  if (steps > kMaxFillSteps) {
    add(result.errors, *size.metadata, size.field,
        "the weights of " + port + " are too far apart for a table of " + std::to_string(resolved.table_size) +
            " slots: it would take seconds to fill");
  }
  const uint64_t advised = least == 0 ? 0 : (100 * sum + least - 1) / least;
  if (resolved.table_size < advised) {
    add(result.warnings, *size.metadata, size.field,
        "a table of " + std::to_string(resolved.table_size) + " slots can't hold the weights of " + port +
            " to a percent; that takes " + std::to_string(advised));
  }
}

}  // namespace

Validation validate(const std::string& service, const ServiceResources& resources, const Abilities& abilities) {
  Validation result;
  find_duplicates("Service", resources.services, result.errors);
  find_rival_policies(resources, result.errors);
  check_http(service, resources, result);
  check_authorization(service, resources, result);
  check_faults(service, resources, abilities, result);
  check_inspection(service, resources, result);
  check_own_addresses(resources, abilities, result);
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
  for (const ResolvedPort& resolved : resolve(resources, "", abilities)) {
    result.endpoints += resolved.endpoints.size();
    check_endpoints(resources, resolved, result);
    check_abilities(resources, resolved, abilities, result.warnings);
  }
  return result;
}

std::vector<Diagnostic> find_conflicts(const ResourceSet& all) {
  std::vector<Diagnostic> errors;
  find_duplicates("EndpointSlice", all.slices, errors);
  find_duplicates("ServicePolicy", all.policies, errors);
  find_duplicates("HTTPRoute", all.routes, errors);
  find_duplicates("DestinationRule", all.rules, errors);
  find_duplicates("Gateway", all.gateways, errors);
  find_duplicates("ReferenceGrant", all.grants, errors);
  find_duplicates("GRPCRoute", all.grpc_routes, errors);
  find_duplicates("AuthorizationPolicy", all.authorizations, errors);
  find_duplicates("FaultInjection", all.faults, errors);
  find_duplicates("InspectionPolicy", all.inspections, errors);
  const std::vector<Front> fronts = fronts_of(all);
  find_shared_vips(fronts, errors);
  find_endpoints_that_are_vips(all, fronts, errors);
  find_shared_instances(all, errors);
  return errors;
}

std::vector<std::string> instance_names(const EndpointSlice& slice) {
  std::vector<std::string> names;
  if (!slice.registered) {
    return names;
  }
  for (const ServicePort& port : slice.ports) {
    std::string name = "instance " + slice.service + " " + to_string(slice.endpoints.front().address, port.port) + "/" +
                       std::string(lb::to_string(port.protocol));
    if (std::find(names.begin(), names.end(), name) == names.end()) {
      names.push_back(std::move(name));
    }
  }
  return names;
}

std::vector<Diagnostic> in_order(std::vector<Diagnostic> diagnostics) {
  std::sort(diagnostics.begin(), diagnostics.end());
  std::vector<Diagnostic> first;
  for (Diagnostic& each : diagnostics) {
    report(first, std::move(each));
  }
  return first;
}

}  // namespace weft::registry
