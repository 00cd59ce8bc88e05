// SPDX-License-Identifier: Apache-2.0
/// @file What endpoints say: heads, bodies, and ends.
#include <algorithm>
#include <cstring>

#include "http/http1.h"
#include "proxy/http_proxy.h"

namespace weft::proxy {
namespace {

using http::Framing;

/// A body that is not longer is copied behind its head, so that both are one segment of one buffer.
constexpr size_t kCopiedBody = 1024;
constexpr uint16_t kContinue = 100;
constexpr uint16_t kSwitchingProtocols = 101;

}  // namespace

void HttpProxy::act_on_upstream(uint32_t number, const tcp::Event& event) {
  Upstream& upstream = upstreams_[number];
  if (!upstreams_.is_valid(number) || upstream.id != event.id) {
    return;
  }
  constexpr uint16_t kOver = tcp::event::closed | tcp::event::reset | tcp::event::timed_out;
  if (upstream.state != Upstream::State::busy) {
    // Parked: whatever it says, it is not the answer to anything.
    if ((event.what & (kOver | tcp::event::readable | tcp::event::peer_closed)) != 0) {
      end_upstream(number);
    }
    return;
  }
  const uint32_t exchange = upstream.exchange;
  const uint32_t generation = exchanges_[exchange].generation;
  const auto is_over = [&] {
    return exchanges_[exchange].generation != generation || exchanges_[exchange].stage == Exchange::Stage::free ||
           exchanges_[exchange].upstream != number;
  };
  if ((event.what & tcp::event::connected) != 0) {
    upstream.connected = true;
    end_pending(exchanges_[exchange]);
    arm(exchange);
  }
  // A response may come before all of the request has gone.
  if ((event.what & (tcp::event::readable | tcp::event::peer_closed)) != 0) {
    exchanges_[exchange].stage == Exchange::Stage::asking ? read_response(exchange) : pump_response(exchange);
  }
  if (!is_over() && (event.what & tcp::event::writable) != 0) {
    pump_request(exchange);
  }
  if (!is_over() && (event.what & kOver) != 0) {
    if (exchanges_[exchange].stage == Exchange::Stage::tunnel && (event.what & kOver) == tcp::event::closed) {
      return end_tunnel(exchange);
    }
    const bool was_reset = (event.what & tcp::event::reset) != 0;
    upstream_failed(exchange,
                    !upstream.connected ? response_flag::upstream_connection_failure
                    : was_reset         ? response_flag::upstream_remote_reset
                                        : response_flag::upstream_connection_termination,
                    !upstream.connected ? "no connection to the endpoint came about"
                    : was_reset         ? "the endpoint reset the connection before it answered"
                                        : "the endpoint closed the connection before it answered");
  }
}

void HttpProxy::read_response(uint32_t number) {
  Exchange& x = exchanges_[number];
  const uint32_t generation = x.generation;
  // An interim response that the client does not take goes before the next one.
  while (x.generation == generation && x.stage == Exchange::Stage::asking && x.response.all_sent()) {
    const tcp::ConnectionId from = upstreams_[x.upstream].id;
    buffer::Slice head;
    switch (response_heads_.take(from, x.partial, head)) {
      case HeadSource::Outcome::whole:
        break;
      case HeadSource::Outcome::partial:
        if (engine_.is_open(from) && engine_.has_peer_closed(from)) {
          upstream_failed(number, response_flag::upstream_connection_termination,
                          "the endpoint closed the connection before it answered");
        }
        return;
      case HeadSource::Outcome::too_long:
        ++books_.bad_responses;
        report(x, 502);
        return fail(number, {502, response_flag::upstream_protocol_error, "the response's head is too long"});
      case HeadSource::Outcome::no_memory:
        ++books_.overflows;
        return fail(number, {503, response_flag::upstream_overflow, "too many heads come in pieces"});
    }
    const http::Defect defect = http::parse_response(text_of(head), config_.limits, response_);
    if (defect != http::Defect::none) {
      ++books_.bad_responses;
      report(x, 502);
      return fail(number, {502, response_flag::upstream_protocol_error, http::to_string(defect)});
    }
    if (response_.status == kSwitchingProtocols || (x.method == http::Method::connect && response_.status / 100 == 2)) {
      if (response_.status == kSwitchingProtocols && !x.upgrades) {
        ++books_.bad_responses;
        return fail(number, {502, response_flag::upstream_protocol_error, "the endpoint switches protocols unasked"});
      }
      return begin_tunnel(number);
    }
    if (response_.status < 200) {
      pass_interim(number);
    } else {
      respond(number);
    }
  }
}

/// RFC 9110, section 15.2: to a client of HTTP/1.0 none is sent.
void HttpProxy::pass_interim(uint32_t number) {
  Exchange& x = exchanges_[number];
  if (x.client_is_http10 || x.client == kNobody) {
    return;
  }
  write_interim(writer_, response_);
  if (take_written(x.response)) {
    x.answered |= response_.status != kContinue;
    put(clients_[x.client].id, x.response);
    x.answered |= x.response.sent > 0 && !x.response.all_sent();
    if (response_.status == kContinue && x.expects_continue) {
      x.expects_continue = false;
      x.waits_for_client = !x.request_body.done();
      x.moved_at = turn_.millis;
      arm(number);
    }
  }
}

void HttpProxy::respond(uint32_t number) {
  Exchange& x = exchanges_[number];
  const tcp::ConnectionId from = upstreams_[x.upstream].id;
  const Framing framing = http::framing_of(response_, x.method);
  x.keeps_upstream = response_.keep_alive && framing.kind != Framing::Kind::close;
  report(x, response_.status);
  if (x.retries.left > 0 && x.retries.has(response_.status) && may_try_again(x) && take_retry(x)) {
    --x.retries.left;
    ++books_.retries;
    x.tried.add(x.endpoint_slot);
    release_upstream(number, false);
    return try_again(number, next_backoff(x));
  }
  end_retry(x);
  if (x.is_inspected && !inspect_response(number, framing)) {
    return;
  }
  x.status = response_.status;
  x.responded = turn_.time;
  x.stage = Exchange::Stage::responding;
  forget_kept(x);
  if (x.retries.has(x.status) && (x.flags & response_flag::upstream_overflow) == 0) {
    x.flags |= response_flag::upstream_retry_limit;
  }
  Framing told = framing;
  Body::Coding coding = Body::Coding::as_it_is;
  if (x.client_is_http10 && framing.kind == Framing::Kind::chunked) {
    coding = Body::Coding::data;
    told.kind = Framing::Kind::close;
  } else if (framing.kind == Framing::Kind::close && !x.client_is_http10) {
    coding = Body::Coding::chunks;
    told.kind = Framing::Kind::chunked;
  }
  x.response_body = Body(framing, coding);
  x.keeps_client &= told.kind != Framing::Kind::close && !draining_;
  if (x.client == kNobody) {
    return pump_response(number);
  }
  edits_.unpack(x.response_edits);
  write_response(writer_, {.head = &response_,
                           .body = told,
                           .edits = &edits_,
                           .marks = &config_.marks,
                           .date = response_.fields.has(http::Name::date) ? std::string_view() : date(),
                           .after = after(x)});
  if (!take_written(x.response)) {
    return fail(number, {503, response_flag::upstream_overflow, "no packet buffer is left"});
  }
  x.answered = true;
  x.response_body.copy_behind(engine_, from, x.response.slices[x.response.count - 1U], kCopiedBody);
  pump_response(number);
}

void HttpProxy::begin_tunnel(uint32_t number) {
  Exchange& x = exchanges_[number];
  if (x.client == kNobody) {
    return close_exchange(number);
  }
  if (x.seen_request != kNobody && !leave_unseen(number)) {
    return;
  }
  write_interim(writer_, response_);
  if (!take_written(x.response)) {
    return fail(number, {503, response_flag::upstream_overflow, "no packet buffer is left"});
  }
  ++books_.tunnels;
  report(x, response_.status);
  end_retry(x);
  x.status = response_.status;
  x.responded = turn_.time;
  x.answered = true;
  x.keeps_client = x.keeps_upstream = false;
  x.stage = Exchange::Stage::tunnel;
  x.request_deadline = x.try_deadline = std::nullopt;
  forget_kept(x);
  x.request_body = x.response_body = Body({.kind = Framing::Kind::close});
  arm(number);
  pump_tunnel(number);
}

void HttpProxy::pump_tunnel(uint32_t number) {
  Exchange& x = exchanges_[number];
  const tcp::ConnectionId client = clients_[x.client].id;
  const tcp::ConnectionId endpoint = upstreams_[x.upstream].id;
  if (!put(client, x.response)) {
    return;
  }
  const auto pump = [&](Body& body, tcp::ConnectionId from, tcp::ConnectionId to) {
    if (body.done()) {
      return;
    }
    const uint64_t before = body.moved();
    body.move(engine_, from, to);
    if (body.moved() != before) {
      x.moved_at = turn_.millis;
    }
    if (body.done()) {
      engine_.shutdown(to);
    }
  };
  pump(x.request_body, client, endpoint);
  pump(x.response_body, endpoint, client);
  if (x.request_body.done() && x.response_body.done()) {
    finish(number);
  }
}

/// The endpoint's side has said and heard all: the client is told so when it has got it.
void HttpProxy::end_tunnel(uint32_t number) {
  pump_tunnel(number);
  if (exchanges_[number].stage == Exchange::Stage::tunnel) {
    finish(number);
  }
}

void HttpProxy::pump_response(uint32_t number) {
  Exchange& x = exchanges_[number];
  if (x.stage == Exchange::Stage::tunnel) {
    return pump_tunnel(number);
  }
  if (x.client != kNobody && !put(clients_[x.client].id, x.response)) {
    return;
  }
  if (x.stage == Exchange::Stage::asking) {
    return read_response(number);  // what came behind an interim response
  }
  if (x.stage != Exchange::Stage::responding) {
    return;
  }
  if (x.is_local) {
    return finish(number);
  }
  if (x.seen_response != kNobody && !inspect_body(number, lb::Signature::Message::response)) {
    return;
  }
  const tcp::ConnectionId from = upstreams_[x.upstream].id;
  const uint64_t before = x.response_body.moved();
  const Body::State state = x.client == kNobody ? x.response_body.discard(engine_, from)
                            : x.response_body.coding() == Body::Coding::chunks
                                ? x.response_body.move_in_chunks(engine_, from, clients_[x.client].id, pool_)
                                : x.response_body.move(engine_, from, clients_[x.client].id);
  if (x.response_body.moved() != before) {
    x.moved_at = turn_.millis;
  }
  if (state == Body::State::done) {
    finish(number);
  } else if (state == Body::State::malformed) {
    ++books_.bad_responses;
    report(x, 502);
    fail(number, {502, response_flag::upstream_protocol_error, "the response's body is malformed"});
  } else if (state == Body::State::cut) {
    report(x, 503, true);
    fail(number, {502, response_flag::upstream_connection_termination, "the response's body is cut off"});
  } else if (state == Body::State::no_buffer) {
    ++books_.overflows;
    fail(number, {503, response_flag::upstream_overflow, "no packet buffer is left"});
  } else {
    arm(number);
  }
}

}  // namespace weft::proxy
