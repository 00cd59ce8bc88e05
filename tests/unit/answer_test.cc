// SPDX-License-Identifier: Apache-2.0
/// @file Answers' lengths and bounds at their edges, and the bytes of those over IPv6 and of too-big errors. The bytes
/// of other answers over IPv4 are compared in tests/packet/pipeline_answer_test.cc.
#include "packet/answer.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <memory>

#include "packet_builder.h"

namespace weft::packet {
namespace {

using test::Bytes;
using test::hex;
using test::PacketBuilder;

constexpr const char* kClient = "10.1.0.1:1024";
constexpr const char* kVip = "10.96.0.1:80";
constexpr const char* kClient6 = "[fd00:1::1]:1024";
constexpr const char* kVip6 = "[fd00:96::1]:80";

/// A frame at the start of a heap block that ends `room` bytes behind it.
struct Block {
  std::unique_ptr<std::byte[]> bytes;
  size_t frame;
  size_t size;
  Parsed parsed;

  Block(const PacketBuilder& builder, size_t room) {
    const Bytes built = builder.bytes();
    frame = built.size();
    size = frame + room;
    bytes = std::make_unique<std::byte[]>(size);
    std::copy(built.begin(), built.end(), bytes.get());
    parse({bytes.get(), frame}, parsed);
  }
  std::span<std::byte> whole() { return {bytes.get(), size}; }
  std::span<std::byte> received() { return {bytes.get(), frame}; }
};

/// What the answer that was written, `length` bytes, is to be.
void expect_answer(Block& block, size_t length, const PacketBuilder& expected) {
  EXPECT_EQ(hex(block.whole().first(length)), hex(expected.bytes()));
}

/// The IP packet of a frame, as far as an error quotes it.
Bytes quoted(const PacketBuilder& builder, size_t most) {
  Bytes packet = builder.ip();
  packet.resize(std::min(packet.size(), most));
  return packet;
}

TEST(Answer, PortUnreachableFitsExactlyOrIsNotWritten) {
  for (size_t payload = 0; payload < 700; payload += 7) {
    const PacketBuilder datagram = test::udp(kClient, kVip).payload_of(payload);
    const Bytes original = datagram.bytes();
    const size_t expected = 14 + 28 + std::min<size_t>(28 + payload, 548);
    const size_t enough = expected > original.size() ? expected - original.size() : 0;
    Block exact(datagram, enough);
    EXPECT_EQ(answer_port_unreachable(exact.whole(), exact.parsed), expected);
    if (enough > 0) {
      Block tight(datagram, enough - 1);
      EXPECT_EQ(answer_port_unreachable(tight.whole(), tight.parsed), 0U);
      EXPECT_EQ(hex(tight.whole().first(tight.frame)), hex(original)) << "left alone";
    }
    EXPECT_LE(enough, kUnreachableRoom);
  }
}

TEST(Answer, ANoLongerIcmpErrorThan576Bytes) {
  Block block(test::udp(kClient, kVip).payload_of(9000), 0);
  EXPECT_EQ(answer_port_unreachable(block.whole(), block.parsed), 14U + 576U);
}

TEST(Answer, AResetIsNeverLongerThanTheSegment) {
  Block smallest(test::tcp(kClient, kVip).flags(test::kSyn), 0);
  EXPECT_EQ(answer_reset(smallest.whole(), smallest.parsed), 54U);
  Block longest(test::tcp(kClient, kVip).ip_options(40).tcp_options(40).payload_of(1300), 0);
  EXPECT_EQ(answer_reset(longest.whole(), longest.parsed), 54U);
}

TEST(Answer, OnlyTypeEightCodeZeroIsAnEchoRequest) {
  for (int type = 0; type < 256; ++type) {
    for (const uint8_t code : {0, 1, 255}) {
      const Bytes frame = test::icmp(kClient, kVip).icmp(static_cast<uint8_t>(type), code).bytes();
      Parsed parsed;
      parse(frame, parsed);
      EXPECT_EQ(is_echo_request(frame, parsed), type == 8 && code == 0);
    }
  }
}

/// All words of the reply are zero, so its checksum must be 0xffff and not 0: a receiver sums to 0xffff or drops it.
TEST(Answer, AnEchoReplyOfZerosHasAChecksum) {
  Block block(test::icmp(kClient, kVip).icmp(8, 0, 0), 0);
  ASSERT_EQ(answer_echo(block.whole(), block.parsed), block.frame);
  EXPECT_EQ(hex(block.whole().subspan(34)), "00 00 ff ff 00 00 00 00");
}

TEST(AnswerIpv6, EchoesBackWhatCame) {
  for (size_t length = 0; length < 70; ++length) {
    Block block(test::icmp(kClient6, kVip6).icmp(128, 0, 0x12340001).payload_of(length).ttl(3), 0);
    ASSERT_TRUE(is_echo_request(block.received(), block.parsed));
    ASSERT_TRUE(verify_icmp(block.received(), block.parsed));
    expect_answer(block, answer_echo(block.received(), block.parsed),
                  test::icmp(kVip6, kClient6).icmp(129, 0, 0x12340001).payload_of(length).ttl(64));
  }
}

TEST(AnswerIpv6, AnEchoReplyHasNoExtensionHeadersAndNoPadding) {
  Block block(test::icmp(kClient6, kVip6).hop_by_hop(16).fragment_header(0, false, 5).payload("ping").padding(9), 0);
  expect_answer(block, answer_echo(block.received(), block.parsed),
                test::icmp(kVip6, kClient6).icmp(129, 0).payload("ping"));
}

TEST(AnswerIpv6, OnlyType128CodeZeroIsAnEchoRequest) {
  for (int type = 0; type < 256; ++type) {
    for (const uint8_t code : {0, 1, 255}) {
      Block block(test::icmp(kClient6, kVip6).icmp(static_cast<uint8_t>(type), code), 0);
      EXPECT_EQ(is_echo_request(block.received(), block.parsed), type == 128 && code == 0);
    }
  }
}

TEST(AnswerIpv6, SeesAnyBitChangeOfAMessageAndItsPseudoHeader) {
  Block block(test::icmp(kClient6, kVip6).payload("abc").padding(5), 0);
  for (size_t at = 54; at < 54 + 8 + 3; ++at) {
    block.bytes[at] ^= std::byte{0x10};
    EXPECT_FALSE(verify_icmp(block.received(), block.parsed)) << at;
    block.bytes[at] ^= std::byte{0x10};
  }
  EXPECT_TRUE(verify_icmp(block.received(), block.parsed)) << "the padding is no part of it";
  block.parsed.key6.source.bytes[15] ^= 1;
  EXPECT_FALSE(verify_icmp(block.received(), block.parsed));
}

TEST(AnswerIpv6, AResetIsThatOfTheRfc) {
  Block syn(test::tcp(kClient6, kVip6).flags(test::kSyn).sequence(0xffffffff).tcp_options(20).hop_by_hop(), 0);
  expect_answer(syn, answer_reset(syn.received(), syn.parsed),
                test::tcp(kVip6, kClient6).flags(test::kRst | test::kAck).sequence(0).acknowledgment(0).window(0));
  Block data(test::tcp(kClient6, kVip6).flags(test::kAck).acknowledgment(77).payload_of(11), 0);
  expect_answer(data, answer_reset(data.received(), data.parsed),
                test::tcp(kVip6, kClient6).flags(test::kRst).sequence(77).window(0));
  Block fin(test::tcp(kClient6, kVip6).flags(test::kFin).sequence(5).payload_of(11).padding(7), 0);
  expect_answer(
      fin, answer_reset(fin.received(), fin.parsed),
      test::tcp(kVip6, kClient6).flags(test::kRst | test::kAck).sequence(0).acknowledgment(5 + 11 + 1).window(0));
}

TEST(AnswerIpv6, PortUnreachableQuotesWhatFits1280BytesOrIsNotWritten) {
  for (size_t payload = 0; payload < 1500; payload += 31) {
    const PacketBuilder datagram = test::udp(kClient6, kVip6).destination_options().payload_of(payload).padding(3);
    const Bytes original = datagram.bytes();
    const PacketBuilder expected = test::icmp(kVip6, kClient6).icmp(1, 4).payload(quoted(datagram, 1280 - 48));
    const size_t length = expected.bytes().size();
    const size_t enough = length > original.size() ? length - original.size() : 0;
    EXPECT_LE(enough, kUnreachableRoom6);
    Block exact(datagram, enough);
    ASSERT_EQ(answer_port_unreachable(exact.whole(), exact.parsed), length);
    expect_answer(exact, length, expected);
    if (enough > 0) {
      Block tight(datagram, enough - 1);
      EXPECT_EQ(answer_port_unreachable(tight.whole(), tight.parsed), 0U);
      EXPECT_EQ(hex(tight.received()), hex(original)) << "left alone";
    }
  }
}

TEST(AnswerTooBig, SaysWhatFitsAndQuotesThePacket) {
  for (const uint16_t mtu : {1280, 1480, 9000, 65535}) {
    const PacketBuilder segment4 = test::tcp(kClient, kVip).fragment(0x4000).payload_of(1460);
    Block block4(segment4, 0);
    expect_answer(block4, answer_too_big(block4.whole(), block4.parsed, mtu),
                  test::icmp(kVip, kClient).icmp(3, 4, mtu).payload(quoted(segment4, 576 - 28)));
    const PacketBuilder segment6 = test::tcp(kClient6, kVip6).payload_of(1440);
    Block block6(segment6, 0);
    expect_answer(block6, answer_too_big(block6.whole(), block6.parsed, mtu),
                  test::icmp(kVip6, kClient6).icmp(2, 0, mtu).payload(quoted(segment6, 1280 - 48)));
  }
}

TEST(AnswerTooBig, AnswersAFirstFragmentToo) {
  const PacketBuilder fragment =
      test::udp(kClient6, kVip6).payload_of(1432).udp_length(4000).fragment_header(0, true, 9);
  Block block(fragment, 0);
  ASSERT_EQ(block.parsed.kind, Kind::fragment);
  expect_answer(block, answer_too_big(block.whole(), block.parsed, 1280),
                test::icmp(kVip6, kClient6).icmp(2, 0, 1280).payload(quoted(fragment, 1280 - 48)));
}

}  // namespace
}  // namespace weft::packet
