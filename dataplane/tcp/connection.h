// SPDX-License-Identifier: Apache-2.0
/// @file What is kept of a connection: 128 bytes that each segment touches, and 128 that most do not.
///
/// Names are RFC 9293's (section 3.3.1) where it has one: send_unacknowledged is its SND.UNA.
#pragma once

#include <cstdint>

#include "tcp/piece.h"
#include "tcp/segment.h"
#include "time/clock.h"

namespace weft::tcp {

enum class State : uint8_t {
  closed,  ///< on the wire; there may be bytes left to read
  syn_sent,
  syn_received,  ///< of a simultaneous open; others are not connections yet
  established,
  fin_wait_1,
  fin_wait_2,
  closing,
  close_wait,
  last_ack,
};

/// What the one retransmission timer is set for (RFC 8985, section 8).
enum class Timer : uint8_t { none, rto, tail_probe, reordering, persist, fin_wait_2 };

/// What congestion control is doing.
enum class Phase : uint8_t {
  open,
  recovery,  ///< repairs what the peer's acknowledgments show to be lost
  loss,      ///< starts again after a retransmission timeout
};

struct alignas(64) Connection {
  enum : uint16_t {
    timestamps = 1 << 0,  ///< both sides send them
    sack = 1 << 1,        ///< both sides may
    ack_now = 1 << 2,
    ack_later = 1 << 3,  ///< at acknowledge_at
    touched = 1 << 4,    ///< in the list of those to flush
    fin_queued = 1 << 5,
    fin_received = 1 << 6,   ///< in order
    orphan = 1 << 7,         ///< the application has closed it
    wants_room = 1 << 8,     ///< it was refused a write
    cwnd_limited = 1 << 9,   ///< the congestion window stopped the last flush
    probing = 1 << 10,       ///< a tail loss probe is on its way
    on_wire = 1 << 11,       ///< the table leads to it
    probe_now = 1 << 12,     ///< the tail loss probe is due
    ask_now = 1 << 13,       ///< a segment that asks for an acknowledgment is due: window probe, keepalive
    reset_wanted = 1 << 14,  ///< a reset is due, and that is the end
    in_use = 1 << 15,
  };

  SocketPair pair;
  State state = State::closed;
  Timer timer = Timer::none;
  uint16_t flags = 0;
  uint32_t generation = 0;

  Seq receive_next;
  Seq receive_edge;  ///< the first byte that we did not allow to be sent
  Seq acknowledged;  ///< the last acknowledgment that we sent

  Seq send_unacknowledged;
  Seq send_next;
  uint32_t send_window = 0;
  Seq window_sequence;  ///< SND.WL1
  uint32_t congestion_window = 0;

  uint16_t mss = 0;  ///< bytes of payload in a full segment of ours
  uint8_t send_shift : 4 = 0;
  uint8_t receive_shift : 4 = 0;
  uint8_t path = 0;     ///< the last segment's
  uint32_t recent = 0;  ///< TS.Recent
  uint32_t timestamp_offset = 0;

  Queue received;
  uint32_t received_bytes = 0;
  Queue to_send;              ///< from send_unacknowledged on
  uint32_t unsent = kNone;    ///< the first of to_send that was never sent
  uint32_t queued_bytes = 0;  ///< in to_send

  time::Millis fires_at = 0;  ///< the timer; while there is none: since when all is acknowledged
  time::Millis acknowledge_at = 0;

  uint16_t received_pieces = 0;  ///< in received,
  uint16_t send_pieces = 0;      ///< and in to_send

  bool has(uint16_t any_of) const { return (flags & any_of) != 0; }
};
static_assert(sizeof(Connection) == 128);

/// The other half.
struct alignas(64) Details {
  enum : uint8_t {
    reordering_seen = 1 << 0,
    probe_was_new = 1 << 1,       ///< the tail loss probe carried bytes that were not sent before
    unreachable = 1 << 2,         ///< an ICMP error said so since the peer was last heard
    syn_lost = 1 << 3,            ///< ours had to be sent again
    undo_to_slow_start = 1 << 4,  ///< there was no threshold yet when recovery took undo_window
    starved = 1 << 5,             ///< in a list of those that were refused room for want of pieces
    fin_waits = 1 << 6,           ///< for a piece; nothing more is written
    duplicate_heard = 1 << 7,     ///< something came twice in this batch: D-SACK is to be sent
  };

  // Round-trip time (RFC 6298), in microseconds.
  uint32_t srtt = 0;  ///< 0: not measured yet
  uint32_t rttvar = 0;
  uint32_t min_rtt = UINT32_MAX;

  // CUBIC (RFC 9438). Windows in bytes.
  uint32_t slow_start_threshold = UINT32_MAX;
  float window_max = 0;
  float window_reno = 0;   ///< what Reno would have
  float k = 0;             ///< seconds from the epoch's beginning to window_max
  time::Millis epoch = 0;  ///< 0: not in congestion avoidance

  // HyStart++ (RFC 9406), in the first slow start. Round trips in microseconds.
  Seq round_end;                         ///< of what had been sent when the round began
  uint32_t round_rtt = UINT32_MAX;       ///< the least of this round
  uint32_t last_round_rtt = UINT32_MAX;  ///< of the last; in conservative slow start: the one that it began with

  // Loss recovery.
  Seq recovery_point;
  uint32_t sacked_bytes = 0;
  uint32_t lost_bytes = 0;
  uint32_t recovery_flight = 0;     ///< PRR (RFC 6937): what was in flight when it began,
  uint32_t recovery_delivered = 0;  ///< what arrived since,
  uint32_t recovery_sent = 0;       ///< and what was sent
  Seq highest_sacked;
  Seq rack_end;  ///< RFC 8985: of what arrived, what was sent last
  uint32_t rack_sent_at = 0;
  uint32_t rack_rtt = 0;
  Seq duplicate_round;       ///< RFC 8985: dsack_round
  Seq probe_end;             ///< of the tail loss probe
  uint32_t undo_window = 0;  ///< what recovery took; 0: nothing to give back
  uint32_t undo_timestamp = 0;

  // Receiving.
  uint32_t beyond = kNone;  ///< the first range beyond a gap
  uint32_t max_send_window = 0;
  time::Millis challenged_at = 0;

  time::Millis heard_at = 0;  ///< the last acceptable segment; while connecting: when that began
  uint32_t user = 0;
  uint16_t pending = 0;  ///< events to be told
  uint8_t retries = 0;   ///< timeouts without progress
  uint8_t duplicate_acks = 0;
  uint8_t flags = 0;
  uint8_t back_off : 4 = 0;  ///< how often the timeout was doubled since a round trip was timed; kMaxBackOff at most
  uint8_t round_samples : 4 = 0;          ///< HyStart++: round trips timed in this round, up to what it asks for
  uint8_t reordering_steps : 5 = 1;       ///< RFC 8985: reo_wnd_mult,
  uint8_t conservative_rounds : 3 = 0;    ///< HyStart++: in the how manyth of conservative slow start; 0: in none
  uint8_t reordering_recoveries : 5 = 0;  ///< RFC 8985: reo_wnd_persist
  Phase phase : 2 = Phase::open;

  static constexpr uint8_t kMaxBackOff = 15;
};
static_assert(sizeof(Details) == 128);

}  // namespace weft::tcp
