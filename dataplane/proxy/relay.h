// SPDX-License-Identifier: Apache-2.0
/// @file Relays TCP: for each connection that a client makes to a virtual address, one to an endpoint, and what comes
/// by either goes out by the other.
///
/// Bytes move as pieces from one connection's receive queue to the other's send queue; while that has no room they
/// stay, and the sender's window closes. A FIN of one side follows its bytes to the other; the way back stays open. A
/// reset, or a peer that does not answer, ends both.
///
/// Knows no ports to connect from and no counters: what is to be done elsewhere stands in lists, which the caller works
/// off. One thread; all memory is taken at construction.
#pragma once

#include <algorithm>
#include <optional>
#include <span>
#include <vector>

#include "buffer/slice.h"
#include "lb/fault_board.h"
#include "lb/snapshot.h"
#include "lb/split_mix.h"
#include "proxy/call.h"
#include "proxy/connection_user.h"
#include "proxy/protections.h"
#include "proxy/session_info.h"
#include "tcp/engine.h"
#include "time/wheel.h"

namespace weft::proxy {

struct RelayConfig {
  uint32_t sessions = 0;
  time::Millis idle = 7'440'000;       ///< a session in which no byte moves for so long is ended; RFC 5382, section 5
  time::Millis half_closed = 240'000;  ///< the same, once one side has closed
  uint32_t worker = 0;
  Protections* protections = nullptr;  ///< the node's; null: there are none
  lb::FaultBoard* faults = nullptr;    ///< likewise
  uint64_t seed = 0;                   ///< of all choices by chance
};

class Relay {
 public:
  /// Throws std::bad_alloc. @param buffers for what weft writes itself
  Relay(tcp::Engine& engine, buffer::Pool& buffers, const RelayConfig& config, time::Millis now = 0);

  /// A client's connection that has been accepted; what came by it is unread.
  void begin(tcp::ConnectionId client, const lb::Snapshot& snapshot, time::Time now);
  /// A client's connection that its service has no share left for.
  void refuse_for_share(tcp::ConnectionId client, uint32_t service_slot);
  /// What the engine said of connections whose role is relay_client or relay_endpoint. The lists hold what follows;
  /// they are the caller's to empty.
  void act(std::span<const tcp::Event> events, time::Millis now);
  /// Its client may have gone since; then there is nothing to answer.
  bool awaits(const Call& call) const;
  /// Answers a Call. @param pair to connect by
  void connect(const Call& call, const tcp::SocketPair& pair, time::Time now, uint8_t path);
  /// Answers a Call: it can't be made. The client is reset.
  void give_up(const Call& call);
  /// Ends sessions whose endpoint's flows are to end, whose service is not relayed any more, those that a policy of
  /// access has forbidden since, and those that are idle; looks at some of them a call.
  void sweep(const lb::Snapshot& snapshot, time::Time now);

  std::vector<Call>& calls() { return calls_; }
  std::vector<Change>& changes() { return changes_; }
  /// Slots of services, one for each client that was reset because there was no endpoint, session, port or connection.
  std::vector<uint32_t>& refused() { return refused_; }
  uint64_t idled() const { return idled_; }  ///< sessions that were ended so
  uint32_t size() const { return static_cast<uint32_t>(sessions_.size() - free_.size()); }

  uint32_t places() const { return static_cast<uint32_t>(sessions_.size()); }
  /// The session that a connection is of.
  std::optional<SessionSide> find(tcp::ConnectionId id) const;
  /// Calls use(info) for the sessions that lie in so many places from this one on. @returns the next place; 0: there is
  /// none
  template <typename Use>
  uint32_t visit(uint32_t from, uint32_t count, Use use) const {
    const auto end = std::min<uint32_t>(from + count, static_cast<uint32_t>(sessions_.size()));
    for (; from < end; ++from) {
      if (const std::optional<SessionInfo> info = info_of(sessions_[from])) {
        use(*info);
      }
    }
    return from < sessions_.size() ? from : 0;
  }

