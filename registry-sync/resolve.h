// SPDX-License-Identifier: Apache-2.0
/// @file What stands behind each virtual address and port of a service: its policy and its endpoints.
///
/// A service port has the endpoints of all slices of its service and of its address's family, at the slice's port of
/// the same name and protocol. A tunnel carries either family in either, so with dsr those of the other family count
/// too, but for instances (known by the name of their pod or host) that are in the own family as well.
///
/// An endpoint that is in two slices counts once, as Kubernetes asks of consumers (it is in both while it moves from
/// one to the other). Of two that differ the readier wins, then the heavier, then the first name: a rule of content,
/// since the order of files, documents and endpoints must not matter.
#pragma once

#include "registry-sync/choose.h"
#include "registry-sync/resources.h"

namespace weft::registry {

struct ResolvedPort {
  const Service* service = nullptr;  ///< of the resources, with an address
  const ServicePort* port = nullptr;
  lb::Address address;  ///< of the service, this one's
  lb::Policy policy;
  std::chrono::seconds slow_start{0};
  std::chrono::seconds reset_grace{0};
  std::vector<Candidate> endpoints;  ///< sorted by identity; slots are not set
};

/// Sorted by address, protocol and port. The pointers live as long as the documents.
/// @param zone the node's own; empty: it prefers none
std::vector<ResolvedPort> resolve(const ServiceResources& resources, const std::string& zone);

/// The policy of a service port: its own, else the service's, else null.
const ServicePolicy* policy_of(const ServiceResources& resources, const ServicePort& port);

}  // namespace weft::registry
