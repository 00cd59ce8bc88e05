// SPDX-License-Identifier: Apache-2.0
/// @file A TCP for poll-mode cores: a state machine of many connections, without a thread, a clock or a socket.
///
/// In go batches of segments, calls, and the time; out come segments to send and events, appended to what the caller
/// hands in. The same inputs give the same outputs, bit for bit. One thread. All memory is taken at construction;
/// payloads are slices that move (buffer/slice.h).
///
/// A turn: input() what arrived, advance() the timers, act on the events, flush(). Segments of connections come out of
/// flush() alone, one batch of them a connection; what has no connection is answered by input() at once.
///
/// RFC 9293 (TCP), 5681, 6582, 9438, 6928, 6937 (congestion), 6298 (timeouts), 8985 (loss), 2018 and 2883 (SACK), 7323
/// (window scale, timestamps), 5961 (blind attacks), 6528 (sequence numbers), 4987 (SYN floods), 1191, 8201 and 5927
/// (path MTU, ICMP). docs/tcp.md lists each behaviour, its source, its test, and where weft departs.
#pragma once

#include <algorithm>
#include <optional>
#include <span>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "lb/flow_key.h"
#include "tcp/config.h"
#include "tcp/connection.h"
#include "tcp/counters.h"
#include "tcp/groups.h"
#include "tcp/half_open.h"
#include "tcp/keyed.h"
#include "tcp/piece.h"
#include "tcp/reassembly.h"
#include "tcp/segment.h"
#include "tcp/table.h"
#include "tcp/time_wait.h"
#include "tcp/waiting_line.h"
#include "time/clock.h"
#include "time/wheel.h"

namespace weft::tcp {

/// What the network said of one of our segments, quoted in an ICMP error.
struct NetworkError {
  enum class Kind : uint8_t {
    too_big,  ///< RFC 1191, section 4; RFC 4443, section 3.2
    hard,     ///< protocol, port unreachable, administratively prohibited: ends what is not established (RFC 5927)
    soft,     ///< network or host unreachable, time exceeded
  };
  SocketPair pair;  ///< local: the quoted segment's source
  Seq sequence;     ///< the quoted segment's
  Kind kind = Kind::soft;
  uint16_t mtu = 0;  ///< of too_big; 0: it does not say
};

class Engine {
 public:
  /// Throws std::bad_alloc, and std::invalid_argument of a configuration that can't be.
  Engine(const Config& config, const Secret& secret, time::Time now);
  Engine(const Engine&) = delete;
  Engine& operator=(const Engine&) = delete;

  /// Connections to the address and port are accepted. @param user told with each. @returns false: too many listeners,
  /// or there is one
  bool listen(const lb::Address& address, lb::Port port, uint32_t user);
  /// Connections that it got stay.
  void stop_listening(const lb::Address& address, lb::Port port);
  /// @param pair one that is_free(). @returns nothing: no connection is left, or the pair is in use
  /// @param path what its segments are sent with until the peer answers
  std::optional<ConnectionId> connect(const SocketPair& pair, uint32_t user, time::Time now, uint8_t path = 0);
  /// A port to connect from (RFC 6056): neither a connection's, nor in TIME-WAIT; but what has been there for a second
  /// may be taken over where both send timestamps, as they tell old segments from new ones (RFC 6191, section 2).
  bool is_free(const SocketPair& pair, time::Time now) const;

  /// Takes the payloads. What arrived for no connection is answered; the rest shows in events.
  void input(std::span<Segment> segments, time::Time now, Output& output);
  void input(const NetworkError& error, time::Time now, Output& output);
  /// Fires timers. @param budget of timers, and of TIME-WAITs that end: true comes back if there may be more
  bool advance(time::Time now, Output& output, uint32_t budget = UINT32_MAX);
  /// Sends what there is to be sent and acknowledged. @param budget of segments, or a few more: true comes back if the
  /// rest is for the next call
  bool flush(time::Time now, Output& output, size_t budget = SIZE_MAX);
  /// Nothing happens before, unless something arrives or is called; none: nothing will happen.
  std::optional<time::Time> next_deadline(time::Time now) const;

  // What one connection is asked, and told. Of a stale id: nothing, or 0.

