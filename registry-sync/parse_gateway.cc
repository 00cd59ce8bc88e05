// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <set>

#include "registry-sync/parse_http_values.h"
#include "registry-sync/parse_kinds.h"

namespace weft::registry {
namespace {

constexpr std::string_view kClass = "weft";
constexpr std::string_view kController = "weft.dev/gateway";
constexpr size_t kMostListeners = 64;
constexpr size_t kMostAddresses = 16;
constexpr size_t kMostKinds = 8;
constexpr size_t kMostGrants = 16;

void parse_allowed_routes(Fields allowed, Listener& listener) {
  Fields namespaces = allowed.mapping("namespaces");
  // Selectors are over labels of Namespace objects, which the registry does not hold.
  const bool all = namespaces.word("from", {"Same", "All"}, {"Selector", "None"}) == "All";
  listener.from = all ? Listener::From::all : Listener::From::same;
  if (namespaces.text("from") == "Selector") {
    namespaces.ignore({"selector"});
  } else {
    namespaces.unimplemented({"selector"});
  }
  namespaces.finish();
  std::vector<Fields> kinds = allowed.mappings("kinds");
  check_count(allowed, "kinds", kinds.size(), kMostKinds);
  listener.takes_routes = kinds.empty();
  for (Fields& item : kinds) {
    const std::string group = item.string("group").value_or(std::string(kGatewayGroup));
    const std::string kind = item.required_string("kind");
    item.finish();
    if (group == kGatewayGroup && kind == "HTTPRoute") {
      listener.takes_routes = true;
    } else {
      listener.unknown_kinds.push_back((group.empty() ? "" : group + "/") + kind);
    }
  }
  allowed.finish();
}

Listener parse_listener(Fields& item) {
  Listener listener{.name = item.required_string("name")};
  if (item.has("name") && listener.name.empty()) {
    item.error("name", "required field is empty");
  }
  check_subdomain(item, "name", listener.name);
  if (const std::optional<std::string> hostname = item.string("hostname"); hostname && !hostname->empty()) {
    listener.hostname = *hostname;
    check_hostname(item, "hostname", listener.hostname, Wildcard::allowed);
  }
  listener.port = static_cast<uint16_t>(item.required_integer("port", 1, 65535));
  item.required_word("protocol", {"HTTP"}, {"HTTPS", "TLS", "TCP", "UDP"});
  parse_allowed_routes(item.mapping("allowedRoutes"), listener);
  item.unimplemented({"tls"});
  item.finish();
  return listener;
}

void parse_listeners(Fields& spec, Gateway& gateway) {
  std::set<std::string> names;
  std::set<std::pair<uint16_t, std::string>> places;
  std::vector<Fields> items = spec.required_mappings("listeners");
  check_count(spec, "listeners", items.size(), kMostListeners);
  for (Fields& item : items) {
    Listener listener = parse_listener(item);
    if (!listener.name.empty() && !names.insert(listener.name).second) {
      item.error("name", "duplicate listener name " + in_quotes(listener.name));
    }
    if (listener.port != 0 && !places.emplace(listener.port, listener.hostname).second) {
      item.error("port", "another listener has port " + std::to_string(listener.port) +
                             (listener.hostname.empty() ? " without a hostname too"
                                                        : " and hostname " + in_quotes(listener.hostname) + " too"));
    }
    const ServicePort port{.name = "", .port = lb::port_from_host(listener.port), .carries = PortProtocol::http};
    if (std::find(gateway.ports.begin(), gateway.ports.end(), port) == gateway.ports.end()) {
      gateway.ports.push_back(port);
    }
    gateway.listeners.push_back(std::move(listener));
  }
}

/// weft has no addresses to give: those that a Gateway asks for are its own, as a Service's clusterIP is.
void parse_addresses(Fields& spec, Gateway& gateway) {
  std::vector<Fields> items = spec.required_mappings("addresses");
  check_count(spec, "addresses", items.size(), kMostAddresses);
  for (Fields& item : items) {
    item.word("type", {"IPAddress"}, {"Hostname", "NamedAddress"});
    if (const std::optional<lb::Address> address = item.address("value")) {
      if (const std::string_view problem = unicast_problem(*address); !problem.empty()) {
        item.error("value",
                   "expected a unicast address, got " + in_quotes(item.text("value")) + ", " + std::string(problem));
      } else if (std::find(gateway.addresses.begin(), gateway.addresses.end(), *address) != gateway.addresses.end()) {
        item.error("value", "duplicate address " + in_quotes(item.text("value")));
      }
      gateway.addresses.push_back(*address);
    } else if (item && !item.has("value")) {
      item.error("value", "required field is missing: weft has no addresses to choose one from");
    }
    item.finish();
  }
}

}  // namespace

void parse_gateway(Fields& document, ResourceSet& resources) {
  Gateway gateway{.metadata = parse_metadata(document, check_subdomain, "").metadata};
  Fields spec = document.required_mapping("spec");
  const std::string of = spec.required_string("gatewayClassName");
  if (spec.has("gatewayClassName") && of != kClass) {
    spec.error("gatewayClassName", "expected " + std::string(kClass) + ", the class of controller " +
                                       std::string(kController) + ", got " + in_quotes(of));
  }
  parse_listeners(spec, gateway);
  parse_addresses(spec, gateway);
  spec.unimplemented({"infrastructure", "allowedListeners", "backendTLS", "tls", "defaultScope"});
  spec.finish();
  document.ignore({"status"});
  document.finish();
  resources.gateways.push_back(std::make_shared<const Gateway>(std::move(gateway)));
}

/// Says nothing that weft would not know: it has one class. Classes of other controllers are theirs.
void parse_gateway_class(Fields& document, ResourceSet&) {
  const Metadata metadata = parse_metadata(document, check_subdomain, "").metadata;
  Fields spec = document.required_mapping("spec");
  const std::string controller = spec.required_string("controllerName");
  spec.string("description");
  if (controller == kController) {
    if (metadata.name != kClass) {
      spec.error("controllerName", "controller " + std::string(kController) + " has one class, " + std::string(kClass) +
                                       "; got it for " + in_quotes(metadata.name));
    }
    spec.unimplemented({"parametersRef"});
    spec.finish();
  } else if (metadata.name == kClass && spec.has("controllerName")) {
    spec.error("controllerName", "expected " + std::string(kController) + ", the controller of class " +
                                     std::string(kClass) + ", got " + in_quotes(controller));
  }
  document.ignore({"status"});
  document.finish();
}

/// Of what it grants, weft has HTTPRoutes that refer to Services alone; the rest is for others.
void parse_reference_grant(Fields& document, ResourceSet& resources) {
  ReferenceGrant grant{.metadata = parse_metadata(document, check_subdomain, "").metadata};
  Fields spec = document.required_mapping("spec");
  const auto parse_kind = [](Fields& item, std::string_view group, std::string_view kind) {
    const std::string its_group = item.string("group").value_or("");
    const std::string its_kind = item.required_string("kind");
    if (item && !item.has("group")) {
      item.error("group", "required field is missing");
    }
    return its_group == group && its_kind == kind;
  };
  std::vector<Fields> from = spec.required_mappings("from");
  check_count(spec, "from", from.size(), kMostGrants);
  for (Fields& item : from) {
    const bool counts = parse_kind(item, kGatewayGroup, "HTTPRoute");
    const std::string name_space = item.required_string("namespace");
    check_label(item, "namespace", name_space);
    item.finish();
    if (counts) {
      grant.from.push_back(name_space);
    }
  }
  std::vector<Fields> to = spec.required_mappings("to");
  check_count(spec, "to", to.size(), kMostGrants);
  for (Fields& item : to) {
    const bool counts = parse_kind(item, "", "Service");
    const std::string name = item.string("name").value_or("");
    item.finish();
    if (counts) {
      grant.services.push_back({.name = name});
    }
  }
  spec.finish();
  document.finish();
  resources.grants.push_back(std::make_shared<const ReferenceGrant>(std::move(grant)));
}

}  // namespace weft::registry
