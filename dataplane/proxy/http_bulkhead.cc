// SPDX-License-Identifier: Apache-2.0
/// @file Bulkheads, as requests meet them: what each caller of a service may have under way there, and what each
/// service may have of what a worker has, so that one that is stuck or flooded leaves the others theirs.
#include <utility>

#include "lb/caller_limit.h"
#include "lb/http_policy.h"
#include "proxy/http_proxy.h"
#include "tcp/groups.h"

namespace weft::proxy {

using lb::CallerBoard;

const lb::Caller* HttpProxy::caller_of(const lb::Address& client) {
  if (!turn_.was_asked || turn_.asked != client) {
    turn_.asked = client;
    turn_.caller = turn_.snapshot->callers().find(client);
    turn_.was_asked = true;
  }
  return turn_.caller;
}

/// Counts the request among its caller's, whatever attempts it makes at the service. @returns a bound that is reached
std::optional<Protection> HttpProxy::bound_of_caller(Exchange& x, const lb::Service& service) {
  const lb::CallerLimits& limits = service.request_policy().callers;
  if (limits.empty()) [[likely]] {
    return std::nullopt;
  }
  const lb::Caller* const caller = caller_of(x.pair.remote);
  const lb::CallerBounds& bounds = limits.of(caller);
  if (!bounds.bound_requests()) {
    return std::nullopt;
  }
  const uint32_t place = protections_->callers.open(config_.worker, lb::caller_key(limits, caller));
  if (place == CallerBoard::kNone) {
    protections_->counters[config_.worker][service.slot].callers_uncounted.add();
    return std::nullopt;
  }
  if (!protections_->callers.take(config_.worker, CallerBoard::requests, place, bounds.max_requests)) {
    return Protection::caller_max_requests;
  }
  x.caller = place;
  return std::nullopt;
}

/// The same of those that wait for a connection being made.
std::optional<Protection> HttpProxy::pending_bound_of_caller(Exchange& x, const lb::Service& service) {
  const lb::CallerLimits& limits = service.request_policy().callers;
  if (x.caller == kNobody || limits.empty()) [[likely]] {
    return std::nullopt;
  }
  const uint32_t most = limits.of(caller_of(x.pair.remote)).max_pending;
  if (most == lb::BreakerLimits::kNone) {
    return std::nullopt;
  }
  if (!protections_->callers.take(config_.worker, CallerBoard::pending, x.caller, most)) {
    return Protection::caller_max_pending;
  }
  x.is_pending_of_caller = true;
  return std::nullopt;
}

/// @returns false: the client's caller has as many connections to the service as it may
bool HttpProxy::admit_client(Client& client, const lb::Service& service, const lb::Snapshot& snapshot) {
  const lb::CallerLimits& limits = service.request_policy().callers;
  const lb::Caller* const caller = snapshot.callers().find(client.pair.remote);
  const uint32_t most = limits.of(caller).max_connections;
  if (most == lb::BreakerLimits::kNone) {
    return true;
  }
  ProtectionCounters& counters = protections_->counters[config_.worker][service.slot];
  const uint32_t place = protections_->callers.open(config_.worker, lb::caller_key(limits, caller));
  if (place == CallerBoard::kNone) {
    counters.callers_uncounted.add();
    return true;
  }
  if (!protections_->callers.take(config_.worker, CallerBoard::connections, place, most)) {
    counters.overflow(Protection::caller_max_connections).add();
    return false;
  }
  client.caller = place;
  return true;
}

/// @param place nobody's from here on
void HttpProxy::end_caller(uint32_t& place, CallerBoard::Kind kind) {
  if (place != kNobody) [[unlikely]] {
    protections_->callers.give_back(config_.worker, kind, std::exchange(place, kNobody));
  }
}

/// Of the requests that this worker may have under way. Those that a fault delays are held like any other.
bool HttpProxy::has_request_share(const lb::Service& service) const {
  const uint32_t delayed = all_delayed_ == 0 ? 0 : delayed_[service.slot];
  return tcp::has_share(
      protections_->breakers.in_use_here(config_.worker, lb::BreakerBoard::requests, service.slot) + delayed,
      static_cast<uint32_t>(free_exchanges_.size()) + 1, tcp::kShareMultiple);
}

/// A service beyond its share of connections to endpoints ends one of its own that only waits, not another's. Those
/// that do not wait are as many as its requests, which have their share.
void HttpProxy::make_room_for(const lb::Service& service) {
  const uint32_t used = protections_->breakers.in_use_here(config_.worker, lb::BreakerBoard::connections, service.slot);
  if (!tcp::has_share(used, upstreams_.capacity() - upstreams_.size(), tcp::kShareMultiple)) [[unlikely]] {
    end_parked_of(service.slot);
  }
}

}  // namespace weft::proxy