 private:
  struct Side {
    tcp::ConnectionId id;
    bool open = false;    ///< not told yet that it is over
    bool ended = false;   ///< our FIN to it follows what is queued
    uint64_t sent = 0;    ///< bytes relayed to it that nobody was told of yet,
    uint64_t in_all = 0;  ///< and ever
  };
  struct Session {
    Side client;
    Side endpoint;
    tcp::SocketPair to_endpoint;
    uint32_t service_slot = 0;
    uint32_t endpoint_slot = 0;
    uint32_t caller = UINT32_MAX;  ///< place of the client's among the service's callers, if those are bounded
    bool in_use = false;
    bool called = false;
    bool tells_client = false;  ///< the endpoint is to be told who the client is
    bool is_watched = false;    ///< it is to be told whether the endpoint's connection comes about,
    bool is_probe = false;      ///< for which the endpoint is on trial
    uint32_t generation = 0;
    time::Millis moved_at = 0;
    time::Millis began_at = 0;
    time::Millis delay_end = 0;  ///< that a fault has it wait for,
    uint64_t delayed_by = 0;     ///< this one, as long as it waits; 0: none,
    uint64_t reset_by = 0;       ///< and that is to end it then
  };

  /// A session whose endpoint is still to be told who the client is.
  struct Untold {
    uint32_t session;
    tcp::ConnectionId endpoint;
  };

  /// What an endpoint's connection came to, for outlier detection.
  enum class Came : uint8_t { success, failure, to_nothing };
  struct Outcome {
    uint32_t service_slot;
    uint32_t endpoint_slot;
    Came what;
    bool was_probe;
  };

  // relay_fault.cc
  lb::Injection suffer(const lb::Service& service, const lb::Address& client, const lb::Snapshot& snapshot,
                       time::Time now);
  bool is_reset_at_once(tcp::ConnectionId client, const lb::Injection& injection);
  time::Millis delay(uint32_t number, const lb::Injection& injection, time::Millis now);
  std::optional<time::Millis> go_on(uint32_t number, const lb::Snapshot& snapshot, time::Time now);
  std::optional<time::Millis> fire(uint32_t number, const lb::Snapshot& snapshot, time::Time now);

  // relay_protection.cc
  const lb::Target* pass_over(const lb::Service& service, const lb::Target& chosen, uint64_t hash, time::Millis now,
                              bool& is_probe) const;
  bool admit(const lb::Service& service, const lb::Target& target, uint32_t caller);
  bool admit_caller(const lb::Snapshot& snapshot, const lb::Service& service, const lb::Address& client,
                    uint32_t& place);
  void note_outcome(Session& session, Came what);
  void end_charges(Session& session);
  void report_outcomes(const lb::Snapshot& snapshot, time::Millis now);

  bool is_of_session(const tcp::Event& event) const;
  void prefetch(std::span<const tcp::Event> events) const;
  void act_on(std::span<const tcp::Event> events, time::Millis now);
  std::optional<SessionInfo> info_of(const Session& session) const;
  bool is_orphan(const Session& session, const lb::Snapshot& snapshot) const;
  bool is_forbidden(const Session& session, const lb::Snapshot& snapshot) const;
  void note(Change::What what, uint32_t service_slot);
  bool is_idle(const Session& session, time::Millis now) const;
  void pump(Session& session, time::Millis now);
  size_t pump(Side& from, Side& to);
  void call(uint32_t number);
  void over(uint32_t number, bool is_client, uint16_t what);
  void abandon(uint32_t number);
  void end(uint32_t number);
  void reset(uint32_t number);
  void tell_moved(Session& session);
  bool introduce(Session& session);
  void introduce_late(time::Millis now);

  tcp::Engine& engine_;
  buffer::Pool& buffers_;
  const RelayConfig config_;
  std::vector<Session> sessions_;
  std::vector<uint32_t> free_;
  std::vector<Call> calls_;
  std::vector<Change> changes_;
  std::vector<uint32_t> refused_;
  std::vector<Untold> untold_;
  std::vector<Outcome> outcomes_;  ///< since the last sweep
  time::Wheel late_;               ///< sessions that a fault has wait, or get no answer
  lb::SplitMix64 random_;
  uint32_t swept_ = 0;
  uint64_t epoch_ = 0;     ///< of the last snapshot
  uint32_t to_sweep_ = 0;  ///< sessions that were not looked at since
  uint64_t authorized_since_ = 0;
  uint32_t to_judge_ = 0;  ///< sessions that were not looked at since policies of access changed
  uint64_t idled_ = 0;
};

}  // namespace weft::proxy
