// SPDX-License-Identifier: Apache-2.0
/// @file The engine's calls, and the life of its connections.
#include "tcp/engine.h"

#include <algorithm>
#include <stdexcept>

namespace weft::tcp {
namespace {

constexpr uint16_t kLast = event::closed | event::reset | event::timed_out;
/// Beyond it, a send queue follows the congestion window: twice that, so that there is always something to send.
constexpr uint32_t kLeastSendBuffer = 64 << 10;
/// Sequence numbers that a connection begins after those of the one in TIME-WAIT, whose place it takes.
constexpr uint32_t kBeyondTimeWait = 128 << 10;
/// Connections that are told in a turn that there are pieces again.
constexpr size_t kFedATurn = 64;

Config checked(Config config) {
  if (config.connections == 0 || config.connections > Reference::kMaxIndex || config.half_open == 0 ||
      config.time_waits == 0 || config.pieces < Pieces::kLeast) {
    throw std::invalid_argument("tcp: no connections, half-open connections, TIME-WAITs or pieces");
  }
  if (config.receive_buffer < 4096 || config.receive_buffer > 1 << 30 || config.send_buffer < 4096) {
    throw std::invalid_argument("tcp: buffers must hold 4 KiB at least, a receive buffer 1 GiB at most");
  }
  if (config.mtu < 576) {
    throw std::invalid_argument("tcp: an MTU below 576");
  }
  config.syn_ack_retries = std::min(config.syn_ack_retries, HalfOpens::kMaxTries);
  return config;
}

}  // namespace

Engine::Engine(const Config& config, const Secret& secret, time::Time now)
    : config_(checked(config)),
      keyed_(secret),
      table_(config.connections + config.half_open + config.time_waits),
      connections_(config.connections),
      details_(config.connections),
      half_opens_(config.half_open),
      time_waits_(config.time_waits),
      pieces_(config.pieces),
      reassembly_(config.ranges, config.max_ranges),
      groups_(config.groups, config.connections),
      listeners_(config.listeners),
      wheel_(config.connections, time::to_millis(now)),
      starved_writers_(config.connections),
      starved_movers_(config.connections),
      starved_closers_(config.connections) {
  free_.reserve(config.connections);
  for (uint32_t c = config.connections; c-- > 0;) {
    free_.push_back(c);
  }
  touched_.reserve(config.connections);
  eventful_.reserve(config.connections);
  duplicates_.reserve(256);
  listening_.reserve(config.listeners);
}

bool Engine::listen(const lb::Address& address, lb::Port port, uint32_t user) {
  if (listening_.contains({address, port})) {
    return false;
  }
  const auto free = std::find_if(listeners_.begin(), listeners_.end(), [](const Listener& each) {
    return !each.in_use && each.half_open == 0;  // handshakes that it left behind still name it
  });
  if (free == listeners_.end()) {
    return false;
  }
  *free = {.in_use = true, .user = user};
  listening_[{address, port}] = static_cast<uint32_t>(free - listeners_.begin());
  return true;
}

void Engine::stop_listening(const lb::Address& address, lb::Port port) {
  const auto stopped = listening_.find({address, port});
  if (stopped != listening_.end()) {
    listeners_[stopped->second].in_use = false;
    listening_.erase(stopped);
  }
}

std::optional<ConnectionId> Engine::connect(const SocketPair& pair, uint32_t user, time::Time now, uint8_t path) {
  if (!is_free(pair, now) || free_.empty()) {
    return std::nullopt;
  }
  const uint64_t place = keyed_.place_of(pair);
  Seq first = initial_sequence(keyed_.sequence_of(pair), now);
  if (const Reference waits = find(pair, place); waits.kind() == Reference::Kind::time_wait) {
    first = later(first, time_waits_[waits.index()].send_next + kBeyondTimeWait);
    table_.erase(place, waits);
    time_waits_.remove(waits.index());
  }
  const uint32_t c = create(pair, place);
  Connection& connection = connections_[c];
  connection.state = State::syn_sent;
  connection.path = path;
  connection.send_unacknowledged = connection.send_next = first;
  connection.mss = default_mss(pair);
  details_[c].user = user;
  details_[c].heard_at = time::to_millis(now);
  touch(c);
  return ConnectionId{c, connection.generation};
}

bool Engine::join(ConnectionId id, uint32_t group) {
  const uint32_t c = find(id);
  if (c == kNone) {
    return true;  // nobody's
  }
  const uint16_t tag = groups_.tag(group);
  if (tag != groups_.of(c) && !groups_.may_connect(tag, static_cast<uint32_t>(free_.size()) + 1)) {
    ++counters_.beyond_share;
    return false;
  }
  assign(id, group);
  return true;
}

void Engine::assign(ConnectionId id, uint32_t group) {
  const uint32_t c = find(id);
  if (c == kNone) {
    return;
  }
  const Connection& connection = connections_[c];
  const uint16_t tag = groups_.tag(group);
  const uint32_t pieces =
      uint32_t{connection.received_pieces} + connection.send_pieces + reassembly_.pieces(details_[c].beyond);
  groups_.disconnected(groups_.of(c));
  groups_.drop(groups_.of(c), pieces);
  groups_.set(c, tag);
  groups_.connected(tag);
  groups_.hold(tag, pieces);
}

bool Engine::may_connect(uint32_t group) const {
  return groups_.may_connect(groups_.tag(group), static_cast<uint32_t>(free_.size()));
}

bool Engine::is_free(const SocketPair& pair, time::Time now) const {
  const Reference found = find(pair, keyed_.place_of(pair));
  return found.kind() == Reference::Kind::none ||
         (found.kind() == Reference::Kind::time_wait && may_take_over(time_waits_[found.index()], now));
}

Reference Engine::find(const SocketPair& pair, uint64_t place) const {
  return table_.find(place, [&](Reference reference) { return leads_to(reference, pair, place); });
}

bool Engine::may_take_over(const TimeWait& waiting, time::Time now) const {
  constexpr int32_t kLeast = 1000;  // milliseconds: a tick of the peer's timestamps at the slowest (RFC 7323, 5.4)
  const auto left = static_cast<int32_t>(waiting.expiry - time::to_millis(now));
  return config_.timestamps && waiting.recent != 0 && left <= static_cast<int32_t>(config_.time_wait.count()) - kLeast;
}

bool Engine::leads_to(Reference reference, const SocketPair& pair, uint64_t place) const {
  switch (reference.kind()) {
    case Reference::Kind::connection:
      return connections_[reference.index()].pair == pair;
    case Reference::Kind::half_open:
      return half_opens_[reference.index()].pair == pair;
    case Reference::Kind::time_wait:
      return time_waits_[reference.index()].hash == place;
    case Reference::Kind::none:
      break;
  }
  return false;
}

bool Engine::flush(time::Time now, Output& output, size_t budget) {
  begin(now, output);
  most_segments_ = budget == SIZE_MAX ? SIZE_MAX : output.segments.size() + budget;
  if (pieces_.may_write()) {
    feed(starved_writers_);
  }
  if (pieces_.may_move()) {
    feed(starved_movers_);
  }
  feed_closers();
  size_t done = 0;
  for (; done < touched_.size() && has_budget(); ++done) {
    const uint32_t c = find(touched_[done]);
    if (c != kNone) {
      connections_[c].flags &= static_cast<uint16_t>(~Connection::touched);
      if (connections_[c].has(Connection::on_wire)) {
        send_what_is_due(c);
      }
    }
  }
  touched_.erase(touched_.begin(), touched_.begin() + static_cast<std::ptrdiff_t>(done));
  if (touched_.empty()) {
    duplicates_.clear();
  }
  tell_events();
  output_ = nullptr;
  return !touched_.empty();
}

bool Engine::is_open(ConnectionId id) const {
  return find(id) != kNone;
}

State Engine::state(ConnectionId id) const {
  const uint32_t c = find(id);
  return c == kNone ? State::closed : connections_[c].state;
}

const SocketPair* Engine::pair(ConnectionId id) const {
  const uint32_t c = find(id);
  return c == kNone ? nullptr : &connections_[c].pair;
}

void Engine::set_user(ConnectionId id, uint32_t user) {
  const uint32_t c = find(id);
  if (c != kNone) {
    details_[c].user = user;
  }
}

/// Of bytes that are written.
size_t Engine::room_of(uint32_t c) const {
  return pieces_.may_write() ? room_for_pieces(c) : 0;
}

/// Of bytes that are in pieces already.
size_t Engine::room_for_pieces(uint32_t c) const {
  const Connection& connection = connections_[c];
  if (!connection.has(Connection::on_wire) || connection.has(Connection::fin_queued) ||
      (details_[c].flags & Details::fin_waits) != 0) {
    return 0;
  }
  if (!pieces_.may_hold(connection.send_pieces)) {
    return 0;
  }
  const uint32_t bound = std::min(std::max(2 * connection.congestion_window, kLeastSendBuffer), config_.send_buffer);
  return bound > connection.queued_bytes ? bound - connection.queued_bytes : 0;
}

size_t Engine::room(ConnectionId id) const {
  const uint32_t c = find(id);
  return c == kNone ? 0 : room_of(c);
}

/// It is told when there is room again: by acknowledgments, or if pieces are short, once they are not.
/// @param are_short of those that it needs
void Engine::want_room(uint32_t c, bool are_short, WaitingLine& starved) {
  Connection& connection = connections_[c];
  Details& details = details_[c];
  if (!connection.has(Connection::on_wire)) {
    return;
  }
  connection.flags |= Connection::wants_room;
  if (are_short && (details.flags & Details::starved) == 0) {
    details.flags |= Details::starved;
    list(c, starved);
  }
}

void Engine::list(uint32_t c, WaitingLine& starved) {
  starved.join({c, connections_[c].generation}, [this](ConnectionId id) { return find(id) != kNone; });
}

void Engine::feed(WaitingLine& starved) {
  for (size_t fed = 0; fed < kFedATurn && !starved.empty(); ++fed) {
    const uint32_t c = find(starved.next());
    if (c == kNone) {
      continue;
    }
    details_[c].flags &= static_cast<uint8_t>(~Details::starved);
    const bool wants_room = connections_[c].has(Connection::wants_room);
    connections_[c].flags &= static_cast<uint16_t>(~Connection::wants_room);
    if (wants_room && (details_[c].flags & Details::fin_waits) == 0) {
      tell(c, event::writable);
    }
  }
}

/// A FIN needs but one piece, whatever else the connection was refused.
void Engine::feed_closers() {
  while (pieces_.free() > 0 && !starved_closers_.empty()) {
    const uint32_t c = find(starved_closers_.next());
    if (c != kNone) {
      start_closing(c);
    }
  }
}

bool Engine::write(ConnectionId id, buffer::Slice slice) {
  const uint32_t c = find(id);
  if (c == kNone || slice.empty()) {
    return false;
  }
  Connection& connection = connections_[c];
  if (slice.size() > room_of(c)) {
    want_room(c, !pieces_.may_write(), starved_writers_);
    return false;
  }
  append_to_send(connection, pieces_.take(), std::move(slice), 0);
  touch(c);
  return true;
}

/// Behind all that is to be sent. @param piece of nothing yet
void Engine::append_to_send(Connection& connection, uint32_t piece, buffer::Slice slice, uint8_t flags) {
  if (connection.unsent != kNone && flags == 0 && connection.to_send.absorb(pieces_, slice)) {
    connection.queued_bytes += static_cast<uint32_t>(slice.size());
    return pieces_.give_back(piece);
  }
  Piece& appended = pieces_[piece];
  appended.slice = std::move(slice);
  appended.sequence = connection.send_unacknowledged + connection.queued_bytes;
  if (connection.state == State::syn_sent || connection.state == State::syn_received) {
    appended.sequence += 1;  // behind the SYN
  }
  appended.flags = flags;
  connection.to_send.push(pieces_, piece);
  ++connection.send_pieces;
  groups_.hold(group_of(connection), 1);
  connection.queued_bytes += appended.length();
  if (connection.unsent == kNone) {
    connection.unsent = piece;
  }
}

size_t Engine::readable(ConnectionId id) const {
  const uint32_t c = find(id);
  return c == kNone ? 0 : connections_[c].received_bytes;
}

const buffer::Slice* Engine::front(ConnectionId id) const {
  const uint32_t c = find(id);
  return c == kNone || connections_[c].received.empty() ? nullptr : &pieces_[connections_[c].received.head].slice;
}

size_t Engine::peek(ConnectionId id, std::span<std::byte> into) const {
  const uint32_t c = find(id);
  size_t copied = 0;
  for (uint32_t piece = c == kNone ? kNone : connections_[c].received.head; piece != kNone && copied < into.size();
       piece = pieces_[piece].next) {
    const std::span<const std::byte> bytes = pieces_[piece].slice.bytes();
    const size_t some = std::min(bytes.size(), into.size() - copied);
    std::copy_n(bytes.begin(), some, into.begin() + static_cast<std::ptrdiff_t>(copied));
    copied += some;
  }
  return copied;
}

void Engine::consume(ConnectionId id, size_t bytes) {
  const uint32_t c = find(id);
  if (c == kNone || bytes == 0 || connections_[c].received.empty()) {
    return;
  }
  Connection& connection = connections_[c];
  while (bytes > 0 && !connection.received.empty()) {
    Piece& piece = pieces_[connection.received.head];
    const size_t some = std::min(bytes, piece.slice.size());
    bytes -= some;
    connection.received_bytes -= static_cast<uint32_t>(some);
    if (some == piece.slice.size()) {
      pieces_.give_back(pop_received(connection));
    } else {
      piece.slice.trim_front(static_cast<uint16_t>(some));
      piece.sequence += static_cast<uint32_t>(some);
    }
  }
  was_read(c);
}

buffer::Slice Engine::take(ConnectionId id) {
  const uint32_t c = find(id);
  if (c == kNone || connections_[c].received.empty()) {
    return {};
  }
  Connection& connection = connections_[c];
  const uint32_t piece = pop_received(connection);
  buffer::Slice taken = std::move(pieces_[piece].slice);
  pieces_.give_back(piece);
  connection.received_bytes -= static_cast<uint32_t>(taken.size());
  was_read(c);
  return taken;
}

size_t Engine::relay(ConnectionId from_id, ConnectionId to_id, size_t at_most) {
  const uint32_t from = find(from_id);
  const uint32_t to = find(to_id);
  if (from == kNone || to == kNone || connections_[from].received_bytes == 0) {
    return 0;
  }
  Connection& source = connections_[from];
  Connection& target = connections_[to];
  const size_t room = std::min(at_most, room_for_pieces(to));
  size_t moved = 0;
  const auto fits = [&](size_t size) {  // a piece that is larger than all there may be goes alone
    return moved + size <= room || (moved == 0 && target.queued_bytes == 0 && room > 0 && size <= at_most);
  };
  while (!source.received.empty() && fits(pieces_[source.received.head].slice.size()) && pieces_.may_move() &&
         pieces_.may_hold(target.send_pieces) && may_pass(source, target)) {
    const uint32_t piece = pop_received(source);
    buffer::Slice slice = std::move(pieces_[piece].slice);
    moved += slice.size();
    append_to_send(target, piece, std::move(slice), 0);
  }
  if (moved > 0) {
    source.received_bytes -= static_cast<uint32_t>(moved);
    was_read(from);
    touch(to);
  }
  if (!source.received.empty() && moved < at_most) {
    want_room(to, !pieces_.may_move(), starved_movers_);
  }
  return moved;
}

/// What another group's peers do not take stays with those who sent it, but for a piece a queue.
bool Engine::may_pass(const Connection& source, const Connection& target) const {
  return group_of(source) == group_of(target) || target.send_pieces == 0 ||
         groups_.takes(group_of(target), target.send_pieces, 1, pieces_.spare()) > 0;
}

/// Some of what was received has left: the window may open, and there may be no more.
void Engine::was_read(uint32_t c) {
  const Connection& connection = connections_[c];
  if (connection.has(Connection::on_wire)) {
    if (is_window_worth_telling(connection)) {
      connections_[c].flags |= Connection::ack_now;
      touch(c);
    }
  } else if (connection.received_bytes == 0) {
    tell(c, event::closed);
  }
}

bool Engine::is_at_end(ConnectionId id) const {
  const uint32_t c = find(id);
  return c == kNone || (connections_[c].has(Connection::fin_received) && connections_[c].received_bytes == 0);
}

bool Engine::has_peer_closed(ConnectionId id) const {
  const uint32_t c = find(id);
  return c == kNone || connections_[c].has(Connection::fin_received);
}

void Engine::shutdown(ConnectionId id) {
  const uint32_t c = find(id);
  if (c != kNone) {
    start_closing(c);
  }
}

/// RFC 9293, section 3.10.4; but what was written before the connection is there is sent, and the FIN after it: a
/// relay's client may close at once.
void Engine::start_closing(uint32_t c) {
  Connection& connection = connections_[c];
  if (!connection.has(Connection::on_wire) || connection.has(Connection::fin_queued)) {
    return;
  }
  if (connection.state == State::syn_sent && connection.has(Connection::orphan) && connection.queued_bytes == 0) {
    leave_wire(c);  // the peer knows nothing of it
    release(c);
    return;
  }
  const uint32_t piece = pieces_.take();
  uint8_t& flags = details_[c].flags;
  if (piece == kNone) {
    if ((flags & Details::fin_waits) == 0) {
      flags |= Details::fin_waits;
      list(c, starved_closers_);
    }
    return;
  }
  flags &= static_cast<uint8_t>(~Details::fin_waits);
  append_to_send(connection, piece, {}, Piece::fin);
  connection.flags |= Connection::fin_queued;
  if (connection.state == State::established) {
    connection.state = State::fin_wait_1;
  } else if (connection.state == State::close_wait) {
    connection.state = State::last_ack;
  }
  touch(c);
}

void Engine::close(ConnectionId id) {
  const uint32_t c = find(id);
  if (c == kNone) {
    return;
  }
  Connection& connection = connections_[c];
  connection.flags |= Connection::orphan;
  if (!connection.has(Connection::on_wire)) {
    release(c);
  } else if (connection.received_bytes > 0) {
    forget_received(connection);
    connection.flags |= Connection::reset_wanted;
    touch(c);
  } else {
    start_closing(c);
    if (find(id) != kNone && connection.state == State::fin_wait_2) {
      start_timer(c, Timer::fin_wait_2, static_cast<uint32_t>(config_.fin_wait_2.count()));
    }
  }
}

void Engine::abort(ConnectionId id) {
  const uint32_t c = find(id);
  if (c == kNone) {
    return;
  }
  Connection& connection = connections_[c];
  connection.flags |= Connection::orphan;
  if (!connection.has(Connection::on_wire) || connection.state == State::syn_sent) {
    if (connection.has(Connection::on_wire)) {
      leave_wire(c);
    }
    release(c);
  } else {
    connection.flags |= Connection::reset_wanted;
    touch(c);
  }
}

const Counters& Engine::counters() const {
  return counters_;
}
uint32_t Engine::connections() const {
  return static_cast<uint32_t>(connections_.size() - free_.size());
}
uint32_t Engine::half_open() const {
  return half_opens_.size();
}
uint32_t Engine::time_waits() const {
  return time_waits_.size();
}
uint32_t Engine::pieces() const {
  return pieces_.capacity() - pieces_.free();
}

size_t Engine::memory_bytes() const {
  return connections_.size() * (sizeof(Connection) + sizeof(Details) + sizeof(uint32_t) + 2 * sizeof(ConnectionId)) +
         starved_writers_.memory_bytes() + starved_movers_.memory_bytes() + starved_closers_.memory_bytes() +
         wheel_.memory_bytes() + table_.memory_bytes() + half_opens_.memory_bytes() + time_waits_.memory_bytes() +
         pieces_.capacity() * sizeof(Piece) + reassembly_.memory_bytes() + groups_.memory_bytes();
}

const Connection* Engine::look(ConnectionId id) const {
  const uint32_t c = find(id);
  return c == kNone ? nullptr : &connections_[c];
}
const Details* Engine::details(ConnectionId id) const {
  const uint32_t c = find(id);
  return c == kNone ? nullptr : &details_[c];
}

void Engine::begin(time::Time now, Output& output) {
  steps_ = now_.millis == time::to_millis(now) ? steps_ : 0;
  now_ = {now, time::to_millis(now), static_cast<uint32_t>(now.count() / 1000)};
  output_ = &output;
}

uint32_t Engine::find(ConnectionId id) const {
  return id.index < connections_.size() && connections_[id.index].generation == id.generation &&
                 connections_[id.index].has(Connection::in_use)
             ? id.index
             : kNone;
}

/// Precondition: one is free.
uint32_t Engine::create(const SocketPair& pair, uint64_t place) {
  const uint32_t c = free_.back();
  free_.pop_back();
  const uint32_t generation = connections_[c].generation;
  connections_[c] = {};
  details_[c] = Details();
  Connection& connection = connections_[c];
  connection.pair = pair;
  connection.generation = generation;
  groups_.set(c, Groups::kNone);
  groups_.connected(Groups::kNone);
  connection.flags = Connection::in_use | Connection::on_wire;
  connection.timestamp_offset = keyed_.timestamp_of(pair);
  table_.insert(place, {Reference::Kind::connection, c});
  return c;
}

/// The id is stale from here on.
void Engine::release(uint32_t c) {
  Connection& connection = connections_[c];
  forget_received(connection);
  if ((details_[c].flags & Details::duplicate_heard) != 0) {
    std::erase_if(duplicates_, [&](const Duplicate& each) { return each.connection == c; });
  }
  groups_.disconnected(groups_.of(c));
  ++connection.generation;
  connection.flags = 0;
  free_.push_back(c);
}

uint32_t Engine::pop_received(Connection& connection) {
  pieces_.uncount_received();
  --connection.received_pieces;
  groups_.drop(group_of(connection), 1);
  return connection.received.pop(pieces_);
}

void Engine::forget_received(Connection& connection) {
  while (!connection.received.empty()) {
    pieces_.give_back(pop_received(connection));
  }
  connection.received_bytes = 0;
}

/// Nothing that arrives is its any more.
void Engine::leave_wire(uint32_t c) {
  Connection& connection = connections_[c];
  table_.erase(keyed_.place_of(connection.pair), {Reference::Kind::connection, c});
  forget_sending(c);
}

/// What only a connection on the wire needs.
void Engine::forget_sending(uint32_t c) {
  Connection& connection = connections_[c];
  connection.to_send.clear(pieces_);
  groups_.drop(group_of(connection), connection.send_pieces);
  connection.send_pieces = 0;
  connection.unsent = kNone;
  connection.queued_bytes = 0;
  forget_beyond(c);
  wheel_.disarm(c);
  connection.timer = Timer::none;
  connection.state = State::closed;
  connection.flags &= static_cast<uint16_t>(~(Connection::on_wire | Connection::ack_now | Connection::ack_later));
}

/// Out of order: what nobody read is gone.
void Engine::end(uint32_t c, uint16_t why) {
  Connection& connection = connections_[c];
  leave_wire(c);
  forget_received(connection);
  if (connection.has(Connection::orphan)) {
    release(c);
  } else {
    details_[c].pending &= static_cast<uint16_t>(~event::readable);
    tell(c, static_cast<uint16_t>(why | ((details_[c].flags & Details::unreachable) != 0 ? event::unreachable : 0)));
  }
}

void Engine::tell(uint32_t c, uint16_t what) {
  if (connections_[c].has(Connection::orphan)) {
    return;
  }
  if (details_[c].pending == 0) {
    eventful_.push_back({c, connections_[c].generation});
  }
  details_[c].pending |= what;
}

void Engine::touch(uint32_t c) {
  if (!connections_[c].has(Connection::touched)) {
    connections_[c].flags |= Connection::touched;
    touched_.push_back({c, connections_[c].generation});
  }
}

void Engine::tell_events() {
  for (const ConnectionId id : eventful_) {
    const uint32_t c = find(id);
    if (c == kNone || connections_[c].has(Connection::orphan)) {
      continue;
    }
    const uint16_t what = std::exchange(details_[c].pending, uint16_t{0});
    output_->events.push_back({id, details_[c].user, what});
    if ((what & kLast) != 0) {
      release(c);
    }
  }
  eventful_.clear();
}

}  // namespace weft::tcp
