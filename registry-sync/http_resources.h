// SPDX-License-Identifier: Apache-2.0
/// @file The resources that say how requests go: HTTPRoute, Gateway and ReferenceGrant of Gateway API, and Istio's
/// DestinationRule, cut down to what weft acts on. Values only, as in resources.h.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "lb/http_policy.h"
#include "lb/http_route.h"
#include "registry-sync/metadata.h"
#include "registry-sync/service_port.h"

namespace weft::registry {

/// Under which a Gateway is known where services are by "namespace/name"; no service is called so.
inline std::string gateway_key(const std::string& key) {
  return "gateway " + key;
}
/// Under which all that a namespace grants is known.
inline std::string grants_key(const std::string& name_space) {
  return "grants " + name_space;
}

/// What a route asks to be attached to.
struct ParentRef {
  enum class Kind : uint8_t { service, gateway };
  Kind kind = Kind::gateway;
  std::string name_space;
  std::string name;
  std::string section;  ///< a listener's name, or a service port's; empty: any
  uint16_t port = 0;    ///< 0: any

  std::string key() const {
    const std::string key = name_space + "/" + name;
    return kind == Kind::gateway ? gateway_key(key) : key;
  }
  bool operator==(const ParentRef&) const = default;
};

struct HttpRouteRule {
  std::vector<lb::HttpMatch> matches;  ///< never empty
  /// Backends and mirrors without slots. What is no Service has its kind in front, and a blank: "group/Kind ns/name".
  lb::HttpRule rule;

  bool operator==(const HttpRouteRule&) const = default;
};

struct HttpRoute {
  Metadata metadata;
  int64_t created = 0;  ///< seconds since 1970
  std::vector<ParentRef> parents;
  std::vector<std::string> hostnames;  ///< in lower case; "*." in front stands for one label or more
  std::vector<HttpRouteRule> rules;

  bool operator==(const HttpRoute&) const = default;
};

/// Istio's trafficPolicy. What it says nothing of is as by default.
struct TrafficPolicy {
  std::optional<lb::Balancing> balancing;
  lb::HashOn hash;  ///< of consistent_hash
  std::optional<uint32_t> table_size;
  std::chrono::seconds warmup{0};
  std::optional<bool> prefer_own_zone;
  std::optional<std::chrono::milliseconds> connect_timeout;
  std::optional<std::chrono::milliseconds> idle_timeout;
  std::optional<uint32_t> max_requests_per_connection;
  std::optional<uint32_t> max_connections;
  std::optional<uint32_t> max_pending_requests;
  std::optional<uint32_t> max_requests;
  std::optional<uint32_t> max_retries;
  std::optional<lb::RetryBudget> retry_budget;  ///< takes max_retries' place
  lb::OutlierPolicy outlier;

  bool operator==(const TrafficPolicy&) const = default;
};

struct DestinationRule {
  Metadata metadata;
  std::string service;  ///< "namespace/name"; the namespace is the rule's own
  TrafficPolicy policy;
  std::vector<std::pair<uint16_t, TrafficPolicy>> ports;  ///< these have theirs instead, whole

  bool operator==(const DestinationRule&) const = default;
};

struct Listener {
  enum class From : uint8_t { same, all };

  std::string name;
  std::string hostname;  ///< empty: any
  uint16_t port = 0;
  From from = From::same;
  bool takes_routes = true;  ///< allowedRoutes.kinds leaves HTTPRoute in
  std::vector<std::string> unknown_kinds;

  bool operator==(const Listener&) const = default;
};

struct Gateway {
  Metadata metadata;
  std::vector<lb::Address> addresses;
  std::vector<Listener> listeners;  ///< with unique names and unique (port, hostname)
  std::vector<ServicePort> ports;   ///< of the listeners, each once

  bool operator==(const Gateway&) const = default;
};

/// Who may refer to services of the grant's namespace.
struct ReferenceGrant {
  struct To {
    std::string name;  ///< empty: any

    bool operator==(const To&) const = default;
  };

  Metadata metadata;
  std::vector<std::string> from;  ///< namespaces whose HTTPRoutes may
  std::vector<To> services;

  bool operator==(const ReferenceGrant&) const = default;
};

}  // namespace weft::registry
