// SPDX-License-Identifier: Apache-2.0
/// @file What a service's owner asks of weft for its requests: how they are balanced, and how weft connects. Names are
/// Istio's (DestinationRule, trafficPolicy).
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "lb/address_hash.h"
#include "lb/breaker.h"
#include "lb/caller_limit.h"
#include "lb/outlier_policy.h"
#include "lb/request_limit.h"
#include "lb/route_table.h"

namespace weft::lb {

enum class Balancing : uint8_t {
  least_request,    ///< of two endpoints by chance, the one with fewer requests in this worker; weighted
  round_robin,      ///< weighted
  random,           ///< weighted
  consistent_hash,  ///< Maglev over what HashOn names
};

struct HashOn {
  enum class Kind : uint8_t { source, header, cookie, query };
  Kind kind = Kind::source;
  std::string name;  ///< of the header (lower case), cookie or query parameter
  std::chrono::seconds cookie_ttl{
      -1};  ///< of a cookie that the client has not: set by weft if not negative; 0: a session's
  std::string cookie_path;

  bool operator==(const HashOn&) const = default;
};

struct RequestPolicy {
  Balancing balancing = Balancing::least_request;
  HashOn hash;
  std::chrono::milliseconds connect_timeout{10'000};
  std::chrono::milliseconds idle_timeout{60'000};  ///< of a connection that waits in the pool
  uint32_t max_requests_per_connection = 0;        ///< 0: no limit
  BreakerLimits breaker;
  RetryBudget retry_budget;
  OutlierPolicy outlier;
  std::vector<RequestLimit> limits;  ///< all that are about a request hold, in this order
  CallerLimits callers;

  bool operator==(const RequestPolicy&) const = default;
};

/// What the bytes of a service's connections are.
enum class AppProtocol : uint8_t {
  http,
  opaque,  ///< not looked at: TLS, and what says tcp
  detect,  ///< it does not say: weft looks at the client's first bytes
};

/// By the address of a client: a number that stands for its namespace.
using ClientNamespaces = std::unordered_map<Address, uint32_t, HashOfAddress>;

/// What a namespace says of its own requests to another's service (GEP-1294, consumer routes).
struct ConsumerRoutes {
  uint32_t number = 0;  ///< of the namespace, in ClientNamespaces
  std::string name_space;
  std::shared_ptr<const RouteTable> routes;  ///< never null

  bool operator==(const ConsumerRoutes&) const = default;
};

/// Of a service whose connections end at weft.
struct Http {
  AppProtocol protocol = AppProtocol::detect;
  std::shared_ptr<const RouteTable> routes;  ///< null: all requests go to the service's own endpoints
  bool at_edge = false;                      ///< a Gateway's: what clients say of scheme, host and request is replaced
  std::vector<ConsumerRoutes> consumers;     ///< by number; the requests of their clients are theirs alone
  std::shared_ptr<const ClientNamespaces> clients;  ///< of consumers, at least; null if there are none

  /// Null: the client is of none of them.
  const ConsumerRoutes* consumer_of(const Address& client) const {
    if (consumers.empty()) {
      return nullptr;
    }
    const auto known = clients->find(client);
    if (known == clients->end()) {
      return nullptr;
    }
    const auto consumer = std::lower_bound(consumers.begin(), consumers.end(), known->second,
                                           [](const ConsumerRoutes& each, uint32_t n) { return each.number < n; });
    return consumer == consumers.end() || consumer->number != known->second ? nullptr : &*consumer;
  }
  /// Of this client's requests; null as above.
  const RouteTable* routes_for(const Address& client) const {
    const ConsumerRoutes* const consumer = consumer_of(client);
    return consumer == nullptr ? routes.get() : consumer->routes.get();
  }
};

}  // namespace weft::lb
