// SPDX-License-Identifier: Apache-2.0
/// @file How connections begin and what is left of them: listeners, half-open connections, cookies, SYN-SENT,
/// TIME-WAIT.
#include <algorithm>
#include <array>

#include "tcp/engine.h"
#include "tcp/round_trip.h"

namespace weft::tcp {
namespace {

constexpr uint16_t kIpv4Headers = 40;  ///< of IP and TCP, without options
constexpr uint16_t kIpv6Headers = 60;

/// What a cookie can say of the peer's maximum segment size: the largest of these that does not exceed it.
constexpr std::array<uint16_t, 8> kCookieMss = {kMinMss, 536, 1024, 1220, 1360, 1400, 1440, 1460};
/// A cookie's age is counted in these, modulo 32.
constexpr time::Time kCookiePeriod = std::chrono::seconds(64);
constexpr uint32_t kCookiePeriods = 2;  ///< that it is good for
/// In the lowest bits of a cookie's timestamp: the peer's window shift, 15 for none, and whether it may be sent SACK.
constexpr uint32_t kSaidByTimestamp = 0x1f;

uint32_t cookie_period(time::Time now) {
  return static_cast<uint32_t>(now / kCookiePeriod);
}

}  // namespace

/// The listener's, TIME-WAIT's and nobody's segments (RFC 9293, sections 3.10.7.1 and 3.10.7.2).
void Engine::arrive_for_none(Segment& segment, uint64_t place) {
  if ((segment.flags & flag::rst) != 0 || segment.listener == Segment::kSilent) {
    return;
  }
  const uint32_t listener = listener_of(segment);
  if (listener == kNone) {
    return refuse(segment);
  }
  if ((segment.flags & flag::ack) != 0) {
    if ((segment.flags & flag::syn) == 0 && accept_cookie(segment, place)) {
      return;
    }
    // Data may overtake the segment that answers the cookie: a reset would end a connection that is about to begin.
    const bool may_begin = cookies_until_ && now_.time <= *cookies_until_ && !segment.payload.empty();
    return may_begin ? void() : refuse(segment);
  }
  if ((segment.flags & flag::syn) != 0 && (segment.flags & flag::fin) == 0) {
    return begin_handshake(segment, place, {});
  }
  ++counters_.invalid;
}

uint32_t Engine::listener_of(const Segment& segment) const {
  if (segment.listener < listeners_.size()) {
    return segment.listener;
  }
  const auto found = listening_.find({segment.pair.local, segment.pair.local_port});
  return found == listening_.end() ? kNone : found->second;
}

/// Half-open connections that one listener may have: as many as are free, so that floods leave some to who is not
/// flooded.
uint32_t Engine::half_open_share() const {
  return std::max(half_opens_.capacity() - half_opens_.size(), 1U);
}

/// @param at_least what our first sequence number must be after, if it is not 0 (RFC 9293, section 3.6.1: of a pair in
/// TIME-WAIT)
void Engine::begin_handshake(Segment& segment, uint64_t place, Seq at_least) {
  const Options options = decode_options({segment.options, segment.options_length});
  HalfOpen half_open;
  half_open.pair = segment.pair;
  half_open.path = segment.path;
  half_open.peer_first = segment.sequence;
  half_open.mss = options.mss.value_or(default_mss(segment.pair));
  half_open.listener = static_cast<uint16_t>(listener_of(segment));
  half_open.timestamps = config_.timestamps && options.timestamps;
  half_open.recent = half_open.timestamps ? options.timestamps->value : 0;
  half_open.sack = config_.selective_acks && options.sack_permitted;
  if (config_.window_scale && options.window_shift) {
    half_open.shift = *options.window_shift;
  }
  Listener& listener = listeners_[half_open.listener];
  if (half_opens_.is_full() || listener.half_open >= half_open_share()) {
    return send_cookie(half_open);
  }
  half_open.first = initial_sequence(keyed_.sequence_of(segment.pair), now_.time);
  if (at_least != Seq() && half_open.first <= at_least) {
    half_open.first = at_least + (128 << 10);
  }
  half_open.due = now_.millis + static_cast<time::Millis>(config_.initial_rto.count());
  ++listener.half_open;
  table_.insert(place, {Reference::Kind::half_open, half_opens_.add(half_open)});
  send_syn_ack(half_open, now_.millis + keyed_.timestamp_of(half_open.pair));
}

/// @param timestamp to send, if the peer does
void Engine::send_syn_ack(const HalfOpen& half_open, uint32_t timestamp) {
  Transmission& out = transmission(half_open.pair, half_open.path, flag::syn | flag::ack);
  out.sequence = half_open.first;
  out.acknowledgment = half_open.peer_first + 1;
  out.window = static_cast<uint16_t>(std::min<uint32_t>(config_.receive_buffer, UINT16_MAX));
  Options options;
  options.mss = our_mss(half_open.pair);
  if (half_open.timestamps) {
    options.timestamps = {timestamp, half_open.recent};
  }
  options.sack_permitted = half_open.sack;
  if (half_open.shift != HalfOpen::kNoShift) {
    options.window_shift = our_shift();
  }
  out.options_length = encode_options(options, out.options);
}

/// Nothing is kept of the peer: the answer brings back what must be known (RFC 4987, section 3.6).
void Engine::send_cookie(const HalfOpen& asked) {
  const auto above = std::upper_bound(kCookieMss.begin(), kCookieMss.end(), asked.mss);
  const auto mss = static_cast<uint32_t>(std::max<std::ptrdiff_t>(above - kCookieMss.begin() - 1, 0));
  const uint32_t said = cookie_period(now_.time) << 3 | mss;  // eight bits of it go out, all of them into the hash
  HalfOpen cookie = asked;
  cookie.first = Seq(said << 24 | keyed_.cookie_of(asked.pair, asked.peer_first, said));
  const uint32_t clock = now_.millis + keyed_.timestamp_of(asked.pair);
  const uint32_t bits = (asked.shift == HalfOpen::kNoShift ? 15U : asked.shift) | (asked.sack ? 16U : 0U);
  uint32_t timestamp = (clock & ~kSaidByTimestamp) | bits;
  if (static_cast<int32_t>(timestamp - clock) > 0) {  // those that follow must not be before it
    timestamp -= kSaidByTimestamp + 1;
  }
  if (!asked.timestamps) {  // nothing can carry them
    cookie.shift = HalfOpen::kNoShift;
    cookie.sack = false;
  }
  ++counters_.cookies_sent;
  cookies_until_ = now_.time + kCookiePeriods * kCookiePeriod;
  send_syn_ack(cookie, timestamp);
}

/// Does it answer a cookie of ours? Then there is a connection.
bool Engine::accept_cookie(Segment& segment, uint64_t place) {
  if (!cookies_until_ || now_.time > *cookies_until_) {
    return false;
  }
  HalfOpen asked;
  asked.pair = segment.pair;
  asked.path = segment.path;
  asked.peer_first = segment.sequence - 1;
  asked.first = segment.acknowledgment - 1;
  const uint32_t sent = asked.first.value >> 24;
  const uint32_t age = (cookie_period(now_.time) - (sent >> 3)) & 0x1f;
  const uint32_t said = (cookie_period(now_.time) - age) << 3 | (sent & 7);
  if (age >= kCookiePeriods ||
      (asked.first.value & 0xff'ffff) != keyed_.cookie_of(segment.pair, asked.peer_first, said)) {
    return false;
  }
  const Options options = decode_options({segment.options, segment.options_length});
  asked.mss = kCookieMss[said & 7];
  if (options.timestamps && config_.timestamps) {
    const uint32_t bits = options.timestamps->echo & kSaidByTimestamp;
    asked.timestamps = true;
    asked.recent = options.timestamps->value;
    asked.sack = config_.selective_acks && (bits & 16) != 0;
    if (config_.window_scale && (bits & 15) != 15) {
      asked.shift = static_cast<uint8_t>(bits & 15);
    }
  }
  asked.listener = static_cast<uint16_t>(listener_of(segment));
  if (free_.empty()) {
    refuse_handshake(segment, asked.listener);
    return true;
  }
  ++counters_.cookies_accepted;
  const uint32_t c = accept(asked, place, segment);
  arrive(c, segment);
  return true;
}

/// SYN-RECEIVED (RFC 9293, section 3.10.7.4; RFC 5961).
void Engine::arrive_in_half_open(uint32_t half_open, Segment& segment, uint64_t place) {
  HalfOpen& known = half_opens_[half_open];
  const uint32_t window = std::min<uint32_t>(config_.receive_buffer, UINT16_MAX);
  const bool in_window = segment.sequence - (known.peer_first + 1) < window;
  if ((segment.flags & flag::rst) != 0) {
    if (segment.sequence == known.peer_first + 1) {
      ++counters_.resets_received;
      forget_half_open(half_open, place);
    } else if (in_window) {  // RFC 5961, section 3.2
      challenge_of_half_open(known);
    }
    return;
  }
  const Options options = decode_options({segment.options, segment.options_length});
  if ((segment.flags & flag::syn) != 0) {
    if (segment.sequence == known.peer_first && (segment.flags & flag::ack) == 0) {
      if (known.timestamps && options.timestamps) {
        known.recent = options.timestamps->value;
      }
      known.repeated = true;
      send_syn_ack(known, now_.millis + keyed_.timestamp_of(known.pair));  // ours may be lost
    } else {
      challenge_of_half_open(known);
    }
    return;
  }
  if ((segment.flags & flag::ack) == 0) {
    ++counters_.invalid;
    return;
  }
  if (known.timestamps && options.timestamps && static_cast<int32_t>(options.timestamps->value - known.recent) < 0) {
    ++counters_.paws_dropped;
    return challenge_of_half_open(known);
  }
  if (segment.acknowledgment != known.first + 1) {
    ++counters_.bad_acknowledgments;
    return refuse(segment);
  }
  if (!in_window && segment.sequence != known.peer_first + 1) {
    ++counters_.unacceptable;
    return challenge_of_half_open(known);
  }
  if (free_.empty()) {
    const uint32_t listener = known.listener;
    forget_half_open(half_open, place);
    return refuse_handshake(segment, listener);
  }
  const HalfOpen accepted = known;
  forget_half_open(half_open, place);
  arrive(accept(accepted, place, segment), segment);
}

/// An acknowledgment of what we know: to an honest peer it says all. A handshake has a few of them (RFC 5961, section
/// 7): two peers who disagree do not talk for ever.
void Engine::challenge_of_half_open(HalfOpen& half_open) {
  constexpr uint8_t kMost = 10;
  if (half_open.challenges == kMost) {
    return;
  }
  ++half_open.challenges;
  ++counters_.challenges;
  Transmission& out = transmission(half_open.pair, half_open.path, flag::ack);
  out.sequence = half_open.first + 1;
  out.acknowledgment = half_open.peer_first + 1;
  const uint8_t shift = half_open.shift == HalfOpen::kNoShift ? 0 : our_shift();  // but in a SYN, windows are scaled
  out.window = static_cast<uint16_t>(std::min<uint32_t>(config_.receive_buffer, UINT16_MAX) >> shift);
  if (half_open.timestamps) {
    Options options;
    options.timestamps = {now_.millis + keyed_.timestamp_of(half_open.pair), half_open.recent};
    out.options_length = encode_options(options, out.options);
  }
}

void Engine::forget_half_open(uint32_t half_open, uint64_t place) {
  --listeners_[half_opens_[half_open].listener].half_open;
  table_.erase(place, {Reference::Kind::half_open, half_open});
  half_opens_.remove(half_open);
}

/// The handshake is complete. @returns the connection
uint32_t Engine::accept(const HalfOpen& half_open, uint64_t place, const Segment& segment) {
  const uint32_t c = create(half_open.pair, place);
  Connection& connection = connections_[c];
  connection.state = State::established;
  connection.path = segment.path;
  connection.send_unacknowledged = connection.send_next = half_open.first + 1;
  connection.receive_next = connection.acknowledged = half_open.peer_first + 1;
  connection.receive_edge = connection.receive_next + std::min<uint32_t>(config_.receive_buffer, UINT16_MAX);
  agree(c, half_open);
  connection.window_sequence = segment.sequence;
  Details& details = details_[c];
  details.user = segment.listener < listeners_.size() ? segment.listener : listeners_[half_open.listener].user;
  details.heard_at = now_.millis;
  if (half_open.tries == 0 && !half_open.repeated &&
      half_open.due != 0) {  // Karn: the first answer to the first SYN-ACK
    const time::Millis sent = half_open.due - static_cast<time::Millis>(config_.initial_rto.count());
    measure(details, std::max(time::elapsed(sent, now_.millis), 1U) * 1000);
  }
  if (half_open.tries > 0) {
    begin_after_loss(c);
  }
  ++counters_.accepted;
  tell(c, event::accepted);
  arm_keepalive(c);
  return c;
}

/// What both sides' SYNs said.
void Engine::agree(uint32_t c, const HalfOpen& agreed) {
  Connection& connection = connections_[c];
  if (agreed.timestamps) {
    connection.flags |= Connection::timestamps;
    connection.recent = agreed.recent;
  }
  if (agreed.sack) {
    connection.flags |= Connection::sack;
  }
  if (agreed.shift != HalfOpen::kNoShift) {
    connection.send_shift = agreed.shift;
    connection.receive_shift = our_shift();
  }
  // RFC 9293, section 3.7.1; RFC 6691: options take from what a segment can carry.
  connection.mss =
      static_cast<uint16_t>(std::min(agreed.mss, our_mss(connection.pair)) - (agreed.timestamps ? kTimestampBytes : 0));
  connection.congestion_window = initial_window(connection);
  details_[c].recovery_point = details_[c].highest_sacked = details_[c].round_end = connection.send_unacknowledged;
}

/// RFC 9293, section 3.10.7.3.
void Engine::arrive_in_syn_sent(uint32_t c, Segment& segment) {
  Connection& connection = connections_[c];
  const bool acknowledges = (segment.flags & flag::ack) != 0;
  // Not SND.NXT: until a SYN that timed out is sent again, that is the SYN's own number.
  if (acknowledges && segment.acknowledgment != connection.send_unacknowledged + 1) {
    ++counters_.bad_acknowledgments;
    return refuse(segment);
  }
  if ((segment.flags & flag::rst) != 0) {
    if (acknowledges) {
      ++counters_.resets_received;
      end(c, event::reset);
    }
    return;
  }
  if ((segment.flags & flag::syn) == 0) {
    return;
  }
  const Options options = decode_options({segment.options, segment.options_length});
  HalfOpen agreed;
  agreed.mss = options.mss.value_or(default_mss(connection.pair));
  agreed.timestamps = config_.timestamps && options.timestamps;
  agreed.recent = agreed.timestamps ? options.timestamps->value : 0;
  agreed.sack = config_.selective_acks && options.sack_permitted;
  if (config_.window_scale && options.window_shift) {
    agreed.shift = *options.window_shift;
  }
  Details& details = details_[c];
  connection.receive_next = connection.acknowledged = segment.sequence + 1;
  connection.receive_edge = connection.receive_next + std::min<uint32_t>(config_.receive_buffer, UINT16_MAX);
  connection.window_sequence = segment.sequence;
  connection.send_window = details.max_send_window = segment.window;  // of a SYN: not scaled
  if (!acknowledges) {                                                // simultaneous open (section 3.5)
    agree(c, agreed);
    connection.state = State::syn_received;
    connection.send_next = connection.send_unacknowledged;
    return touch(c);
  }
  connection.send_unacknowledged = connection.send_next = segment.acknowledgment;
  agree(c, agreed);
  if (details.retries == 0) {
    measure(details, std::max(time::elapsed(details.heard_at, now_.millis), 1U) * 1000);
  } else {
    begin_after_loss(c);
  }
  become_established(c);
  connection.flags |= Connection::ack_now;
  segment.sequence += 1;
  segment.flags &= static_cast<uint8_t>(~flag::syn);
  take_text(c, segment);
}

/// RFC 5681, section 3.1, and RFC 6298, section 5.7: the path lost a SYN already.
void Engine::begin_after_loss(uint32_t c) {
  connections_[c].congestion_window = connections_[c].mss;
  details_[c].flags |= Details::syn_lost;
}

/// Of a connection that we asked for.
void Engine::become_established(uint32_t c) {
  Connection& connection = connections_[c];
  connection.state = connection.has(Connection::fin_queued) ? State::fin_wait_1 : State::established;
  details_[c].retries = details_[c].back_off = 0;
  details_[c].heard_at = now_.millis;
  connection.timer = Timer::none;
  ++counters_.connected;
  tell(c, event::connected);
  arm_keepalive(c);
  touch(c);
}

/// RFC 6191, section 2: can the SYN not be an old one?
bool Engine::is_newer(const TimeWait& waiting, const Segment& segment, const Options& options) {
  const bool stamped = waiting.recent != 0;
  if (options.timestamps && !stamped) {
    return true;
  }
  if (options.timestamps && options.timestamps->value != waiting.recent) {
    return static_cast<int32_t>(options.timestamps->value - waiting.recent) > 0;
  }
  return segment.sequence > waiting.receive_next;
}

/// RFC 9293, section 3.10.7.4 for TIME-WAIT; RFC 1337: a reset does not end it; RFC 6191: a new connection may.
void Engine::arrive_in_time_wait(uint32_t time_wait, Segment& segment, uint64_t place) {
  TimeWait& waiting = time_waits_[time_wait];
  if ((segment.flags & flag::rst) != 0) {
    return;
  }
  const Options options = decode_options({segment.options, segment.options_length});
  const bool is_syn = (segment.flags & (flag::syn | flag::ack)) == flag::syn;
  if (is_syn && is_newer(waiting, segment, options) && listener_of(segment) != kNone) {
    const Seq at_least = waiting.send_next;
    table_.erase(place, {Reference::Kind::time_wait, time_wait});
    time_waits_.remove(time_wait);
    return begin_handshake(segment, place, at_least);
  }
  if ((segment.flags & (flag::fin | flag::syn)) == flag::fin) {
    const Seq end = segment.sequence + static_cast<uint32_t>(segment.payload.size()) + 1;
    if (end == waiting.receive_next) {  // its own, once more
      time_waits_.restart(time_wait, now_.millis + static_cast<time::Millis>(config_.time_wait.count()));
    }
  } else if (segment.payload.empty() && (segment.flags & flag::syn) == 0) {
    return;  // an acknowledgment, which wants none
  }
  Transmission& out = transmission(segment.pair, segment.path, flag::ack);
  out.sequence = waiting.send_next;
  out.acknowledgment = waiting.receive_next;
  out.window = UINT16_MAX;
  if (waiting.recent != 0) {
    Options ours;
    ours.timestamps = {now_.millis + keyed_.timestamp_of(segment.pair), waiting.recent};
    out.options_length = encode_options(ours, out.options);
  }
}

/// Both sides are done. What is left to read stays in the connection, which arriving segments do not find any more.
void Engine::enter_time_wait(uint32_t c) {
  Connection& connection = connections_[c];
  const uint64_t place = keyed_.place_of(connection.pair);
  if (time_waits_.is_full()) {
    const uint32_t oldest = time_waits_.oldest();
    table_.erase(time_waits_[oldest].hash, {Reference::Kind::time_wait, oldest});
    time_waits_.remove(oldest);
    ++counters_.time_waits_recycled;
  }
  const bool stamped = connection.has(Connection::timestamps);
  const uint32_t waiting = time_waits_.add({
      .hash = place,
      .send_next = connection.send_next,
      .receive_next = connection.receive_next,
      .recent = stamped ? std::max(connection.recent, 1U) : 0,
      .expiry = now_.millis + static_cast<time::Millis>(config_.time_wait.count()),
  });
  if (connection.has(Connection::ack_now)) {  // its last: nobody comes back to it
    send_control(c, flag::ack, connection.send_next);
  }
  table_.replace(place, {Reference::Kind::connection, c}, {Reference::Kind::time_wait, waiting});
  forget_sending(c);
  finish(c);
}

/// Over on the wire, in order.
void Engine::finish(uint32_t c) {
  ++counters_.closed;
  if (connections_[c].has(Connection::orphan)) {
    release(c);
  } else if (connections_[c].received_bytes == 0) {
    tell(c, event::closed);
  }
}

/// To the peer the connection is there, and it may wait for the first word: without an answer it would wait for ever.
void Engine::refuse_handshake(const Segment& segment, uint32_t listener) {
  ++counters_.refused;
  output_->refused.push_back(listener);
  refuse(segment);
}

/// RFC 9293, section 3.10.7.1: to what should not have come.
void Engine::refuse(const Segment& segment) {
  if ((segment.flags & flag::rst) != 0) {
    return;
  }
  ++counters_.resets_sent;
  if ((segment.flags & flag::ack) != 0) {
    Transmission& out = transmission(segment.pair, segment.path, flag::rst);
    out.sequence = segment.acknowledgment;
    return;
  }
  Transmission& out = transmission(segment.pair, segment.path, flag::rst | flag::ack);
  out.acknowledgment = segment.sequence + static_cast<uint32_t>(segment.payload.size()) +
                       ((segment.flags & flag::syn) != 0 ? 1 : 0) + ((segment.flags & flag::fin) != 0 ? 1 : 0);
}

/// The most that we take in a segment.
uint16_t Engine::our_mss(const SocketPair& pair) const {
  return static_cast<uint16_t>(config_.mtu - (pair.remote.is_ipv4() ? kIpv4Headers : kIpv6Headers));
}

/// What a peer takes that does not say (RFC 9293, section 3.7.1).
uint16_t Engine::default_mss(const SocketPair& pair) const {
  return pair.remote.is_ipv4() ? 536 : 1220;
}

/// So many bits as the receive buffer needs (RFC 7323, section 2.3).
uint8_t Engine::our_shift() const {
  uint8_t shift = 0;
  while (config_.receive_buffer >> shift > UINT16_MAX) {
    ++shift;
  }
  return shift;
}

}  // namespace weft::tcp
