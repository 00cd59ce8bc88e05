// SPDX-License-Identifier: Apache-2.0
/// @file What goes into the engine and what comes out of it. Numbers are in host order, addresses and ports as on the
/// wire.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "buffer/slice.h"
#include "lb/address.h"
#include "tcp/options.h"
#include "tcp/sequence.h"

namespace weft::tcp {

/// What names a connection (RFC 9293, section 3.3.1). Both addresses are of one family.
struct SocketPair {
  lb::Address local;
  lb::Address remote;
  lb::Port local_port{};
  lb::Port remote_port{};

  bool operator==(const SocketPair&) const = default;
};
static_assert(sizeof(SocketPair) == 36);

namespace flag {
constexpr uint8_t fin = 0x01;
constexpr uint8_t syn = 0x02;
constexpr uint8_t rst = 0x04;
constexpr uint8_t psh = 0x08;
constexpr uint8_t ack = 0x10;
constexpr uint8_t urg = 0x20;
constexpr uint8_t ece = 0x40;
constexpr uint8_t cwr = 0x80;
}  // namespace flag

/// A segment that arrived, its checksum verified.
struct Segment {
  SocketPair pair;  ///< local: its destination
  Seq sequence;
  Seq acknowledgment;
  uint16_t window = 0;  ///< as on the wire
  uint8_t flags = 0;
  uint8_t options_length = 0;
  uint8_t path = 0;                    ///< whatever the caller likes; what is sent to this peer comes with the last
  const std::byte* options = nullptr;  ///< there while the engine looks at it
  /// Of a listener that does not talk to the sender: a connection goes on, and nothing else is answered.
  static constexpr uint32_t kSilent = UINT32_MAX - 1;

  uint32_t listener = UINT32_MAX;  ///< who listens at its destination, if the caller knows: a number below
                                   ///< Config::listeners, told with the event. Else Engine::listen() says it
  buffer::Slice payload;           ///< without the link's padding
};

/// A segment to send.
struct Transmission {
  SocketPair pair;  ///< local: its source
  Seq sequence;
  Seq acknowledgment;
  uint16_t window = 0;  ///< as on the wire
  uint8_t flags = 0;
  uint8_t options_length = 0;
  uint8_t path = 0;  ///< the peer's last segment's, or connect()'s
  uint16_t payload_length = 0;
  uint16_t slice_count = 0;
  uint32_t first_slice = 0;  ///< in Output::slices
  std::array<std::byte, kMaxOptions> options;
};

/// Stale once its connection has ended: then calls with it do nothing.
struct ConnectionId {
  uint32_t index = UINT32_MAX;
  uint32_t generation = 0;

  bool operator==(const ConnectionId&) const = default;
};

/// Facts, as they are when the event is made; several since the last are one.
namespace event {
constexpr uint16_t accepted = 1 << 0;     ///< first of a connection that a listener got
constexpr uint16_t connected = 1 << 1;    ///< of one that was asked for
constexpr uint16_t readable = 1 << 2;     ///< there are bytes that were not there
constexpr uint16_t writable = 1 << 3;     ///< there is room again, after write() or relay() found none
constexpr uint16_t peer_closed = 1 << 4;  ///< after the bytes that are there, none will come
constexpr uint16_t closed = 1 << 5;       ///< both sides are done and all is read: the last, the id is stale
constexpr uint16_t reset = 1 << 6;        ///< by the peer, or refused: the last, the id is stale
constexpr uint16_t timed_out = 1 << 7;    ///< the peer does not answer: the last, the id is stale
constexpr uint16_t unreachable = 1 << 8;  ///< beside timed_out or reset: the network said so
}  // namespace event

struct Event {
  ConnectionId id;
  uint32_t user = 0;  ///< of a connection: connect()'s or set_user()'s; of one that is accepted: its listener's
  uint16_t what = 0;
};

/// Whoever calls the engine keeps one, and empties it when all is sent and done.
struct Output {
  std::vector<Transmission> segments;
  std::vector<buffer::Slice> slices;  ///< of the segments' payloads
  std::vector<Event> events;
  std::vector<uint32_t> refused;  ///< listeners of handshakes that found no connection free

  void clear() {
    segments.clear();
    slices.clear();
    events.clear();
    refused.clear();
  }
};

}  // namespace weft::tcp
