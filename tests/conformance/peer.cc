// SPDX-License-Identifier: Apache-2.0
#include "peer.h"

#include <algorithm>
#include <cstdio>

namespace weft::conformance {
namespace {

using tcp::Seq;
namespace flag = tcp::flag;

std::string flag_letters(uint8_t flags) {
  std::string text;
  for (const auto& [bit, letter] : {std::pair{flag::syn, 'S'},
                                    {flag::fin, 'F'},
                                    {flag::rst, 'R'},
                                    {flag::psh, 'P'},
                                    {flag::urg, 'U'},
                                    {flag::ece, 'E'},
                                    {flag::cwr, 'C'},
                                    {flag::ack, 'A'}}) {
    if ((flags & bit) != 0) {
      text += letter;
    }
  }
  return text.empty() ? "-" : text;
}

/// Relative, or absolute where it can't be meant so.
std::string number_text(Seq sequence, Seq first) {
  const auto relative = static_cast<int32_t>(sequence.value - first.value);
  return std::abs(relative) < 1 << 30 ? std::to_string(relative) : "=" + std::to_string(sequence.value);
}

uint8_t shift_of(const std::optional<PlainOptions>& syn, const std::optional<PlainOptions>& other) {
  return syn && other && syn->shift && other->shift ? std::min(*syn->shift, uint8_t{14}) : uint8_t{0};
}

}  // namespace

std::byte byte_at(bool of_peer, uint64_t place) {
  return static_cast<std::byte>((place * 167 + (place >> 8) * 31 + (place >> 16) + (of_peer ? 85 : 0)) & 0xff);
}

void Peer::renew(uint32_t further) {
  const std::optional<Seq> ended = our_end_;
  *this = Peer(pair_, first_ + further, mtu_);
  beyond_old_ = ended;
}

uint32_t Peer::value_of(const Stamp& stamp) const {
  if (stamp.is_any) {
    throw Failure("what arrives has no timestamp of any value");
  }
  if (stamp.name.empty()) {
    return stamp.number;
  }
  const auto known = stamps_.find(stamp.name);
  if (known == stamps_.end()) {
    throw Failure("nothing has made known what " + stamp.name + " is");
  }
  return known->second + stamp.number;
}

bool Peer::matches(const Stamp& stamp, uint32_t value) {
  if (stamp.is_any) {
    return true;
  }
  if (!stamp.name.empty() && !stamps_.contains(stamp.name)) {
    stamps_[stamp.name] = value - stamp.number;
    return true;
  }
  return value_of(stamp) == value;
}

tcp::Segment Peer::segment(const SegmentLine& line, std::vector<std::byte>& bytes) {
  PlainOptions options;
  if (line.options) {
    options.mss = line.options->mss;
    options.shift = line.options->shift;
    options.sack_permitted = line.options->sack_permitted;
    if (line.options->timestamps) {
      const auto& [value, echo] = *line.options->timestamps;
      options.timestamps = {value_of(value), value_of(echo)};
    }
    for (const auto& [begin, end] : line.options->blocks) {
      options.blocks.emplace_back(ours(begin).value, ours(end).value);
    }
  }
  bytes = write_options(options, line.options ? line.options->raw : std::vector<uint8_t>());
  if ((line.flags & flag::syn) != 0 && !their_syn_) {
    their_syn_ = options;
  }
  window_ = line.window.value_or(window_);

  tcp::Segment segment;
  segment.pair = pair_;
  segment.sequence = theirs(line.begin);
  segment.acknowledgment = line.acknowledgment ? ours(*line.acknowledgment) : Seq();
  segment.window = window_;
  segment.flags = line.flags;
  segment.options_length = static_cast<uint8_t>(bytes.size());
  segment.options = bytes.data();
  if ((line.flags & flag::ack) != 0) {
    const uint8_t shift = (line.flags & flag::syn) != 0 ? uint8_t{0} : shift_of(their_syn_, our_syn_);
    const Seq edge = segment.acknowledgment + (uint32_t{window_} << shift);
    their_edge_ = their_edge_ ? later(*their_edge_, edge) : edge;
  }
  return segment;
}

std::vector<std::byte> Peer::payload(const SegmentLine& line) const {
  std::vector<std::byte> bytes(line.length);
  const uint32_t place = theirs(line.begin) + ((line.flags & flag::syn) != 0 ? 1 : 0) - (first_ + 1);
  for (uint32_t i = 0; i < line.length; ++i) {
    bytes[i] = byte_at(true, place + i) ^ std::byte{line.is_garbage ? uint8_t{0xff} : uint8_t{0}};
  }
  return bytes;
}

void Peer::watch(const Sent& sent) {
  const tcp::Transmission& header = sent.header;
  if ((header.flags & flag::syn) != 0) {
    if (our_first_ && header.sequence != *our_first_) {
      throw Failure("a SYN with another initial sequence number than the last");
    }
    if (!our_first_ && beyond_old_ && header.sequence <= *beyond_old_) {
      throw Failure("an initial sequence number that is not beyond the pair's last connection");
    }
    our_first_ = header.sequence;
    our_syn_ = sent.options;
  }
  if ((header.flags & flag::rst) != 0) {
    if (!sent.payload.empty()) {
      throw Failure("a reset with a payload");
    }
    return;
  }
  const bool stamped = our_syn_ && our_syn_->timestamps && their_syn_ && their_syn_->timestamps;
  if (stamped && !sent.options.timestamps) {
    throw Failure("no timestamps, on which both have agreed (RFC 7323, section 3.2)");
  }
  check_window(sent);
  check_payload(sent);
  const Seq end = header.sequence + static_cast<uint32_t>(sent.payload.size()) +
                  ((header.flags & (flag::syn | flag::fin)) != 0 ? 1 : 0);
  our_end_ = our_end_ ? later(*our_end_, end) : end;
}

/// RFC 9293, section 3.8.6: what was allowed stays allowed.
void Peer::check_window(const Sent& sent) {
  if ((sent.header.flags & flag::ack) == 0) {
    return;
  }
  const uint8_t shift = (sent.header.flags & flag::syn) != 0 ? uint8_t{0} : shift_of(our_syn_, their_syn_);
  const Seq edge = sent.header.acknowledgment + (uint32_t{sent.header.window} << shift);
  // A SYN's window is not scaled: what comes beside it can't always say the same.
  const uint32_t rounding = is_edge_of_syn_ ? 1U << shift : 1;
  is_edge_of_syn_ = (sent.header.flags & flag::syn) != 0;
  if (our_edge_ && edge + rounding <= *our_edge_) {
    throw Failure("a window whose right edge went back by " + std::to_string(*our_edge_ - edge));
  }
  our_edge_ = edge;
}

void Peer::check_payload(const Sent& sent) const {
  if (sent.payload.empty()) {
    return;
  }
  const bool is_ipv4 = pair_.remote.is_ipv4();
  uint32_t most = mtu_ - (is_ipv4 ? 40U : 60U);
  if (their_syn_) {
    const uint16_t said = std::max(their_syn_->mss.value_or(is_ipv4 ? 536 : 1220), uint16_t{88});
    most = std::min<uint32_t>(most, said);
  }
  if (sent.payload.size() + sent.header.options_length > most) {
    throw Failure("a segment beyond the peer's maximum size (RFC 6691)");
  }
  if (their_edge_ && sent.header.sequence + static_cast<uint32_t>(sent.payload.size()) > *their_edge_) {
    throw Failure("bytes beyond the peer's window");
  }
  for (size_t i = 0; i < sent.payload.size(); ++i) {
    if (sent.payload[i] != byte_at(false, sent.header.sequence + static_cast<uint32_t>(i) - ours({1}))) {
      throw Failure("other bytes than were written, from byte " + std::to_string(i) + " of the segment on");
    }
  }
}

void Peer::match(const SegmentLine& line, const Sent& sent) {
  const tcp::Transmission& header = sent.header;
  const uint8_t counted = static_cast<uint8_t>(~(flag::psh & ~line.flags));
  if ((header.flags & counted) != line.flags) {
    throw Failure("other flags");
  }
  if (header.sequence != ours(line.begin)) {
    throw Failure("another sequence number");
  }
  if (sent.payload.size() != line.length) {
    throw Failure("another length");
  }
  if (line.acknowledgment && header.acknowledgment != theirs(*line.acknowledgment)) {
    throw Failure("another acknowledgment");
  }
  if (line.window && header.window != *line.window) {
    throw Failure("another window");
  }
  match_options(line, sent);
}

void Peer::match_options(const SegmentLine& line, const Sent& sent) {
  if (!line.options) {
    if (!sent.options.blocks.empty()) {
      throw Failure("SACK blocks that nobody expects");
    }
    if ((sent.header.flags & flag::syn) == 0 &&
        (sent.options.mss || sent.options.shift || sent.options.sack_permitted)) {
      throw Failure("options of a SYN");
    }
    return;
  }
  const OptionList& expected = *line.options;
  const auto our_mss = static_cast<uint16_t>(mtu_ - (pair_.remote.is_ipv4() ? 40 : 60));
  if ((expected.is_our_mss ? std::optional(our_mss) : expected.mss) != sent.options.mss ||
      expected.shift != sent.options.shift || expected.sack_permitted != sent.options.sack_permitted ||
      expected.timestamps.has_value() != sent.options.timestamps.has_value() ||
      expected.blocks.size() != sent.options.blocks.size()) {
    throw Failure("other options");
  }
  if (expected.timestamps && !(matches(expected.timestamps->first, sent.options.timestamps->first) &&
                               matches(expected.timestamps->second, sent.options.timestamps->second))) {
    throw Failure("other timestamps");
  }
  for (size_t i = 0; i < expected.blocks.size(); ++i) {
    if (theirs(expected.blocks[i].first).value != sent.options.blocks[i].first ||
        theirs(expected.blocks[i].second).value != sent.options.blocks[i].second) {
      throw Failure("other SACK blocks");
    }
  }
}

std::string Peer::describe(const Sent& sent) const {
  const tcp::Transmission& header = sent.header;
  const Seq first = our_first_.value_or(kOurs);
  std::string text = flag_letters(header.flags) + " " + number_text(header.sequence, first);
  if (!sent.payload.empty()) {
    text += ":" + number_text(header.sequence + static_cast<uint32_t>(sent.payload.size()), first);
  }
  if ((header.flags & flag::ack) != 0) {
    text += " ack " + number_text(header.acknowledgment, first_);
  }
  text += " win " + std::to_string(header.window);
  std::string options;
  const auto add = [&](const std::string& option) { options += (options.empty() ? " [" : ", ") + option; };
  if (sent.options.mss) {
    add("mss " + std::to_string(*sent.options.mss));
  }
  if (sent.options.sack_permitted) {
    add("sack-ok");
  }
  if (sent.options.timestamps) {
    add("ts " + std::to_string(sent.options.timestamps->first) + " " + std::to_string(sent.options.timestamps->second));
  }
  if (sent.options.shift) {
    add("shift " + std::to_string(*sent.options.shift));
  }
  if (!sent.options.blocks.empty()) {
    std::string blocks = "sack";
    for (const auto& [begin, end] : sent.options.blocks) {
      blocks += " " + number_text(Seq(begin), first_) + ":" + number_text(Seq(end), first_);
    }
    add(blocks);
  }
  return text + options + (options.empty() ? "" : "]");
}

}  // namespace weft::conformance
