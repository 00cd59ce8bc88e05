// SPDX-License-Identifier: Apache-2.0
/// @file The other end of one connection, as a script plays it: its numbers, and what always holds of what is sent to
/// it.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "option_bytes.h"
#include "tcp/segment.h"
#include "time/clock.h"

namespace weft::conformance {

/// A segment that the engine sent.
struct Sent {
  time::Time at{};
  tcp::Transmission header;
  PlainOptions options;
  std::vector<std::byte> payload;
};

/// The byte of a stream at a place: what each side writes, so that each byte that arrives can be told to be right.
std::byte byte_at(bool of_peer, uint64_t place);

class Peer {
 public:
  /// @param first the peer's initial sequence number
  Peer(const tcp::SocketPair& pair, tcp::Seq first, uint16_t mtu) : pair_(pair), first_(first), mtu_(mtu) {}

  /// A new connection of the pair begins, with an initial sequence number that is so much further.
  void renew(uint32_t further);

  /// What a line says as a segment. @param bytes room for its options, which live as long as the segment
  tcp::Segment segment(const SegmentLine& line, std::vector<std::byte>& options);
  /// The stream's bytes in that place, or others.
  std::vector<std::byte> payload(const SegmentLine& line) const;

  /// Takes note, and throws Failure of what must never be sent.
  void watch(const Sent& sent);
  /// Throws Failure unless it is what the line says.
  void match(const SegmentLine& line, const Sent& sent);
  std::string describe(const Sent& sent) const;

  const tcp::SocketPair& pair() const { return pair_; }
  tcp::Seq ours(Sequence sequence) const { return at(our_first_.value_or(kOurs), sequence); }
  tcp::Seq theirs(Sequence sequence) const { return at(first_, sequence); }

  std::optional<tcp::ConnectionId> id;
  uint16_t events = 0;   ///< since the script asked last
  uint64_t written = 0;  ///< bytes, by us
  uint64_t read = 0;

 private:
  static constexpr tcp::Seq kOurs{0x2000'0000};  ///< while the engine has not said

  static tcp::Seq at(tcp::Seq first, Sequence sequence) {
    return sequence.is_absolute ? tcp::Seq(sequence.number) : first + sequence.number;
  }
  uint32_t value_of(const Stamp& stamp) const;
  bool matches(const Stamp& stamp, uint32_t value);
  void match_options(const SegmentLine& line, const Sent& sent);
  void check_window(const Sent& sent);
  void check_payload(const Sent& sent) const;

  tcp::SocketPair pair_;
  tcp::Seq first_;
  uint16_t mtu_;
  std::optional<tcp::Seq> our_first_;
  std::optional<tcp::Seq> beyond_old_;  ///< where the engine's numbers of the pair's last connection ended
  std::map<std::string, uint32_t> stamps_;
  uint16_t window_ = UINT16_MAX;
  std::optional<PlainOptions> our_syn_;
  std::optional<PlainOptions> their_syn_;
  std::optional<tcp::Seq> our_end_;   ///< of all that the engine sent
  std::optional<tcp::Seq> our_edge_;  ///< what the engine allowed the peer to send
  bool is_edge_of_syn_ = false;
  std::optional<tcp::Seq> their_edge_;
};

}  // namespace weft::conformance
