// SPDX-License-Identifier: Apache-2.0
#include "packet/transport_checksum.h"

#include <gtest/gtest.h>

#include "packet_builder.h"

namespace weft::packet {
namespace {

using test::Bytes;
using test::PacketBuilder;

constexpr const char* kSource = "10.1.0.1:1024";
constexpr const char* kServer = "10.2.0.1:80";
constexpr const char* kSource6 = "[fd00:1::1]:1024";
constexpr const char* kServer6 = "[fd00:2::1]:80";

/// Of both families and protocols, with payloads of even and odd length, and what may lie around the sum.
std::vector<PacketBuilder> whole_packets() {
  return {test::tcp(kSource, kServer).payload_of(100),
          test::tcp(kSource, kServer).ip_options(8).tcp_options(12).payload_of(101),
          test::tcp(kSource, kServer).padding(6),
          test::udp(kSource, kServer).payload_of(1),
          test::udp(kSource, kServer).payload_of(1400).padding(3),
          test::tcp(kSource6, kServer6).payload_of(99),
          test::udp(kSource6, kServer6).destination_options(16).payload_of(8)};
}

TEST(TransportChecksum, IsRightAsBuiltAndWrongWithAnyBitFlipped) {
  for (const PacketBuilder& packet : whole_packets()) {
    Bytes frame = packet.bytes();
    EXPECT_FALSE(transport_checksum_wrong(frame)) << test::hex(frame);
    const size_t last = 14 + packet.ip().size() - 1;
    frame[last] ^= std::byte{0x10};
    EXPECT_TRUE(transport_checksum_wrong(frame)) << test::hex(frame);
  }
}

TEST(TransportChecksum, OfAddressesAndPortsToo) {
  Bytes frame = test::udp(kSource, kServer).payload("x").bytes();
  frame[14 + 20] ^= std::byte{1};  // the source port
  EXPECT_TRUE(transport_checksum_wrong(frame));
}

TEST(TransportChecksum, NoneIsNotWrongOverIpv4Alone) {
  EXPECT_FALSE(transport_checksum_wrong(test::udp(kSource, kServer).transport_checksum(0).payload("x").bytes()));
  EXPECT_TRUE(transport_checksum_wrong(test::udp(kSource6, kServer6).transport_checksum(0).payload("x").bytes()));
  EXPECT_TRUE(transport_checksum_wrong(test::tcp(kSource, kServer).transport_checksum(0).payload("x").bytes()));
}

TEST(TransportChecksum, WhatIsNoWholePacketHasNone) {
  for (const PacketBuilder& packet :
       {test::udp(kSource, kServer).payload_of(64).fragment(0x2000), test::icmp("10.1.0.1", "10.2.0.1"),
        test::udp(kSource, kServer).payload_of(64).cut_to(60), test::tcp(kSource, kServer).ethernet_type(0x0806)}) {
    Bytes frame = packet.bytes();
    frame.back() ^= std::byte{1};
    const Bytes before = frame;
    EXPECT_FALSE(transport_checksum_wrong(frame)) << test::hex(frame);
    write_transport_checksum(frame);
    EXPECT_EQ(frame, before);
  }
}

TEST(TransportChecksum, IsWrittenWhateverStoodThere) {
  for (PacketBuilder& packet : whole_packets()) {
    const Bytes right = packet.bytes();
    Bytes frame = packet.transport_checksum(0xbeef).bytes();
    ASSERT_NE(frame, right);
    write_transport_checksum(frame);
    EXPECT_EQ(frame, right);
  }
}

TEST(TransportChecksum, ASumOfZeroIsWrittenAsUdpWantsIt) {
  // The payload's two bytes are picked so that the sum comes to 0xffff, and the checksum to 0.
  Bytes frame = test::udp(kSource, kServer).payload(std::string_view("\0\0", 2)).bytes();
  const size_t udp = 14 + 20;
  frame[udp + 8] = frame[udp + 6];
  frame[udp + 9] = frame[udp + 7];
  write_transport_checksum(frame);
  EXPECT_EQ(frame[udp + 6], std::byte{0xff});
  EXPECT_EQ(frame[udp + 7], std::byte{0xff});
  EXPECT_FALSE(transport_checksum_wrong(frame));
}

}  // namespace
}  // namespace weft::packet
