// SPDX-License-Identifier: Apache-2.0
/// @file Which routes are whose? HTTPRoutes at ports of Services and of Gateways.
///
/// A Service's port takes routes of its own namespace, for all clients, and those of other namespaces, each for the
/// clients of the route's namespace: for them, all routes of the Service's own are as if they were not (GEP-1294,
/// producer and consumer routes). A consumer's are looked at where the port's requests are read anyway.
///
/// A Service's port takes a route that names it (by number or name), and one that names no port if the port does not
/// say that it carries something else than HTTP/1. Hostnames mean nothing there (GEP-1294, "hostnames field").
///
/// A listener takes a route that names it, or no listener, from a namespace that it allows, and serves it for the names
/// that both have. Of the listeners of one port, a name is the most specific one's that has it.
///
/// Pure, and told from the documents that speak of one Service or Gateway alone.
#pragma once

#include <set>
#include <string>
#include <vector>

#include "registry-sync/resources.h"

namespace weft::registry {

/// A route as one port serves it.
struct AttachedRoute {
  std::shared_ptr<const HttpRoute> route;
  std::vector<std::string> hostnames;  ///< sorted, each once; empty: any

  /// Wherever it was read: an edit above it in its file is nothing to it.
  bool same_as(const AttachedRoute& other) const;
};

/// Is the reference to this port of its Service?
enum class Reach : uint8_t {
  none,
  all,    ///< to all ports that may carry HTTP, and this may
  named,  ///< whatever it carries
};
Reach reach_of(const ParentRef& parent, const ServicePort& port);

/// Does any route of a Service's own namespace attach to its port? A consumer's does not decide how it is carried.
bool any_route_at(const ServiceResources& resources, const ServicePort& port);

/// In the order of names. Of a Service's port, or of all listeners of a Gateway's.
/// @param consumer the namespace whose routes are asked for; empty: a Service's own, and all of a Gateway's
std::vector<AttachedRoute> routes_at(const ServiceResources& resources, const ServicePort& port,
                                     const std::string& consumer = "");
/// Namespaces that have routes of their own at a Service of another one.
std::set<std::string> consumers_of(const ServiceResources& resources);

/// Does the listener let routes of this namespace attach?
bool allows(const Gateway& gateway, const Listener& listener, const HttpRoute& route);
/// Does the reference mean the listener?
bool means(const ParentRef& parent, const Listener& listener);
/// Names that both have: the more specific of each pair that overlaps. No value if none does.
std::optional<std::vector<std::string>> shared_hostnames(const std::string& listener,
                                                         const std::vector<std::string>& route);

}  // namespace weft::registry
