// SPDX-License-Identifier: Apache-2.0
/// @file What protects services, as requests meet it: bounds on what is under way, a budget for more attempts, and what
/// endpoints' failures are reported to.
#include <algorithm>

#include "lb/http_choice.h"
#include "lb/http_policy.h"
#include "proxy/http_proxy.h"

namespace weft::proxy {

using lb::BreakerBoard;
using lb::BreakerLimits;
using lb::CallerBoard;

/// By the service's balancing. @param asked with what was tried, and the time
const lb::Target* HttpProxy::pick_endpoint(Exchange& x, const lb::Service& service,
                                           const lb::RequestBalancer::Asked& asked) {
  const lb::Target* target = balancer_.pick(service, asked);
  if (service.request_policy().breaker.bounds_endpoints()) [[unlikely]] {
    target = pick_with_room(x, service, asked, target);
  }
  if (target == nullptr) [[unlikely]] {
    x.decided_by = protections_->outliers.any_ejected(service) ? Protection::all_ejected : x.decided_by;
  } else if (balancer_.took_probe()) [[unlikely]] {
    x.probe = target->slot;
  }
  return target;
}

/// Past what is full, where the service's endpoints have bounds: the algorithm is asked a few times more, and then the
/// targets are walked from there. If all are full, it is one of them, which refuses the request.
const lb::Target* HttpProxy::pick_with_room(Exchange& x, const lb::Service& service, lb::RequestBalancer::Asked asked,
                                            const lb::Target* target) {
  Tried passed_over = x.tried;
  const auto is_settled = [&] { return target == nullptr || balancer_.took_probe() || !is_full(service, *target); };
  bool settled = is_settled();
  while (!settled && !passed_over.is_full() && !passed_over.has(target->slot)) {
    passed_over.add(target->slot);
    asked.tried = passed_over.slots();
    target = balancer_.pick(service, asked);
    settled = is_settled();
  }
  return settled ? target : walk_for_room(x, service, *target);
}

/// First one that the request has not tried, from this target on. Not so far that a service that is full would keep
/// its neighbours waiting. @returns this one: all that were looked at are full
const lb::Target* HttpProxy::walk_for_room(const Exchange& x, const lb::Service& service, const lb::Target& from) {
  constexpr size_t kMostWalked = 64;
  const std::span<const lb::Target> targets = service.targets;
  const size_t most = std::min(targets.size(), kMostWalked);
  const auto start = static_cast<size_t>(&from - targets.data());
  for (const bool again : {false, true}) {
    for (size_t i = 0; i < most; ++i) {
      const size_t each = (start + i) % targets.size();
      const lb::Target& target = targets[each];
      if (service.table->order().weight(static_cast<uint32_t>(each)) > 0 && x.tried.has(target.slot) == again &&
          !is_full(service, target) && balancer_.admits(service, target.slot, turn_.millis)) {
        return &target;
      }
    }
    if (x.tried.slots().empty()) {
      break;
    }
  }
  return &from;
}

bool HttpProxy::is_full(const lb::Service& service, const lb::Target& target) const {
  const BreakerLimits& limits = service.request_policy().breaker;
  const BreakerBoard& board = protections_->breakers;
  const auto has_room = [&](BreakerBoard::Kind kind, uint32_t limit) {
    return board.has_room_at_endpoint(config_.worker, kind, target.slot, limit);
  };
  return !has_room(BreakerBoard::requests, limits.endpoint_max_requests) ||
         (!has_room(BreakerBoard::connections, limits.endpoint_max_connections) && !upstreams_.has_parked(target.slot));
}

/// Counts the request among the service's, once whatever attempts it makes. @returns false: answered
bool HttpProxy::admit(uint32_t number, const lb::Service& service, const lb::Target& target) {
  Exchange& x = exchanges_[number];
  BreakerBoard& board = protections_->breakers;
  const BreakerLimits& limits = service.request_policy().breaker;
  if (x.charged != service.slot) {
    if (x.charged != kNobody) {
      board.give_back(config_.worker, BreakerBoard::requests, std::exchange(x.charged, kNobody));
    }
    end_caller(x.caller, CallerBoard::requests);
    if (!has_request_share(service)) [[unlikely]] {
      overflow(number, service.slot, Protection::request_share);
      return false;
    }
    if (const auto bound = bound_of_caller(x, service)) [[unlikely]] {
      overflow(number, service.slot, *bound);
      return false;
    }
    if (!board.take(config_.worker, BreakerBoard::requests, service.slot, limits.max_requests)) {
      overflow(number, service.slot, Protection::max_requests);
      return false;
    }
    x.charged = service.slot;
  }
  if (limits.endpoint_max_requests != BreakerLimits::kNone) [[unlikely]] {
    if (!board.take_of_endpoint(config_.worker, BreakerBoard::requests, target.slot, limits.endpoint_max_requests)) {
      overflow(number, service.slot, Protection::endpoint_max_requests);
      return false;
    }
    x.charged_endpoint = target.slot;
  }
  return true;
}

/// Of one that is to be made. @returns false: answered, and the connection is forgotten
bool HttpProxy::admit_connection(uint32_t number, uint32_t made, const lb::Service& service) {
  Exchange& x = exchanges_[number];
  BreakerBoard& board = protections_->breakers;
  const BreakerLimits& limits = service.request_policy().breaker;
  const uint32_t worker = config_.worker;
  const auto refuse_for = [&](Protection bound) {
    upstreams_.forget(made);
    overflow(number, service.slot, bound);
    return false;
  };
  if (!engine_.may_connect(service.slot)) [[unlikely]] {
    return refuse_for(Protection::connection_share);
  }
  if (const auto bound = pending_bound_of_caller(x, service)) [[unlikely]] {
    return refuse_for(*bound);
  }
  if (!board.take(worker, BreakerBoard::pending, service.slot, limits.max_pending_requests)) {
    return refuse_for(Protection::max_pending_requests);
  }
  x.is_pending = true;
  if (!board.take(worker, BreakerBoard::connections, service.slot, limits.max_connections)) {
    // One that waits for a request that may not come makes room: of this worker now, of another one soon.
    if (!end_parked_of(service.slot) ||
        !board.take(worker, BreakerBoard::connections, service.slot, limits.max_connections)) {
      board.want_connection(worker, service.slot);
      return refuse_for(Protection::max_connections);
    }
  }
  if (!board.take_of_endpoint(worker, BreakerBoard::connections, upstreams_[made].endpoint_slot,
                              limits.endpoint_max_connections)) {
    board.give_back(worker, BreakerBoard::connections, service.slot);
    board.want_connection_to(worker, upstreams_[made].endpoint_slot);
    return refuse_for(Protection::endpoint_max_connections);
  }
  return true;
}

/// The one that has waited longest for a request to any of the service's endpoints. @returns false: none waits in this
/// worker
bool HttpProxy::end_parked_of(uint32_t service_slot) {
  const uint32_t parked = upstreams_.oldest_parked_of(service_slot);
  if (parked == Upstreams::kNone) {
    return false;
  }
  end_upstream(parked);
  return true;
}

/// Other workers were refused: what this one has to spare goes back, and connections that wait here and are not needed
/// are ended for them.
void HttpProxy::grant_wishes() {
  BreakerBoard& board = protections_->breakers;
  board.hear_wishes(
      config_.worker,
      [&](uint32_t service) {
        while (upstreams_.oldest_parked_of(service) != Upstreams::kNone && board.grant_connection(service)) {
          end_parked_of(service);
        }
      },
      [&](uint32_t endpoint) {
        while (upstreams_.has_parked(endpoint) && board.grant_connection_to(endpoint)) {
          end_upstream(upstreams_.take_parked(endpoint));
        }
      });
}

void HttpProxy::overflow(uint32_t number, uint32_t service_slot, Protection bound) {
  exchanges_[number].decided_by = bound;
  protections_->counters[config_.worker][service_slot].overflow(bound).add();
  fail(number, {503, response_flag::upstream_overflow, why(bound)});
}

/// A connection has been made, or never will be.
void HttpProxy::end_pending(Exchange& x) {
  if (std::exchange(x.is_pending_of_caller, false)) {
    protections_->callers.give_back(config_.worker, CallerBoard::pending, x.caller);
  }
  if (x.is_pending) {
    x.is_pending = false;
    protections_->breakers.give_back(config_.worker, BreakerBoard::pending, x.charged);
  }
}

void HttpProxy::end_counts(Exchange& x) {
  end_pending(x);
  end_delay(x);
  if (x.charged_endpoint != kNobody) {
    protections_->breakers.give_back_of_endpoint(config_.worker, BreakerBoard::requests,
                                                 std::exchange(x.charged_endpoint, kNobody));
  }
  if (x.probe != kNobody) {
    protections_->outliers.abandon(std::exchange(x.probe, kNobody), turn_.millis);
  }
}

/// And with its end the rest.
void HttpProxy::end_charges(Exchange& x) {
  end_retry(x);
  end_caller(x.caller, CallerBoard::requests);
  if (x.charged != kNobody) {
    protections_->breakers.give_back(config_.worker, BreakerBoard::requests, std::exchange(x.charged, kNobody));
  }
}

void HttpProxy::end_retry(Exchange& x) {
  if (x.retry_of != kNobody) {
    protections_->breakers.give_back_retry(std::exchange(x.retry_of, kNobody));
  }
}

/// Is another attempt within the service's budget? The exchange then counts as a retry until it has its response.
bool HttpProxy::take_retry(Exchange& x) {
  const lb::Service* const service = x.charged == kNobody ? nullptr : turn_.snapshot->service_at(x.charged);
  if (x.retry_of != kNobody || service == nullptr) {
    return true;  // of a service that is no more, none is left to protect
  }
  const lb::RetryBudget& budget = service->request_policy().retry_budget;
  if (!protections_->breakers.take_retry(service->slot, budget)) {
    x.flags |= response_flag::upstream_overflow;
    x.decided_by = budget.is_fixed ? Protection::max_retries : Protection::retry_budget;
    protections_->counters[config_.worker][service->slot].retries_refused.add();
    return false;
  }
  x.retry_of = service->slot;
  return true;
}

/// Grows with each attempt, up to ten times the first, and is spread by chance, so that those who failed together do
/// not come back together.
time::Millis HttpProxy::next_backoff(Exchange& x) {
  constexpr uint64_t kMost = 10;
  const uint64_t base = x.retries.backoff_ms;
  const uint64_t spread = std::min(base << std::min<uint32_t>(x.retries.made, 4), kMost * base);
  ++x.retries.made;
  const uint64_t after = x.retries.least_backoff_ms + lb::scaled(random_(), spread + (base > 0 ? 1 : 0));
  return static_cast<time::Millis>(std::min(after, kMost * base));
}

/// What came of the attempt.
void HttpProxy::report(Exchange& x, uint16_t status, bool is_local) {
  if (!x.is_watched) {
    return;
  }
  const lb::Service* const service = turn_.snapshot->service_at(x.backend_slot);
  if (service == nullptr || x.endpoint_slot == kNobody || !service->request_policy().outlier.enabled) {
    return;
  }
  const bool was_probe = std::exchange(x.probe, kNobody) != kNobody;
  const lb::OutlierBoard::Reported reported =
      protections_->outliers.report(config_.worker, service->slot, static_cast<uint32_t>(service->targets.size()),
                                    x.endpoint_slot, service->request_policy().outlier,
                                    {.status = status, .is_local = is_local, .was_probe = was_probe}, turn_.millis);
  protections_->counters[config_.worker][service->slot].count(reported);
  if (reported.ejected != lb::Ejection::none) {
    x.decided_by = protection_of(reported.ejected);
  }
}

}  // namespace weft::proxy
