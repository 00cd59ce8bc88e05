// SPDX-License-Identifier: Apache-2.0
#include "tcp_world.h"

#include <algorithm>

#include "tcp_forgery.h"
#include "tcp_nic.h"

namespace weft::simulation {
namespace {

/// Turns in a row in which a host did nothing: it was woken for nothing.
constexpr uint32_t kTurnsForNothing = 10'000;
/// RFC 9293, section 3.8.6.3: the longest that an acknowledgment may be delayed.
constexpr int32_t kLongestDelayedAck = 500;

constexpr uint32_t kPlentyOfPieces = 4096;

uint32_t flight_of(const tcp::Connection& connection, const tcp::Details& details) {
  return connection.send_next - connection.send_unacknowledged - details.sacked_bytes - details.lost_bytes;
}
std::string connection_name(const tcp::Connection& connection) {
  return "port " + std::to_string(lb::to_host(connection.pair.local_port)) + " to " +
         std::to_string(lb::to_host(connection.pair.remote_port));
}
bool is_connecting(tcp::State state) {
  return state == tcp::State::syn_sent || state == tcp::State::syn_received;
}

}  // namespace

Host& World::add(const HostConfig& config, uint64_t seed) {
  const auto number = static_cast<uint32_t>(nodes_.size());
  Node& node = nodes_.emplace_back();
  node.host = std::make_unique<Host>(number, config, seed);
  node.wake = now_;
  for (const lb::Family family : {lb::Family::ipv4, lb::Family::ipv6}) {
    addresses_[node.host->address(family)] = number;
  }
  return *node.host;
}

void World::join(const Host& from, const Host& to, const PathConfig& path, uint64_t seed) {
  paths_[{from.index, to.index}] = std::make_shared<Path>(path, seed);
}

void World::join_by(const Host& from, const Host& to, const Host& shared_from, const Host& shared_to) {
  paths_[{from.index, to.index}] = paths_.at({shared_from.index, shared_to.index});
}

void World::run_application(Host& host, Application& application) {
  nodes_[host.index].application = &application;
}

void World::run_out(Time limit) {
  while (step(limit)) {
  }
  if (now_ >= limit) {
    throw Violation("it still goes on after " + std::to_string(now_ / 1s) + " s");
  }
}

void World::run_until(Time end) {
  while (step(end)) {
  }
}

/// What happens next. @returns false: nothing will, or not before the limit
bool World::step(Time limit) {
  Time next = arrivals_.empty() ? kNever : arrivals_.front().at;
  for (const Node& node : nodes_) {
    next = std::min(next, node.wake);
  }
  if (next == kNever) {
    return false;
  }
  now_ = std::max(now_, next);
  if (now_ >= limit) {
    return false;
  }
  while (!arrivals_.empty() && arrivals_.front().at <= now_) {
    std::pop_heap(arrivals_.begin(), arrivals_.end());
    Arrival arrival = std::move(arrivals_.back());
    arrivals_.pop_back();
    deliver(std::move(arrival));
  }
  for (Node& node : nodes_) {
    if (node.wake <= now_) {
      turn(node);
    }
  }
  return true;
}

void World::push(Arrival arrival) {
  arrival.order = order_++;
  arrivals_.push_back(std::move(arrival));
  std::push_heap(arrivals_.begin(), arrivals_.end());
}

void World::deliver(Arrival arrival) {
  Node& node = nodes_[arrival.host];
  if (node.inbox.empty() && node.errors.empty()) {
    node.wake = std::min(node.wake, now_ + node.host->random.between(Time{}, node.host->config.poll_every));
  }
  if (arrival.error) {
    node.errors.push_back(*arrival.error);
  } else {
    node.inbox.push_back(std::move(arrival.frame));
  }
}

/// As a worker does it: what arrived, the timers, the events, and out.
void World::turn(Node& node) {
  Host& host = *node.host;
  node.wake = kNever;
  remember_flights(node);
  const bool something_arrived = !node.inbox.empty() || !node.errors.empty();
  take_in(node);
  const Time local = host.local(now_);
  const bool more = host.engine.advance(local, node.output, host.config.budget);
  bool something_happened = tell(node) || something_arrived;
  if (node.application->due() <= now_) {
    something_happened = true;
    node.application->act(now_);
  }
  do {
    host.engine.flush(local, node.output);
  } while (tell(node));
  something_happened |= !node.output.segments.empty();
  node.turns_for_nothing = something_happened ? 0 : node.turns_for_nothing + 1;
  if (node.turns_for_nothing > kTurnsForNothing) {
    fail(node, "the engine wakes for nothing, again and again");
  }
  send_all(node);
  check(node);
  wake_later(node);
  if (more) {
    node.wake = std::min(node.wake, now_ + 1us);
  }
}

/// While what an event says still holds. @returns false: there was none
bool World::tell(Node& node) {
  const std::vector<tcp::Event> events = std::exchange(node.output.events, {});
  for (const tcp::Event& event : events) {
    trace_.told(now_, node.host->index, event);
    node.application->handle(event, now_);
  }
  return !events.empty();
}

void World::take_in(Node& node) {
  Host& host = *node.host;
  const Time local = host.local(now_);
  const std::vector<Frame> frames = std::exchange(node.inbox, {});
  std::vector<tcp::Segment> batch;
  std::vector<buffer::Slice> held;
  const auto hand_over = [&] {
    host.engine.input(batch, local, node.output);
    batch.clear();
    held.clear();
    tell(node);
  };
  for (const Frame& frame : frames) {
    const Packet packet = decode_frame(frame);
    if (packet.verdict != Packet::Verdict::good) {
      ++corrupted_;
      trace_.lost(now_, host.index, packet, "corrupt");
      expect_refused(host, frame);
      continue;
    }
    const bool refused =
        !packet.payload.empty() && host.config.refusals > 0 && host.random.chance(host.config.refusals);
    Arrived arrived;
    if (refused || read_frame(host, frame, packet, arrived) == Reading::no_buffer) {
      trace_.lost(now_, host.index, packet, "no buffer");
      continue;
    }
    trace_.arrived(now_, host.index, packet);
    node.watch.received(packet);
    batch.push_back(std::move(arrived.segment));
    held.push_back(std::move(arrived.frame));
    if (host.config.forgeries > 0 && host.random.chance(host.config.forgeries)) {
      if (std::optional<tcp::Segment> forged = forge(host, packet, node.watch)) {
        batch.push_back(std::move(*forged));
        node.errors.push_back(forge_error(host, packet));
      }
    }
    if (batch.size() >= host.config.batch) {
      hand_over();
    }
  }
  hand_over();
  for (const tcp::NetworkError& error : std::exchange(node.errors, {})) {
    host.engine.input(error, local, node.output);
    tell(node);
  }
}

void World::send_all(Node& node) {
  const Host& host = *node.host;
  node.sent_data.clear();
  for (const tcp::Transmission& out : node.output.segments) {
    size_t payload = 0;
    for (uint32_t i = 0; i < out.slice_count; ++i) {
      payload += node.output.slices.at(out.first_slice + i).size();
    }
    if (payload != out.payload_length) {
      fail(node,
           "a segment of " + std::to_string(out.payload_length) + " bytes with slices of " + std::to_string(payload));
    }
    const Frame frame = write_frame(host, out, node.output.slices);
    const Packet packet = decode_frame(frame);
    trace_.sent(now_, host.index, frame, packet);
    if (packet.verdict != Packet::Verdict::good) {
      fail(node, "a segment that can't be: " + to_string(packet));
    }
    if (frame.size() > host.config.tcp.mtu) {
      fail(node, "a packet of " + std::to_string(frame.size()) + " bytes");
    }
    if (const std::string broken = node.watch.sent(packet); !broken.empty()) {
      fail(node, "on the wire: " + broken);
    }
    if (!packet.payload.empty()) {
      node.sent_data.insert(packet.pair);
    }
    carry(host.index, frame, packet);
  }
  node.output.clear();
}

void World::carry(uint32_t from, const Frame& frame, const Packet& packet) {
  const auto to = addresses_.find(packet.pair.remote);
  const auto path = to == addresses_.end() ? paths_.end() : paths_.find({from, to->second});
  if (path == paths_.end()) {
    trace_.lost(now_, from, packet, "no way there");
    return;
  }
  Path::Fate fate = path->second->send(frame, now_);
  const PathConfig& config = path->second->config();
  if (fate.crossings.empty()) {
    trace_.lost(now_, from, packet, fate.too_big ? "too big" : "lost");
  }
  if (fate.too_big && config.tells_too_big) {
    push({.at = now_ + config.delay,
          .host = from,
          .error = tcp::NetworkError{.pair = packet.pair,
                                     .sequence = packet.sequence,
                                     .kind = tcp::NetworkError::Kind::too_big,
                                     .mtu = static_cast<uint16_t>(config.mtu)}});
  }
  for (Path::Crossing& crossing : fate.crossings) {
    push({.at = crossing.at, .host = to->second, .frame = std::move(crossing.frame)});
  }
}

void World::wake_later(Node& node) {
  const Time local = node.host->local(now_);
  if (const std::optional<Time> deadline = node.host->engine.next_deadline(local)) {
    // Never at once: what was due now had its turn.
    node.wake = std::min(node.wake, std::max(*deadline - node.host->config.clock, now_ + 1us));
  }
  const Time due = node.application->due();
  if (due != kNever) {
    node.wake = std::min(node.wake, std::max(due, now_ + 1us));
  }
}

void World::remember_flights(Node& node) {
  node.flights.clear();
  for (const tcp::ConnectionId id : node.host->watched) {
    const tcp::Connection* const connection = node.host->engine.look(id);
    node.flights.push_back(connection == nullptr ? 0 : flight_of(*connection, *node.host->engine.details(id)));
  }
}

void World::check(Node& node) {
  Host& host = *node.host;
  const time::Millis now = time::to_millis(host.local(now_));
  for (size_t i = 0; i < host.watched.size(); ++i) {
    const tcp::Connection* const connection = host.engine.look(host.watched[i]);
    if (connection == nullptr || !connection->has(tcp::Connection::on_wire)) {
      continue;
    }
    const tcp::Details& details = *host.engine.details(host.watched[i]);
    if (connection->send_unacknowledged > connection->send_next) {
      fail(node, connection_name(*connection) + ": SND.UNA is beyond SND.NXT");
    }
    const uint32_t outstanding = connection->send_next - connection->send_unacknowledged;
    if (!is_connecting(connection->state) && details.sacked_bytes + details.lost_bytes > outstanding) {
      fail(node, connection_name(*connection) + ": " + std::to_string(details.sacked_bytes) + " bytes sacked and " +
                     std::to_string(details.lost_bytes) + " lost of " + std::to_string(outstanding));
    }
    const bool unsent = connection->unsent != tcp::kNone;
    if ((outstanding > 0 || unsent) && connection->timer == tcp::Timer::none) {
      fail(node, connection_name(*connection) + ": bytes that are not sent or not acknowledged, and no timer");
    }
    if (is_connecting(connection->state)) {
      continue;
    }
    const uint32_t before = i < node.flights.size() ? node.flights[i] : 0;
    const uint32_t flight = flight_of(*connection, details);
    // Beyond the window: limited transmit's two segments (RFC 3042), and a tail loss probe.
    const uint32_t allowed = std::max(before + connection->mss, connection->congestion_window + 3U * connection->mss);
    // Without SACK, what has left the network in a recovery is a guess.
    const bool known = connection->has(tcp::Connection::sack) || details.phase == tcp::Phase::open;
    if (node.sent_data.contains(connection->pair) && known && flight > allowed) {
      fail(node, connection_name(*connection) + ": " + std::to_string(flight) + " bytes in flight, with a window of " +
                     std::to_string(connection->congestion_window));
    }
    const uint32_t waiting = connection->queued_bytes - outstanding;
    // What would have to be cut may have to wait for pieces.
    const bool may_cut = host.config.tcp.pieces >= kPlentyOfPieces;
    if (unsent && may_cut && outstanding == 0 &&
        connection->send_window >= std::min<uint32_t>(waiting, connection->mss)) {
      fail(node, connection_name(*connection) + ": sits on " + std::to_string(waiting) + " bytes that could be sent");
    }
    if (connection->receive_next != connection->acknowledged &&
        (!connection->has(tcp::Connection::ack_later) ||
         static_cast<int32_t>(connection->acknowledge_at - now) > kLongestDelayedAck)) {
      fail(node, connection_name(*connection) + ": no acknowledgment is due of what came");
    }
  }
  std::erase_if(host.watched, [&](tcp::ConnectionId id) { return !host.engine.is_open(id); });
  const tcp::Engine& engine = host.engine;
  if (constexpr uint32_t kNobody = UINT32_MAX; engine.pieces_of(kNobody) != engine.pieces()) {
    fail(node, std::to_string(engine.pieces()) + " pieces in use, of which " +
                   std::to_string(engine.pieces_of(kNobody)) + " are held by connections");
  }
  if (engine.half_open() + engine.time_waits() > 0 && !engine.next_deadline(host.local(now_))) {
    fail(node, "half-open connections or TIME-WAITs, and nothing will end them");
  }
}

void World::fail(const Node& node, const std::string& what) const {
  throw Violation("host " + std::string(1, static_cast<char>('A' + node.host->index)) + ": " + what);
}

}  // namespace weft::simulation
