// SPDX-License-Identifier: Apache-2.0
/// @file TCP segments as the bytes of IP packets, for links that know bytes alone.
///
/// Written without the data plane's own code for packets: what both agree on is what the RFCs say.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "tcp/segment.h"

namespace weft::simulation {

using Frame = std::vector<std::byte>;  ///< an IPv4 or IPv6 packet

/// With both checksums.
Frame encode_frame(const tcp::Transmission& transmission, std::span<const buffer::Slice> slices);

/// What a frame holds, as the one who sent it sees it.
struct Packet {
  enum class Verdict : uint8_t { good, malformed, bad_checksum };

  Verdict verdict = Verdict::malformed;
  tcp::SocketPair pair;  ///< local: its source
  tcp::Seq sequence;
  tcp::Seq acknowledgment;
  uint16_t window = 0;
  uint8_t flags = 0;
  tcp::Options decoded;                ///< what the options say
  std::span<const std::byte> options;  ///< in the frame
  std::span<const std::byte> payload;  ///< in the frame

  bool has(uint8_t any_of) const { return (flags & any_of) != 0; }
  /// In the sequence.
  uint32_t length() const {
    return static_cast<uint32_t>(payload.size()) + (has(tcp::flag::syn) ? 1 : 0) + (has(tcp::flag::fin) ? 1 : 0);
  }
  tcp::Seq end() const { return sequence + length(); }
};

Packet decode_frame(std::span<const std::byte> frame);

/// As tcpdump would have it: "10.0.0.1:1000 > 10.0.0.2:80 [S] 1:1(0) ack 1 win 1000 <mss 1460>".
std::string to_string(const Packet& packet);

}  // namespace weft::simulation
