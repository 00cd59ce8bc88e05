// SPDX-License-Identifier: Apache-2.0
/// @file Faults that are injected on purpose, as connections meet them whose requests nobody reads: they are reset,
/// wait before they go on to their endpoint, or find it dead. One that is reset at once holds nothing; one that waits
/// holds its places as if its endpoint were slow to accept it, so that its service has no more than its share.
#include <algorithm>
#include <utility>

#include "lb/fault.h"
#include "lb/http_policy.h"
#include "proxy/relay.h"

namespace weft::proxy {
namespace {

/// Within which a connection that waits learns that its fault was stopped.
constexpr time::Millis kLookAtHeld = 1'000;

}  // namespace

/// Precondition: the service has faults.
lb::Injection Relay::suffer(const lb::Service& service, const lb::Address& client, const lb::Snapshot& snapshot,
                            time::Time now) {
  lb::Injection injection;
  if (config_.faults != nullptr) {
    injection.add(
        *service.faults,
        {.client = client, .caller = snapshot.callers().find(client), .now_ns = static_cast<uint64_t>(now.count())},
        random_);
  }
  return injection;
}

bool Relay::is_reset_at_once(tcp::ConnectionId client, const lb::Injection& injection) {
  if (injection.aborted_by == nullptr || injection.delayed_by != nullptr) {
    return false;
  }
  config_.faults->count(config_.worker, *injection.aborted_by, lb::Injected::reset);
  engine_.abort(client);
  return true;
}

/// @returns when to look at the session
time::Millis Relay::delay(uint32_t number, const lb::Injection& injection, time::Millis now) {
  config_.faults->count(config_.worker, *injection.delayed_by, lb::Injected::delayed);
  Session& session = sessions_[number];
  session.delay_end = now + injection.delay_ms;
  session.delayed_by = injection.delayed_by->id;
  session.reset_by = injection.aborted_by == nullptr ? 0 : injection.aborted_by->id;
  return now + std::min<time::Millis>(injection.delay_ms, kLookAtHeld);
}

/// To its endpoint. @returns when that will not have answered, if it looks dead
std::optional<time::Millis> Relay::go_on(uint32_t number, const lb::Snapshot& snapshot, time::Time now) {
  const Session& session = sessions_[number];
  const lb::Service* const service = snapshot.service_at(session.service_slot);
  const tcp::SocketPair* const client = engine_.pair(session.client.id);
  if (config_.faults != nullptr && service != nullptr && service->faults != nullptr && client != nullptr) {
    const lb::FaultScope scope{.client = client->remote,
                               .caller = snapshot.callers().find(client->remote),
                               .now_ns = static_cast<uint64_t>(now.count())};
    if (const lb::Fault* const killer = lb::killer_of(*service->faults, scope, session.to_endpoint.remote, random_)) {
      config_.faults->count(config_.worker, *killer, lb::Injected::dead);
      const auto waits = std::min<int64_t>(service->request_policy().connect_timeout.count(), INT32_MAX);
      return time::to_millis(now) + static_cast<time::Millis>(waits);
    }
  }
  call(number);
  return std::nullopt;
}

/// A session's time has come: it goes on to its endpoint, or ends as it was to end. @returns when to look again
std::optional<time::Millis> Relay::fire(uint32_t number, const lb::Snapshot& snapshot, time::Time now) {
  Session& session = sessions_[number];
  if (!session.in_use || session.called) {
    return std::nullopt;
  }
  if (session.delayed_by == 0) {
    over(number, false, tcp::event::timed_out);
    return std::nullopt;
  }
  const lb::Service* const service = snapshot.service_at(session.service_slot);
  const lb::Faults* const faults = service == nullptr ? nullptr : service->faults.get();
  const auto left = static_cast<int32_t>(session.delay_end - time::to_millis(now));
  if (left > 0 && lb::find_fault(faults, session.delayed_by) != nullptr) {
    return time::to_millis(now) + std::min<time::Millis>(static_cast<time::Millis>(left), kLookAtHeld);
  }
  session.delayed_by = 0;
  const lb::Fault* const resets = session.reset_by == 0 ? nullptr : lb::find_fault(faults, session.reset_by);
  if (resets == nullptr || lb::is_over(*resets, static_cast<uint64_t>(now.count()))) {
    return go_on(number, snapshot, now);
  }
  config_.faults->count(config_.worker, *resets, lb::Injected::reset);
  reset(number);
  return std::nullopt;
}

}  // namespace weft::proxy