  /// The one that segments of this pair belong to.
  std::optional<ConnectionId> connection_of(const SocketPair& pair) const;
  bool is_open(ConnectionId id) const;
  /// It will be asked something soon, and nothing that arrived was its.
  void prefetch(ConnectionId id) const;
  State state(ConnectionId id) const;
  const SocketPair* pair(ConnectionId id) const;
  void set_user(ConnectionId id, uint32_t user);
  /// The connection is the group's from here on. @returns false: it is not, as the group has its share of connections
  bool join(ConnectionId id, uint32_t group);
  /// The same, whatever it has: of what was asked about before.
  void assign(ConnectionId id, uint32_t group);
  /// Would join() say so of one more?
  bool may_connect(uint32_t group) const;
  /// A group's, or nobody's if there is none of that number.
  uint32_t connections_of(uint32_t group) const { return groups_.connections(groups_.tag(group)); }
  uint32_t pieces_of(uint32_t group) const { return groups_.pieces(groups_.tag(group)); }

  /// Bytes that write() takes.
  size_t room(ConnectionId id) const;
  /// Queues all of it, or nothing if it is beyond room(), pieces have run out, or the sending side is shut down.
  bool write(ConnectionId id, buffer::Slice slice);
  /// Bytes that came in order and were not consumed.
  size_t readable(ConnectionId id) const;
  /// The first of them; null: none.
  const buffer::Slice* front(ConnectionId id) const;
  /// Copies the first of them, in however many pieces they lie. @returns how many
  size_t peek(ConnectionId id, std::span<std::byte> into) const;
  /// Shows all of them but the first so many, a slice at a time, where they lie. @param use gets a std::string_view;
  /// false: it wants no more
  template <typename Use>
  void look_through(ConnectionId id, size_t skip, Use use) const {
    const uint32_t c = find(id);
    for (uint32_t piece = c == kNone ? kNone : connections_[c].received.head; piece != kNone;
         piece = pieces_[piece].next) {
      const std::span<const std::byte> bytes = pieces_[piece].slice.bytes();
      const size_t skipped = std::min(skip, bytes.size());
      skip -= skipped;
      if (skipped < bytes.size() &&
          !use(std::string_view(reinterpret_cast<const char*>(bytes.data()) + skipped, bytes.size() - skipped))) {
        return;
      }
    }
  }
  /// Forgets the first so many of them, and opens the window by as much.
  void consume(ConnectionId id, size_t bytes);
  /// Takes the front out.
  buffer::Slice take(ConnectionId id);
  /// Moves bytes from one connection's receive queue to another's send queue, without a copy. @returns how many
  size_t relay(ConnectionId from, ConnectionId to, size_t at_most);
  /// Has the peer closed, and is everything read?
  bool is_at_end(ConnectionId id) const;
  /// Has it closed, whatever is still to be read?
  bool has_peer_closed(ConnectionId id) const;

  /// Nothing more will be written: a FIN follows what is queued.
  void shutdown(ConnectionId id);
  /// The connection is of no interest any more: no event will come. What is queued is still sent, unless there are
  /// bytes that nobody read: then the peer is told by a reset (RFC 9293, section 3.10.4; RFC 2525, section 2.17).
  void close(ConnectionId id);
  /// Ends it with a reset.
  void abort(ConnectionId id);
  /// The same of all connections, whoever's they are, that lie in so many places from this one on. @returns the next
  /// place; 0: there is none
  uint32_t abort_from(uint32_t at, uint32_t at_most);

  const Counters& counters() const;
  uint32_t connections() const;  ///< in use
  uint32_t half_open() const;
  uint32_t time_waits() const;
  uint32_t pieces() const;  ///< in use
  uint32_t most_pieces() const { return config_.pieces; }
  size_t memory_bytes() const;

  /// What is kept of it, for tests and for whoever shows it; null: stale.
  const Connection* look(ConnectionId id) const;
  const Details* details(ConnectionId id) const;

 private:
  struct Listener {
    bool in_use = false;
    uint32_t user = 0;
    uint32_t half_open = 0;
  };
  struct Now {
    time::Time time{};
    time::Millis millis = 0;
    uint32_t micros = 0;
  };
  struct Socket {
    lb::Address address;
    lb::Port port{};
    bool operator==(const Socket&) const = default;
  };
  struct SocketHash {
    size_t operator()(const Socket& socket) const {
      return lb::hash_of(socket.address, static_cast<uint64_t>(socket.port));
    }
  };
  /// Bytes that came once more, for D-SACK (RFC 2883).
  struct Duplicate {
    uint32_t connection;
    Block block;
  };

  /// What one acknowledgment said.
  struct Round {
    uint32_t acknowledged = 0;  ///< bytes, in order
    uint32_t delivered = 0;     ///< bytes that are known to have arrived, and were not before
    uint32_t rtt = 0;           ///< microseconds, if it was timed
    bool timed = false;
    bool resent = false;     ///< of something that was sent twice: what else it says came late, perhaps for its sake
    bool sacked = false;     ///< something beyond a gap
    bool earlier = false;    ///< of that, something that was sent before the first piece was sent again
    bool duplicate = false;  ///< the peer got something twice
  };

