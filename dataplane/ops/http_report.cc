// SPDX-License-Identifier: Apache-2.0
#include "ops/http_report.h"

#include <fmt/format.h>

#include "registry-sync/diagnostic.h"

namespace weft::ops {
namespace {

using registry::Condition;

std::string parent_name(const registry::ParentRef& parent) {
  const bool is_service = parent.kind == registry::ParentRef::Kind::service;
  return fmt::format("{} {}/{}{}{}", is_service ? "Service" : "Gateway", parent.name_space, parent.name,
                     parent.section.empty() ? "" : " " + parent.section,
                     parent.port == 0 ? "" : ":" + std::to_string(parent.port));
}

std::string shown(const std::vector<Condition>& conditions, std::string_view type) {
  for (const Condition& condition : conditions) {
    if (condition.type == type) {
      return condition.holds ? "True" : "False " + condition.reason;
    }
  }
  return "";
}

/// Of conditions that are not as they should be: the others have none.
std::string messages(const std::vector<Condition>& conditions) {
  std::string all;
  for (const Condition& condition : conditions) {
    if (!condition.message.empty()) {
      all += (all.empty() ? "" : "; ") + condition.message;
    }
  }
  return all;
}

void add_rows(Json& rows, const std::string& of, const std::vector<Condition>& conditions) {
  for (const Condition& condition : conditions) {
    rows.push_back({{"of", of},
                    {"condition", condition.type},
                    {"status", condition.holds ? "True" : "False"},
                    {"reason", condition.reason},
                    {"message", condition.message}});
  }
}

bool is_named(const registry::Metadata& metadata, const std::string& name) {
  return metadata.key() == (name.find('/') == std::string::npos ? "default/" + name : name);
}

std::string place(const registry::Metadata& metadata) {
  return metadata.file + ":" + std::to_string(metadata.line);
}

Json rows_of(const std::vector<registry::RouteStatus>& routes, const char* kind) {
  Json rows = Json::array();
  for (const registry::RouteStatus& route : routes) {
    for (const registry::ParentStatus& parent : route.parents) {
      rows.push_back({{kind, route.metadata.key()},
                      {"hostnames", registry::listed(route.hostnames, ", ")},
                      {"parent", parent_name(parent.parent)},
                      {"accepted", shown(parent.conditions, "Accepted")},
                      {"resolved_refs", shown(parent.conditions, "ResolvedRefs")},
                      {"message", messages(parent.conditions)}});
    }
  }
  return rows;
}

Json conditions_of_routes(const std::vector<registry::RouteStatus>& routes, const char* kind, const std::string& name) {
  for (const registry::RouteStatus& route : routes) {
    if (is_named(route.metadata, name)) {
      Json rows = Json::array();
      for (const registry::ParentStatus& parent : route.parents) {
        add_rows(rows, parent_name(parent.parent), parent.conditions);
      }
      return {{kind, route.metadata.key()},
              {"read_from", place(route.metadata)},
              {"hostnames", route.hostnames},
              {"conditions", rows}};
    }
  }
  return nullptr;
}

}  // namespace

Json route_rows(const registry::HttpStatus& status) {
  return rows_of(status.routes, "httproute");
}

Json grpc_route_rows(const registry::HttpStatus& status) {
  return rows_of(status.grpc_routes, "grpcroute");
}

Json route_conditions(const registry::HttpStatus& status, const std::string& name) {
  return conditions_of_routes(status.routes, "httproute", name);
}

Json grpc_route_conditions(const registry::HttpStatus& status, const std::string& name) {
  return conditions_of_routes(status.grpc_routes, "grpcroute", name);
}

Json gateway_rows(const registry::HttpStatus& status) {
  Json rows = Json::array();
  for (const registry::GatewayStatus& gateway : status.gateways) {
    std::vector<std::string> addresses;
    for (const lb::Address& address : gateway.addresses) {
      addresses.push_back(to_string(address));
    }
    for (const registry::ListenerStatus& listener : gateway.listeners) {
      rows.push_back({{"gateway", gateway.metadata.key()},
                      {"addresses", registry::listed(addresses, ", ")},
                      {"listener", listener.name},
                      {"port", listener.port},
                      {"hostname", listener.hostname},
                      {"attached_routes", listener.attached_routes},
                      {"accepted", shown(listener.conditions, "Accepted")},
                      {"programmed", shown(listener.conditions, "Programmed")},
                      {"resolved_refs", shown(listener.conditions, "ResolvedRefs")},
                      {"message", messages(listener.conditions)}});
    }
  }
  return rows;
}

Json gateway_conditions(const registry::HttpStatus& status, const std::string& name) {
  for (const registry::GatewayStatus& gateway : status.gateways) {
    if (is_named(gateway.metadata, name)) {
      Json rows = Json::array();
      add_rows(rows, "Gateway", gateway.conditions);
      for (const registry::ListenerStatus& listener : gateway.listeners) {
        add_rows(rows, "listener " + listener.name, listener.conditions);
      }
      Json addresses = Json::array();
      for (const lb::Address& address : gateway.addresses) {
        addresses.push_back(to_string(address));
      }
      return {{"gateway", gateway.metadata.key()},
              {"read_from", place(gateway.metadata)},
              {"addresses", addresses},
              {"conditions", rows}};
    }
  }
  return nullptr;
}

}  // namespace weft::ops
