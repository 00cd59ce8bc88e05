// SPDX-License-Identifier: Apache-2.0
/// @file Clients' connections: requests come in one after another, and what is left when weft closes is thrown away.
#include <algorithm>
#include <array>
#include <utility>

#include "http/http1.h"
#include "proxy/http_proxy.h"

namespace weft::proxy {
namespace {

/// Requests of one client in a turn: who pipelines many has others served between.
constexpr uint32_t kRequestsATurn = 8;

}  // namespace

void HttpProxy::begin(tcp::ConnectionId id, const lb::Snapshot& snapshot, time::Time now) {
  turn(snapshot, now);
  const tcp::SocketPair* const pair = engine_.pair(id);
  if (pair == nullptr) {
    return;
  }
  if (free_clients_.empty()) {
    ++books_.overflows;
    engine_.abort(id);
    return;
  }
  const uint32_t number = free_clients_.back();
  free_clients_.pop_back();
  const lb::Service* const service = snapshot.find(pair->local, pair->local_port, lb::Protocol::tcp);
  clients_[number] = {.id = id,
                      .pair = *pair,
                      .service_slot = service == nullptr ? kNobody : service->slot,
                      .began_at = turn_.millis,
                      .in_again = clients_[number].in_again};  // it stands there still
  engine_.set_user(id, ConnectionUser{Role::http_client, number}.value());
  if (service != nullptr && !service->request_policy().callers.empty() &&
      !admit_client(clients_[number], *service, snapshot)) [[unlikely]] {
    free_clients_.push_back(number);  // it has not begun
    clients_[number].state = Client::State::free;
    return engine_.abort(id);
  }
  await_request(number);
  read_requests(number);
}

void HttpProxy::act_on_client(uint32_t number, const tcp::Event& event) {
  Client& client = clients_[number];
  if (client.state == Client::State::free || client.id != event.id) {
    return;
  }
  constexpr uint16_t kOver = tcp::event::closed | tcp::event::reset | tcp::event::timed_out;
  if ((event.what & kOver) != 0) {
    return client_gone(number, (event.what & kOver) == tcp::event::closed);
  }
  switch (client.state) {
    case Client::State::reading:
      return read_requests(number);
    case Client::State::busy:
      if ((event.what & tcp::event::writable) != 0) {
        pump_response(client.exchange);
      }
      if (client.state == Client::State::busy && (event.what & (tcp::event::readable | tcp::event::peer_closed)) != 0) {
        pump_request(client.exchange);
      }
      return;
    case Client::State::lingering:
      return drop_input(number);
    case Client::State::free:
      return;
  }
}

void HttpProxy::await_request(uint32_t number) {
  Client& client = clients_[number];
  client.state = Client::State::reading;
  client.exchange = kNobody;
  client.moved_at = turn_.millis;
  client.until = turn_.millis + client_idle_;
  client_wheel_.arm(number, client.until);
}

void HttpProxy::read_requests(uint32_t number) {
  Client& client = clients_[number];
  // Of one that is over there will be an event.
  for (uint32_t i = 0; client.state == Client::State::reading && engine_.is_open(client.id); ++i) {
    if (i == kRequestsATurn) {
      return look_again(number);
    }
    if (const buffer::Slice* front = engine_.front(client.id);
        front != nullptr && *front->data() == std::byte{'\r'} && !client.skipped_blank && !client.partial.begun())
        [[unlikely]] {
      skip_blank(client);
    }
    const bool was_gathered = client.partial.begun();
    const bool had_begun = was_gathered || client.partial.searched > 0;
    buffer::Slice head;
    const HeadSource::Outcome outcome = heads_.take(client.id, client.partial, head);
    if (was_gathered != client.partial.begun()) [[unlikely]] {
      was_gathered ? forget_gathering(number) : note_gathering(number);
    }
    switch (outcome) {
      case HeadSource::Outcome::whole:
        start(number, std::move(head));
        break;
      case HeadSource::Outcome::partial:
        if (engine_.is_at_end(client.id)) {
          client.partial.begun()
              ? refuse(number, {400, response_flag::downstream_termination, "the request is cut off"})
              : linger(number);
          return;
        }
        if (engine_.has_peer_closed(client.id)) {
          refuse(number, {400, response_flag::downstream_termination, "the request is cut off"});
        } else if (!had_begun && (client.partial.begun() || engine_.readable(client.id) > 0)) {
          const buffer::Slice& lies = client.partial.begun() ? client.partial.gathered : *engine_.front(client.id);
          if (!http::begins_request(text_of(lies)[0])) {
            ++books_.defects[static_cast<size_t>(http::Defect::request_line)];
            refuse(number,
                   {400, response_flag::downstream_protocol_error, http::to_string(http::Defect::request_line)});
            return;
          }
          client.until = turn_.millis + config_.head;
          client_wheel_.arm(number, client.until);
        }
        return;
      case HeadSource::Outcome::too_long: {
        const buffer::Slice& lies = client.partial.begun() ? client.partial.gathered : *engine_.front(client.id);
        http::Limits limits = config_.limits;
        limits.head = static_cast<uint32_t>(lies.size() - 1);  // it may be its target that is too long
        const http::Defect defect = http::parse_request(text_of(lies), limits, request_);
        ++books_.defects[static_cast<size_t>(defect)];
        refuse(number, {http::status_of(defect), response_flag::downstream_protocol_error, http::to_string(defect)});
        return;
      }
      case HeadSource::Outcome::no_memory:
        ++books_.overflows;
        if (oldest_gathering_ == kNobody) {  // all are with exchanges
          refuse(number, {503, response_flag::upstream_overflow, "too many requests come in pieces"});
          return;
        }
        refuse(oldest_gathering_, {408, response_flag::upstream_overflow, "the request's head gives way to others"});
        break;
    }
  }
}

/// One, in however many segments it comes. Precondition: no head is being put together.
void HttpProxy::skip_blank(Client& client) {
  std::array<std::byte, 2> first;
  const size_t count = engine_.peek(client.id, first);
  if (const size_t blank = http::leading_blank({reinterpret_cast<const char*>(first.data()), count}); blank > 0) {
    engine_.consume(client.id, blank);
    client.skipped_blank = true;
    client.partial.searched = 0;
  }
}

/// Its head comes in pieces, from now on.
void HttpProxy::note_gathering(uint32_t number) {
  Client& client = clients_[number];
  client.newer = kNobody;
  client.older = std::exchange(newest_gathering_, number);
  (client.older == kNobody ? oldest_gathering_ : clients_[client.older].newer) = number;
}

void HttpProxy::forget_gathering(uint32_t number) {
  const Client& client = clients_[number];
  (client.older == kNobody ? oldest_gathering_ : clients_[client.older].newer) = client.newer;
  (client.newer == kNobody ? newest_gathering_ : clients_[client.newer].older) = client.older;
}

void HttpProxy::forget_partial(uint32_t number) {
  if (clients_[number].partial.begun()) {
    forget_gathering(number);
  }
  clients_[number].partial = {};
}

void HttpProxy::start(uint32_t number, buffer::Slice head) {
  Client& client = clients_[number];
  texts_.clear();
  client.skipped_blank = false;
  const uint32_t exchange = open_exchange(number);
  if (exchange == kNobody) {
    return;
  }
  ++client.requests;
  Exchange& x = exchanges_[exchange];
  x.head = std::move(head);
  const http::Defect defect = http::parse_request(text_of(x.head), config_.limits, request_);
  if (defect != http::Defect::none) {
    ++books_.defects[static_cast<size_t>(defect)];
    x.keeps_client = false;
    return fail(exchange, {http::status_of(defect), response_flag::downstream_protocol_error, http::to_string(defect)});
  }
  x.method = request_.method;
  x.client_is_http10 = request_.minor_version == 0;
  x.keeps_client = request_.keep_alive && !draining_;
  x.upgrades = request_.upgrades;
  x.expects_continue = request_.expects_continue;
  x.request_body = Body(request_.body);
  route(exchange);
}

/// Without a request that could be read: the client is told why, and that is the end.
void HttpProxy::refuse(uint32_t number, const Reply& reply) {
  forget_partial(number);
  const uint32_t exchange = open_exchange(number);
  if (exchange != kNobody) {
    exchanges_[exchange].keeps_client = false;
    fail(exchange, reply);
  }
}

/// For want of an exchange; whatever it was that it asked.
void HttpProxy::turn_away(uint32_t number) {
  edits_.clear();
  write_local_reply(writer_, {.status = 503,
                              .why = "too many requests are under way",
                              .flags = response_flag::upstream_overflow,
                              .edits = &edits_,
                              .date = date(),
                              .after = After::closes});
  HeadOut head;
  if (take_written(head) && put(clients_[number].id, head)) {
    return linger(number);
  }
  engine_.abort(clients_[number].id);
  forget_client(number);
}

/// Nothing more will be said. What the client still sends is read, for a while.
void HttpProxy::linger(uint32_t number) {
  Client& client = clients_[number];
  client.state = Client::State::lingering;
  client.exchange = kNobody;
  client.queued = UINT32_MAX;
  client.until = turn_.millis + kLookAtLingering;
  client_wheel_.arm(number, client.until);
  engine_.shutdown(client.id);
  drop_input(number);
}

void HttpProxy::drop_input(uint32_t number) {
  Client& client = clients_[number];
  engine_.consume(client.id, SIZE_MAX);
  if (engine_.is_at_end(client.id)) {
    engine_.close(client.id);
    forget_client(number);
  }
}

void HttpProxy::forget_client(uint32_t number) {
  Client& client = clients_[number];
  client_wheel_.disarm(number);
  forget_partial(number);
  end_caller(client.caller, lb::CallerBoard::connections);
  client.state = Client::State::free;
  free_clients_.push_back(number);
}

/// @param in_order both sides have said all, as they do at the end of a tunnel
void HttpProxy::client_gone(uint32_t number, bool in_order) {
  const uint32_t exchange = clients_[number].state == Client::State::busy ? clients_[number].exchange : kNobody;
  forget_client(number);
  if (exchange != kNobody) {
    Exchange& x = exchanges_[exchange];
    const bool has_ended = in_order && x.stage == Exchange::Stage::tunnel;
    if (!has_ended) {
      x.flags |= response_flag::downstream_termination;
    }
    x.client = kNobody;
    release_upstream(exchange, false, has_ended);
    close_exchange(exchange);
  }
}

void HttpProxy::look_again(uint32_t number) {
  if (!clients_[number].in_again) {
    clients_[number].in_again = true;
    again_.push_back(number);
  }
}

}  // namespace weft::proxy
