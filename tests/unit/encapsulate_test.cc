// SPDX-License-Identifier: Apache-2.0
/// @file Tunnels of every mix of families, byte for byte.
#include "packet/encapsulate.h"

#include <gtest/gtest.h>

#include "packet/headers.h"
#include "packet/parse.h"
#include "packet_builder.h"

namespace weft::packet {
namespace {

using lb::Encapsulation;
using lb::Family;
using test::Bytes;
using test::hex;
using test::PacketBuilder;
using test::Socket;

constexpr size_t kHeadroom = 64;

struct Mix {
  Family outer;
  Family inner;
  Encapsulation encapsulation;
};

std::string name(const Mix& mix) {
  return std::string(to_string(mix.inner)) + "In" + std::string(to_string(mix.outer)) +
         (mix.encapsulation == Encapsulation::gue ? "Gue" : "Ip");
}

class Encapsulate : public ::testing::TestWithParam<Mix> {
 protected:
  PacketBuilder inner_packet() const {
    return GetParam().inner == Family::ipv4
               ? test::tcp("10.1.0.1:1024", "10.96.0.1:80").identification(0x4711).fragment(0x4000)
               : test::tcp("[fd00:1::1]:1024", "[fd00:96::1]:80");
  }
  TunnelEnds<lb::Address> ends() const {
    return GetParam().outer == Family::ipv4
               ? TunnelEnds<lb::Address>{Socket("10.0.0.1").address, Socket("10.2.0.1").address}
               : TunnelEnds<lb::Address>{Socket("fd00::1").address, Socket("fd00:2::1").address};
  }

  /// The whole outer packet as weft writes it, in front of which nothing may be written.
  Bytes encapsulated(const PacketBuilder& inner, uint16_t entropy) const {
    const Bytes packet = inner.ip();
    Bytes buffer(kHeadroom, std::byte{0xee});
    buffer.insert(buffer.end(), packet.begin(), packet.end());
    const size_t overhead = tunnel_overhead(GetParam().outer, GetParam().encapsulation);
    std::byte* outer = buffer.data() + kHeadroom - overhead;
    const auto put = [&](auto source, auto destination) {
      encapsulate<decltype(source)>(outer, GetParam().inner, packet.size(), {source, destination},
                                    GetParam().encapsulation, entropy);
    };
    if (GetParam().outer == Family::ipv4) {
      put(ends().source.ipv4(), ends().destination.ipv4());
    } else {
      put(ends().source.ipv6(), ends().destination.ipv6());
    }
    EXPECT_EQ(Bytes(buffer.begin(), buffer.begin() + static_cast<std::ptrdiff_t>(kHeadroom - overhead)),
              Bytes(kHeadroom - overhead, std::byte{0xee}));
    return {buffer.begin() + static_cast<std::ptrdiff_t>(kHeadroom - overhead), buffer.end()};
  }

  /// The same built in the open: outer headers around a payload. By default one that must not be fragmented.
  PacketBuilder expected(const PacketBuilder& inner, uint16_t entropy) const {
    const TunnelEnds<lb::Address> between = ends();
    const bool gue = GetParam().encapsulation == Encapsulation::gue;
    const uint8_t protocol = gue ? 17 : GetParam().inner == Family::ipv4 ? 4 : 41;
    PacketBuilder outer(protocol, {between.source, static_cast<uint16_t>(0xc000 | (entropy & 0x3fff))},
                        {between.destination, 6080});
    outer.payload(inner.ip()).fragment(0x4000).flow_label(0x10000 | uint32_t{entropy});
    return gue ? outer.transport_checksum(0) : outer;
  }
};

TEST_P(Encapsulate, PutsTheOuterHeadersInFront) {
  for (const uint16_t entropy : {0, 1, 0x3fff, 0x4000, 0x8001, 0xffff}) {
    for (const size_t length : {0, 1, 1400, 8900}) {
      const PacketBuilder inner = inner_packet().payload_of(length);
      EXPECT_EQ(hex(encapsulated(inner, entropy)), hex(expected(inner, entropy).ip()));
    }
  }
}

TEST_P(Encapsulate, CopiesTrafficClassAndEcn) {
  for (int value = 0; value < 256; ++value) {
    const auto both = static_cast<uint8_t>(value);
    const PacketBuilder inner = inner_packet().traffic_class(both).flow_label(0xabcde).ttl(1);
    EXPECT_EQ(hex(encapsulated(inner, 7)), hex(expected(inner, 7).traffic_class(both).ip()));
  }
}

TEST_P(Encapsulate, MayBeFragmentedOnlyIfTheInnerPacketMay) {
  if (GetParam().inner == Family::ipv6) {
    return;  // never: all that is put in front says so
  }
  for (const uint16_t fragment : {0x0000, 0x2000, 0x0040}) {
    const PacketBuilder inner = inner_packet().payload_of(8).fragment(fragment);
    EXPECT_EQ(hex(encapsulated(inner, 0x00ff)),
              hex(expected(inner, 0x00ff).fragment(0).identification(0x4711 ^ swap16(0x00ff)).ip()));
  }
}

TEST_P(Encapsulate, WhatIsWrittenParses) {
  Bytes frame(14);
  frame[12] = std::byte{GetParam().outer == Family::ipv4 ? uint8_t{0x08} : uint8_t{0x86}};
  frame[13] = std::byte{GetParam().outer == Family::ipv4 ? uint8_t{0x00} : uint8_t{0xdd}};
  const Bytes packet = encapsulated(inner_packet(), 0x1234);
  frame.insert(frame.end(), packet.begin(), packet.end());
  Parsed parsed;
  parse(frame, parsed);
  const bool gue = GetParam().encapsulation == Encapsulation::gue;
  EXPECT_EQ(parsed.kind, gue ? Kind::transport : Kind::other_protocol);
  EXPECT_EQ(parsed.l4_offset + (gue ? 8U : 0U), 14 + tunnel_overhead(GetParam().outer, GetParam().encapsulation));
}

INSTANTIATE_TEST_SUITE_P(Mixes, Encapsulate,
                         ::testing::Values(Mix{Family::ipv4, Family::ipv4, Encapsulation::ipip},
                                           Mix{Family::ipv4, Family::ipv6, Encapsulation::ipip},
                                           Mix{Family::ipv6, Family::ipv4, Encapsulation::ipip},
                                           Mix{Family::ipv6, Family::ipv6, Encapsulation::ipip},
                                           Mix{Family::ipv4, Family::ipv4, Encapsulation::gue},
                                           Mix{Family::ipv4, Family::ipv6, Encapsulation::gue},
                                           Mix{Family::ipv6, Family::ipv4, Encapsulation::gue},
                                           Mix{Family::ipv6, Family::ipv6, Encapsulation::gue}),
                         [](const auto& tested) { return name(tested.param); });

TEST(Tunnel, TakesWhatItSays) {
  EXPECT_EQ(tunnel_overhead(Family::ipv4, Encapsulation::ipip), 20U);
  EXPECT_EQ(tunnel_overhead(Family::ipv6, Encapsulation::ipip), 40U);
  EXPECT_EQ(tunnel_overhead(Family::ipv4, Encapsulation::gue), 28U);
  EXPECT_EQ(tunnel_overhead(Family::ipv6, Encapsulation::gue), 48U);
}

}  // namespace
}  // namespace weft::packet
