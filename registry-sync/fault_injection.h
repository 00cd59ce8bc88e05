// SPDX-License-Identifier: Apache-2.0
/// @file FaultInjection (weft.dev/v1), a kind of weft's own: failure that is rehearsed at a Service, an HTTPRoute or a
/// Gateway. Values only, as in resources.h.
///
/// A live one is the same document with an end, and lives as long as weftd at most.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "lb/fault.h"
#include "lb/snapshot.h"
#include "registry-sync/metadata.h"

namespace weft::registry {

struct FaultInjection {
  enum class Kind : uint8_t { service, gateway, route };

  Metadata metadata;
  Kind kind = Kind::service;
  std::string target;            ///< "namespace/name", of the fault's own namespace
  std::optional<uint16_t> port;  ///< of the target's; none: all that can carry it
  lb::Fault fault;               ///< without a name, numbers and an end

  /// Of what it is about: a service's, gateway_key() or route_faults_key().
  std::string key() const;
  bool operator==(const FaultInjection&) const = default;
};

/// Under which the faults of an HTTPRoute are known where services are by "namespace/name".
inline std::string route_faults_key(const std::string& route) {
  return "faults " + route;
}

/// How a port's traffic is carried, as far as it decides what can be done to it.
struct FaultCarrier {
  lb::Mode mode = lb::Mode::nat;
  lb::Protocol protocol = lb::Protocol::tcp;
  bool reads_requests = false;  ///< or may, once it has seen what comes
};
FaultCarrier carrier_of(const lb::Service& service);

/// Why this port can't carry the fault, such as "its requests are not read, and httpStatus is for requests"; empty: it
/// can.
std::string carrying_problem(const FaultInjection& fault, const FaultCarrier& carrier);

/// A fault that somebody starts, not the registry.
struct LiveFault {
  using Time = std::chrono::steady_clock::time_point;
  static constexpr std::chrono::seconds kLongest{3600};

  FaultInjection what;      ///< called by its metadata's name alone
  uint64_t until_ns = 0;    ///< by workers' time
  Time until{};             ///< by the registry's
  uint32_t most_share = 0;  ///< of the traffic of a service that live faults may have together, of lb::Fault::kWhole
};

}  // namespace weft::registry
