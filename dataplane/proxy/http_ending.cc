// SPDX-License-Identifier: Apache-2.0
/// @file How exchanges end, well or not, and what is tried again.
#include <algorithm>
#include <utility>

#include "http/http1.h"
#include "proxy/http_proxy.h"

namespace weft::proxy {
namespace {

/// Attempts at other endpoints when no connection comes about, though no rule asks for any: nobody has seen the
/// request.
constexpr uint8_t kFreshConnects = 2;
/// And at connections that an endpoint closed just as they were to be used again.
constexpr uint8_t kFreshReuses = 3;

}  // namespace

After HttpProxy::after(const Exchange& x) const {
  return !x.keeps_client ? After::closes : x.client_is_http10 ? After::stays_told : After::stays;
}

/// @returns whether all of it has gone; if not, the connection tells when there is room
bool HttpProxy::put(tcp::ConnectionId to, HeadOut& head) {
  while (!head.all_sent()) {
    buffer::Slice& next = head.slices[head.sent];
    if (engine_.room(to) < next.size()) {
      engine_.write(to, next.share());  // refused: so that it tells
      return false;
    }
    if (!engine_.write(to, std::move(next))) {
      return false;
    }
    ++head.sent;
  }
  return true;
}

/// What writer_ has written. @returns false: it ran out of buffers
bool HttpProxy::take_written(HeadOut& head) {
  head.clear();
  if (!writer_.failed()) {
    for (buffer::Slice& slice : writer_.slices()) {
      head.slices[head.count++] = std::move(slice);
    }
  }
  writer_.clear();
  return head.count > 0;
}

/// Nothing has gone to the client, and all that has gone to the endpoint can go once more.
bool HttpProxy::may_try_again(const Exchange& x) const {
  return !x.answered && !x.is_mirror && x.client != kNobody && (x.request_body.moved() == 0 || x.kept.is_whole);
}

void HttpProxy::upstream_failed(uint32_t number, ResponseFlags flags, std::string_view why) {
  Exchange& x = exchanges_[number];
  const bool never_connected = (flags & response_flag::upstream_connection_failure) != 0;
  const bool untouched = x.partial.searched == 0 && !x.partial.begun();
  const bool may_again = x.stage != Exchange::Stage::responding && untouched && may_try_again(x);
  if (may_again && x.reused && http::is_idempotent(x.method) && x.fresh < kFreshReuses) {
    ++x.fresh;
    ++books_.fresh_attempts;
    release_upstream(number, false);
    return try_again(number, 0);
  }
  report(x, 503, true);
  x.tried.add(x.endpoint_slot);
  const bool by_itself = never_connected && x.fresh < kFreshConnects;
  if (may_again && (x.retries.left > 0 || by_itself) && take_retry(x)) {
    const bool by_rule = x.retries.left > 0;
    x.retries.left -= by_rule ? 1 : 0;
    x.fresh += by_rule ? 0 : 1;
    ++(by_rule ? books_.retries : books_.fresh_attempts);
    release_upstream(number, false);
    // Who has not seen the request is not spared by waiting: another endpoint is asked at once.
    const bool at_once = !by_rule || (never_connected && x.retries.least_backoff_ms == 0);
    return try_again(number, at_once ? 0 : next_backoff(x));
  }
  if (x.attempts > 1) {
    flags |= response_flag::upstream_retry_limit;
  }
  fail(number, {static_cast<uint16_t>(never_connected ? 503 : 502), flags, why});
}

/// Precondition: no connection to an endpoint is held.
void HttpProxy::try_again(uint32_t number, time::Millis after) {
  Exchange& x = exchanges_[number];
  x.stage = Exchange::Stage::waiting;
  x.partial = {};
  x.request.clear();
  x.response_edits = {};
  x.try_deadline = std::nullopt;
  x.resume_at = turn_.millis + after;
  if (after > 0) {
    return arm(number);
  }
  resume(number);
}

void HttpProxy::resume(uint32_t number) {
  Exchange& x = exchanges_[number];
  end_delay(x);
  x.stage = Exchange::Stage::routing;
  texts_.clear();
  if (read_head(x)) {
    route(number);
  } else {
    fail(number, {500, response_flag::none, "the request can't be read again"});
  }
}

/// The exchange can't go on. A client that was told nothing yet is told why; another sees its connection reset, so that
/// it does not take a part for the whole.
void HttpProxy::fail(uint32_t number, const Reply& why) {
  Exchange& x = exchanges_[number];
  x.flags |= why.flags;
  release_upstream(number, false);
  if (x.client == kNobody) {
    return close_exchange(number);
  }
  if (x.answered) {
    engine_.abort(clients_[x.client].id);
    forget_client(std::exchange(x.client, kNobody));
    return close_exchange(number);
  }
  edits_.clear();
  reply(number, why);
}

/// A response of weft's own, with the fields that stand in edits_. Precondition: nothing of another has gone out.
void HttpProxy::reply(uint32_t number, const Reply& reply) {
  Exchange& x = exchanges_[number];
  if (x.keeps_client && !x.request_body.done()) {
    x.request_body.discard(engine_, clients_[x.client].id);
  }
  // What is still to come of the request's body would be read as the next request.
  x.keeps_client &= x.request_body.done() && !draining_;
  x.status = reply.status;
  x.responded = turn_.time;
  x.is_local = true;
  x.answered = true;
  x.stage = Exchange::Stage::responding;
  x.response_body = Body();
  ++books_.local_responses;
  write_local_reply(writer_, {.status = reply.status,
                              .why = reply.why,
                              .flags = reply.flags,
                              .edits = &edits_,
                              .date = date(),
                              .after = after(x),
                              .of_head = x.method == http::Method::head});
  if (!take_written(x.response)) {
    ++books_.overflows;
    return fail(number, reply);  // it counts as answered: the connection ends
  }
  if (put(clients_[x.client].id, x.response)) {
    finish(number);
  } else {
    arm(number);
  }
}

/// All of the response has gone to the client.
void HttpProxy::finish(uint32_t number) {
  Exchange& x = exchanges_[number];
  const bool is_read = x.request_body.done();
  const bool is_sent = is_read && x.request.all_sent() && x.kept_next == KeptBody::kNone;
  const bool was_tunnel = x.stage == Exchange::Stage::tunnel;
  release_upstream(number, is_sent && x.keeps_upstream && !was_tunnel, was_tunnel);
  const uint32_t client = std::exchange(x.client, kNobody);
  const bool keeps = x.keeps_client && is_read;
  close_exchange(number);
  if (client == kNobody) {
    return;
  }
  if (!keeps) {
    return linger(client);
  }
  await_request(client);
  if (engine_.readable(clients_[client].id) > 0 || engine_.is_at_end(clients_[client].id)) {
    look_again(client);
  }
}

/// Gives back what the exchange holds. Its client, if it still has one, is somebody else's matter.
void HttpProxy::close_exchange(uint32_t number) {
  Exchange& x = exchanges_[number];
  if (!x.is_mirror) {
    ++books_.responses[x.status / 100 < books_.responses.size() ? x.status / 100 : 0];
    if (records_wanted_) {
      record(x);
    }
  }
  mirrors_ -= x.is_mirror ? 1 : 0;
  release_upstream(number, false);
  end_charges(x);
  exchange_wheel_.disarm(number);
  x.stage = Exchange::Stage::free;
  x.head = {};
  x.request.clear();
  x.response.clear();
  x.response_edits = {};
  x.partial = {};
  kept_.forget(x.kept);
  forget_seen(x);
  free_exchanges_.push_back(number);
}

void HttpProxy::release_upstream(uint32_t number, bool reusable, bool in_order) {
  Exchange& x = exchanges_[number];
  end_attempt(x);
  if (x.endpoint_slot != kNobody) {
    balancer_.end(std::exchange(x.endpoint_slot, kNobody));
  }
  const uint32_t held = std::exchange(x.upstream, kNobody);
  if (held == kNobody) {
    return;
  }
  Upstream& upstream = upstreams_[held];
  const bool is_quiet = upstream.state == Upstream::State::busy && engine_.is_open(upstream.id) &&
                        engine_.readable(upstream.id) == 0 && !engine_.is_at_end(upstream.id);
  const bool is_wanted = turn_.snapshot->fate_of(upstream.endpoint_slot) == lb::Fate::open && !draining_ &&
                         (x.most_served == 0 || upstream.served < x.most_served);
  changes_.push_back({.what = Change::What::moved,
                      .service_slot = upstream.service_slot,
                      .endpoint_slot = upstream.endpoint_slot,
                      .requested = x.request_body.moved(),
                      .replied = x.response_body.moved()});
  if (reusable && is_quiet && is_wanted) {
    upstream.moved_at = turn_.millis;
    upstreams_.park(held, turn_.millis + x.park_for);
    return;
  }
  // One that has said all and heard all ends in order; another's peer should not go on working for nobody.
  end_upstream(held, reusable || in_order);
}

void HttpProxy::end_upstream(uint32_t number, bool in_order) {
  Upstream& upstream = upstreams_[number];
  in_order ? engine_.close(upstream.id) : engine_.abort(upstream.id);
  changes_.push_back({.what = Change::What::ended,
                      .service_slot = upstream.service_slot,
                      .endpoint_slot = upstream.endpoint_slot,
                      .called = upstream.called,
                      .to_endpoint = upstream.pair});
  lb::BreakerBoard& breakers = protections_->breakers;
  breakers.give_back(config_.worker, lb::BreakerBoard::connections, upstream.service_slot);
  breakers.give_back_of_endpoint(config_.worker, lb::BreakerBoard::connections, upstream.endpoint_slot);
  upstreams_.forget(number);
}

void HttpProxy::record(const Exchange& x) {
  if (records_.size() == records_.capacity()) {
    ++books_.records_missed;
    return;
  }
  AccessRecord& record = records_.emplace_back();
  record.began = x.began;
  const auto since = [&](time::Time at) { return static_cast<uint64_t>((at - x.began).count() / 1000); };
  record.duration_us = since(turn_.time);
  record.first_byte_us = x.status == 0 ? 0 : since(x.responded);
  record.status = x.status;
  record.attempts = x.attempts;
  record.local = x.is_local;
  record.flags = x.flags;
  record.decided_by = x.decided_by;
  record.request_bytes = x.request_body.moved();
  record.response_bytes = x.response_body.moved();
  record.client = x.pair.remote;
  record.client_port = x.pair.remote_port;
  record.vip = x.pair.local;
  record.vip_port = x.pair.local_port;
  record.endpoint = x.endpoint;
  record.endpoint_port = x.endpoint_port;
  const lb::Service* const listener =
      x.listener_slot == kNobody ? turn_.snapshot->find(x.pair.local, x.pair.local_port, lb::Protocol::tcp) : nullptr;
  record.service_slot = listener == nullptr ? x.listener_slot : listener->slot;
  record.backend_slot = x.backend_slot;
  record.request_id = x.request_id;
  record.route = x.route;
  record.policy = x.policy;
  record.dry_run_policy = x.dry_run_policy;
  record.limit = x.limit;
  record.fault = x.fault;
  record.signature = x.signature;
  // Read once more: only who looks pays for it.
  if (!x.head.empty() && read_head(x)) {
    record.method.set(request_.view.method);
    record.host.set(request_.view.host);
    record.path.set(request_.view.path);
  }
}

}  // namespace weft::proxy
