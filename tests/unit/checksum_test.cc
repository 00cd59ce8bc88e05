// SPDX-License-Identifier: Apache-2.0
#include "packet/checksum.h"

#include <gtest/gtest.h>

#include <memory>
#include <random>

#include "packet_builder.h"

namespace weft::packet {
namespace {

using test::Bytes;
using test::reference_checksum;

Bytes random_bytes(size_t length, std::mt19937& random) {
  Bytes bytes(length);
  for (std::byte& byte : bytes) {
    byte = static_cast<std::byte>(random());
  }
  return bytes;
}

TEST(Checksum, IsTheReferencesForAnyLengthAndAlignment) {
  std::mt19937 random(1);
  for (size_t length = 0; length < 130; ++length) {
    for (size_t shift = 0; shift < 4; ++shift) {
      const Bytes bytes = random_bytes(length + shift, random);
      const auto exact = std::make_unique<std::byte[]>(length + shift);  // sanitizers see one byte beyond
      std::copy(bytes.begin(), bytes.end(), exact.get());
      const std::span<const std::byte> tail(exact.get() + shift, length);
      EXPECT_EQ(swap16(checksum_of(tail)), reference_checksum(tail)) << length;
    }
  }
}

TEST(Checksum, IsThatOfRfc1071sExample) {
  const Bytes bytes = {std::byte{0x00}, std::byte{0x01}, std::byte{0xf2}, std::byte{0x03},
                       std::byte{0xf4}, std::byte{0xf5}, std::byte{0xf6}, std::byte{0xf7}};
  EXPECT_EQ(swap16(fold(sum_of(bytes))), 0xddf2);
}

TEST(Checksum, FoldsAllCarries) {
  EXPECT_EQ(fold(uint32_t{0}), 0);
  EXPECT_EQ(fold(uint32_t{0xffff}), 0xffff);
  EXPECT_EQ(fold(uint32_t{0x10000}), 1);
  EXPECT_EQ(fold(uint32_t{0x1ffff}), 1);
  EXPECT_EQ(fold(uint32_t{0xffffffff}), 0xffff);
  EXPECT_EQ(fold(uint64_t{0xffffffffffffffff}), 0xffff);
  EXPECT_EQ(fold(uint64_t{0x100000000}), 1);
  std::mt19937_64 random(2);
  for (int i = 0; i < 10000; ++i) {
    const uint64_t sum = random() >> random() % 64;
    const uint64_t expected = sum == 0 ? 0 : (sum - 1) % 0xffff + 1;  // one's complement addition is modulo 0xffff
    EXPECT_EQ(fold(sum), expected) << sum;
    EXPECT_EQ(fold(static_cast<uint32_t>(sum)), (sum & 0xffffffff) == 0 ? 0 : ((sum & 0xffffffff) - 1) % 0xffff + 1);
  }
}

TEST(Checksum, VerifiesAPlainHeaderAndSeesAnyByteChange) {
  const Bytes frame = test::udp("10.1.0.1:1", "10.96.0.1:53").bytes();
  std::array<std::byte, 20> header;
  std::copy_n(frame.begin() + 14, 20, header.begin());
  EXPECT_TRUE(verify_plain_ipv4(view<Ipv4Header>(header.data())));
  for (std::byte& byte : header) {
    for (int bit = 0; bit < 8; ++bit) {
      byte ^= std::byte{1} << bit;
      EXPECT_FALSE(verify_plain_ipv4(view<Ipv4Header>(header.data())));
      byte ^= std::byte{1} << bit;
    }
  }
}

TEST(Checksum, ThePseudoHeaderIsThatOfTheRfcs) {
  const auto source = lb::address_from_host(0xc0a80001);
  const auto destination = lb::address_from_host(0x0a0000ff);
  constexpr uint32_t kByHand = 0xc0a8 + 0x0001 + 0x0a00 + 0x00ff + 17 + 0x1234;
  EXPECT_EQ(swap16(fold(pseudo_header_sum(source, destination, lb::Protocol::udp, 0x1234))), fold(kByHand));
}

TEST(Checksum, ThePseudoHeaderOfIpv6IsThatOfTheReference) {
  const lb::Ipv6Address source = lb::parse_ipv6("fd00:1:ffff::1").value();
  const lb::Ipv6Address destination = lb::parse_ipv6("2001:db8::ffff:8000").value();
  for (const uint16_t length : {0, 8, 0x1234, 0xffff}) {
    EXPECT_EQ(swap16(fold(pseudo_header_sum(source, destination, lb::Protocol::icmpv6, length))),
              test::reference_pseudo_header(source, destination, 58, length));
  }
}

TEST(Checksum, AnUpdateIsWhatARecomputationGives) {
  std::mt19937 random(3);
  for (int i = 0; i < 20000; ++i) {
    Bytes bytes = random_bytes(24, random);
    if (i % 4 == 0) {  // sums at the edges of one's complement
      std::fill(bytes.begin(), bytes.begin() + 20, std::byte{i % 8 == 0 ? uint8_t{0xff} : uint8_t{0}});
    }
    const uint16_t before = checksum_of(bytes);
    const uint64_t from = sum_of(std::span(bytes).first(4));
    const Bytes changed = random_bytes(4, random);
    std::copy(changed.begin(), changed.end(), bytes.begin());
    const uint16_t change = delta(from, sum_of(std::span(bytes).first(4)));
    EXPECT_EQ(update(before, change), checksum_of(bytes));
    EXPECT_EQ(update(checksum_of(bytes), static_cast<uint16_t>(~change)), before) << "and back";
  }
}

// RFC 1071's example, cut at an odd offset as its section 3 does.
static_assert(sum_of_both(swap16(0xf201), 3, swap16(0xf0eb)) == swap16(0xddf2));
static_assert(sum_of_head(swap16(0xddf2), 3, swap16(0xf0eb)) == swap16(0xf201));
static_assert(sum_of_tail(swap16(0xddf2), 3, swap16(0xf201)) == swap16(0xf0eb));

/// As a packet's checksum takes it in: 0xffff and 0 are one.
uint16_t in_a_packet(uint16_t sum) {
  constexpr uint32_t kPseudoHeader = 0x1234;
  return fold(sum + kPseudoHeader);
}

TEST(Checksum, IsCarriedAlongAsAPayloadIsCutAndJoined) {
  std::mt19937 random(4);
  for (const Bytes& bytes : {random_bytes(257, random), Bytes(257, std::byte{0}), Bytes(257, std::byte{0xff}),
                             random_bytes(258, random), Bytes(258, std::byte{0xff})}) {
    const uint16_t whole = fold(sum_of(bytes));
    for (size_t cut = 0; cut <= bytes.size(); ++cut) {
      const auto head_bytes = std::span(bytes).first(cut);
      const auto tail_bytes = std::span(bytes).subspan(cut);
      const uint16_t head = fold(sum_of(head_bytes));
      const uint16_t tail = fold(sum_of(tail_bytes));
      EXPECT_EQ(sum_of_both(head, cut, tail), whole) << cut;
      EXPECT_EQ(in_a_packet(sum_of_head(whole, cut, tail)), in_a_packet(head)) << cut;
      EXPECT_EQ(in_a_packet(sum_of_tail(whole, cut, head)), in_a_packet(tail)) << cut;
    }
  }
}

TEST(Checksum, OfAChainOfSlicesIsThatOfTheirBytes) {
  std::mt19937 random(5);
  for (int i = 0; i < 2000; ++i) {
    Bytes bytes;
    uint16_t sum = 0;
    for (int slices = 0; slices < 6; ++slices) {
      const Bytes slice = random_bytes(random() % 40, random);
      sum = sum_of_both(sum, bytes.size(), fold(sum_of(slice)));
      bytes.insert(bytes.end(), slice.begin(), slice.end());
    }
    EXPECT_EQ(sum, fold(sum_of(bytes)));
  }
}

}  // namespace
}  // namespace weft::packet
