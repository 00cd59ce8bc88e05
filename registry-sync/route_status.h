// SPDX-License-Identifier: Apache-2.0
/// @file What became of routes and Gateways, in the words of Gateway API's status: conditions with a reason each.
///
/// In a cluster a controller writes these into the objects; weft's registry is read only, so operators ask for them
/// (`weftctl get`). Told when asked, from what is in force: they cost nothing while nobody does.
#pragma once

#include "registry-sync/backends.h"

namespace weft::registry {

struct Condition {
  std::string type;
  bool holds = false;
  std::string reason;
  std::string message;  ///< may be empty if it holds

  bool operator==(const Condition&) const = default;
};

struct ParentStatus {
  ParentRef parent;
  std::vector<Condition> conditions;  ///< Accepted, ResolvedRefs
};

struct RouteStatus {
  Metadata metadata;
  std::vector<std::string> hostnames;
  std::vector<ParentStatus> parents;  ///< in the document's order
};

struct ListenerStatus {
  std::string name;
  uint16_t port = 0;
  std::string hostname;
  size_t attached_routes = 0;
  std::vector<Condition> conditions;  ///< Accepted, Programmed, ResolvedRefs, Conflicted
};

struct GatewayStatus {
  Metadata metadata;
  std::vector<lb::Address> addresses;
  std::vector<Condition> conditions;  ///< Accepted, Programmed
  std::vector<ListenerStatus> listeners;
};

struct HttpStatus {
  std::vector<RouteStatus> routes;  ///< in the order of names, as Gateways
  std::vector<GatewayStatus> gateways;
  std::vector<RouteStatus> grpc_routes;  ///< each with Accepted alone, which never holds
};

/// @param parent one of the route's
/// @param resources of that parent
std::vector<Condition> conditions_of(const HttpRoute& route, const ParentRef& parent, const ServiceResources& resources,
                                     const Backends& backends);

/// A GRPCRoute's at any parent.
std::vector<Condition> grpc_conditions();

/// @param left_out what of it could not be put into the snapshot; empty: all is there
GatewayStatus status_of(const Gateway& gateway, const ServiceResources& resources, const std::string& left_out);

}  // namespace weft::registry
