// SPDX-License-Identifier: Apache-2.0
/// @file Timers: one for what was sent, one for acknowledgments, one to keep alive; all in one place of the wheel.
///
/// The wheel is armed lazily: a timer that moves away is one store here, and the wheel asks again when it fires early.
#include <algorithm>

#include "tcp/cubic.h"
#include "tcp/engine.h"
#include "tcp/round_trip.h"

namespace weft::tcp {
namespace {

/// RFC 8985, section 7.2: how long a peer may delay its acknowledgment of a single segment.
constexpr uint32_t kWorstDelayedAck = 200;
/// The shortest wait before a tail loss probe: below, it would test the peer's scheduling, not the path.
constexpr uint32_t kLeastProbe = 10;
/// Handshakes to look at in a turn.
constexpr uint32_t kHalfOpensATurn = 256;
/// Segment sizes to fall back to when nothing large comes through (RFC 4821, section 7.4; RFC 8200, section 5), with
/// the headers' and the options' share left out.
constexpr uint16_t kSmallMss = 1220 - kTimestampBytes;
constexpr uint16_t kSmallestMss = 536 - kTimestampBytes;
constexpr uint8_t kTimeoutsOfBlackHole = 2;

bool is_due(time::Millis when, time::Millis now) {
  return static_cast<int32_t>(now - when) >= 0;
}
void back_off(Details& details) {
  details.retries = static_cast<uint8_t>(std::min(details.retries + 1, 255));
  details.back_off = std::min<uint8_t>(details.back_off + 1U, Details::kMaxBackOff);
}
time::Millis first_of(std::optional<time::Millis> a, time::Millis b) {
  return a && static_cast<int32_t>(b - *a) > 0 ? *a : b;
}

}  // namespace

bool Engine::advance(time::Time now, Output& output, uint32_t budget) {
  begin(now, output);
  const uint32_t used = wheel_.advance(now_.millis, budget, [this](uint32_t c) { return fire(c); });
  retry_half_opens();
  uint32_t ended = 0;
  for (;
       ended < budget && time_waits_.oldest() != kNone && is_due(time_waits_[time_waits_.oldest()].expiry, now_.millis);
       ++ended) {
    const uint32_t expired = time_waits_.oldest();
    table_.erase(time_waits_[expired].hash, {Reference::Kind::time_wait, expired});
    time_waits_.remove(expired);
  }
  tell_events();
  output_ = nullptr;
  return used == budget || ended == budget;
}

std::optional<time::Time> Engine::next_deadline(time::Time now) const {
  if (!touched_.empty() || !eventful_.empty() || (!starved_writers_.empty() && pieces_.may_write()) ||
      (!starved_movers_.empty() && pieces_.may_move()) || (!starved_closers_.empty() && pieces_.free() > 0)) {
    return now;
  }
  std::optional<time::Millis> first = wheel_.next_deadline();
  if (const std::optional<time::Millis> due = half_opens_.next_due()) {
    first = first_of(first, *due);
  }
  if (time_waits_.oldest() != kNone) {
    first = first_of(first, time_waits_[time_waits_.oldest()].expiry);
  }
  if (!first) {
    return std::nullopt;
  }
  const auto away = static_cast<int32_t>(*first - time::to_millis(now));
  if (away <= 0) {
    return now;
  }
  // Ticks begin at whole milliseconds.
  return time::Time(std::chrono::milliseconds(now.count() / 1'000'000 + away));
}

/// The wheel's call. @returns when to call again
std::optional<time::Millis> Engine::fire(uint32_t c) {
  Connection& connection = connections_[c];
  if (!connection.has(Connection::on_wire)) {
    return std::nullopt;
  }
  if (connection.has(Connection::ack_later) && is_due(connection.acknowledge_at, now_.millis)) {
    connection.flags |= Connection::ack_now;
    touch(c);
  }
  if (connection.timer != Timer::none && is_due(connection.fires_at, now_.millis)) {
    fire_timer(c);
  }
  if (connection.has(Connection::on_wire)) {
    check_keepalive(c);
  }
  return connection.has(Connection::on_wire) ? next_timer(c) : std::nullopt;
}

std::optional<time::Millis> Engine::next_timer(uint32_t c) const {
  const Connection& connection = connections_[c];
  std::optional<time::Millis> first;
  if (connection.timer != Timer::none) {
    first = connection.fires_at;
  }
  if (connection.has(Connection::ack_later) && !connection.has(Connection::ack_now)) {
    first = first_of(first, connection.acknowledge_at);
  }
  if (const std::optional<time::Millis> keepalive = keepalive_at(c)) {
    // The answer may come first, and then the next question is due before another try would have been.
    first = first_of(first, *keepalive);
    first = first_of(first, now_.millis + static_cast<time::Millis>(config_.keepalive_idle.count()));
  }
  return first;
}

void Engine::start_timer(uint32_t c, Timer timer, uint32_t after) {
  Connection& connection = connections_[c];
  connection.timer = timer;
  connection.fires_at = now_.millis + std::max(after, 1U);
  wheel_.arm(c, connection.fires_at);
}

/// After something was sent or acknowledged: what is waited for now?
/// @param progress the peer acknowledged something new (RFC 6298, section 5.3)
/// @param sent something that was not sent before: like progress, it puts the tail loss probe off (RFC 8985,
/// section 7.2)
void Engine::set_timer(uint32_t c, bool progress, bool sent) {
  Connection& connection = connections_[c];
  const Details& details = details_[c];
  if (connection.send_next == connection.send_unacknowledged) {
    if (connection.unsent != kNone) {  // the peer's window is closed, or too small
      if (connection.timer != Timer::persist) {
        start_timer(c, Timer::persist, retransmission_timeout(details, config_));
      }
    } else if (connection.timer != Timer::fin_wait_2 && connection.timer != Timer::none) {
      connection.timer = Timer::none;
      connection.fires_at = now_.millis;
    }
    return;
  }
  if (connection.timer == Timer::reordering) {
    return;
  }
  const uint32_t timeout = retransmission_timeout(details, config_);
  const bool may_probe = connection.has(Connection::sack) && details.phase == Phase::open &&
                         details.sacked_bytes + details.lost_bytes == 0 && details.retries == 0 &&
                         !connection.has(Connection::probing) && details.srtt != 0;
  if (may_probe) {
    if (connection.timer == Timer::tail_probe && !progress && !sent) {
      return;  // whatever else the peer may say
    }
    uint32_t wait = std::max(2 * details.srtt / 1000 + 1, kLeastProbe);
    if (outstanding(connection) <= connection.mss) {
      wait += kWorstDelayedAck;
    }
    start_timer(c, Timer::tail_probe, std::min(wait, timeout));
  } else if (connection.timer != Timer::rto || progress) {
    start_timer(c, Timer::rto, timeout);
  }
}

void Engine::fire_timer(uint32_t c) {
  Connection& connection = connections_[c];
  Details& details = details_[c];
  switch (std::exchange(connection.timer, Timer::none)) {
    case Timer::rto:
      return time_out_transmission(c);
    case Timer::tail_probe:
      connection.flags |= Connection::probe_now;
      touch(c);
      return start_timer(c, Timer::rto, retransmission_timeout(details, config_));
    case Timer::reordering:
      find_losses(c);
      if (details.lost_bytes > 0 && details.phase == Phase::open) {
        enter_recovery(c);
      }
      if (details.phase == Phase::recovery) {
        pace(c, 0, false);
      }
      touch(c);
      return set_timer(c, false, false);
    case Timer::persist:
      if (is_given_up(c)) {
        ++counters_.timeouts;
        return end(c, event::timed_out);
      }
      back_off(details);
      connection.flags |= Connection::ask_now;
      touch(c);
      return start_timer(c, Timer::persist, retransmission_timeout(details, config_));
    case Timer::fin_wait_2:  // the peer does not close, and nobody waits for it any more
      leave_wire(c);
      return finish(c);
    case Timer::none:
      return;
  }
}

/// RFC 9293, section 3.8.3: R2. A peer whose window is closed may keep it closed for as long as it answers, if somebody
/// waits for it (section 3.8.6.1).
bool Engine::is_given_up(uint32_t c) const {
  const Connection& connection = connections_[c];
  const time::Millis unheard = time::elapsed(details_[c].heard_at, now_.millis);
  if (connection.state == State::syn_sent || connection.state == State::syn_received) {
    return unheard >= static_cast<uint64_t>(config_.connect_timeout.count());
  }
  return details_[c].retries >= config_.data_retries &&
         (connection.send_window > 0 || connection.has(Connection::orphan) ||
          unheard >= 2 * static_cast<uint64_t>(config_.max_rto.count()));
}

/// RFC 6298, section 5.4 to 5.7; RFC 5681, section 3.1.
void Engine::time_out_transmission(uint32_t c) {
  Connection& connection = connections_[c];
  Details& details = details_[c];
  ++counters_.rto_fired;
  const bool connecting = connection.state == State::syn_sent || connection.state == State::syn_received;
  if (is_given_up(c)) {
    ++counters_.timeouts;
    return end(c, event::timed_out);
  }
  touch(c);
  if (connecting) {
    back_off(details);
    ++counters_.retransmitted;
    connection.send_next = connection.send_unacknowledged;
    return;  // sending starts the timer
  }
  if (details.phase == Phase::open || connection.send_unacknowledged >= details.recovery_point) {
    reduce(c);
  }
  back_off(details);
  fall_back(c);
  // RFC 2018, section 8: a peer that has dropped what it said it had shows that by the first of it.
  const bool renege = pieces_[connection.to_send.head].is(Piece::sacked) || !connection.has(Connection::sack);
  details.lost_bytes = 0;
  if (renege) {
    details.sacked_bytes = 0;
  }
  for (uint32_t at = connection.to_send.head; at != connection.unsent && at != kNone; at = pieces_[at].next) {
    Piece& piece = pieces_[at];
    if (renege) {
      piece.forget_leap(now_.micros);
      piece.flags &= static_cast<uint8_t>(~Piece::sacked);
    }
    if (!piece.is(Piece::sacked)) {
      lose(details, piece);
    }
  }
  details.phase = Phase::loss;
  details.recovery_point = connection.send_next;
  details.duplicate_acks = 0;
  connection.congestion_window = connection.mss;
  connection.flags &= static_cast<uint16_t>(~Connection::probing);
  start_timer(c, Timer::rto, retransmission_timeout(details, config_));
}

/// RFC 4821: large segments vanish, and nobody says why. Smaller ones may come through.
void Engine::fall_back(uint32_t c) {
  Connection& connection = connections_[c];
  Details& details = details_[c];
  if (details.retries < kTimeoutsOfBlackHole) {
    return;
  }
  const bool is_ipv4 = connection.pair.remote.is_ipv4();
  const uint16_t next = connection.mss > kSmallMss ? kSmallMss : is_ipv4 ? kSmallestMss : connection.mss;
  uint32_t bytes = 0;  // of the segment that does not come through
  for (uint32_t at = connection.to_send.head; at != connection.unsent && at != kNone; at = pieces_[at].next) {
    bytes = std::min<uint32_t>(bytes + pieces_[at].length(), connection.mss);
  }
  if (next < bytes) {
    connection.mss = next;
    ++counters_.black_holes;
  }
}

/// RFC 9293, section 3.8.4: of connections on which nothing moves.
std::optional<time::Millis> Engine::keepalive_at(uint32_t c) const {
  const Connection& connection = connections_[c];
  const Details& details = details_[c];
  if (config_.keepalive_idle.count() == 0 || connection.send_next != connection.send_unacknowledged ||
      connection.unsent != kNone || connection.state < State::established) {
    return std::nullopt;
  }
  const auto idle = static_cast<time::Millis>(config_.keepalive_idle.count());
  const auto interval = static_cast<time::Millis>(config_.keepalive_interval.count());
  return details.heard_at + idle + details.retries * interval;
}

void Engine::arm_keepalive(uint32_t c) {
  if (const std::optional<time::Millis> at = keepalive_at(c)) {
    wheel_.arm(c, *at);
  }
}

void Engine::check_keepalive(uint32_t c) {
  const std::optional<time::Millis> at = keepalive_at(c);
  if (!at || !is_due(*at, now_.millis)) {
    return;
  }
  Details& details = details_[c];
  if (details.retries >= config_.keepalive_probes) {
    ++counters_.timeouts;
    reset_peer(c);
    return end(c, event::timed_out);
  }
  ++details.retries;  // no back-off: the interval is fixed
  connections_[c].flags |= Connection::ask_now;
  touch(c);
}

/// SYN-ACKs that were not answered.
void Engine::retry_half_opens() {
  for (uint32_t i = 0; i < kHalfOpensATurn; ++i) {
    const uint32_t due = half_opens_.due(now_.millis);
    if (due == kNone) {
      return;
    }
    const HalfOpen& half_open = half_opens_[due];
    if (half_open.tries >= config_.syn_ack_retries) {
      ++counters_.half_open_expired;
      forget_half_open(due, keyed_.place_of(half_open.pair));
      continue;
    }
    ++counters_.retransmitted;
    send_syn_ack(half_open, now_.millis + keyed_.timestamp_of(half_open.pair));
    const auto first = static_cast<time::Millis>(config_.initial_rto.count());
    half_opens_.retry(due, now_.millis + (first << (half_open.tries + 1)));
  }
}

}  // namespace weft::tcp
