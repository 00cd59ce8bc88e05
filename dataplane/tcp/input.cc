// SPDX-License-Identifier: Apache-2.0
/// @file Segments that arrive for connections (RFC 9293, section 3.10.7.4), in the RFC's order of checks.
#include <algorithm>
#include <array>

#include "tcp/engine.h"

namespace weft::tcp {
namespace {

constexpr size_t kBatch = 32;
/// Full segments that one acknowledgment may stand for, however many a batch brings: a sender whose clock ticks too
/// rarely sends in bursts (RFC 9293, section 3.8.6.3; aggregating receivers have one for 64 KiB).
constexpr uint32_t kMaxStretch = 32;
/// Bytes of a segment that is not small: RFC 9293, section 3.7.1.
constexpr uint32_t kNotSmall = 536;
/// RFC 7323, section 5.5: after so long without a segment, the peer's clock may have wrapped.
constexpr time::Millis kTimestampsOutdated = 24U * 24 * 3600 * 1000;

uint32_t length_of(const Segment& segment) {
  return static_cast<uint32_t>(segment.payload.size()) + ((segment.flags & flag::syn) != 0 ? 1 : 0) +
         ((segment.flags & flag::fin) != 0 ? 1 : 0);
}

/// RFC 1122, section 4.2.3.10, and section 3.2.1.3: what is sent to many, or by many, is no connection's.
bool is_ones(const lb::Address& address) {
  if (address.is_ipv4()) {
    const uint32_t host = lb::to_host(address.ipv4());
    return host >> 24 != 0 && host >> 28 < 0xe;
  }
  const auto& bytes = address.ipv6().bytes;
  return bytes[0] != 0xff && std::any_of(bytes.begin(), bytes.end(), [](uint8_t byte) { return byte != 0; });
}

}  // namespace

void Engine::input(std::span<Segment> segments, time::Time now, Output& output) {
  begin(now, output);
  counters_.segments_received += segments.size();
  std::array<uint64_t, kBatch> places;
  while (!segments.empty()) {
    const size_t count = std::min(segments.size(), kBatch);
    prefetch(segments.first(count), places);
    for (size_t i = 0; i < count; ++i) {
      arrive(segments[i], places[i]);
      segments[i].payload = {};
    }
    segments = segments.subspan(count);
  }
  tell_events();
  output_ = nullptr;
}

/// Three steps, so that each line is on its way before it is asked for.
void Engine::prefetch(std::span<const Segment> segments, std::span<uint64_t> places) {
  for (size_t i = 0; i < segments.size(); ++i) {
    places[i] = keyed_.place_of(segments[i].pair);
    table_.prefetch(places[i]);
  }
  for (size_t i = 0; i < segments.size(); ++i) {
    const Reference candidate = table_.candidate(places[i]);
    if (candidate.kind() == Reference::Kind::connection) {
      prefetch(candidate.index());
    }
  }
}

void Engine::prefetch(uint32_t c) const {
  for (const auto* lines :
       {reinterpret_cast<const std::byte*>(&connections_[c]), reinterpret_cast<const std::byte*>(&details_[c])}) {
    __builtin_prefetch(lines);
    __builtin_prefetch(lines + 64);
  }
  wheel_.prefetch(c);
}

void Engine::prefetch(ConnectionId id) const {
  if (id.index < connections_.size()) {
    prefetch(id.index);
  }
}

void Engine::arrive(Segment& segment, uint64_t place) {
  const Reference found =
      table_.find(place, [&](Reference reference) { return leads_to(reference, segment.pair, place); });
  if (found.kind() == Reference::Kind::connection) [[likely]] {
    if (!predict(found.index(), segment)) {
      arrive(found.index(), segment);
    }
    return;
  }
  const SocketPair& pair = segment.pair;
  // An IPv4 address in an IPv6 header (RFC 4291, section 2.5.5.2) is on no wire.
  if (!is_ones(pair.remote) || !is_ones(pair.local) || pair.remote.family() != pair.local.family()) {
    ++counters_.invalid;
    return;
  }
  switch (found.kind()) {
    case Reference::Kind::half_open:
      return arrive_in_half_open(found.index(), segment, place);
    case Reference::Kind::time_wait:
      return arrive_in_time_wait(found.index(), segment, place);
    default:
      return arrive_for_none(segment, place);
  }
}

/// Header prediction (Jacobson): the next segment in order of a connection to which nothing happened. @returns whether
/// it was that, and is done
bool Engine::predict(uint32_t c, Segment& segment) {
  Connection& connection = connections_[c];
  if (connection.state != State::established || (segment.flags & ~flag::psh) != flag::ack ||
      segment.sequence != connection.receive_next || segment.acknowledgment < connection.send_unacknowledged ||
      segment.acknowledgment > connection.send_next ||
      segment.payload.size() > connection.receive_edge - connection.receive_next ||
      connection.has(Connection::orphan)) {
    return false;
  }
  Options options;
  if (connection.has(Connection::timestamps)) {
    Timestamps timestamps;
    if (!decode_timestamps_alone({segment.options, segment.options_length}, timestamps) ||
        static_cast<int32_t>(timestamps.value - connection.recent) < 0) {
      return false;
    }
    options.timestamps = timestamps;
  } else if (segment.options_length != 0) {
    return false;
  }
  Details& details = details_[c];
  if (details.beyond != kNone || details.phase != Phase::open || details.sacked_bytes + details.lost_bytes != 0) {
    return false;
  }
  if (segment.payload.empty() && segment.acknowledgment == connection.send_unacknowledged) {
    return false;  // perhaps a duplicate acknowledgment
  }
  ++counters_.predicted;
  if (options.timestamps && segment.sequence <= connection.acknowledged) {
    connection.recent = options.timestamps->value;
  }
  details.heard_at = now_.millis;
  details.retries = 0;
  connection.path = segment.path;
  if (take_acknowledgment(c, segment, options) && !segment.payload.empty()) {
    take_in_order(c, std::move(segment.payload), false);
    acknowledge_soon(c);
  }
  return true;
}

void Engine::arrive(uint32_t c, Segment& segment) {
  Connection& connection = connections_[c];
  if (connection.state == State::syn_sent) {
    return arrive_in_syn_sent(c, segment);
  }
  const Options options = decode_options({segment.options, segment.options_length});
  if (connection.state == State::syn_received && (segment.flags & flag::syn) != 0 &&
      segment.sequence + 1 == connection.receive_next) {
    connection.send_next = connection.send_unacknowledged;  // its SYN once more, or its SYN-ACK: ours may be lost
    if ((segment.flags & flag::ack) == 0) {
      return touch(c);
    }
    segment.flags &= static_cast<uint8_t>(~flag::syn);  // RFC 9293, section 3.5, figure 8: the rest counts
    segment.sequence += 1;
    connection.send_next += 1;
  }
  if (!check_timestamps(c, segment, options)) {
    return;
  }
  if (!is_acceptable(connection, segment)) {
    ++counters_.unacceptable;
    if ((segment.flags & flag::rst) == 0) {
      if (length_of(segment) == 0 || (segment.flags & flag::syn) != 0) {
        challenge(c);
      } else {
        answer_refused(c, segment);
      }
      // What it acknowledges counts none the less, if a closed window is what refused it (RFC 9293, section 3.10.7.4),
      // or if it is the peer's own once more. Not of any old sequence number: that is half of all, and a forger's
      // chance.
      if (connection.state >= State::established && (segment.flags & (flag::ack | flag::syn)) == flag::ack &&
          segment.sequence <= connection.receive_next &&
          connection.receive_next - segment.sequence <= config_.receive_buffer) {
        take_acknowledgment(c, segment, options);
      }
    }
    return;
  }
  if ((segment.flags & flag::rst) != 0) {  // RFC 5961, section 3.2
    if (segment.sequence == connection.receive_next) {
      ++counters_.resets_received;
      end(c, event::reset);
    } else {
      challenge(c);
    }
    return;
  }
  if ((segment.flags & flag::syn) != 0) {  // section 4.2
    return challenge(c);
  }
  if ((segment.flags & flag::ack) == 0) {
    ++counters_.invalid;
    return;
  }
  if (options.timestamps && segment.sequence <= connection.acknowledged &&
      static_cast<int32_t>(options.timestamps->value - connection.recent) >= 0) {
    connection.recent = options.timestamps->value;  // RFC 7323, section 4.3
  }
  details_[c].heard_at = now_.millis;
  connection.path = segment.path;
  if (connection.unsent == kNone && outstanding(connection) == 0) {
    details_[c].retries = 0;  // of keepalives
  }
  if (take_acknowledgment(c, segment, options)) {
    take_text(c, segment);
  }
}

/// Protection against wrapped sequence numbers (RFC 7323, section 5.3). @returns false: it is dropped
bool Engine::check_timestamps(uint32_t c, const Segment& segment, const Options& options) {
  Connection& connection = connections_[c];
  if (!connection.has(Connection::timestamps) || (segment.flags & flag::rst) != 0) {
    return true;
  }
  if (!options.timestamps) {
    return config_.tolerate_missing_timestamps;
  }
  if (static_cast<int32_t>(options.timestamps->value - connection.recent) >= 0) {
    return true;
  }
  if (time::elapsed(details_[c].heard_at, now_.millis) > kTimestampsOutdated) {
    connection.recent = options.timestamps->value;
    return true;
  }
  ++counters_.paws_dropped;
  if (length_of(segment) == 0) {
    challenge(c);
  } else {
    answer_refused(c, segment);
  }
  return false;
}

/// RFC 9293, section 3.10.7.4, the table of four cases.
bool Engine::is_acceptable(const Connection& connection, const Segment& segment) const {
  const uint32_t length = length_of(segment);
  const uint32_t window = connection.receive_edge - connection.receive_next;
  const auto is_inside = [&](Seq sequence) {
    return connection.receive_next <= sequence && sequence < connection.receive_edge;
  };
  if (window == 0) {
    return length == 0 && segment.sequence == connection.receive_next;
  }
  return length == 0
             ? is_inside(segment.sequence)
             : is_inside(segment.sequence) || is_inside(segment.sequence + (length - 1)) ||
                   (segment.sequence < connection.receive_next && segment.sequence + length > connection.receive_edge);
}

/// RFC 5961: an acknowledgment tells an honest peer where we are, and a forger nothing. So few that two peers who
/// disagree do not talk for ever (section 7); of each connection its own count, which nobody else can read by using it
/// up.
void Engine::challenge(uint32_t c) {
  Details& details = details_[c];
  // Up to a quarter more, by a hash, so that its end can't be told.
  const time::Millis patience = 500 + (connections_[c].timestamp_offset ^ details.challenged_at) % 128;
  if (details.challenged_at != 0 && time::elapsed(details.challenged_at, now_.millis) < patience) {
    return;
  }
  details.challenged_at = now_.millis == 0 ? 1 : now_.millis;
  ++counters_.challenges;
  connections_[c].flags |= Connection::ack_now;
  touch(c);
}

/// SND.WND (RFC 9293, section 3.10.7.4, fifth). The acknowledgment is not an old one, so the RFC's second comparison
/// holds.
///
/// One that acknowledges something new says the window however old its sequence number: the one that is known may be of
/// a segment that lay beyond a gap, which this one has filled.
void Engine::take_window(uint32_t c, const Segment& segment, bool advanced) {
  Connection& connection = connections_[c];
  if (advanced || segment.sequence >= connection.window_sequence) {
    const uint32_t window = uint32_t{segment.window} << connection.send_shift;
    const bool grows = window > connection.send_window;
    connection.send_window = window;
    connection.window_sequence = segment.sequence;
    Details& details = details_[c];
    details.max_send_window = std::max(details.max_send_window, window);
    if (grows && connection.unsent != kNone) {
      if (connection.timer == Timer::persist) {
        connection.timer = Timer::none;
        details.retries = details.back_off = 0;
      }
      touch(c);
    }
  }
}

/// Seventh: the segment's text, as much of it as is in the window. Eighth: FIN.
void Engine::take_text(uint32_t c, Segment& segment) {
  Connection& connection = connections_[c];
  bool fin = (segment.flags & flag::fin) != 0;
  if (segment.payload.empty() && !fin) {
    return;
  }
  if (connection.has(Connection::fin_received)) {  // there can be nothing behind it
    connection.flags |= Connection::ack_now;
    return touch(c);
  }
  if (connection.has(Connection::orphan) && !segment.payload.empty() &&
      segment.sequence + static_cast<uint32_t>(segment.payload.size()) > connection.receive_next) {
    connection.flags |= Connection::reset_wanted;  // nobody will read it (RFC 1122, section 4.2.2.13)
    return touch(c);
  }
  if (segment.sequence < connection.receive_next) {
    acknowledge_at_once(c);
    const uint32_t known = connection.receive_next - segment.sequence;
    const auto trimmed = static_cast<uint16_t>(std::min<size_t>(known, segment.payload.size()));
    if (trimmed > 0) {
      note_duplicate(c, {segment.sequence, segment.sequence + trimmed});
    }
    segment.payload.trim_front(trimmed);
    segment.sequence += known;
  }
  const uint32_t window = connection.receive_edge - segment.sequence;
  if (segment.payload.size() > window) {
    segment.payload.trim_back(static_cast<uint16_t>(segment.payload.size() - window));
    fin = false;
  }
  if (details_[c].beyond != kNone) {
    fin = keep_end(c, segment, fin);
  }
  touch(c);
  if (segment.payload.empty() && !fin) {
    connection.flags |= Connection::ack_now;
    return;
  }
  if (segment.sequence != connection.receive_next) {
    acknowledge_at_once(c);
    return take_beyond(c, segment, fin);
  }
  const bool fills = details_[c].beyond != kNone;
  if (take_in_order(c, std::move(segment.payload), fin)) {
    if (fills) {
      connection.flags |= Connection::ack_now;  // RFC 5681, section 4.2
    } else {
      acknowledge_soon(c);
    }
  }
}

/// There is nothing behind a FIN: not in what arrives if one waits, nor in what waits if one arrives.
/// @returns whether the segment ends the stream
bool Engine::keep_end(uint32_t c, Segment& segment, bool fin) {
  const Reassembly::End known = reassembly_.end(details_[c].beyond, pieces_);
  const Seq end = segment.sequence + static_cast<uint32_t>(segment.payload.size());
  if (end > known.at && known.is_final) {
    segment.payload.trim_back(static_cast<uint16_t>(std::min<size_t>(end - known.at, segment.payload.size())));
  }
  if (fin && end < known.at) {
    const uint32_t free = pieces_.free();
    reassembly_.cut(details_[c].beyond, pieces_, end);
    groups_.drop(groups_.of(c), pieces_.free() - free);
  }
  return fin && (!known.is_final || end <= known.at);
}

void Engine::forget_beyond(uint32_t c) {
  const uint32_t free = pieces_.free();
  reassembly_.clear(details_[c].beyond, pieces_);
  groups_.drop(groups_.of(c), pieces_.free() - free);
}

/// Beyond a gap.
void Engine::take_beyond(uint32_t c, const Segment& segment, bool fin) {
  const Seq end = segment.sequence + static_cast<uint32_t>(segment.payload.size());
  const Connection& connection = connections_[c];
  const uint32_t held = connection.received_pieces + reassembly_.pieces(details_[c].beyond);
  const bool has_share = groups_.takes(group_of(connection), held, 1, pieces_.spare()) > 0;
  if (!pieces_.may_keep_beyond() || !has_share) {  // what is in order comes first
    counters_.pieces_beyond_share += has_share ? 0 : 1;
    ++counters_.out_of_memory;
    return;
  }
  const uint32_t free = pieces_.free();
  const auto result =
      reassembly_.insert(details_[c].beyond, pieces_, segment.sequence, segment.payload, fin, ++moment_);
  groups_.hold(group_of(connection), free - pieces_.free());
  switch (result) {
    case Reassembly::Result::added:
      ++counters_.out_of_order;
      counters_.bytes_received += segment.payload.size();
      break;
    case Reassembly::Result::known:
      ++counters_.duplicates;
      if (!segment.payload.empty()) {
        note_duplicate(c, {segment.sequence, end});
      }
      break;
    case Reassembly::Result::refused:
      ++counters_.out_of_memory;
      break;
  }
}

/// Precondition: it is in the window, and begins at receive_next. @returns false: there is no more to be done
bool Engine::take_in_order(uint32_t c, buffer::Slice slice, bool fin) {
  Connection& connection = connections_[c];
  Details& details = details_[c];
  const Seq before = connection.receive_next;
  const Seq end = before + static_cast<uint32_t>(slice.size());
  bool is_taken = true;
  if (details.beyond != kNone) {
    is_taken = fill_gaps(c, slice, end);
  } else if (!slice.empty()) {
    is_taken = append_received(connection, std::move(slice));
  }
  if (!is_taken) {
    ++counters_.out_of_memory;  // not acknowledged: it will come again
    if (connection.receive_next == before) {
      return false;
    }
  } else if (fin && !connection.has(Connection::fin_received)) {
    connection.receive_next += 1;
    connection.receive_edge = later(connection.receive_edge, connection.receive_next);  // behind a full window
    connection.flags |= Connection::fin_received;
  }
  const bool ended = connection.has(Connection::fin_received);
  const uint32_t bytes = connection.receive_next - before - (ended ? 1 : 0);
  if (bytes > 0) {
    tell(c, event::readable);
  }
  if (ended) {
    forget_beyond(c);
    take_fin(c);
  }
  return !ended;
}

/// What came first stays, also what waits beyond gaps: of a segment in order only what is between is taken.
/// @param end of the slice, which begins at receive_next. @returns false: there was no piece for some of it
bool Engine::fill_gaps(uint32_t c, const buffer::Slice& slice, Seq end) {
  Connection& connection = connections_[c];
  uint32_t& beyond = details_[c].beyond;
  const Seq begin = connection.receive_next;
  do {
    const Seq stop = beyond == kNone ? end : earlier(end, reassembly_[beyond].begin);
    if (stop > connection.receive_next &&
        !append_received(connection, slice.part(static_cast<uint16_t>(connection.receive_next - begin),
                                                static_cast<uint16_t>(stop - connection.receive_next)))) {
      return false;
    }
    const uint32_t free = pieces_.free();
    const Reassembly::Delivery filled =
        reassembly_.deliver(beyond, pieces_, connection.receive_next, connection.received);
    connection.received_pieces = static_cast<uint16_t>(connection.received_pieces + filled.pieces);
    groups_.drop(group_of(connection), pieces_.free() - free);  // the others are held as before
    connection.received_bytes += filled.next - connection.receive_next;
    connection.receive_next = filled.next;
    take_fin_from_queue(connection);
  } while (connection.receive_next < end);
  return true;
}

/// A FIN that waited beyond a gap has come to the end of the received bytes, as a piece of its own or with some.
void Engine::take_fin_from_queue(Connection& connection) {
  if (connection.received.empty() || !pieces_[connection.received.tail].is(Piece::fin)) {
    return;
  }
  connection.received_bytes -= 1;
  connection.flags |= Connection::fin_received;
  Piece& last = pieces_[connection.received.tail];
  last.flags = 0;
  if (!last.slice.empty()) {
    return;
  }
  Queue kept;
  while (connection.received.head != connection.received.tail) {
    kept.push(pieces_, connection.received.pop(pieces_));
  }
  pieces_.give_back(pop_received(connection));
  connection.received = kept;
}

/// The next bytes in order. @returns false: there is no piece for them
bool Engine::append_received(Connection& connection, buffer::Slice slice) {
  const auto length = static_cast<uint32_t>(slice.size());
  // Each acknowledgment lets the window's edge creep, by what its scale rounds up. What segments that are not small
  // make of that was promised, and refused, it would look lost. But a peer that fills with small ones what nobody reads
  // must not be followed.
  const uint64_t crept = uint64_t{config_.receive_buffer / kNotSmall} << connection.receive_shift;
  if (connection.received_bytes + length > config_.receive_buffer + std::min<uint64_t>(crept, config_.receive_buffer)) {
    return false;
  }
  if (!connection.received.absorb(pieces_, slice)) {
    const uint32_t held = connection.received_pieces;
    bool may = pieces_.may_receive() && pieces_.may_hold(held);
    if (may && groups_.takes(group_of(connection), held, 1, pieces_.spare()) == 0) [[unlikely]] {
      ++counters_.pieces_beyond_share;
      may = false;
    }
    const uint32_t piece = may ? pieces_.take() : kNone;
    if (piece == kNone) {
      return false;
    }
    pieces_[piece].sequence = connection.receive_next;
    pieces_[piece].slice = std::move(slice);
    connection.received.push(pieces_, piece);
    ++connection.received_pieces;
    groups_.hold(group_of(connection), 1);
    pieces_.count_received();
  }
  connection.received_bytes += length;
  connection.receive_next += length;
  counters_.bytes_received += length;
  return true;
}

/// RFC 9293, section 3.10.7.4, eighth.
void Engine::take_fin(uint32_t c) {
  Connection& connection = connections_[c];
  connection.flags |= Connection::ack_now;
  touch(c);
  tell(c, event::peer_closed);
  switch (connection.state) {
    case State::syn_received:
    case State::established:
      connection.state = State::close_wait;
      break;
    case State::fin_wait_1:
      connection.state = State::closing;
      break;
    case State::fin_wait_2:
      return enter_time_wait(c);
    default:
      break;
  }
}

/// RFC 9293, section 3.8.6.3: at once for every second segment, else within the delay.
void Engine::acknowledge_soon(uint32_t c) {
  Connection& connection = connections_[c];
  touch(c);
  if (connection.has(Connection::ack_later | Connection::ack_now)) {
    connection.flags |= Connection::ack_now;
    if (connection.receive_next - connection.acknowledged >= kMaxStretch * connection.mss) {
      send_control(c, flag::ack, connection.send_next);
    }
    return;
  }
  connection.flags |= Connection::ack_later;
  connection.acknowledge_at = now_.millis + static_cast<time::Millis>(config_.delayed_ack.count());
  wheel_.arm(c, connection.acknowledge_at);
}

/// For a segment that is not the next one, before it is looked at: an acknowledgment of its own, whatever else the
/// batch brings. What is due for those before it goes first. A peer without SACK counts duplicates (RFC 5681,
/// section 4.2); with it, a batch may have more ranges than one acknowledgment has room for (RFC 2018, section 4), and
/// more that came again (RFC 2883, section 4), of all of which it must hear to take a needless reduction back.
void Engine::acknowledge_at_once(uint32_t c) {
  Connection& connection = connections_[c];
  if (connection.has(Connection::ack_now) && connection.state >= State::established) {
    send_control(c, flag::ack, connection.send_next);
  }
  connection.flags |= Connection::ack_now;
  touch(c);
}

/// A segment of which nothing is taken (RFC 9293, section 3.10.7.4). Of what had come before, D-SACK tells (RFC 2883,
/// section 4), also where its timestamp is the older one: what overtook it may have been its repetition.
void Engine::answer_refused(uint32_t c, const Segment& segment) {
  acknowledge_at_once(c);
  const Seq next = connections_[c].receive_next;
  if (!segment.payload.empty() && segment.sequence < next) {
    ++counters_.duplicates;
    const Seq end = segment.sequence + static_cast<uint32_t>(segment.payload.size());
    note_duplicate(c, {segment.sequence, earlier(end, next)});  // a closed window takes no more
  }
}

void Engine::note_duplicate(uint32_t c, Block block) {
  if (connections_[c].has(Connection::sack) && duplicates_.size() < duplicates_.capacity()) {
    duplicates_.push_back({c, block});
    details_[c].flags |= Details::duplicate_heard;
  }
}

}  // namespace weft::tcp
