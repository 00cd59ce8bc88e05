// SPDX-License-Identifier: Apache-2.0
#include "registry-sync/request_policy.h"

#include <xxhash.h>

namespace weft::registry {
namespace {

void apply_protections(const TrafficPolicy& traffic, lb::RequestPolicy& policy) {
  lb::BreakerLimits& breaker = policy.breaker;
  breaker.max_connections = traffic.max_connections.value_or(breaker.max_connections);
  breaker.max_pending_requests = traffic.max_pending_requests.value_or(breaker.max_pending_requests);
  breaker.max_requests = traffic.max_requests.value_or(breaker.max_requests);
  if (traffic.retry_budget) {
    policy.retry_budget = *traffic.retry_budget;
  } else if (traffic.max_retries) {
    policy.retry_budget = {.at_least = *traffic.max_retries, .is_fixed = true};
  }
  policy.outlier = traffic.outlier;
}

/// A success rate alone makes an outlier, too, if nothing else is said to.
void apply_protections(const ServicePolicy& own, lb::RequestPolicy& policy) {
  policy.breaker.endpoint_max_connections = own.endpoint_max_connections.value_or(lb::BreakerLimits::kNone);
  policy.breaker.endpoint_max_requests = own.endpoint_max_requests.value_or(lb::BreakerLimits::kNone);
  if (own.success_rate) {
    if (!policy.outlier.enabled) {
      policy.outlier = {.enabled = true, .consecutive_5xx = 0};
    }
    policy.outlier.success_rate = *own.success_rate;
  }
}

/// Ports of a service share its limits. Another rate is another limit: with a full bucket, whatever the old one had.
std::vector<lb::RequestLimit> limits_of(const Service& service, const ServicePolicy& own) {
  std::vector<lb::RequestLimit> limits = own.request_limits;
  for (lb::RequestLimit& limit : limits) {
    const std::string name = service.metadata.key() + " " + limit.name + " " + std::to_string(limit.rate.interval_ns) +
                             " " + std::to_string(limit.rate.burst);
    limit.id = XXH3_64bits(name.data(), name.size());
  }
  return limits;
}

std::optional<lb::CallerLimits> callers_of(const Service& service, const ServicePolicy& own) {
  std::optional<lb::CallerLimits> callers = own.callers;
  if (callers) {
    const std::string name = service.metadata.key() + " callers";
    callers->id = XXH3_64bits(name.data(), name.size()) | 1;
  }
  return callers;
}

}  // namespace

const TrafficPolicy* traffic_policy_of(const ServiceResources& resources, const ServicePort& port) {
  if (resources.rules.empty()) {
    return nullptr;
  }
  const DestinationRule& rule = *resources.rules.front();  // validate() refuses a second one
  for (const auto& [number, policy] : rule.ports) {
    if (number == lb::to_host(port.port)) {
      return &policy;
    }
  }
  return &rule.policy;
}

lb::RequestPolicy request_policy(const Service& service, const TrafficPolicy* traffic, const ServicePolicy* own) {
  lb::RequestPolicy policy;
  if (traffic != nullptr) {
    apply_protections(*traffic, policy);
  }
  if (own != nullptr) {
    apply_protections(*own, policy);
    policy.limits = limits_of(service, *own);
    policy.callers = callers_of(service, *own).value_or(lb::CallerLimits());
  }
  // Kubernetes' way to ask for the same; a DestinationRule is about requests, and wins.
  if (service.affinity_s > 0) {
    policy.balancing = lb::Balancing::consistent_hash;
  }
  if (traffic == nullptr) {
    return policy;
  }
  if (traffic->balancing) {
    policy.balancing = *traffic->balancing;
    policy.hash = traffic->hash;
  }
  policy.connect_timeout = traffic->connect_timeout.value_or(policy.connect_timeout);
  policy.idle_timeout = traffic->idle_timeout.value_or(policy.idle_timeout);
  policy.max_requests_per_connection = traffic->max_requests_per_connection.value_or(0);
  return policy;
}

lb::AppProtocol protocol_of(const ServicePort& port, const lb::Policy& policy) {
  if (port.carries == PortProtocol::http) {
    return lb::AppProtocol::http;
  }
  const bool detect = port.carries == PortProtocol::unsaid && !policy.proxy_protocol;
  return detect ? lb::AppProtocol::detect : lb::AppProtocol::opaque;
}

}  // namespace weft::registry
