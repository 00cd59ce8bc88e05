// SPDX-License-Identifier: Apache-2.0
#include "packet/segment_size.h"

#include <gtest/gtest.h>

#include <initializer_list>
#include <memory>
#include <random>

#include "packet_builder.h"

namespace weft::packet {
namespace {

using test::Bytes;
using test::hex;
using test::PacketBuilder;

Bytes options(std::initializer_list<int> values) {
  Bytes bytes;
  for (const int value : values) {
    bytes.push_back(static_cast<std::byte>(value));
  }
  return bytes;
}

PacketBuilder syn(const Bytes& tcp_options) {
  return test::tcp("[fd00:1::1]:1024", "[fd00:96::1]:80").flags(test::kSyn).tcp_options(tcp_options).payload("abc");
}

struct Result {
  bool clamped;
  std::string segment;
};

/// Clamps a copy of the TCP header that ends where its heap block does.
Result clamp(const PacketBuilder& builder, uint16_t max) {
  const Bytes packet = builder.ip();
  const size_t header_length = std::to_integer<size_t>(packet[40 + 12] >> 4) * 4;
  const auto header = std::make_unique<std::byte[]>(header_length);
  std::copy_n(packet.begin() + 40, header_length, header.get());
  const bool clamped = clamp_segment_size(header.get(), header_length, max);
  return {clamped, hex({header.get(), header_length})};
}

std::string header_of(const PacketBuilder& builder) {
  const Bytes packet = builder.ip();
  return hex(std::span(packet).subspan(40, std::to_integer<size_t>(packet[40 + 12] >> 4) * 4));
}

TEST(SegmentSize, IsLoweredWhereverTheOptionStands) {
  for (size_t before = 0; before < 12; ++before) {  // odd places too
    Bytes large(before, std::byte{1});
    Bytes small = large;
    for (const int value : {2, 4, 0x05, 0xb4}) {  // 1460
      large.push_back(static_cast<std::byte>(value));
    }
    for (const int value : {2, 4, 0x05, 0x8c}) {  // 1420
      small.push_back(static_cast<std::byte>(value));
    }
    const Result result = clamp(syn(large), 1420);
    EXPECT_TRUE(result.clamped);
    EXPECT_EQ(result.segment, header_of(syn(small))) << before;
  }
}

TEST(SegmentSize, IsNeverRaised) {
  for (const uint16_t max : {1460, 1461, 65535}) {
    const PacketBuilder builder = syn(options({2, 4, 0x05, 0xb4}));
    const Result result = clamp(builder, max);
    EXPECT_FALSE(result.clamped);
    EXPECT_EQ(result.segment, header_of(builder));
  }
}

TEST(SegmentSize, EveryOneOfSeveralIsLowered) {
  const Result result = clamp(syn(options({2, 4, 0x05, 0xb4, 1, 2, 4, 0xff, 0xff, 3, 3, 7})), 0x0500);
  EXPECT_TRUE(result.clamped);
  EXPECT_EQ(result.segment, header_of(syn(options({2, 4, 0x05, 0x00, 1, 2, 4, 0x05, 0x00, 3, 3, 7}))));
}

TEST(SegmentSize, StopsAtTheEndAndAtWhatMakesNoSense) {
  for (const Bytes& bad :
       {options({}),                               // no options
        options({0, 2, 4, 0xff, 0xff}),            // behind the end
        options({8, 0, 2, 4, 0xff, 0xff}),         // an option of length 0
        options({8, 1, 2, 4, 0xff, 0xff}),         // and of length 1
        options({8, 12, 2, 4, 0xff, 0xff, 1, 1}),  // within another option, which ends too late
        options({1, 1, 1, 2}),                     // no length
        options({1, 1, 2, 4}),                     // no value
        options({1, 2, 4, 0xff}),                  // half a value
        options({2, 3, 0xff, 1}),                  // lengths that are not its own
        options({2, 6, 0xff, 0xff, 0xff, 0xff}), options({8, 6, 2, 4, 0xff, 0xff})}) {  // the value of another
    const Result result = clamp(syn(bad), 100);
    EXPECT_FALSE(result.clamped) << hex(bad);
    EXPECT_EQ(result.segment, header_of(syn(bad)));
  }
}

/// Whatever stands there, what comes out is as right as what went in.
TEST(SegmentSize, KeepsTheChecksumOverAnyOptions) {
  std::mt19937 random(21);
  int clamped = 0;
  for (int i = 0; i < 100'000; ++i) {
    Bytes any(random() % 41, std::byte{1});
    for (std::byte& byte : std::span(any).subspan(random() % (any.size() + 1))) {
      constexpr uint8_t kLikely[] = {0, 1, 1, 1, 2, 4, 4, 8, 3};
      byte = static_cast<std::byte>(random() % 4 > 0 ? kLikely[random() % 9] : random());
    }
    Bytes packet = syn(any).ip();
    const size_t header_length = std::to_integer<size_t>(packet[40 + 12] >> 4) * 4;
    clamped += clamp_segment_size(packet.data() + 40, header_length, static_cast<uint16_t>(random() % 256)) ? 1 : 0;
    const auto segment = std::span(packet).subspan(40);
    const uint32_t pseudo = test::reference_pseudo_header(test::Socket("fd00:1::1").address,
                                                          test::Socket("fd00:96::1").address, 6, segment.size());
    ASSERT_EQ(test::reference_checksum(segment, pseudo), 0) << hex(any);
  }
  EXPECT_GT(clamped, 500);
}

}  // namespace
}  // namespace weft::packet
