// SPDX-License-Identifier: Apache-2.0
#include "registry-sync/backends.h"

#include <algorithm>

#include "registry-sync/diagnostic.h"

namespace weft::registry {
namespace {

std::string namespace_of(const std::string& service) {
  return service.substr(0, service.find('/'));
}

bool is_service(const std::string& service) {
  return service.find(' ') == std::string::npos;
}

bool granted(const std::string& service, const std::string& name_space, const Backends& backends) {
  const auto grants = backends.grants.find(namespace_of(service));
  const std::string name = service.substr(service.find('/') + 1);
  return grants != backends.grants.end() &&
         std::any_of(grants->second.begin(), grants->second.end(), [&](const auto& grant) {
           return std::find(grant->from.begin(), grant->from.end(), name_space) != grant->from.end() &&
                  std::any_of(grant->services.begin(), grant->services.end(),
                              [&](const auto& to) { return to.name.empty() || to.name == name; });
         });
}

/// Calls `each` with all backends of a rule: its own mirrors, then each backend and its mirrors. Beside each is what
/// stands in front of its number.
template <typename Rule, typename Each>
void walk(Rule& rule, const Each& each) {
  const auto mirrors = [&](auto& filters, const std::string& at) {
    for (size_t i = 0; i < filters.mirrors.size(); ++i) {
      each(filters.mirrors[i].backend, at, i);
    }
  };
  mirrors(rule.filters, "");
  for (size_t i = 0; i < rule.backends.size(); ++i) {
    each(rule.backends[i].port, "backendRefs", i);
    mirrors(rule.backends[i].filters, "backendRefs[" + std::to_string(i) + "].");
  }
}

}  // namespace

std::optional<BackendProblem> find_backend(lb::BackendPort& backend, const std::string& name_space, bool from_gateway,
                                           const Backends& backends) {
  backend.slots = lb::BackendPort{}.slots;
  if (!is_service(backend.service)) {
    return BackendProblem{"InvalidKind", "weft routes to Services alone, not to " + escaped(backend.service, 1024)};
  }
  if (from_gateway && namespace_of(backend.service) != name_space && !granted(backend.service, name_space, backends)) {
    return BackendProblem{"RefNotPermitted", "no ReferenceGrant in namespace " + namespace_of(backend.service) +
                                                 " lets HTTPRoutes of namespace " + name_space + " refer to Service " +
                                                 backend.service};
  }
  const auto service = backends.services.find(backend.service);
  if (service == backends.services.end()) {
    return BackendProblem{"BackendNotFound", "there is no Service " + backend.service};
  }
  if (service->second.empty()) {
    return BackendProblem{"BackendNotFound", "Service " + backend.service +
                                                 " has no TCP port of a virtual address: weft balances by those"};
  }
  const auto port = std::find_if(service->second.begin(), service->second.end(),
                                 [&](const Backends::Port& each) { return each.port == backend.port; });
  const std::string number = std::to_string(lb::to_host(backend.port));
  if (port == service->second.end()) {
    return BackendProblem{"BackendNotFound", "Service " + backend.service + " has no TCP port " + number};
  }
  if (port->carries == PortProtocol::http2 || port->carries == PortProtocol::tls) {
    return BackendProblem{"UnsupportedProtocol", "port " + number + " of Service " + backend.service + " carries " +
                                                     (port->carries == PortProtocol::tls ? "TLS" : "HTTP/2") +
                                                     ", which weft does not implement towards endpoints"};
  }
  if (port->wants_proxy_header) {
    return BackendProblem{"UnsupportedProtocol",
                          "port " + number + " of Service " + backend.service +
                              " asks for PROXY headers, which are about one client's connection: requests come over "
                              "connections of many clients"};
  }
  backend.slots = port->slots;
  return std::nullopt;
}

void for_each_backend(const HttpRoute& route,
                      const std::function<void(const lb::BackendPort&, const std::string& field)>& each) {
  for (size_t i = 0; i < route.rules.size(); ++i) {
    const std::string rule = "rules[" + std::to_string(i) + "].";
    walk(route.rules[i].rule, [&](const lb::BackendPort& backend, const std::string& at, size_t number) {
      const bool is_mirror = at.empty() || at.ends_with('.');
      each(backend, rule + at + (is_mirror ? "mirrors[" : "[") + std::to_string(number) + "]");
    });
  }
}

std::set<std::string> backends_of(const std::vector<std::shared_ptr<const HttpRoute>>& routes) {
  std::set<std::string> keys;
  for (const auto& route : routes) {
    for (const HttpRouteRule& rule : route->rules) {
      walk(rule.rule, [&](const lb::BackendPort& backend, const std::string&, size_t) {
        if (is_service(backend.service)) {
          keys.insert(backend.service);
          keys.insert(grants_key(namespace_of(backend.service)));
        }
      });
    }
  }
  return keys;
}

lb::HttpRoute resolve_route(const AttachedRoute& attached, bool from_gateway, const Backends& backends) {
  const HttpRoute& route = *attached.route;
  lb::HttpRoute resolved{
      .key = route.metadata.key(), .created = route.created, .hostnames = attached.hostnames, .rules = {}};
  for (const HttpRouteRule& each : route.rules) {
    lb::HttpRule rule = each.rule;
    walk(rule, [&](lb::BackendPort& backend, const std::string&, size_t) {
      find_backend(backend, route.metadata.name_space, from_gateway, backends);
    });
    resolved.rules.push_back({.matches = each.matches, .rule = std::make_shared<const lb::HttpRule>(std::move(rule))});
  }
  return resolved;
}

std::vector<std::array<uint32_t, 2>> slots_of(const HttpRoute& route, bool from_gateway, const Backends& backends) {
  std::vector<std::array<uint32_t, 2>> slots;
  for (const HttpRouteRule& each : route.rules) {
    walk(each.rule, [&](lb::BackendPort backend, const std::string&, size_t) {
      find_backend(backend, route.metadata.name_space, from_gateway, backends);
      slots.push_back(backend.slots);
    });
  }
  return slots;
}

}  // namespace weft::registry
