// SPDX-License-Identifier: Apache-2.0
/// @file Translation against freshly built packets, in both families: whatever is rewritten, the bytes are those that a
/// sender with the new tuple would have sent.
#include "packet/translate.h"

#include <gtest/gtest.h>

#include <random>

#include "packet/parse.h"
#include "packet_builder.h"

namespace weft::packet {
namespace {

using lb::Family;
using lb::FlowKey4;
using lb::FlowKey6;
using lb::Protocol;
using test::Bytes;
using test::hex;
using test::PacketBuilder;
using test::Socket;

constexpr size_t kIp = 14;

PacketBuilder packet(Protocol protocol, const Socket& source, const Socket& destination) {
  return {static_cast<uint8_t>(protocol), source, destination};
}

/// Addresses and ports at the edges of one's complement as well as others.
template <typename Key>
Socket some_socket(std::mt19937& random) {
  constexpr uint32_t kWords[] = {0, 0xffffffff, 0xffff0000, 0x0000ffff, 0x00010000, 0xfffeffff};
  constexpr uint16_t kPorts[] = {0, 1, 0xffff, 0xfffe, 80};
  const uint16_t port = random() % 4 == 0 ? kPorts[random() % 5] : static_cast<uint16_t>(random());
  const auto word = [&] { return random() % 4 == 0 ? kWords[random() % 6] : static_cast<uint32_t>(random()); };
  if constexpr (std::is_same_v<Key, FlowKey4>) {
    return {lb::address_from_host(word()), port};
  } else {
    // Not an IPv4-mapped address: its first word is not zero.
    return {std::bit_cast<lb::Ipv6Address>(std::array<uint32_t, 4>{word() | 1, word(), word(), word()}), port};
  }
}

template <typename Key>
constexpr size_t kTransport = std::is_same_v<Key, FlowKey4> ? 34 : 54;

/// From the packet's own tuple to another, as a flow's packets are.
template <typename Key>
void translate_to(Bytes& frame, const Key& from, const Key& to) {
  translate(frame.data() + kIp, frame.data() + kTransport<Key>, to, deltas_of(from, to));
}

template <typename Key>
class TranslateBoth : public ::testing::Test {};
using Keys = ::testing::Types<FlowKey4, FlowKey6>;
TYPED_TEST_SUITE(TranslateBoth, Keys);

TYPED_TEST(TranslateBoth, WritesWhatAFreshlyBuiltPacketHas) {
  std::mt19937 random(11);
  for (int i = 0; i < 20'000; ++i) {
    const Protocol protocol = i % 2 == 0 ? Protocol::tcp : Protocol::udp;
    const Socket client = some_socket<TypeParam>(random);
    const Socket vip = some_socket<TypeParam>(random);
    const Socket node = random() % 2 == 0 ? client : some_socket<TypeParam>(random);  // nat, fullnat
    const Socket endpoint = some_socket<TypeParam>(random);
    const auto asked = test::key_of<TypeParam>(client, vip, protocol);
    const auto sent = test::key_of<TypeParam>(node, endpoint, protocol);
    const Deltas forth = deltas_of(asked, sent);
    const size_t length = random() % 8;

    Bytes request = packet(protocol, client, vip).payload_of(length).ttl(9).bytes();
    translate(request.data() + kIp, request.data() + kTransport<TypeParam>, sent, forth);
    ASSERT_EQ(hex(request), hex(packet(protocol, node, endpoint).payload_of(length).ttl(8).bytes()));

    Bytes reply = packet(protocol, endpoint, node).payload_of(length).ttl(9).bytes();
    translate(reply.data() + kIp, reply.data() + kTransport<TypeParam>, reversed(asked), forth.reversed());
    ASSERT_EQ(hex(reply), hex(packet(protocol, vip, client).payload_of(length).ttl(8).bytes()));
  }
}

/// Any checksums, right or wrong: there and back, only the hops are gone.
TYPED_TEST(TranslateBoth, ThereAndBackIsTheSamePacketTwoHopsOn) {
  std::mt19937 random(12);
  for (int i = 0; i < 20'000; ++i) {
    const Protocol protocol = i % 2 == 0 ? Protocol::tcp : Protocol::udp;
    const Socket client = some_socket<TypeParam>(random);
    const Socket vip = some_socket<TypeParam>(random);
    // 0xffff is 0's other form, and a computed 0 of UDP's is sent as it.
    const auto checksum = static_cast<uint16_t>(random() % 0xffff);
    const auto built = [&](uint8_t ttl) {
      return packet(protocol, client, vip).payload("x").transport_checksum(checksum).ttl(ttl).bytes();
    };
    const auto from = test::key_of<TypeParam>(client, vip, protocol);
    const auto to = test::key_of<TypeParam>(some_socket<TypeParam>(random), some_socket<TypeParam>(random), protocol);
    Bytes frame = built(64);
    translate_to(frame, from, to);
    translate_to(frame, to, from);
    ASSERT_EQ(hex(frame), hex(built(62)));
  }
}

TYPED_TEST(TranslateBoth, AWrongTransportChecksumStaysWrong) {
  std::mt19937 random(13);
  for (int i = 0; i < 2000; ++i) {
    const Protocol protocol = i % 2 == 0 ? Protocol::tcp : Protocol::udp;
    const Socket client = some_socket<TypeParam>(random);
    const Socket vip = some_socket<TypeParam>(random);
    const Socket endpoint = some_socket<TypeParam>(random);
    const size_t at = kTransport<TypeParam> + (protocol == Protocol::tcp ? 16 : 6);
    Bytes frame = packet(protocol, client, vip).payload("x").bytes();
    frame[at] ^= std::byte{0x40};
    if (frame[at] == std::byte{0} && frame[at + 1] == std::byte{0}) {
      continue;  // of UDP, absent
    }
    translate_to(frame, test::key_of<TypeParam>(client, vip, protocol),
                 test::key_of<TypeParam>(client, endpoint, protocol));
    ASSERT_NE(hex(frame), hex(packet(protocol, client, endpoint).payload("x").ttl(63).bytes()));
  }
}

TYPED_TEST(TranslateBoth, AnAbsentUdpChecksumStaysAbsent) {
  std::mt19937 random(14);
  const Socket client = some_socket<TypeParam>(random);
  const Socket vip = some_socket<TypeParam>(random);
  const Socket endpoint = some_socket<TypeParam>(random);
  Bytes frame = test::udp(client, vip).transport_checksum(0).bytes();
  translate_to(frame, test::key_of<TypeParam>(client, vip, Protocol::udp),
               test::key_of<TypeParam>(client, endpoint, Protocol::udp));
  EXPECT_EQ(hex(frame), hex(test::udp(client, endpoint).transport_checksum(0).ttl(63).bytes()));
}

/// Sought by payload: the datagram whose checksum comes out as 0 must say 0xffff, and the other way round.
TYPED_TEST(TranslateBoth, AComputedUdpChecksumOfZeroIsSentAsItsOtherForm) {
  std::mt19937 random(15);
  const Socket client = some_socket<TypeParam>(random);
  const Socket vip = some_socket<TypeParam>(random);
  const Socket endpoint = some_socket<TypeParam>(random);
  int met = 0;
  for (uint32_t word = 0; word < 0x10000; ++word) {
    const std::array<std::byte, 2> payload = {static_cast<std::byte>(word >> 8), static_cast<std::byte>(word)};
    const Bytes expected = test::udp(client, endpoint).payload(payload).ttl(63).bytes();
    if (expected[kTransport<TypeParam> + 6] != std::byte{0xff} ||
        expected[kTransport<TypeParam> + 7] != std::byte{0xff}) {
      continue;
    }
    ++met;
    Bytes frame = test::udp(client, vip).payload(payload).bytes();
    translate_to(frame, test::key_of<TypeParam>(client, vip, Protocol::udp),
                 test::key_of<TypeParam>(client, endpoint, Protocol::udp));
    EXPECT_EQ(hex(frame), hex(expected));
  }
  EXPECT_GT(met, 0);
}

TYPED_TEST(TranslateBoth, ToTheSamePlaceOnlyTakesAHop) {
  std::mt19937 random(16);
  const Socket client = some_socket<TypeParam>(random);
  const Socket vip = some_socket<TypeParam>(random);
  const auto key = test::key_of<TypeParam>(client, vip, Protocol::tcp);
  for (const uint8_t ttl : {1, 2, 128, 255}) {
    Bytes frame = test::tcp(client, vip).ttl(ttl).bytes();
    translate_to(frame, key, key);
    EXPECT_EQ(hex(frame), hex(test::tcp(client, vip).ttl(static_cast<uint8_t>(ttl - 1)).bytes()));
  }
}

TEST(Translate, ALaterFragmentGetsAddressesOnly) {
  const auto fragment4 = [](const Socket& from, const Socket& to) {
    return test::udp(from, to).payload_of(64).fragment(0x2010).identification(7);
  };
  const auto from = test::key_of("10.1.0.1:1", "10.96.0.1:53", Protocol::udp);
  const auto to = test::key_of("10.1.0.9:1", "10.2.0.1:53", Protocol::udp);
  Bytes frame = fragment4("10.1.0.1:1", "10.96.0.1:53").bytes();
  translate_ip(frame.data() + kIp, to, deltas_of(from, to));
  EXPECT_EQ(hex(frame), hex(fragment4("10.1.0.9:1", "10.2.0.1:53").ttl(63).bytes()));
}

/// The datagram's checksum, in its first fragment, covers what the first fragment does not have.
TEST(Translate, AFirstFragmentCarriesTheDatagramsChecksum) {
  const auto whole = [](const char* to) { return test::udp("[fd00::5]:9", to).payload_of(64); };
  const auto first = [&](const char* to) {
    const Bytes datagram = whole(to).bytes();
    const auto checksum =
        static_cast<uint16_t>(std::to_integer<int>(datagram[60]) << 8 | std::to_integer<int>(datagram[61]));
    return test::udp("[fd00::5]:9", to)
        .payload_of(24)
        .udp_length(72)
        .transport_checksum(checksum)
        .fragment_header(0, true, 1);
  };
  Bytes frame = first("[fd00::1]:53").bytes();
  Parsed parsed;
  parse(frame, parsed);
  ASSERT_TRUE(parsed.kind == Kind::fragment && parsed.has_ports);
  const auto to = test::key_of<FlowKey6>("[fd00::5]:9", "[fd00:2::1]:5353", Protocol::udp);
  translate(frame.data() + kIp, frame.data() + parsed.l4_offset, to, deltas_of(parsed.key6, to));
  EXPECT_EQ(hex(frame), hex(first("[fd00:2::1]:5353").ttl(63).bytes()));
}

}  // namespace
}  // namespace weft::packet
