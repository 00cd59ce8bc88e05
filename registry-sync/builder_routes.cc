// SPDX-License-Identifier: Apache-2.0
/// @file The part of the builder that makes route tables, and tells what became of routes. All services have their
/// slots by then.
#include <algorithm>
#include <stdexcept>

#include "lb/route_table.h"
#include "registry-sync/builder.h"

namespace weft::registry {
namespace {

/// What tables for a namespace's clients depend on. No service's key: names have no spaces.
std::string clients_key(const std::string& name_space) {
  return "clients of " + name_space;
}

}  // namespace

bool Builder::Table::same_as(const Table& other) const {
  return slots == other.slots && std::equal(routes.begin(), routes.end(), other.routes.begin(), other.routes.end(),
                                            [](const auto& a, const auto& b) { return a.same_as(b); });
}

bool Builder::note_backends(const std::string& key, const Group& group, bool updated) {
  if (!group.resources.gateways.empty()) {
    return false;
  }
  if (key.starts_with(grants_key(""))) {
    const std::string name_space = key.substr(grants_key("").size());
    if (group.resources.grants.empty()) {
      return backends_.grants.erase(name_space) > 0;
    }
    backends_.grants[name_space] = group.resources.grants;
    return updated;
  }
  if (group.resources.services.empty()) {
    return backends_.services.erase(key) > 0;
  }
  std::vector<Backends::Port> ports;
  for (const Port& each : group.ports) {
    const lb::Service& service = *each.service;
    if (service.protocol != lb::Protocol::tcp) {
      continue;
    }
    auto port = std::find_if(ports.begin(), ports.end(), [&](const auto& other) { return other.port == service.port; });
    if (port == ports.end()) {
      port = ports.insert(ports.end(), {.port = service.port, .wants_proxy_header = service.policy.proxy_protocol});
      for (const ServicePort& said : group.resources.services.front()->ports) {
        if (said.port == service.port && said.protocol == service.protocol) {
          port->carries = said.carries;
        }
      }
    }
    port->slots[service.address.is_ipv4() ? 0 : 1] = service.slot;
  }
  const auto [known, is_new] = backends_.services.try_emplace(key);
  const bool changed = is_new || known->second != ports;
  known->second = std::move(ports);
  return changed;
}

std::vector<Builder::Table> Builder::tables_for(const Group& group) const {
  std::vector<Table> tables;
  const bool of_gateway = !group.resources.gateways.empty();
  const std::vector<ServicePort>* ports = of_gateway                         ? &group.resources.gateways.front()->ports
                                          : group.resources.services.empty() ? nullptr
                                                                             : &group.resources.services.front()->ports;
  std::set<std::string> consumers = of_gateway ? std::set<std::string>() : consumers_of(group.resources);
  consumers.insert("");
  for (size_t i = 0; ports != nullptr && i < ports->size(); ++i) {
    const ServicePort& port = (*ports)[i];
    for (const std::string& consumer : consumers) {
      Table table{.port = port.port,
                  .consumer = consumer,
                  .routes = routes_at(group.resources, port, consumer),
                  .slots = {},
                  .table = nullptr};
      // A Gateway's port has no endpoints of its own: a table without routes says that nothing is found.
      if (port.protocol != lb::Protocol::tcp || (table.routes.empty() && !of_gateway)) {
        continue;
      }
      for (const AttachedRoute& attached : table.routes) {
        const auto slots = slots_of(*attached.route, of_gateway, backends_);
        table.slots.insert(table.slots.end(), slots.begin(), slots.end());
      }
      tables.push_back(std::move(table));
    }
  }
  return tables;
}

void Builder::compile_table(std::vector<lb::HttpRoute> routes, const lb::RouteTable* previous, Table& table) {
  try {
    table.table = std::make_shared<const lb::RouteTable>(std::move(routes), previous);
  } catch (const std::invalid_argument& error) {
    // Each expression was compiled when it was parsed; all of them together may still be too much for one database.
    // Without a table requests would go to the service's own endpoints, unrouted; so nothing is found.
    table.table = std::make_shared<const lb::RouteTable>(std::vector<lb::HttpRoute>());
    table.problem = error.what();
  }
}

bool Builder::route(const std::string& key, Group& group) {
  std::vector<Table> tables = tables_for(group);
  const bool of_gateway = !group.resources.gateways.empty();
  for (size_t i = 0; i < tables.size(); ++i) {
    // Of this group before, or of another port of it: most services have the same routes at all ports.
    const auto same = [&](const Table& other) { return other.same_as(tables[i]); };
    const auto end = tables.begin() + static_cast<std::ptrdiff_t>(i);
    const auto before = std::find_if(group.tables.begin(), group.tables.end(), same);
    const auto beside = std::find_if(tables.begin(), end, same);
    if (before != group.tables.end()) {
      tables[i].table = before->table;
      tables[i].problem = before->problem;
    } else if (beside != end) {
      tables[i].table = beside->table;
      tables[i].problem = beside->problem;
    } else {
      std::vector<lb::HttpRoute> routes;
      for (const AttachedRoute& attached : tables[i].routes) {
        routes.push_back(resolve_route(attached, of_gateway, backends_));
      }
      const auto previous = std::find_if(group.tables.begin(), group.tables.end(), [&](const Table& other) {
        return other.port == tables[i].port && other.consumer == tables[i].consumer;
      });
      compile_table(std::move(routes), previous == group.tables.end() ? nullptr : previous->table.get(), tables[i]);
    }
  }
  group.tables = std::move(tables);
  for (const Table& table : group.tables) {
    if (!table.problem.empty()) {
      const Metadata& at = table.routes.front().route->metadata;
      group.left_out.push_back({.file = at.file,
                                .line = at.line,
                                .message = "no request to " + key + ", port " +
                                           std::to_string(lb::to_host(table.port)) +
                                           ", is routed: its routes do not compile: " + escaped(table.problem, 1024)});
      left_out_.insert(key);
    }
  }
  depend(key, group);
  bool changed = false;
  for (Port& port : group.ports) {
    if (port.service->http == nullptr) {
      continue;
    }
    lb::Http http = routed(*port.service->http, port.service->port, group);
    if (http.routes == port.service->http->routes && http.consumers == port.service->http->consumers &&
        http.clients == port.service->http->clients) {
      continue;
    }
    lb::Service service = *port.service;
    service.http = std::make_shared<const lb::Http>(std::move(http));
    port.service = std::make_shared<const lb::Service>(std::move(service));
    changed = true;
  }
  return changed;
}

lb::Http Builder::routed(const lb::Http& http, lb::Port port, const Group& group) {
  lb::Http routed = http;
  routed.routes = nullptr;
  routed.consumers.clear();
  routed.clients = nullptr;
  for (const Table& table : group.tables) {
    if (table.port != port) {
      continue;
    }
    if (table.consumer.empty()) {
      routed.routes = table.table;
    } else {
      routed.consumers.push_back(
          {.number = know_clients_of(table.consumer), .name_space = table.consumer, .routes = table.table});
    }
  }
  if (!routed.consumers.empty()) {
    std::sort(routed.consumers.begin(), routed.consumers.end(),
              [](const lb::ConsumerRoutes& a, const lb::ConsumerRoutes& b) { return a.number < b.number; });
    routed.clients = clients_;
  }
  return routed;
}

uint32_t Builder::know_clients_of(const std::string& name_space) {
  const uint32_t next = static_cast<uint32_t>(namespaces_.size());
  const uint32_t number = namespaces_.try_emplace(name_space, next).first->second;
  if (!client_ledger_) {
    client_ledger_.emplace();
    for (const auto& [key, group] : groups_) {
      client_ledger_->replace(key.substr(0, key.find('/')), {}, group.resources.slices);
    }
    client_ledger_->take_changed();
  }
  if (consumers_.insert(name_space).second) {
    renew_clients();
  }
  return number;
}

void Builder::renew_clients() {
  lb::ClientNamespaces clients;
  for (const auto& [address, name_space] : client_ledger_->clients_of(consumers_)) {
    clients.emplace(address, namespaces_.at(name_space));
  }
  clients_ = std::make_shared<const lb::ClientNamespaces>(std::move(clients));
}

std::vector<std::string> Builder::changed_clients() {
  std::erase_if(consumers_, [this](const std::string& each) { return !dependents_.contains(clients_key(each)); });
  if (consumers_.empty()) {
    client_ledger_.reset();
    return {};
  }
  std::vector<std::string> changed;
  for (const std::string& name_space : client_ledger_->take_changed()) {
    if (consumers_.contains(name_space)) {
      changed.push_back(clients_key(name_space));
    }
  }
  if (!changed.empty()) {
    renew_clients();
  }
  return changed;
}

HttpStatus Builder::http_status() const {
  HttpStatus status;
  std::map<std::string, RouteStatus> routes;
  std::map<std::string, RouteStatus> grpc_routes;
  static const ServiceResources kNothing;
  for (const auto& [key, group] : groups_) {
    for (const auto& route : group.resources.routes) {
      const auto [known, is_new] = routes.try_emplace(route->metadata.key());
      if (!is_new) {
        continue;
      }
      known->second = {.metadata = route->metadata, .hostnames = route->hostnames, .parents = {}};
      for (const ParentRef& parent : route->parents) {
        const auto of = groups_.find(parent.key());
        known->second.parents.push_back(
            {.parent = parent,
             .conditions =
                 conditions_of(*route, parent, of == groups_.end() ? kNothing : of->second.resources, backends_)});
      }
    }
    for (const auto& route : group.resources.grpc_routes) {
      const auto [known, is_new] = grpc_routes.try_emplace(route->metadata.key());
      if (!is_new) {
        continue;
      }
      known->second = {.metadata = route->metadata, .hostnames = route->hostnames, .parents = {}};
      for (const ParentRef& parent : route->parents) {
        known->second.parents.push_back({.parent = parent, .conditions = grpc_conditions()});
      }
    }
    for (const auto& gateway : group.resources.gateways) {
      status.gateways.push_back(
          status_of(*gateway, group.resources, group.left_out.empty() ? "" : group.left_out.front().message));
    }
  }
  for (auto& [key, route] : routes) {
    status.routes.push_back(std::move(route));
  }
  for (auto& [key, route] : grpc_routes) {
    status.grpc_routes.push_back(std::move(route));
  }
  return status;
}

void Builder::depend(const std::string& key, const Group& group) {
  std::set<std::string> now = group.takes_routes() ? backends_of(group.resources.routes) : std::set<std::string>();
  for (const Table& table : group.tables) {
    if (!table.consumer.empty()) {
      now.insert(clients_key(table.consumer));
    }
  }
  const auto known = dependencies_.find(key);
  if (known != dependencies_.end()) {
    if (known->second == now) {
      return;
    }
    for (const std::string& backend : known->second) {
      auto [first, last] = dependents_.equal_range(backend);
      dependents_.erase(std::find_if(first, last, [&](const auto& entry) { return entry.second == key; }));
    }
  }
  for (const std::string& backend : now) {
    dependents_.emplace(backend, key);
  }
  if (now.empty()) {
    dependencies_.erase(key);
  } else {
    dependencies_[key] = std::move(now);
  }
}

}  // namespace weft::registry
