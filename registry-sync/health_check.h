// SPDX-License-Identifier: Apache-2.0
/// @file Active health checks as values: what a ServicePolicy asks for, who is to be checked, and what was found.
///
/// A check that fails only ever lowers what the registry says: an endpoint that is ready, or that terminates and still
/// serves, becomes not ready. To be ready again it needs both: the registry's word, and `rise` checks in a row that
/// pass. A new endpoint is as the registry says until `fall` checks in a row have failed: a mesh must not go dark for
/// the length of a check whenever weftd starts.
#pragma once

#include <chrono>
#include <compare>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "lb/address.h"

namespace weft::registry {

/// Both ends are in it.
struct StatusRange {
  uint16_t first = 200;
  uint16_t last = 299;

  bool operator==(const StatusRange&) const = default;
};

struct HealthCheck {
  enum class Kind : uint8_t {
    tcp,   ///< a connection is accepted, and reset at once
    http,  ///< GET is answered with an expected status
  };

  Kind kind = Kind::tcp;
  uint16_t port = 0;                                    ///< of the endpoint's address; 0: the endpoint's own
  std::string path = "/";                               ///< of http: with its query
  std::string host;                                     ///< of http: the Host field; empty: the address and port
  std::vector<StatusRange> expected = {StatusRange{}};  ///< of http
  std::chrono::milliseconds interval{5000};             ///< from one check's start to the next one's
  std::chrono::milliseconds timeout{1000};              ///< of a whole check; not more than the interval
  uint32_t rise = 2;                                    ///< checks in a row that pass, for what was lowered
  uint32_t fall = 3;                                    ///< checks in a row that fail
  uint32_t jitter_percent = 10;                         ///< that an interval may be shorter or longer

  bool operator==(const HealthCheck&) const = default;
};

/// An endpoint that is to be checked. One a port of its service, however many virtual addresses that has.
struct CheckTarget {
  uint64_t id = 0;        ///< of this life of it: another one when it comes back
  std::string service;    ///< "namespace/name"
  std::string port_name;  ///< of the service
  std::string name;       ///< of the endpoint
  lb::Address address;
  lb::Port port{};  ///< the endpoint's own
  std::shared_ptr<const HealthCheck> check;

  bool operator==(const CheckTarget& other) const {
    return id == other.id && service == other.service && port_name == other.port_name && name == other.name &&
           address == other.address && port == other.port && *check == *other.check;
  }
};

/// All targets, maybe none, of the services of which they changed.
using CheckChanges = std::map<std::string, std::vector<CheckTarget>>;

/// What became of a target, once it is no longer what it was.
struct CheckVerdict {
  uint64_t id = 0;
  bool failed = false;

  bool operator==(const CheckVerdict&) const = default;
};

}  // namespace weft::registry
