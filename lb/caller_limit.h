// SPDX-License-Identifier: Apache-2.0
/// @file What each caller of a service may have under way there: a bulkhead between those who share a service, so that
/// one of them that floods it, or waits for what does not come, leaves the others room.
///
/// A caller is who the registry says is behind an address (caller_table.h): clients that are endpoints of the same
/// services are one; all that it does not know are one, too.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "lb/breaker.h"
#include "lb/caller_table.h"

namespace weft::lb {

/// Node-wide, of one caller.
struct CallerBounds {
  uint32_t max_requests = BreakerLimits::kNone;     ///< under way, as BreakerLimits counts them
  uint32_t max_pending = BreakerLimits::kNone;      ///< that wait for a connection being made
  uint32_t max_connections = BreakerLimits::kNone;  ///< that the caller has to the service

  bool bound_requests() const { return (max_requests & max_pending) != BreakerLimits::kNone; }
  bool operator==(const CallerBounds&) const = default;
};

struct CallerLimits {
  struct Override {
    std::string name_space;  ///< of the caller
    std::string principal;   ///< one of its namespace; empty: all of the namespace's
    CallerBounds bounds;

    bool operator==(const Override&) const = default;
  };

  CallerBounds bounds;
  std::vector<Override> overrides;  ///< the first that is about a caller holds in place of `bounds`
  uint64_t id = 0;                  ///< of the service, the same in each snapshot; 0: there are no limits

  bool empty() const { return id == 0; }
  /// @param caller null: nobody is known there
  const CallerBounds& of(const Caller* caller) const;
  bool operator==(const CallerLimits&) const = default;
};

/// Of a service and one of its callers: a good hash, and never 0.
uint64_t caller_key(const CallerLimits& limits, const Caller* caller);

}  // namespace weft::lb