  // engine.cc: connections, and what is called.
  void begin(time::Time now, Output& output);
  uint32_t find(ConnectionId id) const;
  bool leads_to(Reference reference, const SocketPair& pair, uint64_t place) const;
  Reference find(const SocketPair& pair, uint64_t place) const;
  bool may_take_over(const TimeWait& waiting, time::Time now) const;
  uint32_t create(const SocketPair& pair, uint64_t place);
  void release(uint32_t c);
  void leave_wire(uint32_t c);
  void forget_sending(uint32_t c);
  uint32_t pop_received(Connection& connection);
  void forget_received(Connection& connection);
  void end(uint32_t c, uint16_t why);
  void finish(uint32_t c);
  void tell(uint32_t c, uint16_t what);
  void tell_events();
  void touch(uint32_t c);
  void start_closing(uint32_t c);
  void was_read(uint32_t c);
  uint16_t group_of(const Connection& connection) const {
    return groups_.of(static_cast<uint32_t>(&connection - connections_.data()));
  }
  bool may_pass(const Connection& source, const Connection& target) const;
  void append_to_send(Connection& connection, uint32_t piece, buffer::Slice slice, uint8_t flags);
  size_t room_of(uint32_t c) const;
  size_t room_for_pieces(uint32_t c) const;
  void want_room(uint32_t c, bool are_short, WaitingLine& starved);
  void list(uint32_t c, WaitingLine& starved);
  void feed(WaitingLine& starved);
  void feed_closers();

  // input.cc: what arrived for connections.
  void prefetch(std::span<const Segment> segments, std::span<uint64_t> places);
  void prefetch(uint32_t c) const;
  void arrive(Segment& segment, uint64_t place);
  bool predict(uint32_t c, Segment& segment);
  void arrive(uint32_t c, Segment& segment);
  bool check_timestamps(uint32_t c, const Segment& segment, const Options& options);
  bool is_acceptable(const Connection& connection, const Segment& segment) const;
  void challenge(uint32_t c);
  void take_window(uint32_t c, const Segment& segment, bool advanced);
  void take_text(uint32_t c, Segment& segment);
  bool keep_end(uint32_t c, Segment& segment, bool fin);
  void forget_beyond(uint32_t c);
  void take_beyond(uint32_t c, const Segment& segment, bool fin);
  bool take_in_order(uint32_t c, buffer::Slice slice, bool fin);
  bool fill_gaps(uint32_t c, const buffer::Slice& slice, Seq end);
  bool append_received(Connection& connection, buffer::Slice slice);
  void take_fin_from_queue(Connection& connection);
  void take_fin(uint32_t c);
  void acknowledge_soon(uint32_t c);
  void acknowledge_at_once(uint32_t c);
  void answer_refused(uint32_t c, const Segment& segment);
  void note_duplicate(uint32_t c, Block block);

  // handshake.cc: how connections begin, and what is left of them.
  void arrive_for_none(Segment& segment, uint64_t place);
  void arrive_in_half_open(uint32_t half_open, Segment& segment, uint64_t place);
  void arrive_in_time_wait(uint32_t time_wait, Segment& segment, uint64_t place);
  static bool is_newer(const TimeWait& waiting, const Segment& segment, const Options& options);
  void arrive_in_syn_sent(uint32_t c, Segment& segment);
  void begin_handshake(Segment& segment, uint64_t place, Seq at_least);
  void send_syn_ack(const HalfOpen& half_open, uint32_t timestamp);
  void send_cookie(const HalfOpen& asked);
  bool accept_cookie(Segment& segment, uint64_t place);
  void challenge_of_half_open(HalfOpen& half_open);
  void forget_half_open(uint32_t half_open, uint64_t place);
  uint32_t accept(const HalfOpen& half_open, uint64_t place, const Segment& segment);
  void agree(uint32_t c, const HalfOpen& agreed);
  void begin_after_loss(uint32_t c);
  void become_established(uint32_t c);
  void enter_time_wait(uint32_t c);
  void refuse(const Segment& segment);
  void refuse_handshake(const Segment& segment, uint32_t listener);
  uint32_t listener_of(const Segment& segment) const;
  uint32_t half_open_share() const;
  uint16_t our_mss(const SocketPair& pair) const;
  uint16_t default_mss(const SocketPair& pair) const;
  uint8_t our_shift() const;

