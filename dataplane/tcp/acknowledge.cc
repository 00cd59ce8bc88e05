// SPDX-License-Identifier: Apache-2.0
/// @file What the peer has, what it lost, and what follows for how much may be sent: RFC 5681, 6298, 6582, 6937, 8985.
///
/// Each piece on its way carries when it was sent and what became of it, so losses are found by time (RACK) with SACK,
/// and by counting duplicate acknowledgments (NewReno) without; then sacked_bytes stands for what those say has left.
#include <algorithm>

#include "tcp/cubic.h"
#include "tcp/engine.h"
#include "tcp/round_trip.h"

namespace weft::tcp {
namespace {

constexpr uint32_t kDuplicates = 3;          ///< RFC 5681's and RFC 8985's threshold
constexpr uint8_t kMaxReorderingSteps = 20;  ///< of a quarter round trip: RFC 8985, section 6.2
constexpr uint8_t kReorderingRecoveries = 16;
/// A queue of up to so many pieces is walked along for every acknowledgment,
constexpr uint16_t kShortQueue = 256;
/// and longer ones while all walks of the millisecond had fewer steps: a tenth of it, or less.
constexpr uint32_t kStepsAMillisecond = 16 << 10;

/// RFC 8985, section 6.1: RACK_sent_after().
bool was_sent_after(uint32_t sent_at, Seq end, uint32_t other_sent_at, Seq other_end) {
  const auto later = static_cast<int32_t>(sent_at - other_sent_at);
  return later > 0 || (later == 0 && end > other_end);
}

}  // namespace

uint32_t Engine::outstanding(const Connection& connection) const {
  return connection.send_next - connection.send_unacknowledged;
}

/// What is thought to be on its way: RFC 6675's pipe.
uint32_t Engine::in_flight(const Connection& connection, const Details& details) const {
  const uint32_t gone = details.sacked_bytes + details.lost_bytes;
  const uint32_t sent = outstanding(connection);
  return sent > gone ? sent - gone : 0;
}

/// RFC 9293, section 3.10.7.4, fifth; RFC 5961, section 5. @returns false: the segment is not to be looked at further
bool Engine::take_acknowledgment(uint32_t c, const Segment& segment, const Options& options) {
  Connection& connection = connections_[c];
  Details& details = details_[c];
  const Seq acknowledgment = segment.acknowledgment;
  if (connection.state == State::syn_received) {
    if (acknowledgment != connection.send_unacknowledged + 1) {
      ++counters_.bad_acknowledgments;
      refuse(segment);
      return false;
    }
    connection.send_unacknowledged = connection.send_next = acknowledgment;
    become_established(c);
  }
  if (acknowledgment > connection.send_next) {
    ++counters_.bad_acknowledgments;
    challenge(c);
    return false;
  }
  if (acknowledgment < connection.send_unacknowledged) {
    if (connection.send_unacknowledged - acknowledgment > details.max_send_window) {
      ++counters_.bad_acknowledgments;
      challenge(c);
      return false;
    }
    return true;
  }
  details.flags &= static_cast<uint8_t>(~Details::unreachable);

  const bool advanced = acknowledgment > connection.send_unacknowledged;
  const bool same_window = uint32_t{segment.window} << connection.send_shift == connection.send_window;
  const bool is_duplicate = !advanced && same_window && segment.payload.empty() && (segment.flags & flag::fin) == 0 &&
                            outstanding(connection) > 0;
  Round round;
  if (advanced) {
    forget_acknowledged(c, acknowledgment, round);
  }
  take_window(c, segment, advanced);
  if (connection.has(Connection::sack) && options.block_count > 0 && may_walk(connection)) {
    take_blocks(c, options, acknowledgment, round);
  }
  if (advanced) {
    round.timed &= !round.resent;
    // An acknowledgment of a duplicate may echo the first one's timestamp (RFC 7323, section 5.3): its own was lost,
    // and what has passed since is timeouts.
    if (!round.timed && !round.duplicate && options.timestamps && connection.has(Connection::timestamps)) {
      const uint32_t rtt = timestamp(connection) - options.timestamps->echo;  // in milliseconds
      if (rtt < uint32_t{1} << 20) {
        round.timed = true;
        round.rtt = std::max(rtt, 1U) * 1000;
      }
    }
    if (round.timed) {
      measure(details, round.rtt);
      if (details.slow_start_threshold == UINT32_MAX) {
        look_for_queue(connection, details, round.rtt);
      }
    }
    details.retries = 0;
    // RFC 6298, section 5, the end: until then, what backing off made of the timeout stays.
    if (round.timed || round.duplicate) {
      details.back_off = 0;
    }
    undo(c, options);
  }
  if (connection.has(Connection::sack)) {
    count_sacked_duplicates(details, round, advanced);
    if (details.sacked_bytes > 0 || details.phase != Phase::open) {
      find_losses(c);
    }
  } else {
    count_duplicates(c, is_duplicate, advanced, round);
  }
  if (connection.has(Connection::probing)) {
    judge_probe(c, acknowledgment, is_duplicate, options);
  }
  change_phase(c, acknowledgment, advanced, round);
  if (advanced) {
    grow(c, round);
    if (connection.has(Connection::wants_room) && room_for_pieces(c) > 0) {
      connection.flags &= static_cast<uint16_t>(~Connection::wants_room);
      tell(c, event::writable);
    }
  }
  if (connection.unsent != kNone || details.lost_bytes > 0) {
    touch(c);
  }
  // While what was sent before the repetition still arrives, the repetition is not late: it is in the queue behind.
  // That is bounded by what was sent then. RFC 6298, section 5.3 would let the timer run, as it knows no selective
  // acknowledgments.
  set_timer(c, advanced || round.earlier, false);
  return !advanced || !connection.has(Connection::fin_queued) || connection.queued_bytes > 0 || our_fin_acknowledged(c);
}

/// All before it has arrived.
void Engine::forget_acknowledged(uint32_t c, Seq acknowledgment, Round& round) {
  Connection& connection = connections_[c];
  Details& details = details_[c];
  while (!connection.to_send.empty()) {
    Piece& piece = pieces_[connection.to_send.head];
    if (piece.end() > acknowledgment) {
      if (piece.sequence < acknowledgment) {  // some of it
        const uint32_t some = acknowledgment - piece.sequence;
        details.sacked_bytes -= piece.is(Piece::sacked) ? some : 0;
        details.lost_bytes -= piece.is(Piece::lost) ? some : 0;
        round.delivered += piece.is(Piece::sacked) ? 0 : some;
        piece.slice.trim_front(static_cast<uint16_t>(some));
        piece.sequence = acknowledgment;
      }
      break;
    }
    if (piece.is(Piece::sacked)) {
      details.sacked_bytes -= piece.length();
    } else {
      if (piece.is(Piece::lost)) {
        details.lost_bytes -= piece.length();
      }
      arrived(c, piece, round);
    }
    pieces_.give_back(connection.to_send.pop(pieces_));
    --connection.send_pieces;
    groups_.drop(group_of(connection), 1);
  }
  round.acknowledged = acknowledgment - connection.send_unacknowledged;
  connection.queued_bytes -= round.acknowledged;
  connection.send_unacknowledged = acknowledgment;
  details.highest_sacked = later(details.highest_sacked, acknowledgment);
}

/// The peer has it, by whatever says so.
void Engine::arrived(uint32_t c, const Piece& piece, Round& round) {
  Details& details = details_[c];
  round.delivered += piece.length();
  const uint32_t rtt = std::max(now_.micros - piece.sent_at, 1U);
  if (piece.is(Piece::ever_resent)) {
    round.resent = true;
    if (rtt < details.min_rtt) {
      return;  // of the first transmission, more likely
    }
  } else {
    round.timed = true;  // Karn's rule; of all that arrived, the one sent last
    round.rtt = rtt;
    if (piece.end() < details.highest_sacked) {
      details.flags |= Details::reordering_seen;
    }
  }
  if (details.rack_rtt == 0 || was_sent_after(piece.sent_at, piece.end(), details.rack_sent_at, details.rack_end)) {
    details.rack_sent_at = piece.sent_at;
    details.rack_end = piece.end();
    details.rack_rtt = rtt;
  }
}

/// RFC 2018, section 5; what is below the acknowledgment, or within the second block, is D-SACK (RFC 2883, section 4).
void Engine::take_blocks(uint32_t c, const Options& options, Seq acknowledgment, Round& round) {
  Connection& connection = connections_[c];
  Details& details = details_[c];
  std::array<Block, 4> said;  // in the order of the sequence, for one walk along the queue
  uint8_t count = 0;
  for (uint8_t i = 0; i < options.block_count; ++i) {
    const Block& block = options.blocks[i];
    if (block.begin >= block.end || block.end > connection.send_next) {
      continue;
    }
    const bool within_next = i == 0 && options.block_count > 1 && options.blocks[1].begin <= block.begin &&
                             block.end <= options.blocks[1].end;
    if (block.begin < acknowledgment || within_next) {
      if (i == 0) {
        round.duplicate = true;
        widen_reordering(connection, details);
      }
      continue;
    }
    uint8_t place = count++;
    for (; place > 0 && said[place - 1U].begin > block.begin; --place) {
      said[place] = said[place - 1U];
    }
    said[place] = block;
  }
  uint32_t at = connection.to_send.head;
  for (const Block& block : std::span(said).first(count)) {
    for (; at != connection.unsent && at != kNone && pieces_[at].sequence < block.end; at = pieces_[at].next) {
      Piece& piece = pieces_[at];
      ++steps_;
      if (piece.is(Piece::sacked)) {
        at = last_sacked(at);
        continue;
      }
      if (piece.sequence < block.begin || piece.end() > block.end) {
        continue;
      }
      if (piece.is(Piece::lost)) {
        details.lost_bytes -= piece.length();
      }
      piece.flags = static_cast<uint8_t>((piece.flags & ~Piece::lost) | Piece::sacked);
      details.sacked_bytes += piece.length();
      round.sacked = true;
      const auto before_first = static_cast<int32_t>(pieces_[connection.to_send.head].sent_at - piece.sent_at);
      round.earlier |= before_first > 0 && !piece.is(Piece::ever_resent);
      arrived(c, piece, round);
    }
  }
  for (const Block& block : std::span(said).first(count)) {
    details.highest_sacked = later(details.highest_sacked, block.end);
  }
}

/// The last of those that are sacked without a gap, from this one on, so that walks leap over them.
uint32_t Engine::last_sacked(uint32_t from) {
  uint32_t last = from;
  for (;;) {
    ++steps_;
    last = pieces_[last].is(Piece::leaps) ? pieces_[last].sent_at : last;
    const uint32_t next = pieces_[last].next;
    if (next == kNone || !pieces_[next].is(Piece::sacked)) {
      break;
    }
    last = next;
  }
  pieces_[from].flags |= Piece::leaps;
  pieces_[from].sent_at = last;
  return last;
}

/// A peer that leaves gaps in a long queue makes each of its acknowledgments a walk along it, which may cost ten times
/// what the acknowledgment costs the peer. Beyond a bound, what they say is passed over: the next says it again, or the
/// timeout comes.
bool Engine::may_walk(const Connection& connection) const {
  return connection.send_pieces <= kShortQueue || steps_ < kStepsAMillisecond;
}

/// RFC 8985, section 6.2, step 4: something was sent twice for nothing, so losses are to be judged later. A step a
/// round trip, and back again after so many recoveries in which that did not happen.
void Engine::widen_reordering(const Connection& connection, Details& details) {
  if (details.reordering_recoveries > 0 && connection.send_unacknowledged < details.duplicate_round) {
    return;
  }
  details.duplicate_round = connection.send_next;
  details.reordering_steps = std::min<uint8_t>(details.reordering_steps + 1U, kMaxReorderingSteps);
  details.reordering_recoveries = kReorderingRecoveries;
}

void Engine::narrow_reordering(Details& details) {
  if (details.reordering_recoveries > 0 && --details.reordering_recoveries == 0) {
    details.reordering_steps = 1;
  }
}

/// RFC 6675, section 2: with SACK, a duplicate acknowledgment is one that says something new.
void Engine::count_sacked_duplicates(Details& details, const Round& round, bool advanced) {
  if (advanced && details.phase == Phase::open && details.sacked_bytes == 0) {
    details.duplicate_acks = 0;
  } else if (round.sacked && !advanced) {
    details.duplicate_acks = static_cast<uint8_t>(std::min(details.duplicate_acks + 1, 255));
  }
}

/// RFC 8985, section 6.2, step 5: what was sent long enough before something that arrived.
void Engine::find_losses(uint32_t c) {
  Connection& connection = connections_[c];
  Details& details = details_[c];
  if (details.rack_rtt == 0 || !may_walk(connection)) {
    return;
  }
  uint32_t window = 0;
  const bool is_certain = details.phase != Phase::open || details.duplicate_acks >= kDuplicates ||
                          details.sacked_bytes >= kDuplicates * connection.mss;
  if ((details.flags & Details::reordering_seen) != 0 || !is_certain) {
    window = std::min(details.min_rtt / 4 * details.reordering_steps, details.srtt);
  }
  int32_t wait = 0;
  for (uint32_t at = connection.to_send.head; at != connection.unsent && at != kNone; at = pieces_[at].next) {
    Piece& piece = pieces_[at];
    ++steps_;
    if (piece.is(Piece::sacked | Piece::lost)) {
      at = piece.is(Piece::sacked) ? last_sacked(at) : at;
      continue;
    }
    if (!was_sent_after(details.rack_sent_at, details.rack_end, piece.sent_at, piece.end())) {
      if (!piece.is(Piece::ever_resent)) {
        break;  // those behind it were sent later still
      }
      continue;
    }
    const auto remaining = static_cast<int32_t>(piece.sent_at + details.rack_rtt + window - now_.micros);
    if (remaining <= 0) {
      lose(details, piece);
    } else {
      wait = std::max(wait, remaining);
    }
  }
  if (wait > 0) {
    start_timer(c, Timer::reordering, static_cast<uint32_t>(wait + 999) / 1000);
  } else if (connection.timer == Timer::reordering) {
    connection.timer = Timer::none;
  }
}

void Engine::lose(Details& details, Piece& piece) {
  piece.flags = static_cast<uint8_t>((piece.flags & ~Piece::resent) | Piece::lost);
  details.lost_bytes += piece.length();
}

/// Without SACK: RFC 5681, section 3.2, and RFC 6582.
void Engine::count_duplicates(uint32_t c, bool is_duplicate, bool advanced, Round& round) {
  Connection& connection = connections_[c];
  Details& details = details_[c];
  const auto lose_first = [&] {
    Piece& first = pieces_[connection.to_send.head];
    if (!first.is(Piece::lost)) {
      details.sacked_bytes = std::min(details.sacked_bytes, outstanding(connection) - first.length());
      lose(details, first);
    }
  };
  if (is_duplicate) {
    details.duplicate_acks = static_cast<uint8_t>(std::min(details.duplicate_acks + 1, 255));
    const uint32_t most = outstanding(connection) - details.lost_bytes;
    if (details.sacked_bytes + connection.mss <= most) {  // a segment has left; which one is not known
      details.sacked_bytes += connection.mss;
      round.delivered += connection.mss;
    }
    if (details.duplicate_acks == kDuplicates && details.phase == Phase::open &&
        acknowledged_since_recovery(connection, details)) {
      lose_first();
    }
  } else if (advanced && details.phase == Phase::recovery && connection.send_unacknowledged < details.recovery_point) {
    const uint32_t known = round.acknowledged > connection.mss ? round.acknowledged - connection.mss : 0;
    details.sacked_bytes -= std::min(details.sacked_bytes, known);
    details.sacked_bytes = std::min(details.sacked_bytes, outstanding(connection) - details.lost_bytes);
    if (!connection.to_send.empty() && !pieces_[connection.to_send.head].is(Piece::resent)) {
      lose_first();  // a partial acknowledgment: the next hole
    }
  } else if (advanced) {
    details.duplicate_acks = 0;
    details.sacked_bytes = 0;
  }
}

/// RFC 6582, section 3.2, step 2: not those of what was sent before the last recovery ended.
bool Engine::acknowledged_since_recovery(const Connection& connection, const Details& details) const {
  return connection.send_unacknowledged >= details.recovery_point;
}

/// RFC 8985, section 7.4: was the tail loss probe needed? Then something was lost, and that is a sign of congestion.
void Engine::judge_probe(uint32_t c, Seq acknowledgment, bool is_duplicate, const Options& options) {
  Connection& connection = connections_[c];
  Details& details = details_[c];
  const bool is_dsack = options.block_count > 0 && options.blocks[0].begin < acknowledgment;
  if ((details.flags & Details::probe_was_new) != 0 || is_dsack) {
    if (acknowledgment >= details.probe_end || is_dsack) {
      connection.flags &= static_cast<uint16_t>(~Connection::probing);
    }
  } else if (acknowledgment > details.probe_end) {
    connection.flags &= static_cast<uint16_t>(~Connection::probing);
    if (details.phase == Phase::open) {
      reduce_threshold(connection, details);
      connection.congestion_window = std::min(connection.congestion_window, details.slow_start_threshold);
    }
  } else if (acknowledgment == details.probe_end && is_duplicate && options.block_count == 0) {
    connection.flags &= static_cast<uint16_t>(~Connection::probing);
  }
}

void Engine::change_phase(uint32_t c, Seq acknowledgment, bool advanced, const Round& round) {
  Connection& connection = connections_[c];
  Details& details = details_[c];
  if (details.phase == Phase::open) {
    if (details.lost_bytes == 0) {
      return;
    }
    enter_recovery(c);
  } else if (advanced && acknowledgment >= details.recovery_point) {
    if (details.phase == Phase::recovery) {
      connection.congestion_window = details.slow_start_threshold;
    }
    details.phase = Phase::open;
    details.undo_window = 0;
    details.duplicate_acks = 0;
    if (!round.duplicate) {
      narrow_reordering(details);
    }
    if (!connection.has(Connection::sack)) {
      details.sacked_bytes = 0;
    }
    if (details.lost_bytes > 0) {
      enter_recovery(c);
    }
  }
  if (details.phase == Phase::recovery) {
    pace(c, round.delivered, advanced);
  }
}

void Engine::enter_recovery(uint32_t c) {
  Connection& connection = connections_[c];
  Details& details = details_[c];
  ++counters_.fast_recoveries;
  details.phase = Phase::recovery;
  details.recovery_point = connection.send_next;
  details.recovery_flight = std::max(outstanding(connection), uint32_t{connection.mss});
  details.recovery_delivered = details.recovery_sent = 0;
  connection.flags &= static_cast<uint16_t>(~Connection::probing);
  reduce(c);
}

/// And keeps what undo() needs.
void Engine::reduce(uint32_t c) {
  const Connection& connection = connections_[c];
  Details& details = details_[c];
  details.undo_window = connection.congestion_window;
  details.undo_timestamp = timestamp(connection);
  details.flags &= static_cast<uint8_t>(~Details::undo_to_slow_start);
  details.flags |= details.slow_start_threshold == UINT32_MAX ? Details::undo_to_slow_start : 0;
  reduce_threshold(connection, details);
}

/// Proportional rate reduction (RFC 6937, section 3.1): as much is sent as arrives, less the reduction's share.
void Engine::pace(uint32_t c, uint32_t newly_delivered, bool advanced) {
  Connection& connection = connections_[c];
  Details& details = details_[c];
  details.recovery_delivered += newly_delivered;
  const uint32_t pipe = in_flight(connection, details);
  const uint32_t threshold = details.slow_start_threshold;
  uint32_t allowed;
  if (pipe > threshold) {
    const uint64_t share =
        (uint64_t{details.recovery_delivered} * threshold + details.recovery_flight - 1) / details.recovery_flight;
    allowed = share > details.recovery_sent ? static_cast<uint32_t>(share) - details.recovery_sent : 0;
  } else {
    uint32_t limit =
        details.recovery_delivered > details.recovery_sent ? details.recovery_delivered - details.recovery_sent : 0;
    if (advanced) {
      limit = std::max(limit, newly_delivered) + connection.mss;
    }
    allowed = std::min(threshold - pipe, limit);
  }
  if (details.recovery_sent == 0) {
    allowed = std::max<uint32_t>(allowed, connection.mss);  // the fast retransmit
  }
  connection.congestion_window = pipe + allowed;
}

/// Only a window that was full has shown that it could be larger (RFC 7661, section 4.1).
void Engine::grow(uint32_t c, const Round& round) {
  Connection& connection = connections_[c];
  Details& details = details_[c];
  if (details.phase != Phase::recovery && connection.has(Connection::cwnd_limited)) {
    grow_window(connection, details, round.acknowledged, now_.millis);
  } else if (outstanding(connection) < connection.congestion_window / 2) {
    details.epoch = 0;  // time in which nobody asks for more is no time to grow in (RFC 9438, section 4.2)
  }
}

/// Eifel (RFC 3522): an acknowledgment that echoes what was sent before the first retransmission shows that it was
/// needless; then (RFC 4015, section 3.2) the window is what it was, and so is the threshold if there was none: slow
/// start goes on.
void Engine::undo(uint32_t c, const Options& options) {
  Connection& connection = connections_[c];
  Details& details = details_[c];
  if (details.phase == Phase::open || details.undo_window == 0 || !connection.has(Connection::timestamps) ||
      !options.timestamps || static_cast<int32_t>(options.timestamps->echo - details.undo_timestamp) >= 0) {
    return;
  }
  ++counters_.spurious;
  for (uint32_t at = connection.to_send.head; at != connection.unsent && at != kNone; at = pieces_[at].next) {
    pieces_[at].flags &= static_cast<uint8_t>(~Piece::lost);
  }
  details.lost_bytes = 0;
  details.slow_start_threshold = (details.flags & Details::undo_to_slow_start) != 0
                                     ? UINT32_MAX
                                     : std::max(details.slow_start_threshold, details.undo_window);
  connection.congestion_window = std::max(connection.congestion_window, details.undo_window);
  details.phase = Phase::open;
  details.undo_window = 0;
  details.duplicate_acks = 0;
}

/// @returns false: that was the end
bool Engine::our_fin_acknowledged(uint32_t c) {
  Connection& connection = connections_[c];
  switch (connection.state) {
    case State::fin_wait_1:
      connection.state = State::fin_wait_2;
      if (connection.has(Connection::orphan)) {
        start_timer(c, Timer::fin_wait_2, static_cast<uint32_t>(config_.fin_wait_2.count()));
      }
      return true;
    case State::closing:
      enter_time_wait(c);
      return false;
    case State::last_ack:
      leave_wire(c);
      finish(c);
      return false;
    default:
      return true;
  }
}

}  // namespace weft::tcp
