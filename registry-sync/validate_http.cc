// SPDX-License-Identifier: Apache-2.0
#include "lb/expression_size.h"
#include "registry-sync/attach.h"
#include "registry-sync/request_policy.h"
#include "registry-sync/validate_parts.h"

namespace weft::registry {
namespace {

/// Of one Service or Gateway, at all of its ports. Hyperscan takes 1.5 ms an expression, so these are some 3 s.
constexpr size_t kMostMatchesOfParent = 65536;
constexpr size_t kMostExpressions = 2048;
constexpr size_t kMostExpressionBytes = size_t{1} << 18;

struct Size {
  size_t matches = 0;
  size_t expressions = 0;
  size_t expression_bytes = 0;

  void add_expression(lb::MatchType type, const std::string& value) {
    const bool is_one = type == lb::MatchType::regular_expression;
    expressions += is_one ? 1 : 0;
    expression_bytes += is_one ? std::max(value.size(), lb::expression_size(value)) : 0;
  }
};

Size size_of(const ServiceResources& resources) {
  Size size;
  for (const auto& route : resources.routes) {
    for (const HttpRouteRule& rule : route->rules) {
      size.matches += rule.matches.size();
      for (const lb::HttpMatch& match : rule.matches) {
        size.add_expression(match.path.type, match.path.value);
        for (const auto* values : {&match.headers, &match.query}) {
          for (const lb::ValueMatch& value : *values) {
            size.add_expression(value.type, value.value);
          }
        }
      }
    }
  }
  return size;
}

/// What a table of all routes would take: bounded, since one document can't be blamed for the sum.
void check_size(const std::string& called, const Metadata& at, const ServiceResources& resources, Validation& result) {
  const Size size = size_of(resources);
  const auto check = [&](size_t count, size_t most, const std::string& what) {
    if (count > most) {
      add(result.errors, at, "",
          "the routes of " + called + " have " + std::to_string(count) + " " + what + " together; weft takes at most " +
              std::to_string(most));
    }
  };
  check(size.matches, kMostMatchesOfParent, "matches");
  check(size.expressions, kMostExpressions, "regular expressions");
  check(size.expression_bytes, kMostExpressionBytes,
        "characters of regular expressions, their repetitions written out,");
}

std::string called(const Service& service, const ServicePort& port) {
  return "port " + std::to_string(lb::to_host(port.port)) + " of service " + service.metadata.key();
}

std::string_view mode_name(lb::Mode mode) {
  return mode == lb::Mode::nat       ? "nat"
         : mode == lb::Mode::fullnat ? "fullnat"
         : mode == lb::Mode::dsr     ? "dsr"
                                     : "proxy";
}

std::string_view carried(PortProtocol protocol) {
  return protocol == PortProtocol::http2 ? "HTTP/2"
         : protocol == PortProtocol::tls ? "TLS"
                                         : "something else than HTTP";
}

void check_port_policy(const ServiceResources& resources, const Service& service, const ServicePort& port,
                       Validation& result) {
  const ServicePolicy* policy = policy_of(resources, port);
  if (policy == nullptr || port.protocol != lb::Protocol::tcp) {
    return;
  }
  const bool matters = policy->policy.proxy_protocol || (policy->says_mode && policy->policy.mode != lb::Mode::proxy);
  const std::vector<AttachedRoute> routes = matters ? routes_at(resources, port) : std::vector<AttachedRoute>();
  const std::string by = routes.empty() ? ""
                                        : "HTTPRoute " + routes.front().route->metadata.key() + " at " +
                                              place(routes.front().route->metadata);
  if (policy->says_mode && policy->policy.mode != lb::Mode::proxy && !routes.empty()) {
    add(result.errors, policy->metadata, "spec.forwarding.mode",
        "mode " + std::string(mode_name(policy->policy.mode)) + " of " + called(service, port) + " contradicts " + by +
            ", which is attached to it: requests are seen in mode proxy alone");
  }
  if (policy->policy.proxy_protocol && (!routes.empty() || port.carries == PortProtocol::http)) {
    add(result.errors, policy->metadata, "spec.forwarding.proxyProtocol",
        called(service, port) + " carries HTTP, says " +
            (routes.empty() ? "service " + service.metadata.key() + " at " + place(service.metadata) : by) +
            ": connections to its endpoints are not one client's, which goes into x-forwarded-for");
  }
}

void check_parents(const HttpRoute& route, const Service& service, Validation& result) {
  for (size_t i = 0; i < route.parents.size(); ++i) {
    const ParentRef& parent = route.parents[i];
    for (const ServicePort& port : service.ports) {
      const bool unfit = port.carries != PortProtocol::http && port.carries != PortProtocol::unsaid;
      if (parent.key() == service.metadata.key() && reach_of(parent, port) == Reach::named && unfit) {
        // A consumer's mistake is not to hold up what the Service's own namespace says.
        const bool own = route.metadata.name_space == service.metadata.name_space;
        add(own ? result.errors : result.warnings, route.metadata, "spec.parentRefs[" + std::to_string(i) + "]",
            called(service, port) + " at " + place(service.metadata) + " carries " +
                std::string(carried(port.carries)) + ", for which weft does not implement routes");
      }
    }
  }
  if (!route.hostnames.empty()) {
    add(result.warnings, route.metadata, "spec.hostnames",
        "they mean nothing to service " + service.metadata.key() + ": match header Host instead (GEP-1294)");
  }
}

/// Only what is found is worth sorting: routes may be thousands, and this is asked at each endpoint's change.
void check_all_parents(const ServiceResources& resources, const Service& service, Validation& result) {
  Validation any;
  for (const auto& route : resources.routes) {
    check_parents(*route, service, any);
  }
  if (any.errors.empty() && any.warnings.empty()) {
    return;
  }
  for (const HttpRoute* route : by_place(resources.routes)) {
    check_parents(*route, service, result);
  }
}

void check_rules(const ServiceResources& resources, const Service& service, Validation& result) {
  for (const DestinationRule* rule : by_place(resources.rules)) {
    for (size_t i = 0; i < rule->ports.size(); ++i) {
      const auto is_it = [&](const ServicePort& port) { return lb::to_host(port.port) == rule->ports[i].first; };
      if (std::none_of(service.ports.begin(), service.ports.end(), is_it)) {
        add(result.warnings, rule->metadata, "spec.trafficPolicy.portLevelSettings[" + std::to_string(i) + "].port",
            "service " + service.metadata.key() + " has no port " + std::to_string(rule->ports[i].first) + " (yet)");
      }
    }
  }
}

void find_rival_rules(const ServiceResources& resources, Validation& result) {
  const std::vector<const DestinationRule*> rules = by_place(resources.rules);
  for (size_t i = 1; i < rules.size(); ++i) {
    if (rules[i]->metadata.key() != rules[0]->metadata.key()) {
      add(result.errors, rules[i]->metadata, "spec.host",
          "DestinationRule " + rules[i]->metadata.key() + " and DestinationRule " + rules[0]->metadata.key() + " at " +
              place(rules[0]->metadata) + " are both for service " + rules[i]->service);
    }
  }
}

/// What speaks of something that is not there: it may come.
void warn_of_absence(const std::string& key, const ServiceResources& resources, Validation& result) {
  const std::string prefix = gateway_key("");
  const std::string what = key.starts_with(prefix) ? "Gateway " + key.substr(prefix.size()) : "service " + key;
  for (const HttpRoute* route : by_place(resources.routes)) {
    add(result.warnings, route->metadata, "spec.parentRefs", "there is no " + what + " (yet)");
  }
  for (const DestinationRule* rule : by_place(resources.rules)) {
    add(result.warnings, rule->metadata, "spec.host", "there is no " + what + " (yet)");
  }
}

/// What is not acted on is not to be passed over in silence.
void warn_of_grpc(const std::string& key, const ServiceResources& resources, Validation& result) {
  for (const GrpcRoute* route : by_place(resources.grpc_routes)) {
    for (size_t i = 0; i < route->parents.size(); ++i) {
      if (route->parents[i].key() == key) {
        add(result.warnings, route->metadata, "spec.parentRefs[" + std::to_string(i) + "]",
            "GRPCRoute " + route->metadata.key() + " routes nothing: " + std::string(kNoGrpc));
      }
    }
  }
}

}  // namespace

void check_http(const std::string& key, const ServiceResources& resources, Validation& result) {
  find_rival_rules(resources, result);
  warn_of_grpc(key, resources, result);
  if (!resources.gateways.empty()) {
    const Gateway& gateway = *by_place(resources.gateways).front();
    check_size("Gateway " + gateway.metadata.key(), gateway.metadata, resources, result);
    return;
  }
  if (resources.services.empty()) {
    warn_of_absence(key, resources, result);
    return;
  }
  const Service& service = *by_place(resources.services).front();
  check_size("service " + key, service.metadata, resources, result);
  check_all_parents(resources, service, result);
  for (const ServicePort& port : service.ports) {
    check_port_policy(resources, service, port, result);
  }
  check_rules(resources, service, result);
}

}  // namespace weft::registry
