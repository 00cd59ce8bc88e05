// SPDX-License-Identifier: Apache-2.0
#include "registry-sync/request_policy.h"

namespace weft::registry {

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

lb::RequestPolicy request_policy(const Service& service, const TrafficPolicy* traffic) {
  lb::RequestPolicy policy;
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
