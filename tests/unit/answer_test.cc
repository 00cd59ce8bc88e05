// SPDX-License-Identifier: Apache-2.0
/// @file Answers' lengths and bounds at their edges. Their bytes are compared in tests/packet/pipeline_answer_test.cc.
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
};

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

}  // namespace
}  // namespace weft::packet
