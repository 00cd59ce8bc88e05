// SPDX-License-Identifier: Apache-2.0
#include "packet/translate.h"

#include <gtest/gtest.h>

#include <random>

#include "packet_builder.h"

namespace weft::packet {
namespace {

using lb::Protocol;
using test::Bytes;
using test::hex;
using test::PacketBuilder;
using test::Socket;

constexpr size_t kIp = 14;
constexpr size_t kTransport = 34;

PacketBuilder packet(Protocol protocol, const Socket& source, const Socket& destination) {
  return {static_cast<uint8_t>(protocol), source, destination};
}

/// Addresses and ports at the edges of one's complement as well as others.
Socket some_socket(std::mt19937& random) {
  constexpr uint32_t kAddresses[] = {0, 0xffffffff, 0xffff0000, 0x0000ffff, 0x00010000, 0xfffeffff};
  constexpr uint16_t kPorts[] = {0, 1, 0xffff, 0xfffe, 80};
  return {lb::address_from_host(random() % 4 == 0 ? kAddresses[random() % 6] : static_cast<uint32_t>(random())),
          random() % 4 == 0 ? kPorts[random() % 5] : static_cast<uint16_t>(random())};
}

Deltas deltas(const Socket& from, const Socket& to) {
  return deltas_of(from.address, lb::port_from_host(from.port), to.address, lb::port_from_host(to.port));
}

template <End end>
void translate_to(Bytes& frame, Protocol protocol, const Socket& to, Deltas deltas) {
  translate<end>(frame.data() + kIp, frame.data() + kTransport, protocol, to.address, lb::port_from_host(to.port),
                 deltas);
}

class Translate : public ::testing::TestWithParam<Protocol> {};

TEST_P(Translate, WritesWhatAFreshlyBuiltPacketHas) {
  std::mt19937 random(11);
  const Protocol protocol = GetParam();
  for (int i = 0; i < 20000; ++i) {
    const Socket client = some_socket(random);
    const Socket vip = some_socket(random);
    const Socket endpoint = some_socket(random);
    const Deltas forth = deltas(vip, endpoint);
    const size_t length = random() % 8;

    Bytes request = packet(protocol, client, vip).payload_of(length).ttl(9).bytes();
    translate_to<End::destination>(request, protocol, endpoint, forth);
    ASSERT_EQ(hex(request), hex(packet(protocol, client, endpoint).payload_of(length).ttl(8).bytes()));

    Bytes reply = packet(protocol, endpoint, client).payload_of(length).ttl(9).bytes();
    translate_to<End::source>(reply, protocol, vip, forth.reversed());
    ASSERT_EQ(hex(reply), hex(packet(protocol, vip, client).payload_of(length).ttl(8).bytes()));
  }
}

INSTANTIATE_TEST_SUITE_P(Protocols, Translate, ::testing::Values(Protocol::tcp, Protocol::udp),
                         [](const auto& tested) { return std::string(to_string(tested.param)); });

TEST(TranslateOne, AnAbsentUdpChecksumStaysAbsent) {
  Bytes frame = test::udp("10.1.0.1:1", "10.96.0.1:53").transport_checksum(0).bytes();
  translate_to<End::destination>(frame, Protocol::udp, "10.2.0.1:5353", deltas("10.96.0.1:53", "10.2.0.1:5353"));
  EXPECT_EQ(hex(frame), hex(test::udp("10.1.0.1:1", "10.2.0.1:5353").transport_checksum(0).ttl(63).bytes()));
}

TEST(TranslateOne, ToTheSamePlaceOnlyTakesAHop) {
  Bytes frame = test::tcp("10.1.0.1:1", "10.96.0.1:53").ttl(1).bytes();
  translate_to<End::destination>(frame, Protocol::tcp, "10.96.0.1:53", deltas("10.96.0.1:53", "10.96.0.1:53"));
  EXPECT_EQ(hex(frame), hex(test::tcp("10.1.0.1:1", "10.96.0.1:53").ttl(0).bytes()));
}

}  // namespace
}  // namespace weft::packet