  // acknowledge.cc: what the peer has, and what it lost.
  bool take_acknowledgment(uint32_t c, const Segment& segment, const Options& options);
  void forget_acknowledged(uint32_t c, Seq acknowledgment, Round& round);
  void arrived(uint32_t c, const Piece& piece, Round& round);
  void take_blocks(uint32_t c, const Options& options, Seq acknowledgment, Round& round);
  static void widen_reordering(const Connection& connection, Details& details);
  static void narrow_reordering(Details& details);
  uint32_t last_sacked(uint32_t from);
  bool may_walk(const Connection& connection) const;
  void count_sacked_duplicates(Details& details, const Round& round, bool advanced);
  void count_duplicates(uint32_t c, bool is_duplicate, bool advanced, Round& round);
  bool acknowledged_since_recovery(const Connection& connection, const Details& details) const;
  void find_losses(uint32_t c);
  void lose(Details& details, Piece& piece);
  void judge_probe(uint32_t c, Seq acknowledgment, bool is_duplicate, const Options& options);
  void change_phase(uint32_t c, Seq acknowledgment, bool advanced, const Round& round);
  void enter_recovery(uint32_t c);
  void pace(uint32_t c, uint32_t newly_delivered, bool advanced);
  void grow(uint32_t c, const Round& round);
  void reduce(uint32_t c);
  void undo(uint32_t c, const Options& options);
  bool our_fin_acknowledged(uint32_t c);
  uint32_t outstanding(const Connection& connection) const;
  uint32_t in_flight(const Connection& connection, const Details& details) const;

  // transmit.cc: what goes out.
  bool has_budget() const { return output_->segments.size() < most_segments_; }
  void send_what_is_due(uint32_t c);
  void restart_after_idle(uint32_t c);
  void send_syn(uint32_t c);
  bool resend_one(uint32_t c, uint32_t& first);
  bool send_new(uint32_t c, bool forced);
  bool send_data(uint32_t c, uint32_t first, uint32_t bytes);
  bool split(Connection& connection, uint32_t at, uint32_t bytes);
  bool send_tail_probe(uint32_t c);
  void ask(uint32_t c);
  void send_control(uint32_t c, uint8_t flags, Seq sequence);
  void reset_peer(uint32_t c);
  Transmission& transmission(const SocketPair& pair, uint8_t path, uint8_t flags);
  void fill(uint32_t c, Transmission& out);
  void add_blocks(uint32_t c, Options& options);
  Seq grantable_edge(const Connection& connection) const;
  uint16_t window_of(Connection& connection);
  bool is_window_worth_telling(const Connection& connection) const;
  uint32_t timestamp(const Connection& connection) const { return now_.millis + connection.timestamp_offset; }

  // timers.cc
  void set_timer(uint32_t c, bool progress, bool sent);
  void start_timer(uint32_t c, Timer timer, uint32_t after);
  std::optional<time::Millis> next_timer(uint32_t c) const;
  std::optional<time::Millis> fire(uint32_t c);
  void fire_timer(uint32_t c);
  void time_out_transmission(uint32_t c);
  bool is_given_up(uint32_t c) const;
  void fall_back(uint32_t c);
  std::optional<time::Millis> keepalive_at(uint32_t c) const;
  void arm_keepalive(uint32_t c);
  void check_keepalive(uint32_t c);
  void retry_half_opens();

  // network_error.cc
  void hear_network(uint32_t c, const NetworkError& error);
  void shrink(uint32_t c, uint16_t mtu);

  const Config config_;
  const Keyed keyed_;
  Table table_;
  std::vector<Connection> connections_;
  std::vector<Details> details_;
  std::vector<uint32_t> free_;  ///< connections
  HalfOpens half_opens_;
  TimeWaits time_waits_;
  Pieces pieces_;
  Reassembly reassembly_;
  Groups groups_;
  std::vector<Listener> listeners_;
  std::unordered_map<Socket, uint32_t, SocketHash> listening_;  ///< in listeners_
  time::Wheel wheel_;
  std::vector<ConnectionId> touched_;
  std::vector<ConnectionId> eventful_;
  WaitingLine starved_writers_;  ///< refused a write for want of pieces
  WaitingLine starved_movers_;   ///< refused a move into them
  WaitingLine starved_closers_;  ///< whose FIN waits for one
  Counters counters_;
  Now now_;
  Output* output_ = nullptr;         ///< the caller's, during a call
  size_t most_segments_ = SIZE_MAX;  ///< in it, when a flush ends
  uint32_t steps_ = 0;               ///< along queues of what was sent, in this millisecond
  std::optional<time::Time> cookies_until_;
  uint32_t moment_ = 0;                ///< of arrivals beyond gaps
  std::vector<Duplicate> duplicates_;  ///< of this batch
};

}  // namespace weft::tcp
