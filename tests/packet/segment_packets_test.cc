// SPDX-License-Identifier: Apache-2.0
/// @file Segments as packets: where their bytes lie, what is left to the device, and that every buffer comes back.
#include "runtime/segment_packets.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rte_ip.h>
#include <rte_mbuf.h>

#include <cstring>
#include <numeric>

#include "packet/checksum.h"
#include "packet/headers.h"
#include "packet/parse.h"
#include "packet_builder.h"
#include "runtime/mbuf_buffers.h"
#include "runtime/port.h"
#include "tcp/wire.h"

namespace weft::test {
namespace {

using runtime::packet_of;
using runtime::run_of;
using runtime::slice_of;
using runtime::TransmitOffload;
namespace flag = tcp::flag;

constexpr uint32_t kBuffers = 511;
constexpr uint16_t kSegment = 1000;
constexpr size_t kPlace = 128;  ///< of a payload in its buffer: behind the headers that it came with
constexpr TransmitOffload kNone{};
constexpr TransmitOffload kChecksums{.checksums = true, .most_buffers = 8};
constexpr TransmitOffload kAll{.checksums = true, .segmentation = true, .ip_checksums = true, .most_buffers = 8};

class SegmentPackets : public ::testing::TestWithParam<lb::Family> {
 protected:
  static runtime::BufferPool make_pool() {
    static int count = 0;
    return std::move(runtime::BufferPool::make("segments" + std::to_string(++count), kBuffers).value());
  }

  /// The engine's slice of a payload that came in a packet of its own, and of which the next bytes have not been used.
  buffer::Slice payload(uint16_t size) {
    buffer::Slice whole = slice_of(rte_pktmbuf_alloc(buffers.get()), pool);
    whole = buffer::Slice(whole.buffer(), kPlace, size);
    std::iota(reinterpret_cast<uint8_t*>(whole.writable().data()),
              reinterpret_cast<uint8_t*>(whole.writable().data() + size), static_cast<uint8_t>(next_byte++));
    return whole;
  }
  /// One more segment, whose payload the engine keeps, too.
  void add(uint16_t size, uint8_t flags = flag::ack) {
    kept.push_back(payload(size));
    std::vector<buffer::Slice> parts;
    parts.push_back(kept.back().share());
    add(std::move(parts), size, flags);
  }
  void add(std::vector<buffer::Slice>&& parts, uint16_t size, uint8_t flags) {
    const bool is_ipv4 = GetParam() == lb::Family::ipv4;
    tcp::Transmission next;
    next.pair = {.local = lb::parse_address(is_ipv4 ? "10.9.0.1" : "fd00::9").value(),
                 .remote = lb::parse_address(is_ipv4 ? "10.2.0.1" : "fd00::2").value(),
                 .local_port = lb::port_from_host(1024),
                 .remote_port = lb::port_from_host(80)};
    next.sequence = segments.empty() ? tcp::Seq(1000) : segments.back().sequence + segments.back().payload_length;
    next.acknowledgment = tcp::Seq(77);
    next.window = 500;
    next.flags = flags;
    next.options_length = 12;
    next.options.fill(std::byte{1});
    next.payload_length = size;
    next.slice_count = static_cast<uint16_t>(parts.size());
    next.first_slice = static_cast<uint32_t>(slices.size());
    segments.push_back(next);
    slices.insert(slices.end(), std::make_move_iterator(parts.begin()), std::make_move_iterator(parts.end()));
  }
  /// Of the only payload.
  std::vector<buffer::Slice> halves() const {
    std::vector<buffer::Slice> parts;
    parts.push_back(kept[0].part(0, 400));
    parts.push_back(kept[0].part(400, kSegment - 400));
    return parts;
  }
  void make(const TransmitOffload& offload) {
    packet = packet_of(segments, slices, {.addresses = {2, 1}, .mtu = 1500}, offload, buffers.get());
    slices.clear();
    ASSERT_NE(packet, nullptr);
    EXPECT_EQ(packet->pkt_len, headers() + total());
  }
  size_t headers() const { return packet::kIpOffset + tcp::header_size(segments[0]); }
  size_t total() const {
    return std::accumulate(segments.begin(), segments.end(), size_t{0},
                           [](size_t sum, const tcp::Transmission& each) { return sum + each.payload_length; });
  }
  Bytes bytes() const {
    Bytes all;
    for (const rte_mbuf* part = packet; part != nullptr; part = part->next) {
      const auto* data = rte_pktmbuf_mtod(part, const std::byte*);
      all.insert(all.end(), data, data + part->data_len);
    }
    return all;
  }
  Bytes expected_payload() const {
    Bytes all;
    for (const buffer::Slice& each : kept) {
      all.insert(all.end(), each.bytes().begin(), each.bytes().end());
    }
    return all;
  }
  /// Of the packet as one buffer. @returns whether the checksum is right
  bool is_right(const Bytes& frame, tcp::Segment& segment) {
    rte_mbuf* whole = rte_pktmbuf_alloc(buffers.get());
    std::memcpy(rte_pktmbuf_append(whole, static_cast<uint16_t>(frame.size())), frame.data(), frame.size());
    const buffer::Slice slice = slice_of(whole, pool);
    packet::Parsed parsed;
    packet::parse(slice.bytes(), parsed);
    return tcp::read_segment(slice, parsed, tcp::Checksum::unknown, segment);
  }
  /// What a device would write.
  static void finish(Bytes& frame, const rte_mbuf* packet) {
    std::byte* const tcp = &frame[packet->l2_len + packet->l3_len];
    auto* header = packet::view<packet::TcpHeader>(tcp);
    header->checksum =
        static_cast<uint16_t>(~packet::fold(packet::sum_of({tcp, frame.size() - packet->l2_len - packet->l3_len}, 0)));
  }
  void TearDown() override {
    rte_pktmbuf_free(packet);
    slices.clear();
    kept.clear();
    runtime::drain(pool, 0);
    EXPECT_EQ(buffers.available(), kBuffers) << "every buffer is back";
  }

