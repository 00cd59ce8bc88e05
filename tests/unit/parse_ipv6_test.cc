// SPDX-License-Identifier: Apache-2.0
/// @file What parse() says of IPv6: extension headers in any order and number, fragments, and whatever is malformed.
#include <gtest/gtest.h>

#include <algorithm>
#include <memory>

#include "packet/extensions.h"
#include "packet/headers.h"
#include "packet/parse.h"
#include "packet_builder.h"

namespace weft::packet {
namespace {

using lb::FlowKey6;
using lb::Protocol;
using test::Bytes;
using test::PacketBuilder;

constexpr const char* kFrom = "[fd00:1::1]:1024";
constexpr const char* kTo = "[fd00:96::1]:80";
constexpr uint8_t kDestinationOptions = 60;

/// Parses a copy that ends where its heap block does.
Parsed parsed(const Bytes& frame) {
  const auto exact = std::make_unique<std::byte[]>(frame.size());
  std::copy(frame.begin(), frame.end(), exact.get());
  Parsed result;
  parse({exact.get(), frame.size()}, result);
  return result;
}
Parsed parsed(const PacketBuilder& builder) {
  return parsed(builder.bytes());
}

FlowKey6 tuple(Protocol protocol) {
  return test::key_of<FlowKey6>(kFrom, kTo, protocol);
}
FlowKey6 without_ports(Protocol protocol) {
  return test::key_of<FlowKey6>("fd00:1::1", "fd00:96::1", protocol);
}

TEST(ParseIpv6, FindsTheFiveTuple) {
  const Parsed tcp =
      parsed(test::tcp(kFrom, kTo).flags(test::kSyn).traffic_class(0xb8).flow_label(0xfffff).payload("abc").padding(3));
  EXPECT_EQ(tcp.kind, Kind::transport);
  EXPECT_EQ(tcp.family, lb::Family::ipv6);
  EXPECT_EQ(key_of<FlowKey6>(tcp), tuple(Protocol::tcp));
  EXPECT_EQ(tcp.tcp_flags, test::kSyn);
  EXPECT_EQ(tcp.l4_offset, 54);
  EXPECT_EQ(tcp.ip_length, 63);
  const Parsed udp = parsed(test::udp(kFrom, kTo));
  EXPECT_EQ(udp.kind, Kind::transport);
  EXPECT_EQ(udp.key6, tuple(Protocol::udp));
  EXPECT_EQ(udp.tcp_flags, 0);
}

TEST(ParseIpv6, GivesNoPortsToWhatHasNone) {
  const Parsed icmp = parsed(test::icmp(kFrom, kTo).payload("abc"));
  EXPECT_EQ(icmp.kind, Kind::icmp);
  EXPECT_EQ(icmp.key6, without_ports(Protocol::icmpv6));
  for (const uint8_t protocol : {1, 4, 41, 47, 50, 51, 59, 132, 135, 255}) {  // ICMP of IPv4, ESP, AH, no next header
    const Parsed other = parsed(PacketBuilder(protocol, kFrom, kTo).payload_of(40));
    EXPECT_EQ(other.kind, Kind::other_protocol) << int{protocol};
    EXPECT_EQ(other.key6, without_ports(Protocol{protocol}));
    EXPECT_EQ(parsed(PacketBuilder(protocol, kFrom, kTo).hop_by_hop().destination_options()).kind,
              Kind::other_protocol);
  }
  EXPECT_EQ(parsed(PacketBuilder(59, kFrom, kTo)).kind, Kind::other_protocol) << "no payload at all";
}

TEST(ParseIpv6, LooksForPortsBehindExtensionHeaders) {
  const auto tcp = [] { return test::tcp(kFrom, kTo).payload("abc"); };
  for (const auto& [builder, length] :
       {std::pair(tcp().hop_by_hop(), 8),
        {tcp().destination_options(256), 256},
        {tcp().routing(2, 0), 8},
        {tcp().routing(4, 0), 8},
        {tcp().fragment_header(0, false, 1), 8},
        {tcp().hop_by_hop(16).destination_options(24).routing(3, 0).fragment_header(0, false, 9).destination_options(),
         64}}) {
    const Parsed result = parsed(builder);
    EXPECT_EQ(result.kind, Kind::transport) << length;
    EXPECT_EQ(result.key6, tuple(Protocol::tcp));
    EXPECT_EQ(result.l4_offset, 54 + length);
    EXPECT_EQ(result.ip_length, 63 + length);
  }
}

TEST(ParseIpv6, WhatIsStillOnItsWayIsNotForUs) {
  for (const auto& [type, left] : {std::pair<uint8_t, uint8_t>(0, 0), {0, 1}, {2, 1}, {4, 255}}) {
    const Parsed routed = parsed(test::tcp(kFrom, kTo).destination_options().routing(type, left));
    EXPECT_EQ(routed.kind, Kind::other_protocol);
    EXPECT_EQ(routed.key6, without_ports(Protocol{43}));
  }
}

TEST(ParseIpv6, FindsPortsInFirstFragmentsOnly) {
  const Parsed first = parsed(
      test::udp(kFrom, kTo).payload_of(32).hop_by_hop().fragment_header(0, true, 0x12345678).destination_options());
  EXPECT_EQ(first.kind, Kind::fragment);
  EXPECT_TRUE(first.has_ports);
  EXPECT_TRUE(first.more_fragments);
  EXPECT_EQ(first.fragment_offset, 0);
  EXPECT_EQ(first.fragment_id, swap32(0x12345678));
  EXPECT_EQ(first.key6, tuple(Protocol::udp));
  EXPECT_EQ(first.l4_offset, 54 + 24);
  for (const uint16_t offset : {8, 1232, 0xff00}) {
    for (const bool more : {false, true}) {
      const Parsed later = parsed(test::tcp(kFrom, kTo).payload_of(20).fragment_header(offset, more, 7));
      EXPECT_EQ(later.kind, Kind::fragment);
      EXPECT_FALSE(later.has_ports);
      EXPECT_EQ(later.more_fragments, more);
      EXPECT_EQ(later.fragment_offset, offset);
      EXPECT_EQ(later.key6, without_ports(Protocol::tcp));
      EXPECT_EQ(later.l4_offset, 54 + 8);
    }
  }
}

TEST(ParseIpv6, AFirstFragmentWithoutTheWholeChainHasNoPorts) {  // RFC 7112
  const PacketBuilder whole =
      test::udp(kFrom, kTo).payload_of(64).udp_length(1000).fragment_header(0, true, 1).destination_options(16);
  for (uint16_t length = 8; length < 8 + 16 + 16; length = static_cast<uint16_t>(length + 8)) {
    const Parsed first = parsed(PacketBuilder(whole).payload_length(length));
    EXPECT_EQ(first.kind, Kind::fragment) << length;
    EXPECT_EQ(first.has_ports, length >= 8 + 16 + 8) << length;
    EXPECT_EQ(first.key6.source_port, lb::port_from_host(length >= 8 + 16 + 8 ? 1024 : 0));
  }
}

TEST(ParseIpv6, FragmentsAreWholeWordsAndEndWithinTheirDatagram) {  // RFC 8200, section 4.5
  const auto fragment = [](uint16_t offset, bool more, size_t length) {
    return parsed(PacketBuilder(47, kFrom, kTo).payload_of(length).fragment_header(offset, more, 1)).kind;
  };
  EXPECT_EQ(fragment(8, true, 16), Kind::fragment);
  EXPECT_EQ(fragment(8, true, 15), Kind::bad_total_length);
  EXPECT_EQ(fragment(8, false, 15), Kind::fragment);
  EXPECT_EQ(fragment(0xfff8, false, 7), Kind::fragment) << "65,535 bytes";
  EXPECT_EQ(fragment(0xfff8, false, 8), Kind::bad_total_length);
  const auto behind_options =
      PacketBuilder(47, kFrom, kTo).payload_of(7).hop_by_hop().fragment_header(0xfff8, false, 1);
  EXPECT_EQ(parsed(behind_options).kind, Kind::bad_total_length);
}

TEST(ParseIpv6, BoundsTheChain) {
  PacketBuilder many = test::tcp(kFrom, kTo);
  for (size_t count = 1; count <= kMaxExtensions; ++count) {
    EXPECT_EQ(parsed(many.destination_options()).kind, Kind::transport) << count;
  }
  EXPECT_EQ(parsed(many.destination_options()).kind, Kind::bad_extension);
  for (int count = 0; count < 200; ++count) {
    many.destination_options();
  }
  EXPECT_EQ(parsed(many).kind, Kind::bad_extension);
  EXPECT_EQ(parsed(test::tcp(kFrom, kTo).destination_options(256)).kind, Kind::transport);
  EXPECT_EQ(parsed(test::tcp(kFrom, kTo).destination_options(256).hop_by_hop()).kind, Kind::bad_extension);
  EXPECT_EQ(parsed(test::tcp(kFrom, kTo).destination_options(256).destination_options()).kind, Kind::bad_extension);
  EXPECT_EQ(parsed(test::tcp(kFrom, kTo).destination_options(2048)).kind, Kind::bad_extension);
}

TEST(ParseIpv6, RefusesHeadersWhereTheyMayNotBe) {
  const auto tcp = [] { return test::tcp(kFrom, kTo); };
  EXPECT_EQ(parsed(tcp().destination_options().hop_by_hop()).kind, Kind::bad_extension);
  EXPECT_EQ(parsed(tcp().hop_by_hop().hop_by_hop()).kind, Kind::bad_extension);
  EXPECT_EQ(parsed(tcp().fragment_header(0, false, 1).fragment_header(0, false, 1)).kind, Kind::bad_extension);
  EXPECT_EQ(parsed(tcp().fragment_header(0, true, 1).hop_by_hop()).kind, Kind::bad_extension);
}

TEST(ParseIpv6, RefusesWrongVersionsAndLengths) {
  for (const uint8_t version : {0, 4, 5, 7, 15}) {
    EXPECT_EQ(parsed(test::tcp(kFrom, kTo).version(version)).kind, Kind::bad_version);
  }
  EXPECT_EQ(parsed(test::tcp("10.1.0.1:1", "10.1.0.2:2").payload_of(40).ethernet_type(0x86dd)).kind, Kind::bad_version);
  EXPECT_EQ(parsed(test::tcp(kFrom, kTo).ethernet_type(0x0800)).kind, Kind::bad_version);
  EXPECT_EQ(parsed(test::tcp(kFrom, kTo).hop_by_hop().payload_length(0)).kind, Kind::bad_total_length) << "jumbogram";
  EXPECT_EQ(parsed(test::tcp(kFrom, kTo).payload_length(0)).kind, Kind::truncated);
  EXPECT_EQ(parsed(test::tcp(kFrom, kTo).payload_length(21)).kind, Kind::truncated) << "more than there is";
  EXPECT_EQ(parsed(test::tcp(kFrom, kTo).payload_length(0xffff)).kind, Kind::bad_total_length);
  EXPECT_EQ(parsed(test::tcp(kFrom, kTo).data_offset(4)).kind, Kind::bad_header_length);
  EXPECT_EQ(parsed(test::tcp(kFrom, kTo).data_offset(6)).kind, Kind::truncated);
  EXPECT_EQ(parsed(test::udp(kFrom, kTo).udp_length(7)).kind, Kind::bad_total_length);
  EXPECT_EQ(parsed(test::udp(kFrom, kTo).payload("x").udp_length(10)).kind, Kind::bad_total_length);
}

TEST(ParseIpv6, EveryFrameThatEndsEarlyIsTruncated) {
  for (const PacketBuilder& whole :
       {test::tcp(kFrom, kTo).tcp_options(12).payload("abc"), test::udp(kFrom, kTo).payload("abc"),
        test::icmp(kFrom, kTo).payload("abc"), test::tcp(kFrom, kTo).hop_by_hop(16).routing(2, 0).destination_options(),
        test::udp(kFrom, kTo).payload_of(8).fragment_header(0, true, 1),
        test::tcp(kFrom, kTo).payload_of(8).fragment_header(64, false, 1)}) {
    const size_t length = whole.bytes().size();
    for (size_t cut = 0; cut < length; ++cut) {
      EXPECT_EQ(parsed(PacketBuilder(whole).cut_to(cut)).kind, Kind::truncated) << cut;
    }
  }
}

/// The payload length ends within headers that the frame has: the packet ends there, whatever follows.
TEST(ParseIpv6, APacketThatEndsWithinItsHeadersIsTruncated) {
  const PacketBuilder whole = test::udp(kFrom, kTo).hop_by_hop(16).routing(2, 0).fragment_header(0, false, 1);
  for (uint16_t length = 1; length < 16 + 8 + 8 + 8; ++length) {
    EXPECT_EQ(parsed(PacketBuilder(whole).payload_length(length)).kind, Kind::truncated) << length;
  }
  const Bytes lies(7, std::byte{0xff});  // an extension of 2048 bytes
  EXPECT_EQ(parsed(test::tcp(kFrom, kTo).extension(kDestinationOptions, lies)).kind, Kind::bad_extension);
}

}  // namespace
}  // namespace weft::packet
