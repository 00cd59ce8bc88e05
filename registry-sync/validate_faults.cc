// SPDX-License-Identifier: Apache-2.0
#include "registry-sync/resolve.h"
#include "registry-sync/validate_parts.h"

namespace weft::registry {
namespace {

/// A fault that nobody can suffer is told, and does nothing: a rehearsal must not keep the registry from going on.
void check_fault(const FaultInjection& injection, const std::vector<ResolvedPort>& ports, const std::string& called,
                 Validation& result) {
  const Metadata& at = injection.metadata;
  std::string problem;
  bool any = false;
  bool is_carried = false;
  for (const ResolvedPort& each : ports) {
    if (injection.port && *injection.port != lb::to_host(each.port->port)) {
      continue;
    }
    any = true;
    const bool reads = each.http && each.http->protocol != lb::AppProtocol::opaque;
    const std::string why = carrying_problem(
        injection, {.mode = each.policy.mode, .protocol = each.port->protocol, .reads_requests = reads});
    is_carried |= why.empty();
    if (problem.empty() && !why.empty()) {
      problem = "port " + std::to_string(lb::to_host(each.port->port)) + "/" +
                std::string(lb::to_string(each.port->protocol)) + " of " + called + " can't have this fault: " + why;
    }
  }
  if (!any && injection.port) {
    add(result.warnings, at, "spec.port", called + " has no port " + std::to_string(*injection.port) + " (yet)");
  } else if (!any) {
    add(result.warnings, at, "spec.targetRef", called + " is headless: clients talk to its endpoints by themselves");
  } else if (!is_carried) {
    add(result.warnings, at, "spec", problem);
  }
  if (injection.fault.killed && !ports.empty()) {
    const bool known = std::any_of(ports.begin(), ports.end(), [&](const ResolvedPort& each) {
      return std::any_of(each.endpoints.begin(), each.endpoints.end(), [&](const Candidate& candidate) {
        return candidate.endpoint.address == *injection.fault.killed;
      });
    });
    if (!known && injection.kind == FaultInjection::Kind::service) {
      add(result.warnings, at, "spec.dead.endpoint",
          called + " has no endpoint " + lb::to_string(*injection.fault.killed) + " (yet)");
    }
  }
}

}  // namespace

void check_faults(const std::string& key, const ServiceResources& resources, const Abilities& abilities,
                  Validation& result) {
  if (resources.faults.empty() || key.starts_with(route_faults_key(""))) {
    return;  // of a route, the builder says whether it is attached anywhere
  }
  const bool of_gateway = key.starts_with(gateway_key(""));
  const std::string called = of_gateway ? "Gateway " + key.substr(gateway_key("").size()) : "service " + key;
  const std::vector<ResolvedPort> ports = resolve(resources, "", abilities);
  for (const FaultInjection* fault : by_place(resources.faults)) {
    if (of_gateway ? resources.gateways.empty() : resources.services.empty()) {
      add(result.warnings, fault->metadata, "spec.targetRef", "there is no " + called + " (yet)");
    } else {
      check_fault(*fault, ports, called, result);
    }
  }
}

}  // namespace weft::registry