  runtime::BufferPool buffers = make_pool();
  buffer::Pool pool;
  std::vector<buffer::Slice> kept;
  std::vector<tcp::Transmission> segments;
  std::vector<buffer::Slice> slices;
  rte_mbuf* packet = nullptr;
  int next_byte = 0;
};

TEST_P(SegmentPackets, HaveTheirHeadersWhereTheOldOnesWere) {
  add(kSegment);
  make(kNone);
  EXPECT_EQ(packet, runtime::mbuf_of(kept[0].buffer()));
  EXPECT_EQ(packet->nb_segs, 1);
  EXPECT_EQ(packet->ol_flags, 0U);
  tcp::Segment segment;
  EXPECT_TRUE(is_right(bytes(), segment));
  EXPECT_EQ(segment.acknowledgment, tcp::Seq(77));
  EXPECT_EQ(segment.payload.size(), kSegment);
}

TEST_P(SegmentPackets, AreCopiesOfWhatOthersNeed) {
  kept.push_back(payload(kSegment));
  add(halves(), kSegment, flag::ack);
  make(kNone);
  EXPECT_NE(packet, runtime::mbuf_of(kept[0].buffer()));
  EXPECT_EQ(packet->nb_segs, 1);
  tcp::Segment segment;
  EXPECT_TRUE(is_right(bytes(), segment));
  EXPECT_TRUE(std::equal(segment.payload.bytes().begin(), segment.payload.bytes().end(), kept[0].bytes().begin()));
}

TEST_P(SegmentPackets, AreChainsWhereTheDeviceTakesThem) {
  kept.push_back(payload(kSegment));
  add(halves(), kSegment, flag::ack | flag::psh);
  make(kChecksums);
  EXPECT_EQ(packet->nb_segs, 3);
  EXPECT_EQ(rte_pktmbuf_mtod(packet->next, const std::byte*), kept[0].data()) << "where it lies";
  EXPECT_EQ(rte_mbuf_refcnt_read(runtime::mbuf_of(kept[0].buffer())), 3) << "the engine's, and the device's";
  EXPECT_EQ(packet->ol_flags & RTE_MBUF_F_TX_L4_MASK, RTE_MBUF_F_TX_TCP_CKSUM);
  EXPECT_EQ(packet->ol_flags & (RTE_MBUF_F_TX_TCP_SEG | RTE_MBUF_F_TX_IP_CKSUM), 0U);
  EXPECT_EQ(packet->l2_len + packet->l3_len + packet->l4_len, headers());
  Bytes frame = bytes();
  finish(frame, packet);
  tcp::Segment segment;
  EXPECT_TRUE(is_right(frame, segment)) << "the pseudo-header's sum is in the checksum's place";
  EXPECT_TRUE(std::equal(segment.payload.bytes().begin(), segment.payload.bytes().end(), kept[0].bytes().begin()));
}

TEST_P(SegmentPackets, OutliveWhatTheEngineForgets) {
  kept.push_back(payload(kSegment));
  add(halves(), kSegment, flag::ack);
  make(kChecksums);
  const Bytes before = bytes();
  kept.clear();
  runtime::drain(pool, 0);
  EXPECT_EQ(bytes(), before);
  EXPECT_LT(buffers.available(), kBuffers) << "the device has it yet";
}

TEST_P(SegmentPackets, AreCopiesIfTheyHaveMorePartsThanTheDeviceTakes) {
  kept.push_back(payload(80));
  std::vector<buffer::Slice> parts;
  for (uint16_t i = 0; i < 8; ++i) {
    parts.push_back(kept[0].part(static_cast<uint16_t>(10 * i), 10));
  }
  add(std::move(parts), 80, flag::ack);
  make(kChecksums);
  EXPECT_EQ(packet->nb_segs, 1);
}

TEST_P(SegmentPackets, AreOneForTheDeviceToCut) {
  add(kSegment);
  add(kSegment);
  add(300, flag::ack | flag::psh);
  ASSERT_EQ(run_of(segments, kAll), 3);
  make(kAll);
  EXPECT_EQ(packet->nb_segs, 4);
  EXPECT_NE(packet->ol_flags & RTE_MBUF_F_TX_TCP_SEG, 0U);
  EXPECT_EQ(packet->tso_segsz, kSegment);
  const Bytes frame = bytes();
  const auto* header = packet::view<packet::TcpHeader>(&frame[packet->l2_len + packet->l3_len]);
  EXPECT_EQ(header->flags, flag::ack | flag::psh);
  EXPECT_EQ(packet::swap32(header->sequence), 1000U);
  const std::byte* const ip = &frame[packet->l2_len];
  const uint16_t pseudo = GetParam() == lb::Family::ipv4
                              ? rte_ipv4_phdr_cksum(reinterpret_cast<const rte_ipv4_hdr*>(ip), packet->ol_flags)
                              : rte_ipv6_phdr_cksum(reinterpret_cast<const rte_ipv6_hdr*>(ip), packet->ol_flags);
  EXPECT_EQ(header->checksum, pseudo) << "as DPDK wants it of what a device cuts: without a length";
  EXPECT_EQ(Bytes(frame.begin() + static_cast<std::ptrdiff_t>(headers()), frame.end()), expected_payload());
  if (GetParam() == lb::Family::ipv4) {
    EXPECT_NE(packet->ol_flags & RTE_MBUF_F_TX_IP_CKSUM, 0U);
    EXPECT_EQ(packet::view<packet::Ipv4Header>(&frame[packet::kIpOffset])->checksum, 0);
  }
}

TEST_P(SegmentPackets, AreNoLongerThanAnIpLength) {
  constexpr TransmitOffload kMany{.checksums = true, .segmentation = true, .most_buffers = 64};
  for (int i = 0; i < 50; ++i) {
    add(1448);
  }
  const size_t count = run_of(segments, kMany);
  EXPECT_EQ(count, 45);
  EXPECT_LE(headers() + count * 1448, UINT16_MAX);
  segments.resize(count);
  slices.resize(count);
  make(kMany);
}

TEST_P(SegmentPackets, EndTheirRunWithWhatDoesNotGoOn) {
  using Change = void (*)(tcp::Transmission&);
  constexpr Change kChanges[] = {
      [](tcp::Transmission& next) { next.sequence = next.sequence + 1; },
      [](tcp::Transmission& next) { next.acknowledgment = next.acknowledgment + 1; },
      [](tcp::Transmission& next) { ++next.window; },
      [](tcp::Transmission& next) { next.flags |= flag::fin; },
      [](tcp::Transmission& next) { next.payload_length = kSegment + 1; },
      [](tcp::Transmission& next) { next.payload_length = 0; },
      [](tcp::Transmission& next) { next.options[3] = std::byte{2}; },
      [](tcp::Transmission& next) { next.options_length = 8; },
      [](tcp::Transmission& next) { next.pair.local_port = lb::port_from_host(1025); },
      [](tcp::Transmission& next) { next.slice_count = 7; },
  };
  add(kSegment);
  add(kSegment);
  for (const Change change : kChanges) {
    std::vector<tcp::Transmission> changed = segments;
    change(changed[1]);
    EXPECT_EQ(run_of(changed, kAll), 1) << "change " << &change - kChanges;
  }
  EXPECT_EQ(run_of(segments, kAll), 2);
  EXPECT_EQ(run_of(segments, kChecksums), 1);
  segments[0].payload_length = 900;
  segments[1].sequence = segments[0].sequence + 900;
  segments[1].payload_length = 800;
  add(kSegment);
  segments[2].payload_length = 800;
  EXPECT_EQ(run_of(segments, kAll), 2) << "a shorter one is the last";
  segments[0].flags |= flag::psh;
  EXPECT_EQ(run_of(segments, kAll), 1) << "nothing behind what is to be read at once";
}

INSTANTIATE_TEST_SUITE_P(Families, SegmentPackets, ::testing::Values(lb::Family::ipv4, lb::Family::ipv6),
                         [](const auto& family) { return family.param == lb::Family::ipv4 ? "Ipv4" : "Ipv6"; });

}  // namespace
}  // namespace weft::test
