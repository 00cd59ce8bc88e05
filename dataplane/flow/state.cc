// SPDX-License-Identifier: Apache-2.0
#include "flow/flow.h"

#include <algorithm>

#include "packet/headers.h"

namespace weft::flow {

std::string_view to_string(State state) {
  static constexpr std::array<std::string_view, kStates> kNames = {
      "free",   "udp-request", "udp-exchange",      "opening",
      "opened", "established", "client-closed",     "endpoint-closed",
      "closed", "reset",       "reset-then-client", "reset-then-endpoint",
      "steered"};
  return kNames[static_cast<size_t>(state)];
}

std::string_view to_string(Kind kind) {
  static constexpr std::array<std::string_view, 8> kNames = {"nat",     "fullnat", "ipip", "gue",
                                                             "steered", "proxy",   "http", "ended"};
  return kNames[static_cast<size_t>(kind)];
}

std::array<time::Millis, kStates> Timeouts::by_state() const {
  std::array<time::Millis, kStates> result{};
  const auto set = [&](State state, std::chrono::milliseconds timeout) {
    result[static_cast<size_t>(state)] = static_cast<time::Millis>(timeout.count());
  };
  set(State::udp_request, udp_request);
  set(State::udp_exchange, udp_exchange);
  set(State::tcp_opening, tcp_opening);
  set(State::tcp_opened, tcp_opening);
  set(State::tcp_established, tcp_established);
  set(State::tcp_client_closed, tcp_closing);
  set(State::tcp_endpoint_closed, tcp_closing);
  set(State::tcp_closed, tcp_closed);
  set(State::tcp_reset, tcp_reset);
  set(State::tcp_reset_then_client, tcp_reset);
  set(State::tcp_reset_then_endpoint, tcp_reset);
  // Its owner takes it back; this is for an owner that could not.
  set(State::steered, 2 * std::max(tcp_established, udp_exchange));
  return result;
}

std::array<time::Millis, kStates> Timeouts::hurried_by_state() const {
  std::array<time::Millis, kStates> result = by_state();
  const auto at_most = [&](State state, time::Millis bound) {
    time::Millis& timeout = result[static_cast<size_t>(state)];
    timeout = std::min(timeout, bound);
  };
  for (const State unanswered : {State::udp_request, State::tcp_opening, State::tcp_opened}) {
    at_most(unanswered, 1000);
  }
  at_most(State::tcp_closed, 250);  // not tcp_reset: whoever guesses a tuple can make it that
  return result;
}

namespace {

constexpr State transition(State state, uint8_t flags, Direction direction) {
  const bool request = direction == Direction::request;
  if ((flags & packet::tcp_flag::rst) != 0) {
    return State::tcp_reset;
  }
  const bool fin = (flags & packet::tcp_flag::fin) != 0;
  const bool syn = (flags & packet::tcp_flag::syn) != 0;
  switch (state) {
    case State::tcp_opening:
      if (!request) {  // without a SYN: a connection older than its flow, met again
        return fin ? State::tcp_endpoint_closed : syn ? State::tcp_opened : State::tcp_established;
      }
      return fin ? State::tcp_client_closed : state;
    case State::tcp_opened:
      if (fin) {
        return request ? State::tcp_client_closed : State::tcp_endpoint_closed;
      }
      return request && !syn ? State::tcp_established : state;
    case State::tcp_established:
      return !fin ? state : request ? State::tcp_client_closed : State::tcp_endpoint_closed;
    case State::tcp_client_closed:
      return fin && !request ? State::tcp_closed : state;
    case State::tcp_endpoint_closed:
      return fin && request ? State::tcp_closed : state;
    case State::tcp_reset:
      return request ? State::tcp_reset_then_client : State::tcp_reset_then_endpoint;
    case State::tcp_reset_then_client:
      return request ? state : fin ? State::tcp_endpoint_closed : State::tcp_established;
    case State::tcp_reset_then_endpoint:
      return !request ? state : fin ? State::tcp_client_closed : State::tcp_established;
    case State::tcp_closed:
    case State::free:
    case State::udp_request:
    case State::udp_exchange:
    case State::steered:
      break;
  }
  return state;
}

constexpr TcpTransitions all_transitions() {
  static_assert((packet::tcp_flag::fin | packet::tcp_flag::syn | packet::tcp_flag::rst) == 7);
  TcpTransitions all{};
  for (size_t state = 0; state < kStates; ++state) {
    for (uint8_t flags = 0; flags < 8; ++flags) {
      for (const Direction direction : {Direction::request, Direction::reply}) {
        all[state][static_cast<size_t>(direction)][flags] = transition(static_cast<State>(state), flags, direction);
      }
    }
  }
  return all;
}

}  // namespace

constinit const TcpTransitions kTcpTransitions = all_transitions();

}  // namespace weft::flow
