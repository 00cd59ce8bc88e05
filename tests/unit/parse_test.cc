// SPDX-License-Identifier: Apache-2.0
/// @file What parse() says of good IPv4 frames, and what it promises of any frames of both families. Each malformed
/// kind of IPv4 has its row in tests/packet/pipeline_malformed_test.cc; IPv6 is in parse_ipv6_test.cc.
#include "packet/parse.h"

#include <gtest/gtest.h>

#include <memory>
#include <random>

#include "packet/extensions.h"
#include "packet/headers.h"
#include "packet_builder.h"

namespace weft::packet {
namespace {

using lb::Protocol;
using test::Bytes;
using test::PacketBuilder;

constexpr const char* kFrom = "10.1.0.1:1024";
constexpr const char* kTo = "10.96.0.1:80";

/// Parses a copy that ends where its heap block does.
Parsed parsed(const Bytes& frame) {
  const auto exact = std::make_unique<std::byte[]>(frame.size());
  std::copy(frame.begin(), frame.end(), exact.get());
  Parsed result;
  parse({exact.get(), frame.size()}, result);
  return result;
}

uint32_t ports_of(const auto& key) {
  return uint32_t{static_cast<uint16_t>(key.destination_port)} << 16 | static_cast<uint16_t>(key.source_port);
}

TEST(Parse, FindsTheFiveTupleOfTcp) {
  const Parsed plain = parsed(test::tcp(kFrom, kTo).flags(test::kSyn | test::kPsh).payload("abc").padding(3).bytes());
  EXPECT_EQ(plain.kind, Kind::transport);
  EXPECT_EQ(plain.key4, test::key_of(kFrom, kTo, Protocol::tcp));
  EXPECT_EQ(plain.tcp_flags, test::kSyn | test::kPsh);
  EXPECT_EQ(plain.l4_offset, 34);
  EXPECT_EQ(plain.ip_length, 43);
}

TEST(Parse, LooksForPortsBehindIpOptions) {
  for (size_t length = 4; length <= 40; length += 4) {
    const Parsed options = parsed(test::udp(kFrom, kTo).ip_options(length).bytes());
    EXPECT_EQ(options.kind, Kind::transport);
    EXPECT_EQ(options.key4, test::key_of(kFrom, kTo, Protocol::udp));
    EXPECT_EQ(options.tcp_flags, 0);
    EXPECT_EQ(options.l4_offset, 34 + length);
    EXPECT_EQ(options.ip_length, 28 + length);
  }
}

TEST(Parse, GivesNoPortsToWhatHasNone) {
  const lb::FlowKey4 icmp_key = test::key_of("10.1.0.1", "10.96.0.1", Protocol::icmp);
  const Parsed icmp = parsed(test::icmp(kFrom, kTo).payload("abc").bytes());
  EXPECT_EQ(icmp.kind, Kind::icmp);
  EXPECT_EQ(icmp.key4, icmp_key);
  EXPECT_EQ(parsed(PacketBuilder(132, kFrom, kTo).payload("sctp").bytes()).kind, Kind::other_protocol);
  EXPECT_EQ(parsed(PacketBuilder(58, kFrom, kTo).payload("ICMPv6 over IPv4").bytes()).kind, Kind::other_protocol);
  EXPECT_EQ(parsed(test::udp(kFrom, kTo).ethernet_type(0x8100).bytes()).kind, Kind::not_ip);
}

TEST(Parse, FindsPortsInFirstFragmentsOnly) {
  for (const uint16_t flags : {0x2000, 0xa000, 0x6000}) {
    const Parsed first = parsed(test::udp(kFrom, kTo).payload_of(32).fragment(flags).identification(0x1234).bytes());
    EXPECT_EQ(first.kind, Kind::fragment);
    EXPECT_TRUE(first.has_ports);
    EXPECT_TRUE(first.more_fragments);
    EXPECT_EQ(first.fragment_offset, 0);
    EXPECT_EQ(first.fragment_id, swap16(0x1234));
    EXPECT_EQ(first.l4_offset, 34);
    EXPECT_EQ(first.key4, test::key_of(kFrom, kTo, Protocol::udp));
  }
  for (const uint16_t offset : {0x0001, 0x2001, 0x1000, 0x3f00}) {
    const Parsed later = parsed(test::tcp(kFrom, kTo).payload_of(32).fragment(offset).identification(7).bytes());
    EXPECT_EQ(later.kind, Kind::fragment);
    EXPECT_FALSE(later.has_ports);
    EXPECT_EQ(later.more_fragments, (offset & 0x2000) != 0);
    EXPECT_EQ(later.fragment_offset, (offset & 0x1fff) * 8);
    EXPECT_EQ(later.fragment_id, swap16(7));
    EXPECT_EQ(later.key4, test::key_of("10.1.0.1", "10.96.0.1", Protocol::tcp));
  }
}

TEST(Parse, AFirstFragmentMayEndBehindItsPortsButThenHasNone) {
  for (const auto& [builder, header] :
       {std::pair(test::tcp(kFrom, kTo).tcp_options(8), 28), {test::udp(kFrom, kTo), 8}}) {
    for (uint16_t length = 0; length < header + 8; ++length) {
      const Bytes frame = PacketBuilder(builder)
                              .payload_of(64)
                              .udp_length(1000)
                              .fragment(0x2000)
                              .total_length(static_cast<uint16_t>(20 + length))
                              .bytes();
      const Parsed first = parsed(frame);
      EXPECT_EQ(first.kind, Kind::fragment);
      EXPECT_EQ(first.has_ports, length >= header) << length;
      EXPECT_EQ(first.key4.source_port, lb::port_from_host(length >= header ? 1024 : 0));
    }
  }
  EXPECT_FALSE(parsed(test::icmp(kFrom, kTo).payload_of(32).fragment(0x2000).bytes()).has_ports);
  EXPECT_FALSE(parsed(test::udp(kFrom, kTo).payload_of(8).udp_length(7).fragment(0x2000).bytes()).has_ports);
  EXPECT_FALSE(parsed(test::tcp(kFrom, kTo).payload_of(8).data_offset(4).fragment(0x2000).bytes()).has_ports);
}

/// The "ping of death": a last fragment that ends beyond 65,535 bytes.
TEST(Parse, AFragmentEndsWithinItsDatagram) {
  const auto last = [](uint16_t offset, size_t length) {
    return parsed(PacketBuilder(17, kFrom, kTo).fragment(offset).payload_of(length).bytes()).kind;
  };
  // The builder puts 8 bytes of UDP header before the payload.
  EXPECT_EQ(last(0x1ffc, 3), Kind::fragment) << "20 + 65,504 + 8 + 3 is 65,535";
  EXPECT_EQ(last(0x1ffc, 4), Kind::bad_total_length);
  EXPECT_EQ(last(0x1fff, 0), Kind::bad_total_length);
}

TEST(Parse, ForgetsThePacketBefore) {
  Parsed result;
  parse(test::tcp(kFrom, kTo).flags(test::kSyn).bytes(), result);
  parse(test::udp(kTo, kFrom).bytes(), result);
  EXPECT_EQ(result.tcp_flags, 0);
  EXPECT_EQ(result.key4, test::key_of(kTo, kFrom, Protocol::udp));
}

/// Any bytes: never read past the frame, and what is called good is all there.
TEST(Parse, KeepsItsPromisesForMutatedFrames) {
  std::mt19937 random(5);
  std::array<int, static_cast<size_t>(Kind::bad_extension) + 1> kinds = {};
  std::array<int, 2> fragments_with_ports = {};
  for (int i = 0; i < 300'000; ++i) {
    const bool ipv6 = random() % 2 == 0;
    const char* from = ipv6 ? "[fd00:1::1]:1024" : kFrom;
    const char* to = ipv6 ? "[fd00::1]:80" : kTo;
    const auto shape = random() % 4;
    PacketBuilder builder = shape == 0   ? test::tcp(from, to)
                            : shape == 1 ? test::udp(from, to)
                            : shape == 2 ? test::icmp(from, to)
                                         : PacketBuilder(static_cast<uint8_t>(random()), from, to);
    builder.fragment(static_cast<uint16_t>(random() % 8 == 0 ? random() : random() % 8 == 0 ? 0x2000 : 0));
    builder.ip_options(random() % 4 == 0 ? random() % 41 : 0).tcp_options(random() % 41).payload_of(random() % 16);
    for (auto extensions = random() % 12; ipv6 && extensions < 11 && extensions > 0; --extensions) {
      switch (random() % 8) {
        case 0:
          builder.hop_by_hop(8 * (random() % 8 + 1));
          break;
        case 1:
          builder.routing(static_cast<uint8_t>(random() % 5), static_cast<uint8_t>(random() % 8 == 0 ? 1 : 0));
          break;
        case 2:
          builder.fragment_header(static_cast<uint16_t>(random() % 2 * 8), random() % 2 == 0, 1);
          break;
        default:
          builder.destination_options(8 * (random() % 8 + 1));
      }
    }
    if (random() % 2 == 0) {
      builder.header_words(random() % 16).data_offset(random() % 16).udp_length(random() % 64);
    }
    if (random() % 2 == 0) {
      builder.total_length(static_cast<uint16_t>(random() % 120)).payload_length(random() % 100);
    }
    Bytes frame = builder.bytes();
    if (random() % 2 == 0) {
      frame[random() % frame.size()] = static_cast<std::byte>(random());
    }
    frame.resize(random() % 4 == 0 ? random() % (frame.size() + 1) : frame.size());
    const Parsed result = parsed(frame);
    ++kinds.at(static_cast<size_t>(result.kind));
    if (result.kind > Kind::other_protocol) {
      continue;
    }
    const bool is_ipv6 = result.family == lb::Family::ipv6;
    const Protocol protocol = is_ipv6 ? result.key6.protocol : result.key4.protocol;
    const uint32_t ports = is_ipv6 ? ports_of(result.key6) : ports_of(result.key4);
    const size_t end = kIpOffset + size_t{result.ip_length};
    ASSERT_LE(end, frame.size());
    ASSERT_GE(result.l4_offset, is_ipv6 ? 54 : 34);
    ASSERT_LE(result.l4_offset, is_ipv6 ? 54 + kMaxExtensionBytes : 74);
    ASSERT_LE(result.l4_offset, end);
    if (result.kind == Kind::transport || (result.kind == Kind::fragment && result.has_ports)) {
      const bool tcp = protocol == Protocol::tcp;
      ASSERT_TRUE(tcp || protocol == Protocol::udp);
      ASSERT_LE(result.l4_offset + (tcp ? sizeof(TcpHeader) : sizeof(UdpHeader)), end);
      const auto* header = view<TcpHeader>(frame.data() + result.l4_offset);
      ASSERT_TRUE(!tcp || result.l4_offset + (header->data_offset >> 4) * 4U <= end);
      ASSERT_EQ(ports, swap32(uint32_t{to_host(header->source_port)} << 16 | to_host(header->destination_port)));
      fragments_with_ports.at(is_ipv6 ? 1 : 0) += result.kind == Kind::fragment ? 1 : 0;
    } else {
      ASSERT_EQ(ports, 0U);
      ASSERT_TRUE(result.kind != Kind::icmp || result.l4_offset + sizeof(IcmpHeader) <= end);
    }
  }
  for (size_t kind = 0; kind < kinds.size(); ++kind) {
    EXPECT_GT(kinds[kind], 0) << "kind " << kind << " was never met";
  }
  EXPECT_GT(fragments_with_ports[0], 0);
  EXPECT_GT(fragments_with_ports[1], 0);
}

}  // namespace
}  // namespace weft::packet
