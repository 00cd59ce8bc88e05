// SPDX-License-Identifier: Apache-2.0
/// @file What time brings: clients that say nothing, attempts that take too long, and those that are due.
#include <algorithm>

#include "proxy/http_proxy.h"

namespace weft::proxy {
namespace {

constexpr uint32_t kTimersATurn = 512;
/// That a client may say nothing while weft drains: one at work asks again before, and is told to go.
constexpr time::Millis kDrainIdle = 1'000;
/// For what a client still sends after weft has closed, and the client has got all, lest its end be taken for a reset
/// (RFC 9112, section 9.6).
constexpr time::Millis kLinger = 2'000;

bool is_due(time::Millis deadline, time::Millis now) {
  return static_cast<int32_t>(now - deadline) >= 0;
}

}  // namespace

void HttpProxy::arm(uint32_t number) {
  exchange_wheel_.arm(number, deadline_of(exchanges_[number]));
}

/// The next moment at which it is to be looked at. Those that move with the bodies are looked up when it fires.
time::Millis HttpProxy::deadline_of(const Exchange& x) const {
  time::Millis first = turn_.millis + time::Wheel::kHorizon;
  const auto consider = [&](time::Millis deadline) {
    if (static_cast<int32_t>(deadline - first) < 0) {
      first = deadline;
    }
  };
  if (x.request_deadline) {
    consider(*x.request_deadline);
  }
  if (x.try_deadline && x.upstream != kNobody) {
    consider(*x.try_deadline);
  }
  if (x.stage == Exchange::Stage::waiting) {
    consider(x.resume_at);
    return first;
  }
  if (x.upstream != kNobody && !upstreams_[x.upstream].connected && x.stage <= Exchange::Stage::asking) {
    consider(x.connect_deadline);
  }
  consider(x.moved_at + (x.stage == Exchange::Stage::tunnel ? config_.tunnel_idle
                         : x.waits_for_client               ? config_.body_idle
                                                            : config_.stream_idle));
  return first;
}

std::optional<time::Millis> HttpProxy::fire(uint32_t number) {
  Exchange& x = exchanges_[number];
  if (x.stage == Exchange::Stage::free) {
    return std::nullopt;
  }
  if (const time::Millis deadline = deadline_of(x); !is_due(deadline, turn_.millis)) {
    return deadline;
  }
  const uint32_t generation = x.generation;
  if (x.request_deadline && is_due(*x.request_deadline, turn_.millis)) {
    if (x.stage == Exchange::Stage::asking && x.request_body.done()) {
      report(x, 504, true);
    }
    fail(number, {504, response_flag::upstream_request_timeout, "the request took longer than its rule allows"});
  } else if (x.stage == Exchange::Stage::waiting) {
    if (!waits_for_fault(x)) {
      resume(number);
    }
  } else if (x.try_deadline && x.upstream != kNobody && is_due(*x.try_deadline, turn_.millis)) {
    upstream_timed_out(number);
  } else if (x.stage <= Exchange::Stage::asking && x.upstream != kNobody && !upstreams_[x.upstream].connected &&
             is_due(x.connect_deadline, turn_.millis)) {
    upstream_failed(number, response_flag::upstream_connection_failure,
                    "no connection to the endpoint came about in time");
  } else if (x.stage == Exchange::Stage::asking && x.waits_for_client) {
    x.keeps_client = false;
    ++books_.body_timeouts;
    fail(number, {408, response_flag::downstream_timeout, "the request's body took too long"});
  } else {
    fail(number, {504, response_flag::stream_idle_timeout, "nothing moved for too long"});
  }
  if (exchanges_[number].generation != generation || exchanges_[number].stage == Exchange::Stage::free) {
    return std::nullopt;
  }
  return deadline_of(exchanges_[number]);
}

/// An attempt, not the request, has had its time.
void HttpProxy::upstream_timed_out(uint32_t number) {
  Exchange& x = exchanges_[number];
  report(x, 504, true);
  x.tried.add(x.endpoint_slot);
  if (x.retries.left > 0 && may_try_again(x) && take_retry(x)) {
    --x.retries.left;
    ++books_.retries;
    release_upstream(number, false);
    return try_again(number, next_backoff(x));
  }
  fail(number, {504, response_flag::upstream_request_timeout, "the endpoint took longer than the rule allows"});
}

std::optional<time::Millis> HttpProxy::fire_client(uint32_t number) {
  Client& client = clients_[number];
  if (client.state == Client::State::free || client.state == Client::State::busy) {
    return std::nullopt;
  }
  if (!is_due(client.until, turn_.millis)) {
    return client.until;
  }
  if (client.state == Client::State::lingering) {
    if (may_linger(client)) {
      return client.until;
    }
    engine_.abort(client.id);
    forget_client(number);
    return std::nullopt;
  }
  if (client.partial.begun() || engine_.readable(client.id) > 0) {
    ++books_.head_timeouts;
    refuse(number, {408, response_flag::downstream_timeout, "the request's head took too long"});
  } else {
    linger(number);  // idle: closed without a word (RFC 9112, section 9.5)
  }
  return clients_[number].state == Client::State::free ? std::nullopt : std::optional(clients_[number].until);
}

/// Its time begins when nothing of ours is on its way any more; until then it is a response that may not stop.
bool HttpProxy::may_linger(Client& client) const {
  if (client.queued == 0) {
    return false;
  }
  const tcp::Connection* const connection = engine_.look(client.id);
  const uint32_t queued = connection == nullptr ? 0 : connection->queued_bytes;
  if (queued < client.queued) {
    client.queued = queued;
    client.moved_at = turn_.millis;
  } else if (is_due(client.moved_at + config_.stream_idle, turn_.millis)) {
    return false;
  }
  client.until = turn_.millis + (queued == 0 ? kLinger : kLookAtLingering);
  return true;
}

void HttpProxy::advance(const lb::Snapshot& snapshot, time::Time now) {
  turn(snapshot, now);
  exchange_wheel_.advance(turn_.millis, kTimersATurn, [this](uint32_t number) { return fire(number); });
  client_wheel_.advance(turn_.millis, kTimersATurn, [this](uint32_t number) { return fire_client(number); });
  upstreams_.advance(turn_.millis, kTimersATurn, [this](uint32_t number) { end_upstream(number); });
  if (snapshot.epoch() != epoch_) {
    epoch_ = snapshot.epoch();
    to_sweep_ = upstreams_.capacity();
  } else if (to_sweep_ == 0 && snapshot.any_resets()) {  // as long as any are to end, lest one be missed
    to_sweep_ = upstreams_.capacity();
  }
  sweep();
  judge_again();
  grant_wishes();
  protections_->callers.look_after(config_.worker);
  hurry();
}

void HttpProxy::drain(bool wanted) {
  if (wanted != draining_) {
    draining_ = wanted;
    client_idle_ = wanted ? std::min(kDrainIdle, config_.client_idle) : config_.client_idle;
    to_hurry_ = wanted ? static_cast<uint32_t>(clients_.size()) : 0;
  }
}

/// Clients that wait for longer than they may now.
void HttpProxy::hurry() {
  constexpr uint32_t kACall = 256;
  for (uint32_t i = 0; i < kACall && to_hurry_ > 0; ++i) {
    const uint32_t number = --to_hurry_;
    Client& client = clients_[number];
    if (client.state == Client::State::reading && !client.partial.begun() && engine_.readable(client.id) == 0) {
      client.until = turn_.millis + client_idle_;
      client_wheel_.arm(number, client.until);
    }
  }
}

/// Connections that wait for requests to endpoints that get none any more; and whatever goes to those whose time is
/// over.
void HttpProxy::sweep() {
  constexpr uint32_t kACall = 256;
  for (uint32_t i = 0; i < kACall && to_sweep_ > 0; ++i) {
    const uint32_t number = --to_sweep_;
    const Upstream& upstream = upstreams_[number];
    if (upstream.state == Upstream::State::free) {
      continue;
    }
    const lb::Fate fate = turn_.snapshot->fate_of(upstream.endpoint_slot);
    if (upstream.state == Upstream::State::parked) {
      if (fate != lb::Fate::open) {
        end_upstream(number);
      }
    } else if (fate == lb::Fate::reset) {
      fail(upstream.exchange, {502, response_flag::upstream_remote_reset, "the endpoint has left the mesh"});
    }
  }
}

}  // namespace weft::proxy
