// SPDX-License-Identifier: Apache-2.0
/// @file The registry's resources as weft reads them: Kubernetes objects, cut down to what weft acts on.
///
/// Values only, checked one by one by parse.h and against each other by validate.h. Each knows the file and line that
/// it came from, for messages.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "lb/maglev.h"
#include "lb/request_limit.h"
#include "lb/snapshot.h"
#include "registry-sync/authorization.h"
#include "registry-sync/fault_injection.h"
#include "registry-sync/grpc_resources.h"
#include "registry-sync/health_check.h"
#include "registry-sync/http_resources.h"
#include "registry-sync/inspection.h"

namespace weft::registry {

/// Slices name their service with this label, as in Kubernetes.
inline constexpr std::string_view kServiceNameLabel = "kubernetes.io/service-name";
/// On a Service: the size of its Maglev tables.
inline constexpr std::string_view kTableSizeAnnotation = "weft.dev/maglev-table-size";
/// On an EndpointSlice: the weight of each of its endpoints.
inline constexpr std::string_view kWeightAnnotation = "weft.dev/weight";

struct Service {
  Metadata metadata;
  std::vector<lb::Address> addresses;  ///< the VIPs, one of a family at most; none if the service is headless
  uint32_t table_size = lb::MaglevTable::kDefaultSize;
  std::vector<ServicePort> ports;  ///< at least one, with unique names and unique (protocol, port)
  uint32_t affinity_s = 0;         ///< 0: no session affinity
  std::vector<lb::Prefix> source_ranges;
  bool prefer_own_zone = false;
  bool publish_not_ready = false;               ///< all endpoints count as ready
  std::map<std::string, std::string> selector;  ///< labels that all of its pods have

  bool operator==(const Service&) const = default;
};

struct SliceEndpoint {
  std::string name;       ///< of its pod, else its host name, else its address
  bool has_name = false;  ///< of its own: the same instance has it in slices of the other family too
  std::string host;       ///< its label below a headless service's name (names.h); empty: its address is made one
  lb::Address address{};
  lb::EndpointState state = lb::EndpointState::ready;
  std::string zone;
  std::vector<std::string> for_zones;  ///< whose clients are to prefer it; empty: those of `zone`

  bool operator==(const SliceEndpoint&) const = default;
};

struct EndpointSlice {
  Metadata metadata;
  std::string service;  ///< "namespace/name"; the namespace is the slice's own
  lb::Family family = lb::Family::ipv4;
  uint32_t weight = 1;
  std::vector<ServicePort> ports;  ///< unique (name, protocol); matched with the service's by these
  std::vector<SliceEndpoint> endpoints;
  bool registered = false;  ///< an instance that registered itself: no other may have its address and port

  bool operator==(const EndpointSlice&) const = default;
};

/// What weft's own kind says of a service, or of one of its ports. What it says nothing of is as by default.
struct ServicePolicy {
  Metadata metadata;
  std::string service;     ///< "namespace/name"; the namespace is the policy's own
  std::string port;        ///< its name; empty: all ports that have no policy of their own
  lb::Policy policy;       ///< without what the Service says: affinity and sources
  bool says_mode = false;  ///< policy.mode is not the default
  std::vector<lb::Prefix> allow;
  std::vector<lb::Prefix> deny;
  std::chrono::seconds slow_start{0};   ///< how long a new endpoint takes to its full weight; 0: no time
  std::chrono::seconds reset_grace{0};  ///< from an endpoint's removal to the reset of its flows
  std::optional<uint32_t> endpoint_max_connections;
  std::optional<uint32_t> endpoint_max_requests;
  std::optional<lb::SuccessRate> success_rate;
  std::optional<HealthCheck> check;
  std::vector<lb::RequestLimit> request_limits;
  std::optional<lb::CallerLimits> callers;  ///< without their id

  bool operator==(const ServicePolicy&) const = default;
};

/// Documents, shared by all who know them and never changed.
struct ResourceSet {
  std::vector<std::shared_ptr<const Service>> services;
  std::vector<std::shared_ptr<const EndpointSlice>> slices;
  std::vector<std::shared_ptr<const ServicePolicy>> policies;
  std::vector<std::shared_ptr<const HttpRoute>> routes;
  std::vector<std::shared_ptr<const DestinationRule>> rules;
  std::vector<std::shared_ptr<const Gateway>> gateways;
  std::vector<std::shared_ptr<const ReferenceGrant>> grants;
  std::vector<std::shared_ptr<const GrpcRoute>> grpc_routes;
  std::vector<std::shared_ptr<const AuthorizationPolicy>> authorizations;
  std::vector<std::shared_ptr<const FaultInjection>> faults;
  std::vector<std::shared_ptr<const InspectionPolicy>> inspections;
};

/// All documents that speak of one service, in no order; or of one Gateway (gateway_key()), of what one namespace
/// grants (grants_key()), of who may ask what in one (authorization_key()), or of faults of one HTTPRoute
/// (route_faults_key()).
struct ServiceResources {
  std::vector<std::shared_ptr<const Service>> services;  ///< more than one is an error
  std::vector<std::shared_ptr<const EndpointSlice>> slices;
  std::vector<std::shared_ptr<const ServicePolicy>> policies;
  std::vector<std::shared_ptr<const HttpRoute>> routes;  ///< with a parent that is this one
  std::vector<std::shared_ptr<const DestinationRule>> rules;
  std::vector<std::shared_ptr<const Gateway>> gateways;
  std::vector<std::shared_ptr<const ReferenceGrant>> grants;
  std::vector<std::shared_ptr<const GrpcRoute>> grpc_routes;  ///< with a parent that is this one
  std::vector<std::shared_ptr<const AuthorizationPolicy>> authorizations;
  std::vector<std::shared_ptr<const FaultInjection>> faults;
  std::vector<std::shared_ptr<const InspectionPolicy>> inspections;

  bool empty() const {
    return services.empty() && slices.empty() && policies.empty() && routes.empty() && rules.empty() &&
           gateways.empty() && grants.empty() && grpc_routes.empty() && authorizations.empty() && faults.empty() &&
           inspections.empty();
  }
};

}  // namespace weft::registry
