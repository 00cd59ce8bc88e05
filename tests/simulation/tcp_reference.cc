// SPDX-License-Identifier: Apache-2.0
#include "tcp_reference.h"

#include <algorithm>

namespace weft::simulation {
namespace {

/// What it has on its way, at most.
constexpr uint64_t kMostInFlight = 20'000;
/// Of acknowledgments that make it go back to what was not acknowledged, for no reason, in per cent.
constexpr unsigned kNeedless = 2;
/// Per cent of segments of which it keeps but the beginning.
constexpr unsigned kPartly = 2;
/// Of so many segments, with one it forgets all that it has beyond a gap.
constexpr uint64_t kForgets = 300;

}  // namespace

Reference::Reference(const ReferenceConfig& config, uint64_t seed)
    : config_(config), random_(seed), came_(config.expected + 2), edge_(1 + config.window) {
  if (config.connects) {
    retransmits_at_ = Time{};  // the SYN is due
  }
}

void Reference::receive(const Packet& packet, Time now) {
  if (packet.has(tcp::flag::rst)) {
    if (is_done()) {
      return;  // nobody is there any more
    }
    throw Violation("a reset to the reference");
  }
  if (packet.has(tcp::flag::syn)) {
    if (peer_known_ && packet.sequence != peer_first_) {
      throw Violation("another SYN");
    }
    peer_known_ = true;
    peer_first_ = packet.sequence;
    peer_mss_ = packet.decoded.mss.value_or(536);
    peer_offers_timestamps_ = packet.decoded.timestamps.has_value();
    peer_permits_sack_ = packet.decoded.sack_permitted;
    scales_ = config_.shift && packet.decoded.window_shift;
    peer_shift_ = packet.decoded.window_shift.value_or(0);
  }
  if (!peer_known_) {
    return;  // before the SYN-ACK that was lost
  }
  if (packet.decoded.timestamps) {
    recent_ = packet.decoded.timestamps->value;
  } else if (peer_offers_timestamps_ && config_.timestamps) {
    throw Violation("a segment without timestamps, which were agreed");
  }
  take_bytes(packet);
  if (packet.has(tcp::flag::ack)) {
    take_acknowledgment(packet);
  }
  if (expects_ > 0 && acknowledged_ == 0 && next_ == 0) {
    retransmits_at_ = now;  // the SYN-ACK is due
  }
}

void Reference::take_acknowledgment(const Packet& packet) {
  const uint64_t place = static_cast<uint32_t>(packet.acknowledgment - config_.first);
  if (place > sent_to_ && place < UINT32_MAX / 2) {
    throw Violation("an acknowledgment of what was never sent");
  }
  if (place > acknowledged_ && place <= sent_to_) {
    acknowledged_ = place;
    next_ = std::max(next_, acknowledged_);
    retransmits_at_ = acknowledged_ == sent_to_ ? kNever : retransmits_at_;
    if (random_.chance(kNeedless)) {
      next_ = acknowledged_;
    }
  }
  if (place == acknowledged_) {
    const bool scaled = scales_ && !packet.has(tcp::flag::syn);
    allowed_ = std::max(allowed_, place + (uint64_t{packet.window} << (scaled ? peer_shift_ : 0)));
  }
}

void Reference::take_bytes(const Packet& packet) {
  const uint64_t syn = packet.has(tcp::flag::syn) ? 1 : 0;
  // Places in 64 bits: near to what is expected, before it or behind.
  const auto away = static_cast<int32_t>(packet.sequence.value - (peer_first_ + static_cast<uint32_t>(expects_)).value);
  const uint64_t from = expects_ + static_cast<uint64_t>(static_cast<int64_t>(away));
  const uint64_t to = from + packet.length();
  if (packet.length() == 0) {
    owes_acknowledgment_ |= from < expects_;  // it asks
    return;
  }
  owes_acknowledgment_ = true;
  const uint64_t first_byte = from + syn;
  if (!packet.payload.empty() && (first_byte == 0 || first_byte - 1 + packet.payload.size() > config_.expected ||
                                  !config_.reads.is_at(first_byte - 1, packet.payload))) {
    throw Violation("other bytes than were written, at " + std::to_string(first_byte));
  }
  if (packet.has(tcp::flag::fin)) {
    if (to != config_.expected + 2) {
      throw Violation("a FIN at " + std::to_string(to - 1));
    }
    fin_ = to - 1;
  }
  // A probe may be one beyond, and so may a FIN: our engine, as BSD's, sends it whatever the window.
  if (to > edge_ + (packet.length() == 1 || packet.has(tcp::flag::fin) ? 1 : 0)) {
    throw Violation(std::to_string(to - edge_) + " beyond the window");
  }
  const uint64_t kept = syn == 0 && random_.chance(kPartly) ? random_.between(from, to) : to;
  for (uint64_t place = from; place < kept && place < came_.size(); ++place) {
    came_[place] = place < edge_ || came_[place];
  }
  while (expects_ < came_.size() && came_[expects_]) {
    ++expects_;
  }
  if (random_.below(kForgets) == 0) {  // it reneges (RFC 2018, section 8)
    std::fill(came_.begin() + static_cast<ptrdiff_t>(expects_), came_.end(), false);
  }
}

void Reference::act(Time now) {
  if (now >= reads_at_ || config_.reads_every == Time{}) {
    reads_at_ = kNever;
    read_ = std::max<uint64_t>(read_, expects_);
    if (read_ + config_.window > edge_ + config_.mss || read_ >= edge_) {
      edge_ = read_ + config_.window;
      owes_acknowledgment_ |= peer_known_ && acknowledged_ > 0;
    }
  } else if (read_ < expects_ && reads_at_ == kNever) {
    reads_at_ = now + config_.reads_every;
  }
  if (now >= retransmits_at_ && acknowledged_ < end()) {
    next_ = acknowledged_;
    retransmits_at_ = now + config_.retransmits_after;
    if (next_ == 0) {
      send(0, 1, now);
    } else if (next_ >= allowed_) {
      send(next_, 1, now);  // a byte into the closed window, or the FIN
    }
  }
  if (acknowledged_ > 0 && peer_known_) {
    send_what_is_allowed(now);
  }
  if (owes_acknowledgment_ && acknowledged_ > 0) {
    acknowledge(now);
  }
}

void Reference::send_what_is_allowed(Time now) {
  const uint64_t to = std::min({allowed_, end(), acknowledged_ + kMostInFlight});
  while (next_ < to) {
    const uint64_t most = std::min<uint64_t>(to - next_, std::min(config_.mss, peer_mss_) - 40);
    send(next_, random_.chance(50) ? most : random_.between(1, most), now);
  }
  if (next_ < end() && retransmits_at_ == kNever) {
    retransmits_at_ = now + config_.retransmits_after;  // the window is closed
  }
}

Time Reference::due() const {
  return std::min(acknowledged_ < end() ? retransmits_at_ : kNever, reads_at_);
}

bool Reference::is_done() const {
  return acknowledged_ == end() && fin_ && expects_ == *fin_ + 1;
}

void Reference::send(uint64_t from, uint64_t length, Time now) {
  tcp::Transmission out;
  const bool syn = from == 0;
  const bool fin = from + length == end();
  out.flags = static_cast<uint8_t>((syn ? tcp::flag::syn : 0) | (fin ? tcp::flag::fin : 0) |
                                   (peer_known_ ? tcp::flag::ack : 0));
  transmit(out, from, length - (syn ? 1 : 0) - (fin ? 1 : 0), now);
  next_ = std::max(next_, from + length);
  sent_to_ = std::max(sent_to_, next_);
  if (retransmits_at_ == kNever) {
    retransmits_at_ = now + config_.retransmits_after;
  }
}

void Reference::acknowledge(Time now) {
  tcp::Transmission out;
  out.flags = tcp::flag::ack;
  transmit(out, sent_to_, 0, now);
}

void Reference::transmit(tcp::Transmission& out, uint64_t from, uint64_t bytes, Time now) {
  const bool syn = (out.flags & tcp::flag::syn) != 0;
  out.pair = config_.pair;
  out.sequence = config_.first + static_cast<uint32_t>(from);
  out.payload_length = static_cast<uint16_t>(bytes);
  if (peer_known_) {
    out.acknowledgment = peer_first_ + static_cast<uint32_t>(expects_);
    owes_acknowledgment_ = false;
  }
  const uint64_t window = edge_ > expects_ ? edge_ - expects_ : 0;
  const uint8_t shift = scales_ && !syn ? *config_.shift : 0;
  // What is rounded down is not allowed: but it was.
  out.window = static_cast<uint16_t>(std::min<uint64_t>((window + (uint64_t{1} << shift) - 1) >> shift, UINT16_MAX));
  edge_ = std::max(edge_, expects_ + (uint64_t{out.window} << shift));
  out.options_length = tcp::encode_options(options(syn, now), out.options);
  std::vector<buffer::Slice> slices;
  if (bytes > 0) {
    slices.emplace_back(buffers_.pool().take(), 0, static_cast<uint16_t>(bytes));
    config_.writes.write(from - 1, slices[0].writable());
    out.slice_count = 1;
  }
  frames_.push_back(encode_frame(out, slices));
}

tcp::Options Reference::options(bool with_syn, Time now) const {
  tcp::Options options;
  if (config_.timestamps && (peer_offers_timestamps_ || !peer_known_)) {
    options.timestamps = {static_cast<uint32_t>(now / 1ms), recent_};
  }
  if (with_syn) {
    options.mss = config_.mss;
    options.sack_permitted = config_.selective_acks;
    if (config_.shift && (!peer_known_ || scales_)) {
      options.window_shift = config_.shift;
    }
    return options;
  }
  if (config_.selective_acks && peer_permits_sack_) {
    uint64_t at = expects_;
    while (options.block_count < 3) {
      const auto begin = std::find(came_.begin() + static_cast<ptrdiff_t>(at), came_.end(), true);
      if (begin == came_.end()) {
        break;
      }
      const auto end = std::find(begin, came_.end(), false);
      options.blocks[options.block_count++] = {peer_first_ + static_cast<uint32_t>(begin - came_.begin()),
                                               peer_first_ + static_cast<uint32_t>(end - came_.begin())};
      at = static_cast<uint64_t>(end - came_.begin());
    }
  }
  return options;
}

}  // namespace weft::simulation
