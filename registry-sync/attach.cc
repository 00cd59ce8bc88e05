// SPDX-License-Identifier: Apache-2.0
#include "registry-sync/attach.h"

#include <algorithm>
#include <map>
#include <set>

namespace weft::registry {
namespace {

/// Does every name that is `inner` match `outer` too? "" is any.
bool covers(std::string_view outer, std::string_view inner) {
  if (outer.empty() || outer == inner) {
    return true;
  }
  if (inner.empty() || !outer.starts_with("*.")) {
    return false;
  }
  const std::string_view suffix = outer.substr(1);
  const std::string_view name = inner.starts_with("*.") ? inner.substr(1) : inner;
  return name.size() > suffix.size() && name.ends_with(suffix);
}

/// Is the name another listener's of the port, which is more specific?
bool belongs_elsewhere(const Gateway& gateway, const Listener& listener, const std::string& hostname) {
  return std::any_of(gateway.listeners.begin(), gateway.listeners.end(), [&](const Listener& other) {
    return other.port == listener.port && other.hostname != listener.hostname && covers(other.hostname, hostname) &&
           covers(listener.hostname, other.hostname);
  });
}

using ByName = std::map<std::string, std::pair<std::shared_ptr<const HttpRoute>, std::set<std::string>>>;

std::vector<AttachedRoute> in_order(ByName attached) {
  std::vector<AttachedRoute> routes;
  for (auto& [name, entry] : attached) {
    auto& [route, hostnames] = entry;
    // Beside names, "any" is an entry of its own: it is the least specific.
    if (hostnames.erase("") > 0) {
      routes.push_back({.route = route, .hostnames = {}});
    }
    if (!hostnames.empty()) {
      routes.push_back({.route = route, .hostnames = {hostnames.begin(), hostnames.end()}});
    }
  }
  return routes;
}

/// Of the Service's own namespace?
bool is_producers(const HttpRoute& route, const Service& service) {
  return route.metadata.name_space == service.metadata.name_space;
}

bool attaches(const HttpRoute& route, const std::string& service, const ServicePort& port) {
  return std::any_of(route.parents.begin(), route.parents.end(), [&](const ParentRef& parent) {
    return parent.key() == service && reach_of(parent, port) != Reach::none;
  });
}

std::vector<AttachedRoute> routes_of_listeners(const Gateway& gateway, const ServiceResources& resources,
                                               uint16_t port) {
  const std::string key = gateway_key(gateway.metadata.key());
  ByName attached;
  for (const auto& route : resources.routes) {
    for (const ParentRef& parent : route->parents) {
      for (const Listener& listener : gateway.listeners) {
        if (parent.key() != key || listener.port != port || !means(parent, listener) ||
            !allows(gateway, listener, *route)) {
          continue;
        }
        const auto hostnames = shared_hostnames(listener.hostname, route->hostnames);
        for (const std::string& name : hostnames.value_or(std::vector<std::string>())) {
          if (!belongs_elsewhere(gateway, listener, name)) {
            auto& entry = attached[route->metadata.key()];
            entry.first = route;
            entry.second.insert(name);
          }
        }
      }
    }
  }
  return in_order(std::move(attached));
}

}  // namespace

bool AttachedRoute::same_as(const AttachedRoute& other) const {
  const HttpRoute& a = *route;
  const HttpRoute& b = *other.route;
  return hostnames == other.hostnames && (route == other.route || (a.metadata.key() == b.metadata.key() &&
                                                                   a.created == b.created && a.rules == b.rules));
}

Reach reach_of(const ParentRef& parent, const ServicePort& port) {
  if (port.protocol != lb::Protocol::tcp || (parent.port != 0 && parent.port != lb::to_host(port.port)) ||
      (!parent.section.empty() && parent.section != port.name)) {
    return Reach::none;
  }
  if (parent.port != 0 || !parent.section.empty()) {
    return Reach::named;
  }
  return port.carries == PortProtocol::unsaid || port.carries == PortProtocol::http ? Reach::all : Reach::none;
}

bool any_route_at(const ServiceResources& resources, const ServicePort& port) {
  if (resources.services.empty()) {
    return false;
  }
  const Service& service = *resources.services.front();
  return std::any_of(resources.routes.begin(), resources.routes.end(), [&](const auto& route) {
    return is_producers(*route, service) && attaches(*route, service.metadata.key(), port);
  });
}

std::vector<AttachedRoute> routes_at(const ServiceResources& resources, const ServicePort& port,
                                     const std::string& consumer) {
  if (!resources.gateways.empty()) {
    return routes_of_listeners(*resources.gateways.front(), resources, lb::to_host(port.port));
  }
  if (resources.services.empty()) {
    return {};
  }
  const Metadata& service = resources.services.front()->metadata;
  const std::string& name_space = consumer.empty() ? service.name_space : consumer;
  ByName attached;
  for (const auto& route : resources.routes) {
    if (route->metadata.name_space == name_space && attaches(*route, service.key(), port)) {
      attached[route->metadata.key()] = {route, {""}};
    }
  }
  return in_order(std::move(attached));
}

std::set<std::string> consumers_of(const ServiceResources& resources) {
  std::set<std::string> consumers;
  for (const auto& route : resources.routes) {
    if (!resources.services.empty() && route->metadata.name_space != resources.services.front()->metadata.name_space) {
      consumers.insert(route->metadata.name_space);
    }
  }
  return consumers;
}

bool allows(const Gateway& gateway, const Listener& listener, const HttpRoute& route) {
  return listener.takes_routes &&
         (listener.from == Listener::From::all || route.metadata.name_space == gateway.metadata.name_space);
}

bool means(const ParentRef& parent, const Listener& listener) {
  return (parent.section.empty() || parent.section == listener.name) &&
         (parent.port == 0 || parent.port == listener.port);
}

std::optional<std::vector<std::string>> shared_hostnames(const std::string& listener,
                                                         const std::vector<std::string>& route) {
  if (route.empty()) {
    return std::vector<std::string>{listener};
  }
  std::set<std::string> shared;
  for (const std::string& name : route) {
    if (covers(listener, name)) {
      shared.insert(name);
    } else if (covers(name, listener)) {
      shared.insert(listener);
    }
  }
  return shared.empty() ? std::nullopt : std::optional(std::vector(shared.begin(), shared.end()));
}

}  // namespace weft::registry
