// SPDX-License-Identifier: Apache-2.0
/// @file Where routes' references lead: services' ports and their slots, and who may refer to whom.
///
/// A backend that leads nowhere is no error of the registry's: its share of the requests is answered with 500, as
/// Gateway API asks, and the route's status says why.
#pragma once

#include <array>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "registry-sync/attach.h"

namespace weft::registry {

/// What is in force of what routes may refer to.
struct Backends {
  struct Port {
    lb::Port port{};
    PortProtocol carries = PortProtocol::unsaid;
    bool wants_proxy_header = false;
    std::array<uint32_t, 2> slots = {lb::BackendPort::kNone, lb::BackendPort::kNone};

    bool operator==(const Port&) const = default;
  };

  std::map<std::string, std::vector<Port>> services;  ///< TCP ports by "namespace/name"; none if it is headless
  std::map<std::string, std::vector<std::shared_ptr<const ReferenceGrant>>> grants;  ///< by their namespace
};

/// In the words of Gateway API's RouteConditionReason.
struct BackendProblem {
  std::string_view reason;
  std::string message;

  bool operator==(const BackendProblem&) const = default;
};

/// Fills in the slots. Says why there are none.
/// @param from_gateway whose routes need a grant for services of other namespaces; those of the mesh do not (GEP-1294,
///   "Namespace boundaries")
std::optional<BackendProblem> find_backend(lb::BackendPort& backend, const std::string& name_space, bool from_gateway,
                                           const Backends& backends);

/// All backends and mirrors that a route names, with where they stand: "rules[0].backendRefs[1]".
void for_each_backend(const HttpRoute& route,
                      const std::function<void(const lb::BackendPort&, const std::string& field)>& each);

/// The keys (of services, and grants_key() of namespaces) that find_backend() looks at for these routes.
std::set<std::string> backends_of(const std::vector<std::shared_ptr<const HttpRoute>>& routes);

/// The route as a table takes it.
lb::HttpRoute resolve_route(const AttachedRoute& attached, bool from_gateway, const Backends& backends);
/// Where its backends lead, all in one order: two routes of one document that agree in this are the same.
std::vector<std::array<uint32_t, 2>> slots_of(const HttpRoute& route, bool from_gateway, const Backends& backends);

}  // namespace weft::registry
