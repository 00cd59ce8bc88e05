// SPDX-License-Identifier: Apache-2.0
/// @file What a flow's packets say about how long to remember it.
///
/// This is not a TCP implementation: it follows just enough of a connection's life to time it out rightly, and trusts
/// no single packet to end it. A FIN or RST shortens the memory, never deletes it at once: the last segments still have
/// to find their way. A reset that its receiver did not believe (it was spoofed, or out of the window) is noticed by
/// both ends talking on.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <string_view>

#include "lb/address.h"
#include "packet/headers.h"
#include "time/clock.h"

namespace weft::flow {

enum class Direction : uint8_t { request, reply };  ///< client to endpoint, endpoint to client

enum class State : uint8_t {
  free,                     ///< the record holds no flow
  udp_request,              ///< no reply yet
  udp_exchange,             ///< both ends have spoken
  tcp_opening,              ///< the client has spoken
  tcp_opened,               ///< the endpoint has answered with SYN and ACK
  tcp_established,          ///< and the client has acknowledged
  tcp_client_closed,        ///< FIN from the client
  tcp_endpoint_closed,      ///< FIN from the endpoint
  tcp_closed,               ///< FIN from both
  tcp_reset,                ///< RST from either
  tcp_reset_then_client,    ///< RST, and then the client talked on
  tcp_reset_then_endpoint,  ///< RST, and then the endpoint talked on
  steered,                  ///< another worker's flow: remembered until its owner takes it back
};
constexpr size_t kStates = static_cast<size_t>(State::steered) + 1;
std::string_view to_string(State state);

/// How long a flow is remembered after its last packet. Defaults: RFC 5382 (REQ-5) asks for at least 2 h 4 min for
/// established and 4 min for transitory TCP connections; RFC 4787 (REQ-5) for 2 min at least, and recommends 5, for
/// UDP.
struct Timeouts {
  std::chrono::milliseconds udp_request{30'000};
  std::chrono::milliseconds udp_exchange{300'000};
  std::chrono::milliseconds tcp_opening{60'000};  ///< a client sends its fifth SYN after 31 s
  std::chrono::milliseconds tcp_established{7'440'000};
  std::chrono::milliseconds tcp_closing{240'000};  ///< FIN from one end
  std::chrono::milliseconds tcp_closed{60'000};    ///< FIN from both: TIME-WAIT of Linux
  std::chrono::milliseconds tcp_reset{10'000};

  std::array<time::Millis, kStates> by_state() const;
  /// Of a table that gets full: at most a quarter of a second for what is over, long enough for the last segments
  /// within a site, and a second for what was never answered: by then a client asks again.
  std::array<time::Millis, kStates> hurried_by_state() const;
};

/// By state, direction, and the flags that matter: FIN, SYN and RST are TCP's lowest three.
using TcpTransitions = std::array<std::array<std::array<State, 8>, 2>, kStates>;
extern const TcpTransitions kTcpTransitions;

/// Precondition: state is one of TCP's.
inline State next_tcp(State state, uint8_t flags, Direction direction) {
  return kTcpTransitions[static_cast<size_t>(state)][static_cast<size_t>(direction)][flags & 7];
}

/// Does a segment with these flags ask for a connection?
constexpr bool begins_connection(uint8_t flags) {
  using namespace packet::tcp_flag;
  return (flags & (syn | ack | rst | fin)) == syn;
}
/// Do these flags begin or end a connection, or answer who began one?
constexpr bool moves_connection(uint8_t flags) {
  using namespace packet::tcp_flag;
  return (flags & (syn | rst | fin)) != 0;
}
/// RFC 9293, section 3.5.2: every segment of a connection that is open has ACK.
constexpr bool continues_connection(uint8_t flags) {
  using namespace packet::tcp_flag;
  return (flags & (syn | ack | rst)) == ack;
}

/// May a client's SYN begin another connection in this flow's place?
constexpr bool is_over(State state) {
  return state >= State::tcp_closed && state != State::steered;
}

}  // namespace weft::flow
