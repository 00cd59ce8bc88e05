// SPDX-License-Identifier: Apache-2.0
/// @file Which endpoints stand behind each port of each service.
///
/// A service port has the endpoints of all slices of its service, at the slice's port of the same name and protocol. An
/// endpoint that is in two slices counts once, as Kubernetes asks of consumers (it is in both while it moves from one
/// to the other). Of two that differ the readier wins, then the heavier, then the first name: a rule of content, since
/// the order of files, documents and endpoints must not matter.
#pragma once

#include "registry-sync/resources.h"

namespace weft::registry {

struct ResolvedPort {
  const Service* service = nullptr;  ///< of the ResourceSet, with an address
  const ServicePort* port = nullptr;
  std::vector<lb::Endpoint> endpoints;  ///< sorted by identity; slots are not set
};

/// Sorted by service, then address, protocol and port. The pointers live as long as `resources`.
std::vector<ResolvedPort> resolve(const ResourceSet& resources);

}  // namespace weft::registry
