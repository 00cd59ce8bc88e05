// SPDX-License-Identifier: Apache-2.0
/// @file Segments to packets and back, with payloads in pieces of odd lengths, and sums that were carried over.
#include <gtest/gtest.h>

#include <cstring>
#include <random>

#include "buffer/heap.h"
#include "packet/checksum.h"
#include "packet/transport_checksum.h"
#include "tcp/wire.h"

namespace weft::tcp {
namespace {

class Frames {
 protected:
  explicit Frames(lb::Family family) : family_(family) {}

  lb::Address address(uint8_t last) const {
    return family_ == lb::Family::ipv4 ? *lb::parse_address("10.1.2." + std::to_string(last))
                                       : *lb::parse_address("fd00::" + std::to_string(last));
  }
  buffer::Slice random_slice(uint16_t size) {
    buffer::Slice slice(buffers.pool().take(), static_cast<uint16_t>(random() % 8), size);
    for (std::byte& byte : slice.writable()) {
      byte = std::byte(random() % 256);
    }
    return slice;
  }
  Transmission transmission(uint16_t payload) {
    Transmission out;
    out.pair = {address(1), address(2), lb::port_from_host(80), lb::port_from_host(40001)};
    out.sequence = Seq(static_cast<uint32_t>(random()));
    out.acknowledgment = Seq(static_cast<uint32_t>(random()));
    out.window = static_cast<uint16_t>(random());
    out.flags = flag::ack | flag::psh;
    out.payload_length = payload;
    Options options;
    options.timestamps = {static_cast<uint32_t>(random()), static_cast<uint32_t>(random())};
    out.options_length = encode_options(options, out.options);
    return out;
  }
  /// As a frame of its own, with some padding behind it.
  buffer::Slice frame_of(const Transmission& out, std::span<const buffer::Slice> payload) {
    const size_t headers = packet::kIpOffset + header_size(out);
    buffer::Slice frame(buffers.pool().take(), 0, static_cast<uint16_t>(headers + out.payload_length + 6));
    std::byte* at = frame.writable().data();
    std::memset(at, 0xee, frame.size());
    packet::view<packet::EthernetHeader>(at)->type =
        family_ == lb::Family::ipv4 ? packet::kEtherTypeIpv4 : packet::kEtherTypeIpv6;
    write_headers(out, payload, at + packet::kIpOffset);
    at += headers;
    for (const buffer::Slice& slice : payload) {
      std::memcpy(at, slice.data(), slice.size());
      at += slice.size();
    }
    return frame;
  }

  lb::Family family_;
  std::mt19937 random{1};
  buffer::HeapBuffers buffers{64, 2048};
};

class Wire : public Frames, public ::testing::TestWithParam<lb::Family> {
 protected:
  Wire() : Frames(GetParam()) {}
};
class WireOfIpv6 : public Frames, public ::testing::Test {
 protected:
  WireOfIpv6() : Frames(lb::Family::ipv6) {}
};

TEST_P(Wire, CarriesSegments) {
  for (int round = 0; round < 2000; ++round) {
    std::vector<buffer::Slice> payload;
    uint16_t length = 0;
    for (uint32_t i = 0; i < random() % 4; ++i) {
      payload.push_back(random_slice(static_cast<uint16_t>(1 + random() % 400)));
      length = static_cast<uint16_t>(length + payload.back().size());
      if (random() % 2 == 0) {
        payload.back().set_sum(packet::fold(packet::sum_of(payload.back().bytes())));
      }
    }
    const Transmission out = transmission(length);
    const buffer::Slice frame = frame_of(out, payload);
    EXPECT_FALSE(packet::transport_checksum_wrong(frame.bytes()));
    packet::Parsed parsed;
    packet::parse(frame.bytes(), parsed);
    ASSERT_EQ(parsed.kind, packet::Kind::transport);
    Segment in;
    ASSERT_TRUE(read_segment(frame, parsed, Checksum::unknown, in));
    EXPECT_EQ(in.pair, (SocketPair{out.pair.remote, out.pair.local, out.pair.remote_port, out.pair.local_port}));
    EXPECT_EQ(in.sequence, out.sequence);
    EXPECT_EQ(in.acknowledgment, out.acknowledgment);
    EXPECT_EQ(in.window, out.window);
    EXPECT_EQ(in.flags, out.flags);
    ASSERT_EQ(in.payload.size(), length) << "without the padding";
    const uint16_t sum = packet::fold(packet::sum_of(in.payload.bytes()));
    EXPECT_EQ(in.payload.sum() % 0xffff, sum % 0xffff);  // 0 has two forms
    Segment trusted;
    ASSERT_TRUE(read_segment(frame, parsed, Checksum::right, trusted));
    EXPECT_EQ(trusted.payload.sum() % 0xffff, sum % 0xffff);
  }
}

TEST_P(Wire, SeesEachFlippedBit) {
  std::vector<buffer::Slice> payload;
  payload.push_back(random_slice(33));
  buffer::Slice frame = frame_of(transmission(33), payload);
  const size_t end = frame.size() - 6;
  const size_t begin = packet::kIpOffset + (GetParam() == lb::Family::ipv4 ? 20 : 40);
  for (size_t bit = begin * 8; bit < end * 8; ++bit) {
    std::byte& byte = frame.writable()[bit / 8];
    byte ^= std::byte(1 << bit % 8);
    packet::Parsed parsed;
    packet::parse(frame.bytes(), parsed);
    Segment in;
    EXPECT_TRUE(parsed.kind != packet::Kind::transport || !read_segment(frame, parsed, Checksum::unknown, in))
        << "bit " << bit;
    byte ^= std::byte(1 << bit % 8);
  }
}

/// RFC 4291, section 2.5.5.2: such an address names an IPv4 node to applications, and nobody on the wire.
TEST_F(WireOfIpv6, RefusesMappedAddresses) {
  const std::array<std::byte, 12> mapped = {{{}, {}, {}, {}, {}, {}, {}, {}, {}, {}, std::byte{0xff}, std::byte{0xff}}};
  for (const size_t at : {8U, 24U}) {  // source, destination
    buffer::Slice frame = frame_of(transmission(0), {});
    std::memcpy(&frame.writable()[packet::kIpOffset + at], mapped.data(), mapped.size());
    packet::Parsed parsed;
    packet::parse(frame.bytes(), parsed);
    ASSERT_EQ(parsed.kind, packet::Kind::transport);
    Segment in;
    EXPECT_FALSE(read_segment(frame, parsed, Checksum::right, in));
  }
}

INSTANTIATE_TEST_SUITE_P(Families, Wire, ::testing::Values(lb::Family::ipv4, lb::Family::ipv6),
                         [](const auto& family) { return lb::to_string(family.param) == "IPv4" ? "Ipv4" : "Ipv6"; });

}  // namespace
}  // namespace weft::tcp
