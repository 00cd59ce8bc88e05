// SPDX-License-Identifier: Apache-2.0
/// @file What is done about packets of which the device says something, or that come in several buffers.
#include "runtime/intake.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rte_mbuf.h>

#include "packet_builder.h"
#include "runtime/port.h"

namespace weft::test {
namespace {

using l4::Verdict;
using runtime::take_in;

constexpr uint32_t kBuffers = 511;
constexpr runtime::Intake kJoin = {.join = true};
constexpr runtime::Intake kChecksums = {.checksums = true};

class IntakeTest : public ::testing::Test {
 protected:
  static runtime::BufferPool make_pool() {
    static int count = 0;
    return std::move(runtime::BufferPool::make("intake" + std::to_string(++count), kBuffers).value());
  }
  rte_mbuf* segment(std::span<const std::byte> bytes) {
    rte_mbuf* made = rte_pktmbuf_alloc(buffers.get());
    std::memcpy(rte_pktmbuf_append(made, static_cast<uint16_t>(bytes.size())), bytes.data(), bytes.size());
    return made;
  }
  void TearDown() override {
    rte_pktmbuf_free(packet);
    EXPECT_EQ(buffers.available(), kBuffers) << "every buffer is back";
  }
  Bytes bytes() const {
    const auto* data = rte_pktmbuf_mtod(packet, const std::byte*);
    return {data, data + packet->data_len};
  }

  runtime::BufferPool buffers = make_pool();
  const PacketBuilder datagram = udp("10.1.0.1:1024", "10.96.0.1:53").payload_of(600);
  rte_mbuf* packet = nullptr;
};

TEST_F(IntakeTest, JoinsBuffersIntoTheFirst) {
  const Bytes frame = datagram.bytes();
  packet = segment(std::span(frame).first(100));
  rte_pktmbuf_chain(packet, segment(std::span(frame).subspan(100, 300)));
  rte_pktmbuf_chain(packet, segment(std::span(frame).subspan(400)));
  EXPECT_EQ(take_in(packet, kJoin), std::nullopt);
  EXPECT_EQ(packet->nb_segs, 1);
  EXPECT_EQ(packet->pkt_len, frame.size());
  EXPECT_EQ(bytes(), frame);
}

TEST_F(IntakeTest, RefusesWhatDoesNotFitTheFirst) {
  const Bytes half(runtime::kBufferBytes - 10);
  packet = segment(half);
  rte_pktmbuf_chain(packet, segment(std::span(half).first(11)));
  EXPECT_EQ(take_in(packet, kJoin), Verdict::too_many_buffers);
}

TEST_F(IntakeTest, DropsWhatTheDeviceRightlyFindsDamaged) {
  PacketBuilder damaged = datagram;
  packet = segment(damaged.transport_checksum(0xbeef).bytes());
  packet->ol_flags = RTE_MBUF_F_RX_L4_CKSUM_BAD;
  EXPECT_EQ(take_in(packet, kJoin), std::nullopt) << "nobody asked the device";
  EXPECT_EQ(take_in(packet, kChecksums), Verdict::bad_transport_checksum);
  packet->ol_flags = RTE_MBUF_F_RX_L4_CKSUM_GOOD;
  EXPECT_EQ(take_in(packet, kChecksums), std::nullopt);
  packet->ol_flags = RTE_MBUF_F_RX_L4_CKSUM_UNKNOWN;
  EXPECT_EQ(take_in(packet, kChecksums), std::nullopt);
}

TEST_F(IntakeTest, DoesNotBelieveADeviceThatIsWrong) {
  PacketBuilder without = datagram;
  packet = segment(without.transport_checksum(0).bytes());
  packet->ol_flags = RTE_MBUF_F_RX_L4_CKSUM_BAD;
  EXPECT_EQ(take_in(packet, kChecksums), std::nullopt) << "a UDP checksum of zero is none";
}

TEST_F(IntakeTest, WritesTheChecksumThatAVirtualWireLeftOut) {
  PacketBuilder partial = datagram;
  packet = segment(partial.transport_checksum(0x1234).bytes());
  packet->ol_flags = RTE_MBUF_F_RX_L4_CKSUM_NONE;
  EXPECT_EQ(take_in(packet, kChecksums), std::nullopt);
  EXPECT_EQ(bytes(), datagram.bytes());
}

}  // namespace
}  // namespace weft::test
