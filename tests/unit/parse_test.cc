// SPDX-License-Identifier: Apache-2.0
/// @file What parse() says of good frames, and what it promises of any. Each malformed kind has its row in
/// tests/packet/pipeline_malformed_test.cc.
#include "packet/parse.h"

#include <gtest/gtest.h>

#include <memory>
#include <random>

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

TEST(Parse, FindsTheFiveTupleOfTcp) {
  const Parsed plain = parsed(test::tcp(kFrom, kTo).flags(test::kSyn | test::kPsh).payload("abc").padding(3).bytes());
  EXPECT_EQ(plain.kind, Kind::transport);
  EXPECT_EQ(plain.key, test::key_of(kFrom, kTo, Protocol::tcp));
  EXPECT_EQ(plain.tcp_flags, test::kSyn | test::kPsh);
  EXPECT_EQ(plain.l4_offset, 34);
  EXPECT_EQ(plain.ip_length, 43);
}

TEST(Parse, LooksForPortsBehindIpOptions) {
  for (size_t length = 4; length <= 40; length += 4) {
    const Parsed options = parsed(test::udp(kFrom, kTo).ip_options(length).bytes());
    EXPECT_EQ(options.kind, Kind::transport);
    EXPECT_EQ(options.key, test::key_of(kFrom, kTo, Protocol::udp));
    EXPECT_EQ(options.tcp_flags, 0);
    EXPECT_EQ(options.l4_offset, 34 + length);
    EXPECT_EQ(options.ip_length, 28 + length);
  }
}

TEST(Parse, GivesNoPortsToWhatHasNone) {
  const lb::FlowKey icmp_key = test::key_of("10.1.0.1", "10.96.0.1", Protocol::icmp);
  const Parsed icmp = parsed(test::icmp(kFrom, kTo).payload("abc").bytes());
  EXPECT_EQ(icmp.kind, Kind::icmp);
  EXPECT_EQ(icmp.key, icmp_key);
  for (const uint16_t fragment : {0x2000, 0x0001, 0x1fff, 0x3fff, 0xffff}) {
    const Parsed piece = parsed(test::udp(kFrom, kTo).payload_of(32).fragment(fragment).bytes());
    EXPECT_EQ(piece.kind, Kind::fragment) << fragment;
    EXPECT_EQ(piece.key, test::key_of("10.1.0.1", "10.96.0.1", Protocol::udp));
  }
  EXPECT_EQ(parsed(PacketBuilder(132, kFrom, kTo).payload("sctp").bytes()).kind, Kind::other_protocol);
}

TEST(Parse, ForgetsThePacketBefore) {
  Parsed result;
  parse(test::tcp(kFrom, kTo).flags(test::kSyn).bytes(), result);
  parse(test::udp(kTo, kFrom).bytes(), result);
  EXPECT_EQ(result.tcp_flags, 0);
  EXPECT_EQ(result.key, test::key_of(kTo, kFrom, Protocol::udp));
}

/// Any bytes: never read past the frame, and what is called good is all there.
TEST(Parse, KeepsItsPromisesForMutatedFrames) {
  std::mt19937 random(5);
  std::array<int, 10> kinds = {};
  for (int i = 0; i < 200'000; ++i) {
    const auto shape = random() % 4;
    PacketBuilder builder = shape == 0   ? test::tcp(kFrom, kTo)
                            : shape == 1 ? test::udp(kFrom, kTo)
                            : shape == 2 ? test::icmp(kFrom, kTo)
                                         : PacketBuilder(static_cast<uint8_t>(random()), kFrom, kTo);
    builder.fragment(static_cast<uint16_t>(random() % 8 == 0 ? random() : 0));
    builder.ip_options(random() % 4 == 0 ? random() % 41 : 0).tcp_options(random() % 41).payload_of(random() % 16);
    if (random() % 2 == 0) {
      builder.header_words(random() % 16).data_offset(random() % 16).udp_length(random() % 64);
    }
    if (random() % 2 == 0) {
      builder.total_length(static_cast<uint16_t>(random() % 120));
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
    const size_t end = kIpOffset + size_t{result.ip_length};
    ASSERT_LE(end, frame.size());
    ASSERT_GE(result.l4_offset, 34);
    ASSERT_LE(result.l4_offset, kIpOffset + kMaxIpHeader);
    if (result.kind == Kind::transport) {
      const bool tcp = result.key.protocol == Protocol::tcp;
      ASSERT_LE(result.l4_offset + (tcp ? sizeof(TcpHeader) : sizeof(UdpHeader)), end);
      const auto* header = view<TcpHeader>(frame.data() + result.l4_offset);
      ASSERT_TRUE(!tcp || result.l4_offset + (header->data_offset >> 4) * 4U <= end);
    }
  }
  for (size_t kind = 0; kind < kinds.size(); ++kind) {
    EXPECT_GT(kinds[kind], 0) << "kind " << kind << " was never met";
  }
}

}  // namespace
}  // namespace weft::packet
