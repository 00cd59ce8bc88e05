// SPDX-License-Identifier: Apache-2.0
/// @file What goes out: what was lost, what is new, acknowledgments, and the window.
#include <algorithm>

#include "packet/checksum.h"
#include "packet/sum.h"
#include "tcp/engine.h"
#include "tcp/round_trip.h"

namespace weft::tcp {
namespace {

/// Pieces in a receive queue that show how large the peer makes them.
constexpr uint32_t kEnoughToTell = 16;

/// Of a payload that was cut: the shorter part is read, and the rest of the whole is the other's.
void share_sum(buffer::Slice& head, buffer::Slice& tail, uint16_t whole) {
  const auto sum = [](const buffer::Slice& slice) { return packet::fold(packet::sum_of_payload(slice.bytes())); };
  if (head.size() <= tail.size()) {
    head.set_sum(sum(head));
    tail.set_sum(packet::sum_of_tail(whole, head.size(), head.sum()));
  } else {
    tail.set_sum(sum(tail));
    head.set_sum(packet::sum_of_head(whole, head.size(), tail.sum()));
  }
}

}  // namespace

void Engine::send_what_is_due(uint32_t c) {
  Connection& connection = connections_[c];
  if (connection.has(Connection::reset_wanted)) {
    reset_peer(c);
    return end(c, event::reset);
  }
  if (connection.state == State::syn_sent || connection.state == State::syn_received) {
    if (connection.send_next == connection.send_unacknowledged) {
      send_syn(c);
    } else if (connection.has(Connection::ack_now)) {
      send_control(c, flag::ack, connection.send_next);
    }
    return;
  }
  restart_after_idle(c);
  connection.flags &= static_cast<uint16_t>(~Connection::cwnd_limited);
  bool sent = false;
  if (connection.has(Connection::probe_now)) {
    connection.flags &= static_cast<uint16_t>(~Connection::probe_now);
    sent = send_tail_probe(c);
  }
  uint32_t first = connection.to_send.head;
  while (details_[c].lost_bytes > 0 && has_budget() && may_walk(connection) && resend_one(c, first)) {
    sent = true;
  }
  const Seq end = connection.send_next;
  const bool forced = connection.has(Connection::ask_now);
  while (details_[c].lost_bytes == 0 && has_budget() && send_new(c, forced && !sent)) {
    sent = true;
  }
  if (!has_budget()) {
    touch(c);
  }
  if (forced) {
    connection.flags &= static_cast<uint16_t>(~Connection::ask_now);
    if (!sent) {
      ask(c);
    }
  }
  if (connection.has(Connection::ack_now)) {
    send_control(c, flag::ack, connection.send_next);
  }
  set_timer(c, false, connection.send_next > end);
}

/// RFC 5681, section 4.1: what the path bears is not known any more.
void Engine::restart_after_idle(uint32_t c) {
  Connection& connection = connections_[c];
  if (connection.unsent != kNone && connection.timer == Timer::none &&
      time::elapsed(connection.fires_at, now_.millis) > retransmission_timeout(details_[c], config_)) {
    connection.congestion_window = std::min(connection.congestion_window, initial_window(connection));
  }
}

void Engine::send_syn(uint32_t c) {
  Connection& connection = connections_[c];
  const bool answers = connection.state == State::syn_received;
  Transmission& out = transmission(connection.pair, connection.path, answers ? flag::syn | flag::ack : flag::syn);
  out.sequence = connection.send_unacknowledged;
  out.window = static_cast<uint16_t>(std::min<uint32_t>(config_.receive_buffer, UINT16_MAX));
  Options options;
  options.mss = our_mss(connection.pair);
  // What the peer's SYN did not offer, an answer to it must not.
  if (answers ? connection.has(Connection::timestamps) : config_.timestamps) {
    options.timestamps = {timestamp(connection), connection.recent};
  }
  options.sack_permitted = answers ? connection.has(Connection::sack) : config_.selective_acks;
  if (answers ? connection.receive_shift + connection.send_shift > 0 : config_.window_scale) {
    options.window_shift = our_shift();
  }
  if (answers) {
    out.acknowledgment = connection.receive_next;
    connection.flags &= static_cast<uint16_t>(~(Connection::ack_now | Connection::ack_later));
  }
  out.options_length = encode_options(options, out.options);
  connection.send_next = connection.send_unacknowledged + 1;
  start_timer(c, Timer::rto, retransmission_timeout(details_[c], config_));
}

/// The first that was lost.
/// @param first none is lost before it. @returns false: the window does not allow it
bool Engine::resend_one(uint32_t c, uint32_t& first) {
  Connection& connection = connections_[c];
  Details& details = details_[c];
  for (; !pieces_[first].is(Piece::lost); first = pieces_[first].next) {
    ++steps_;
    first = pieces_[first].is(Piece::sacked) ? last_sacked(first) : first;
  }
  uint32_t bytes = 0;  // pieces that were lost side by side go together
  for (uint32_t at = first; at != connection.unsent && at != kNone && pieces_[at].is(Piece::lost);
       at = pieces_[at].next) {
    bytes += pieces_[at].length();
    if (bytes >= connection.mss) {
      break;
    }
  }
  bytes = std::min<uint32_t>(bytes, connection.mss + (pieces_[first].is(Piece::fin) ? 1U : 0U));
  const uint32_t pipe = in_flight(connection, details);
  if (pipe > 0 && pipe + bytes > connection.congestion_window) {
    connection.flags |= Connection::cwnd_limited;
    return false;
  }
  ++counters_.retransmitted;
  return send_data(c, first, bytes);
}

/// What was never sent, if the windows allow: the peer's (RFC 9293, section 3.8.6.2.1, Nagle's rule left out: what a
/// turn of the worker writes goes together) and the congestion's.
/// @param forced less than a sensible segment, too
bool Engine::send_new(uint32_t c, bool forced) {
  Connection& connection = connections_[c];
  Details& details = details_[c];
  if (connection.unsent == kNone) {
    return false;
  }
  const uint32_t waiting = connection.queued_bytes - outstanding(connection);
  const Seq edge = connection.send_unacknowledged + connection.send_window;
  const uint32_t usable = edge > connection.send_next ? edge - connection.send_next : 0;
  const uint32_t fin = connection.has(Connection::fin_queued) ? 1 : 0;  // needs no room in the window, nor in a segment
  uint32_t bytes = std::min<uint32_t>(waiting - fin, connection.mss);
  if (bytes == 0 && connection.send_window == 0) {
    return false;  // a FIN alone needs no room, but a window that is closed refuses it, too
  }
  if (bytes <= usable) {
    bytes += bytes == waiting - fin ? fin : 0;
  } else {
    bytes = usable;
    if (bytes == 0 || (!forced && bytes < connection.mss && bytes * 2 < details.max_send_window)) {
      return false;
    }
  }
  const uint32_t pipe = in_flight(connection, details);
  if (pipe > 0 && pipe + bytes > connection.congestion_window) {
    connection.flags |= Connection::cwnd_limited;
    return false;
  }
  return send_data(c, connection.unsent, bytes);
}

/// Sends so many bytes from a piece on, as one segment, and cuts the last piece there.
/// @returns false: no piece is left to cut it
bool Engine::send_data(uint32_t c, uint32_t first, uint32_t bytes) {
  Connection& connection = connections_[c];
  Details& details = details_[c];
  uint32_t covered = 0;
  uint32_t last = first;
  for (uint32_t at = first; covered < bytes; at = pieces_[at].next) {
    const uint32_t length = pieces_[at].length();
    if (covered + length > bytes) {
      if (!split(connection, at, bytes - covered)) {
        if (covered == 0) {
          return false;
        }
        bytes = covered;
        break;
      }
      covered = bytes;
    } else {
      covered += length;
    }
    last = at;
  }

  Transmission& out = transmission(connection.pair, connection.path, flag::ack);
  out.sequence = pieces_[first].sequence;
  out.first_slice = static_cast<uint32_t>(output_->slices.size());
  for (uint32_t at = first;; at = pieces_[at].next) {
    Piece& piece = pieces_[at];
    if (!piece.slice.empty()) {
      output_->slices.push_back(piece.slice.share());
      ++out.slice_count;
      out.payload_length = static_cast<uint16_t>(out.payload_length + piece.slice.size());
    }
    if (piece.is(Piece::fin)) {
      out.flags |= flag::fin;
    }
    if (piece.is(Piece::lost)) {
      details.lost_bytes -= piece.length();
    }
    piece.flags = static_cast<uint8_t>((piece.flags & ~(Piece::lost | Piece::leaps)) |
                                       (piece.is(Piece::sent) ? Piece::resent | Piece::ever_resent : Piece::sent));
    piece.sent_at = now_.micros;
    if (at == connection.unsent) {
      connection.unsent = piece.next;
    }
    if (at == last) {
      break;
    }
  }
  const Seq end = out.sequence + bytes;
  if (end > connection.send_next) {
    counters_.bytes_sent += out.payload_length;
    connection.send_next = end;
  }
  if (end == connection.send_unacknowledged + connection.queued_bytes && out.payload_length > 0) {
    out.flags |= flag::psh;
  }
  if (details.phase == Phase::recovery) {
    details.recovery_sent += bytes;
  }
  fill(c, out);
  return true;
}

/// Bytes of a piece become a piece of their own, behind it. @returns false: none is left
bool Engine::split(Connection& connection, uint32_t at, uint32_t bytes) {
  const bool again = pieces_[at].is(Piece::sent);
  const bool may_hold = again || outstanding(connection) == 0 ? connection.send_pieces < UINT16_MAX
                                                              : pieces_.may_hold(connection.send_pieces);
  const uint32_t rest = may_hold && pieces_.may_cut(again) ? pieces_.take() : kNone;
  if (rest == kNone) {
    return false;
  }
  ++connection.send_pieces;
  groups_.hold(group_of(connection), 1);
  Piece& piece = pieces_[at];
  piece.forget_leap(now_.micros);
  Piece& behind = pieces_[rest];
  const auto size = static_cast<uint16_t>(piece.slice.size());
  behind.slice = piece.slice.part(static_cast<uint16_t>(bytes), static_cast<uint16_t>(size - bytes));
  behind.sequence = piece.sequence + bytes;
  behind.next = piece.next;
  behind.sent_at = piece.sent_at;
  behind.flags = piece.flags;
  const bool is_summed = piece.slice.is_summed();
  const uint16_t whole = is_summed ? piece.slice.sum() : uint16_t{0};
  piece.slice.trim_back(static_cast<uint16_t>(size - bytes));
  if (is_summed && size > bytes) {
    share_sum(piece.slice, behind.slice, whole);
  }
  piece.flags &= static_cast<uint8_t>(~Piece::fin);
  piece.next = rest;
  if (connection.to_send.tail == at) {
    connection.to_send.tail = rest;
  }
  return true;
}

/// RFC 8985, section 7.3: something new if the window allows, else the last once more.
bool Engine::send_tail_probe(uint32_t c) {
  Connection& connection = connections_[c];
  Details& details = details_[c];
  if (connection.to_send.empty() || connection.send_next == connection.send_unacknowledged) {
    return false;
  }
  ++counters_.tail_probes;
  details.flags |= Details::probe_was_new;
  const uint32_t window = connection.congestion_window;
  connection.congestion_window += connection.mss;
  bool sent = send_new(c, false);
  connection.congestion_window = window;
  if (!sent) {
    details.flags &= static_cast<uint8_t>(~Details::probe_was_new);
    uint32_t last = connection.to_send.head;
    while (pieces_[last].next != connection.unsent) {
      last = pieces_[last].next;
    }
    ++counters_.retransmitted;
    const uint32_t bytes = std::min<uint32_t>(pieces_[last].length(), connection.mss);
    sent = send_data(c, last, bytes);
  }
  details.probe_end = connection.send_next;
  connection.flags |= Connection::probing;
  return sent;
}

/// Asks whether the window has opened, or whether the peer is there: a segment that must be answered, as it is before
/// the window. RFC 9293, section 3.8.6.1 has a byte of data sent into the closed window; a byte that nobody takes would
/// have to be taken back.
void Engine::ask(uint32_t c) {
  ++(connections_[c].timer == Timer::persist || connections_[c].unsent != kNone ? counters_.window_probes
                                                                                : counters_.keepalives);
  send_control(c, flag::ack, connections_[c].send_unacknowledged - 1);
}

/// A segment without data of a connection.
void Engine::send_control(uint32_t c, uint8_t flags, Seq sequence) {
  Transmission& out = transmission(connections_[c].pair, connections_[c].path, flags);
  out.sequence = sequence;
  fill(c, out);
}

void Engine::reset_peer(uint32_t c) {
  Connection& connection = connections_[c];
  ++counters_.resets_sent;
  Transmission& out = transmission(connection.pair, connection.path, flag::rst | flag::ack);
  out.sequence = connection.send_next;
  out.acknowledgment = connection.receive_next;
}

Transmission& Engine::transmission(const SocketPair& pair, uint8_t path, uint8_t flags) {
  ++counters_.segments_sent;
  Transmission& out = output_->segments.emplace_back();
  out.pair = pair;
  out.path = path;
  out.flags = flags;
  return out;
}

/// What each segment of a connection carries: the acknowledgment, the window, timestamps, and what is beyond gaps.
void Engine::fill(uint32_t c, Transmission& out) {
  Connection& connection = connections_[c];
  out.acknowledgment = connection.receive_next;
  out.window = window_of(connection);
  connection.acknowledged = connection.receive_next;
  connection.flags &= static_cast<uint16_t>(~(Connection::ack_now | Connection::ack_later));
  Options options;
  if (connection.has(Connection::timestamps)) {
    options.timestamps = {timestamp(connection), connection.recent};
  }
  if (connection.has(Connection::sack)) [[likely]] {
    add_blocks(c, options);
  }
  // A full segment leaves no room for blocks: the next acknowledgment has them.
  if (options.block_count > 0 && out.payload_length > 0 &&
      out.payload_length + 4U + 8U * options.block_count > connection.mss) {
    options.block_count = 0;
  }
  out.options_length = encode_options(options, out.options);
}

void Engine::add_blocks(uint32_t c, Options& options) {
  if (details_[c].beyond != kNone) {
    options.block_count = reassembly_.blocks(details_[c].beyond, options.blocks);
  }
  if ((details_[c].flags & Details::duplicate_heard) == 0) {
    return;
  }
  const auto is_its = [&](const Duplicate& each) { return each.connection == c; };
  auto duplicate = std::find_if(duplicates_.begin(), duplicates_.end(), is_its);
  if (duplicate != duplicates_.end()) {  // RFC 2883, section 4: first of all, once
    std::copy_backward(options.blocks.begin(), options.blocks.end() - 1, options.blocks.end());
    options.blocks[0] = duplicate->block;
    options.block_count = static_cast<uint8_t>(std::min<size_t>(options.block_count + 1U, options.blocks.size()));
    duplicate = duplicates_.erase(duplicate);
  }
  if (std::none_of(duplicate, duplicates_.end(), is_its)) {
    details_[c].flags &= static_cast<uint8_t>(~Details::duplicate_heard);
  }
}

/// What the buffer and the pieces allow now; the right edge never goes back (RFC 9293, section 3.8.6.2.2), and does not
/// creep. The peer's pieces are taken to be as large as those that wait, if they are enough to tell.
Seq Engine::grantable_edge(const Connection& connection) const {
  const uint32_t buffer = config_.receive_buffer;
  const uint32_t free = buffer > connection.received_bytes ? buffer - connection.received_bytes : 0;
  const uint32_t held = connection.received_pieces;
  const uint64_t size =
      held < kEnoughToTell ? our_mss(connection.pair) : std::max(connection.received_bytes / held, kCopied);
  const uint64_t room =
      pieces_.may_receive()
          ? groups_.takes(group_of(connection), held, pieces_.promisable(held), pieces_.spare()) * size
          : 0;
  const Seq edge = connection.receive_next + static_cast<uint32_t>(std::min<uint64_t>(free, room));
  const uint32_t sensible = std::min<uint32_t>(connection.mss, buffer / 2);
  return edge >= connection.receive_edge + sensible ? edge : connection.receive_edge;
}

/// For the header, and from then on promised.
uint16_t Engine::window_of(Connection& connection) {
  if (connection.state == State::syn_received) [[unlikely]] {  // a SYN-ACK that follows can't say more than its SYN did
    return static_cast<uint16_t>((connection.receive_edge - connection.receive_next) >> connection.receive_shift);
  }
  const Seq edge = grantable_edge(connection);
  const uint32_t window = edge - connection.receive_next;
  // Rounded up: down, the edge would go back.
  const uint32_t field =
      std::min<uint32_t>((window + (1U << connection.receive_shift) - 1) >> connection.receive_shift, UINT16_MAX);
  connection.receive_edge =
      later(connection.receive_edge, connection.receive_next + (field << connection.receive_shift));
  return static_cast<uint16_t>(field);
}

/// After some was read: not at each byte, and not while the peer has plenty.
bool Engine::is_window_worth_telling(const Connection& connection) const {
  const uint32_t left = connection.receive_edge - connection.receive_next;
  if (left >= config_.receive_buffer / 2) [[likely]] {
    return false;
  }
  const uint32_t gain = grantable_edge(connection) - connection.receive_edge;
  const uint32_t room = pieces_.promisable(0) * our_mss(connection.pair);
  const uint32_t buffer = std::min({config_.receive_buffer, UINT32_C(0xffff) << connection.receive_shift, room});
  return gain >= std::min<uint32_t>(2U * connection.mss, buffer / 2) && left < buffer / 2 &&
         !connection.has(Connection::fin_received);
}

}  // namespace weft::tcp
