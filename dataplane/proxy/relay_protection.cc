// SPDX-License-Identifier: Apache-2.0
/// @file What protects services, as relayed connections meet it: a bound of connections, and endpoints that no
/// connection comes about to. Who connects and who does not is told to outlier detection by sweep(), which has a
/// snapshot.
#include <utility>

#include "lb/http_policy.h"
#include "lb/split_mix.h"
#include "proxy/relay.h"

namespace weft::proxy {

/// Past endpoints that are ejected: the same way for the same client and ejected ones. Null: all are.
const lb::Target* Relay::pass_over(const lb::Service& service, const lb::Target& chosen, uint64_t hash,
                                   time::Millis now, bool& is_probe) const {
  constexpr int kHashedAgain = 8;
  const lb::OutlierPolicy& policy = service.request_policy().outlier;
  if (config_.protections == nullptr || !policy.enabled || !config_.protections->outliers.any_ejected(service)) {
    return &chosen;
  }
  lb::OutlierBoard& board = config_.protections->outliers;
  const bool is_panic = board.is_panic(service, policy);
  const auto is_open = [&](const lb::Target& target) {
    const lb::OutlierBoard::Leave leave = board.leave_for(target.slot, now);
    is_probe = leave == lb::OutlierBoard::Leave::as_probe;
    return is_panic || leave != lb::OutlierBoard::Leave::no;
  };
  const lb::Target* target = &chosen;
  for (int i = 0; i <= kHashedAgain; ++i) {
    if (is_open(*target)) {
      return target;
    }
    hash = lb::SplitMix64::mixed(hash + 1);
    target = &service.targets[service.table->pick(hash)];
  }
  const size_t count = service.targets.size();
  const auto start = static_cast<size_t>(target - service.targets.data());
  for (size_t i = 0; i < count; ++i) {
    const size_t each = (start + i) % count;
    if (service.table->order().weight(static_cast<uint32_t>(each)) > 0 && is_open(service.targets[each])) {
      return &service.targets[each];
    }
  }
  return nullptr;
}

/// @returns false: the service, or the endpoint, has as many connections as it may
bool Relay::admit(const lb::Service& service, const lb::Target& target, uint32_t caller) {
  if (config_.protections == nullptr) {
    return true;
  }
  lb::BreakerBoard& board = config_.protections->breakers;
  const lb::BreakerLimits& limits = service.request_policy().breaker;
  const auto refuse_for = [&](Protection bound) {
    config_.protections->counters[config_.worker][service.slot].overflow(bound).add();
    if (caller != UINT32_MAX) {
      config_.protections->callers.give_back(config_.worker, lb::CallerBoard::connections, caller);
    }
    return false;
  };
  const uint32_t used = board.in_use_here(config_.worker, lb::BreakerBoard::connections, service.slot);
  if (!tcp::has_share(used, static_cast<uint32_t>(free_.size()), tcp::kShareMultiple) ||
      !engine_.may_connect(service.slot)) {
    return refuse_for(Protection::connection_share);
  }
  if (!board.take(config_.worker, lb::BreakerBoard::connections, service.slot, limits.max_connections)) {
    board.want_connection(config_.worker, service.slot);  // of those that wait for requests, if it has any
    return refuse_for(Protection::max_connections);
  }
  if (!board.take_of_endpoint(config_.worker, lb::BreakerBoard::connections, target.slot,
                              limits.endpoint_max_connections)) {
    board.give_back(config_.worker, lb::BreakerBoard::connections, service.slot);
    board.want_connection_to(config_.worker, target.slot);
    return refuse_for(Protection::endpoint_max_connections);
  }
  return true;
}

/// @param place among the service's callers. @returns false: the caller has as many connections to it as it may
bool Relay::admit_caller(const lb::Snapshot& snapshot, const lb::Service& service, const lb::Address& client,
                         uint32_t& place) {
  const lb::CallerLimits& limits = service.request_policy().callers;
  if (limits.empty() || config_.protections == nullptr) [[likely]] {
    return true;
  }
  lb::CallerBoard& board = config_.protections->callers;
  ProtectionCounters& counters = config_.protections->counters[config_.worker][service.slot];
  const lb::Caller* const caller = snapshot.callers().find(client);
  const uint32_t most = limits.of(caller).max_connections;
  if (most == lb::BreakerLimits::kNone) {
    return true;
  }
  const uint32_t opened = board.open(config_.worker, lb::caller_key(limits, caller));
  if (opened == lb::CallerBoard::kNone) {
    counters.callers_uncounted.add();
    return true;
  }
  if (!board.take(config_.worker, lb::CallerBoard::connections, opened, most)) {
    counters.overflow(Protection::caller_max_connections).add();
    return false;
  }
  place = opened;
  return true;
}

void Relay::refuse_for_share(tcp::ConnectionId client, uint32_t service_slot) {
  if (config_.protections != nullptr) {
    config_.protections->counters[config_.worker][service_slot].overflow(Protection::connection_share).add();
  }
  if (refused_.size() < refused_.capacity()) {
    refused_.push_back(service_slot);
  }
  engine_.abort(client);
}

/// Of a session's connection to its endpoint, once.
void Relay::note_outcome(Session& session, Came what) {
  if (!session.is_watched) {
    return;
  }
  session.is_watched = false;
  outcomes_.push_back({.service_slot = session.service_slot,
                       .endpoint_slot = session.endpoint_slot,
                       .what = what,
                       .was_probe = std::exchange(session.is_probe, false)});
}

void Relay::end_charges(Session& session) {
  if (config_.protections == nullptr) {
    return;
  }
  note_outcome(session, Came::to_nothing);
  lb::BreakerBoard& board = config_.protections->breakers;
  board.give_back(config_.worker, lb::BreakerBoard::connections, session.service_slot);
  board.give_back_of_endpoint(config_.worker, lb::BreakerBoard::connections, session.endpoint_slot);
  if (const uint32_t caller = std::exchange(session.caller, UINT32_MAX); caller != UINT32_MAX) {
    config_.protections->callers.give_back(config_.worker, lb::CallerBoard::connections, caller);
  }
}

void Relay::report_outcomes(const lb::Snapshot& snapshot, time::Millis now) {
  for (const Outcome& outcome : outcomes_) {
    lb::OutlierBoard& board = config_.protections->outliers;
    const lb::Service* const service = snapshot.service_at(outcome.service_slot);
    if (outcome.what == Came::to_nothing || service == nullptr || !service->request_policy().outlier.enabled ||
        snapshot.target_of(*service, outcome.endpoint_slot) == nullptr) {
      if (outcome.was_probe) {
        board.abandon(outcome.endpoint_slot, now);
      }
      continue;
    }
    const bool is_failure = outcome.what == Came::failure;
    const auto reported = board.report(config_.worker, service->slot, static_cast<uint32_t>(service->targets.size()),
                                       outcome.endpoint_slot, service->request_policy().outlier,
                                       {.status = static_cast<uint16_t>(is_failure ? 503 : 200),
                                        .is_local = is_failure,
                                        .was_probe = outcome.was_probe},
                                       now);
    config_.protections->counters[config_.worker][service->slot].count(reported);
  }
  outcomes_.clear();
}

}  // namespace weft::proxy
