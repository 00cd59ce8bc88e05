// SPDX-License-Identifier: Apache-2.0
/// @file What stands behind each virtual address and port of a service: its policy and its endpoints.
///
/// A port that says that it carries HTTP, or that a route is attached to, is proxied. The latter whatever the node can;
/// the former only if the node has an address to send from, and if no ServicePolicy says another mode: it may have been
/// called "http" before weft knew the protocol. A Gateway's ports are like those, and have no endpoints.
///
/// A service port has the endpoints of all slices of its service and of its address's family, at the slice's port of
/// the same name and protocol. A tunnel carries either family in either, so with dsr those of the other family count
/// too, but for instances (known by the name of their pod or host) that are in the own family as well.
///
/// An endpoint that is in two slices counts once, as Kubernetes asks of consumers (it is in both while it moves from
/// one to the other). Of two that differ the readier wins, then the heavier, then the first name: a rule of content,
/// since the order of files, documents and endpoints must not matter.
#pragma once

#include <optional>
#include <set>
#include <vector>

#include "registry-sync/choose.h"
#include "registry-sync/resources.h"

namespace weft::registry {

/// Families of which the node has addresses of its own to send from. What asks for others gets a warning.
struct Abilities {
  // Families of which the node has addresses of its own to send from; what asks for others gets a warning.
  std::set<lb::Family> fullnat = {lb::Family::ipv4, lb::Family::ipv6};
  std::set<lb::Family> tunnels = {lb::Family::ipv4, lb::Family::ipv6};

  /// What comes to these is an answer to the node itself, so they are no service's, and
  std::vector<lb::Address> own_addresses = {};  ///< (snat.addresses) no endpoint's;
  std::vector<lb::Address> name_servers = {};   ///< (dns.addresses) weft answers there itself;
  std::vector<lb::Prefix> tunnel_sources = {};  ///< (tunnels.sources) an endpoint would hear tunnels from itself.
};

/// Of a Service with an address, or of a Gateway.
struct ResolvedPort {
  std::string name;  ///< "namespace/name"; of a Gateway, gateway_key() of that
  const Metadata* metadata = nullptr;
  const ServicePort* port = nullptr;
  lb::Address address;  ///< of the service, this one's
  uint32_t table_size = lb::MaglevTable::kDefaultSize;
  lb::Policy policy;
  std::optional<lb::Http> http;  ///< if the mode is proxy; without routes
  lb::RequestPolicy requests;
  std::chrono::seconds slow_start{0};
  std::chrono::seconds reset_grace{0};
  std::shared_ptr<const HealthCheck> check;  ///< null: none
  std::vector<Candidate> endpoints;          ///< sorted by identity; slots are not set
};

/// Sorted by address, protocol and port. The pointers live as long as the documents.
/// @param zone the node's own; empty: it prefers none
std::vector<ResolvedPort> resolve(const ServiceResources& resources, const std::string& zone,
                                  const Abilities& abilities = {});

/// The policy of a service port: its own, else the service's, else null.
const ServicePolicy* policy_of(const ServiceResources& resources, const ServicePort& port);

}  // namespace weft::registry
