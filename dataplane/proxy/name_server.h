// SPDX-License-Identifier: Apache-2.0
/// @file DNS over TCP (RFC 7766): queries of clients' connections, each behind its length, and answers in whatever
/// order they are ready.
///
/// Bounded in every way: a connection has so many queries with other servers at a time, one that sends no whole query
/// for a while is closed, and a client that does not read is not read from. An answer is whole: one of weft's own waits
/// in its query for room, one of another server in buffers, of which there are so many for all clients. One thread; all
/// memory is taken at construction.
#pragma once

#include <memory>
#include <span>
#include <vector>

#include "buffer/slice.h"
#include "dns/forwarding.h"
#include "dns/responder.h"
#include "lb/snapshot.h"
#include "tcp/engine.h"

namespace weft::proxy {

struct NameServerSettings {
  std::shared_ptr<const dns::Zone> zone;  ///< null: no service answers names
  dns::MessageRing* asks = nullptr;       ///< to who asks other servers; null: nobody does
  uint32_t clients = 0;                   ///< connections at a time
  time::Millis idle = 10'000;             ///< without a query
};

class NameServer {
 public:
  /// Throws std::bad_alloc. @param buffers for answers
  NameServer(tcp::Engine& engine, buffer::Pool& buffers, const NameServerSettings& settings);

  /// A client's connection that has been accepted; what came by it is unread.
  void begin(tcp::ConnectionId client, const lb::Snapshot& snapshot, time::Millis now);
  /// What the engine said of connections whose role is name_client.
  void act(std::span<const tcp::Event> events, const lb::Snapshot& snapshot, time::Millis now);
  /// Another server's answer, or SERVFAIL for want of one. What nobody waits for any more is forgotten.
  void answer(const dns::Ask& ask, std::span<const std::byte> message, const lb::Snapshot& snapshot, time::Millis now);
  /// Goes on where a client had no room, and closes who was silent for too long; once a millisecond.
  void advance(const lb::Snapshot& snapshot, time::Millis now);

  const dns::Counters& counters() const { return counters_; }

 private:
  struct Session {
    tcp::ConnectionId id;
    uint32_t generation = 0;
    uint32_t waiting = 0;  ///< queries that other servers are asked
    time::Millis moved_at = 0;
    size_t empty_room = 0;        ///< that there was at first, with nothing queued
    size_t room = 0;              ///< when it was blocked: it goes on once there is more
    uint32_t first_held = kNone;  ///< of what is to be sent before all else
    uint32_t last_held = kNone;
    bool in_use = false;
    bool is_blocked = false;  ///< in blocked_
  };
  static constexpr uint32_t kNone = UINT32_MAX;
  /// A piece of another server's answer for which there was no room.
  struct Held {
    buffer::Slice slice;
    uint32_t next = kNone;
  };

  void pump(uint32_t number, const lb::Snapshot& snapshot, time::Millis now);
  bool take_query(uint32_t number, const lb::Snapshot& snapshot, time::Millis now);
  bool respond(uint32_t number, size_t length, size_t room, const lb::Snapshot& snapshot, time::Millis now);
  void send(uint32_t number, size_t length);
  bool hold(Session& session, buffer::Slice slice);  ///< @returns false: so many are held already
  bool write_held(uint32_t number);
  void close(uint32_t number);
  void block(uint32_t number, size_t room);
  void end(uint32_t number);

  tcp::Engine& engine_;
  buffer::Pool& buffers_;
  const NameServerSettings settings_;
  std::vector<Session> sessions_;
  std::vector<uint32_t> free_;
  std::vector<uint32_t> blocked_;
  std::vector<uint32_t> unblocked_;
  std::vector<Held> held_;
  uint32_t free_held_ = kNone;
  std::vector<std::byte> message_;  ///< its length and a query, and then an answer
  uint32_t turn_ = 0;
  uint32_t swept_ = 0;
  dns::Counters counters_;
};

}  // namespace weft::proxy
