// SPDX-License-Identifier: Apache-2.0
#include "registry-sync/route_status.h"

#include <algorithm>

#include "registry-sync/diagnostic.h"
#include "registry-sync/resolve.h"

namespace weft::registry {
namespace {

std::string asked_for(const ParentRef& parent) {
  return (parent.section.empty() ? "" : " " + in_quotes(parent.section)) +
         (parent.port == 0 ? "" : (parent.section.empty() ? " " : " at ") + std::to_string(parent.port));
}

/// Or the reason why it is not.
Condition accepted(std::string reason = "Accepted", std::string message = "") {
  return {
      .type = "Accepted", .holds = reason == "Accepted", .reason = std::move(reason), .message = std::move(message)};
}

/// Whatever its consumers say.
bool are_requests_read(const ServiceResources& resources, const ServicePort& port) {
  const ServicePolicy* const policy = policy_of(resources, port);
  return any_route_at(resources, port) || port.carries == PortProtocol::http ||
         (port.carries == PortProtocol::unsaid && policy != nullptr && policy->policy.mode == lb::Mode::proxy);
}

Condition accepted_by_service(const HttpRoute& route, const ParentRef& parent, const ServiceResources& resources) {
  if (resources.services.empty()) {
    return accepted("NoMatchingParent", "there is no Service " + parent.key());
  }
  const Service& service = *resources.services.front();
  if (service.addresses.empty()) {
    // GEP-1294, "Allowed service types".
    return accepted("NoMatchingParent", "Service " + parent.key() + " is headless: there is no address to route at");
  }
  const bool any = std::any_of(service.ports.begin(), service.ports.end(),
                               [&](const ServicePort& port) { return reach_of(parent, port) != Reach::none; });
  const bool is_consumer = route.metadata.name_space != service.metadata.name_space;
  if (any && is_consumer && std::none_of(service.ports.begin(), service.ports.end(), [&](const ServicePort& port) {
        return reach_of(parent, port) != Reach::none && are_requests_read(resources, port);
      })) {
    return accepted("NoMatchingParent",
                    "requests to Service " + parent.key() +
                        " are not read: a consumer's routes matter where its port says that it carries "
                        "HTTP, or its own namespace routes it");
  }
  return any ? accepted()
             : accepted("NoMatchingParent",
                        "Service " + parent.key() + " has no TCP port" +
                            (asked_for(parent).empty() ? " that may carry HTTP" : asked_for(parent)));
}

Condition accepted_by_gateway(const HttpRoute& route, const ParentRef& parent, const ServiceResources& resources) {
  const std::string called = "Gateway " + parent.name_space + "/" + parent.name;
  if (resources.gateways.empty()) {
    return accepted("NoMatchingParent", "there is no " + called);
  }
  const Gateway& gateway = *resources.gateways.front();
  bool meant = false;
  bool allowed = false;
  for (const Listener& listener : gateway.listeners) {
    if (!means(parent, listener)) {
      continue;
    }
    meant = true;
    if (!allows(gateway, listener, route)) {
      continue;
    }
    allowed = true;
    if (shared_hostnames(listener.hostname, route.hostnames)) {
      return accepted();
    }
  }
  if (!meant) {
    return accepted("NoMatchingParent", called + " has no listener" + asked_for(parent));
  }
  if (!allowed) {
    return accepted("NotAllowedByListeners", "no listener of " + called + " takes HTTPRoutes of namespace " +
                                                 route.metadata.name_space + ": see their allowedRoutes");
  }
  return accepted("NoMatchingListenerHostname",
                  "no listener of " + called + " has a hostname that overlaps " + listed(route.hostnames));
}

/// Of several problems the first gives the reason, and the message has them all.
Condition resolved_refs(const HttpRoute& route, bool from_gateway, const Backends& backends) {
  Condition condition{.type = "ResolvedRefs", .holds = true, .reason = "ResolvedRefs", .message = ""};
  for_each_backend(route, [&](const lb::BackendPort& said, const std::string& field) {
    lb::BackendPort backend = said;
    const std::optional<BackendProblem> problem =
        find_backend(backend, route.metadata.name_space, from_gateway, backends);
    if (!problem) {
      return;
    }
    if (condition.holds) {
      condition.holds = false;
      condition.reason = problem->reason;
    }
    condition.message += (condition.message.empty() ? "" : "; ") + field + ": " + problem->message;
  });
  return condition;
}

bool attaches(const HttpRoute& route, const std::string& key, const Gateway& gateway, const Listener& listener) {
  return allows(gateway, listener, route) && shared_hostnames(listener.hostname, route.hostnames) &&
         std::any_of(route.parents.begin(), route.parents.end(),
                     [&](const ParentRef& parent) { return parent.key() == key && means(parent, listener); });
}

}  // namespace

std::vector<Condition> conditions_of(const HttpRoute& route, const ParentRef& parent, const ServiceResources& resources,
                                     const Backends& backends) {
  const bool by_gateway = parent.kind == ParentRef::Kind::gateway;
  return {by_gateway ? accepted_by_gateway(route, parent, resources) : accepted_by_service(route, parent, resources),
          resolved_refs(route, by_gateway, backends)};
}

std::vector<Condition> grpc_conditions() {
  // The reason that Gateway API has for a listener where GRPCRoutes can't be served.
  return {accepted("UnsupportedProtocol", "no request is routed by it: " + std::string(kNoGrpc))};
}

GatewayStatus status_of(const Gateway& gateway, const ServiceResources& resources, const std::string& left_out) {
  GatewayStatus status{.metadata = gateway.metadata, .addresses = gateway.addresses, .conditions = {}, .listeners = {}};
  const Condition programmed{.type = "Programmed",
                             .holds = left_out.empty(),
                             .reason = left_out.empty() ? "Programmed" : "NoResources",
                             .message = left_out};
  bool valid = true;
  for (const Listener& listener : gateway.listeners) {
    ListenerStatus& each = status.listeners.emplace_back();
    each.name = listener.name;
    each.port = listener.port;
    each.hostname = listener.hostname;
    for (const auto& route : resources.routes) {
      each.attached_routes += attaches(*route, gateway_key(gateway.metadata.key()), gateway, listener) ? 1 : 0;
    }
    const bool kinds = listener.unknown_kinds.empty();
    valid &= kinds;
    each.conditions = {
        accepted(),
        programmed,
        {.type = "ResolvedRefs",
         .holds = kinds,
         .reason = kinds ? "ResolvedRefs" : "InvalidRouteKinds",
         .message = kinds ? "" : "weft knows HTTPRoute alone, not " + escaped(listed(listener.unknown_kinds), 1024)},
        // Two Gateways at one address and port, or two listeners alike, are errors of the registry's.
        {.type = "Conflicted", .holds = false, .reason = "NoConflicts", .message = ""}};
  }
  status.conditions = {{.type = "Accepted",
                        .holds = true,
                        .reason = valid ? "Accepted" : "ListenersNotValid",
                        .message = valid ? "" : "see the listeners' conditions"},
                       programmed};
  return status;
}

}  // namespace weft::registry
