// SPDX-License-Identifier: Apache-2.0
/// @file Next hops that come, change and go under flows, and what is passed to a kernel twin.
#include "pipeline_fixture.h"

namespace weft::test {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr std::array<uint8_t, 12> kOtherAddresses = {2, 3, 0, 0, 0, 1, 2, 2, 0, 0, 0, 2};
constexpr const char* kLater = "10.1.0.1:1025";

/// Hop 0 leads to the clients; of 1, 2 and 3 a test says what becomes, and which of them the endpoints' route names.
l4::Forwarding forwarding(uint64_t epoch, const std::array<l4::NextHop, 3>& hops, uint32_t to_endpoints) {
  bool retires = false;
  for (const l4::NextHop& hop : hops) {
    retires |= !hop.in_force();
  }
  return {{{.default_hop = 0,
            .others_hop = 1,
            .others = l4::Port::Others::kernel,
            .keep_addresses = true,
            .others_rate = {.per_second = 10, .burst = 3}},
           {.default_hop = 1, .others_hop = 0, .others = l4::Port::Others::from_kernel, .keep_addresses = true}},
          {{.addresses = kPodsAddresses, .mtu = kMtu, .port = kPods}, hops[0], hops[1], hops[2]},
          {{.prefix = lb::parse_prefix("10.2.0.0/16").value(), .hop = to_endpoints}},
          {},
          epoch,
          retires};
}
constexpr l4::NextHop kFirstHop = {.addresses = kUplinkAddresses, .mtu = kMtu, .port = kUplink};
constexpr l4::NextHop kSecondHop = {.addresses = kOtherAddresses, .mtu = kMtu, .port = kUplink};
constexpr l4::NextHop kNowhere = {.mtu = 0, .port = kUplink};

class Routes : public PipelineTest {
 protected:
  std::vector<lb::Address> unresolved() {
    const auto addresses = bed.pipeline().unresolved().addresses();
    std::vector<lb::Address> copy(addresses.begin(), addresses.end());
    bed.pipeline().unresolved().clear();
    return copy;
  }
};

TEST_F(Routes, AnEstablishedFlowFollowsItsRoute) {
  bed.set_forwarding(forwarding(1, {kFirstHop, kNowhere, kNowhere}, 1));
  establish();
  bed.set_forwarding(forwarding(2, {kNowhere, kSecondHop, kNowhere}, 2));
  expect_bytes(send(tcp(kClient, kWeb)).bytes, tcp(kClient, kWebEndpoint).ttl(63).addresses(kOtherAddresses));
  EXPECT_EQ(flow(kClient, kWeb)->to_endpoint, 2);
  expect_bytes(send(tcp(kWebEndpoint, kClient), kUplink).bytes, tcp(kWeb, kClient).ttl(63).addresses(kPodsAddresses));
}

TEST_F(Routes, AnIcmpErrorFollowsItsFlowsRouteToo) {
  bed.set_forwarding(forwarding(1, {kFirstHop, kNowhere, kNowhere}, 1));
  establish();
  bed.set_forwarding(forwarding(2, {kNowhere, kSecondHop, kNowhere}, 2));
  const Bytes about = tcp(kWeb, kClient).bytes();
  const Sent error = send(icmp(kClient, kWeb).icmp(3, 4, 1400).payload(std::span(about).subspan(14)));
  EXPECT_EQ(error.verdict, Verdict::icmp_error);
  EXPECT_TRUE(
      std::equal(kOtherAddresses.begin(), kOtherAddresses.end(), reinterpret_cast<const uint8_t*>(error.bytes.data())));
}

TEST_F(Routes, WhatIsNotResolvedIsDroppedAndAskedForUntilItIs) {
  bed.set_forwarding(forwarding(1, {kNowhere, kNowhere, kNowhere}, 1));
  EXPECT_EQ(send(tcp(kClient, kWeb).flags(kSyn)).verdict, Verdict::no_next_hop);
  EXPECT_THAT(unresolved(), ::testing::Contains(lb::parse_address("10.2.0.1").value()));
  EXPECT_EQ(send(tcp(kClient, kWeb).flags(kSyn)).verdict, Verdict::no_next_hop);
  EXPECT_THAT(unresolved(), ElementsAre(lb::parse_address("10.2.0.1").value())) << "with every packet";
  bed.set_forwarding(forwarding(2, {kNowhere, kSecondHop, kNowhere}, 2));
  expect_bytes(send(tcp(kClient, kWeb).flags(kSyn)).bytes,
               tcp(kClient, kWebEndpoint).flags(kSyn).ttl(63).addresses(kOtherAddresses));
  EXPECT_THAT(unresolved(), IsEmpty());
}

TEST_F(Routes, QuietFlowsAreMadeToFollowSoThatNumbersCanBeUsedAgain) {
  bed.set_forwarding(forwarding(1, {kFirstHop, kNowhere, kNowhere}, 1));
  establish();
  bed.sweep(1, now);
  EXPECT_EQ(flow(kClient, kWeb)->to_endpoint, 1);
  bed.set_forwarding(forwarding(2, {kNowhere, kSecondHop, kNowhere}, 2));
  EXPECT_LT(bed.pipeline().renewed_epoch(), 2U);
  for (int i = 0; i < 4 && bed.pipeline().renewed_epoch() < 2; ++i) {
    bed.sweep(1, now);
  }
  EXPECT_EQ(bed.pipeline().renewed_epoch(), 2U);
  EXPECT_EQ(flow(kClient, kWeb)->to_endpoint, 2) << "without a packet of its";
  // The old number means somebody else now: the flow does not go there.
  bed.set_forwarding(forwarding(3, {kFirstHop, kSecondHop, kNowhere}, 2));
  expect_bytes(send(tcp(kClient, kWeb)).bytes, tcp(kClient, kWebEndpoint).ttl(63).addresses(kOtherAddresses));
}

TEST_F(Routes, APassThatBeganBeforeAChangeDoesNotCountForIt) {
  bed.set_forwarding(forwarding(1, {kFirstHop, kNowhere, kNowhere}, 1));
  establish();
  bed.sweep(1, now);  // in the first table
  bed.set_forwarding(forwarding(2, {kNowhere, kSecondHop, kNowhere}, 2));
  bed.sweep(1, now);  // in the second: the pass is over
  EXPECT_EQ(bed.pipeline().renewed_epoch(), 1U);
}

TEST_F(Routes, ATooLargePacketIsAnsweredAndNotSentElsewhere) {
  l4::NextHop narrow = kFirstHop;
  narrow.mtu = 600;
  bed.set_forwarding(forwarding(1, {narrow, kNowhere, kNowhere}, 1));
  establish();
  EXPECT_EQ(send(tcp(kClient, kWeb).fragment(0x4000).payload_of(600)).verdict, Verdict::too_big_answered);
}

TEST_F(Routes, OthersGoToTheTwinUnchangedAndComeFromItUnchanged) {
  bed.set_forwarding(forwarding(1, {kFirstHop, kNowhere, kNowhere}, 1));
  const PacketBuilder strange = udp("10.1.0.1:1", "10.9.0.9:2").payload("x");
  const Sent passed = send(strange);
  EXPECT_EQ(passed.verdict, Verdict::passed);
  EXPECT_EQ(passed.egress, kUplink);
  expect_bytes(passed.bytes, strange);
  const Sent from = send(strange, kUplink);
  EXPECT_EQ(from.verdict, Verdict::from_kernel);
  EXPECT_EQ(from.egress, kPods);
  expect_bytes(from.bytes, strange);
}

TEST_F(Routes, AKernelGetsNoMoreThanItsRate) {
  bed.set_forwarding(forwarding(1, {kFirstHop, kNowhere, kNowhere}, 1));
  const PacketBuilder strange = udp("10.1.0.1:1", "10.9.0.9:2");
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(send(strange).verdict, Verdict::passed);
  }
  EXPECT_EQ(send(strange).verdict, Verdict::kernel_limited);
  EXPECT_EQ(send(tcp(kLater, kWeb).flags(kSyn)).verdict, Verdict::request) << "weft's own go on";
  EXPECT_EQ(send(strange, kUplink).verdict, Verdict::from_kernel) << "and what the kernel sends";
  wait(std::chrono::milliseconds(100));
  EXPECT_EQ(send(strange).verdict, Verdict::passed);
}

/// Or whoever floods the twin takes the link down, and with BGP all virtual addresses.
TEST_F(Routes, AFloodLeavesTheKernelWhatKeepsTheLinkUp) {
  Bytes arp(60);
  arp[12] = std::byte{0x08};
  arp[13] = std::byte{0x06};
  const Bytes solicitation = icmp("fd00:1::1", "fd00:1::2").icmp(135, 0, 0).ttl(255).bytes();
  const std::vector<Bytes> vital = {arp,
                                    solicitation,
                                    tcp("10.1.0.9:40000", "10.1.0.2:179").bytes(),
                                    tcp("10.1.0.9:179", "10.1.0.2:40000").bytes(),
                                    udp("10.1.0.9:49152", "10.1.0.2:3784").ttl(255).bytes(),
                                    PacketBuilder(89, "10.1.0.9", "224.0.0.5").bytes()};
  const std::vector<Bytes> not_vital = {
      udp("10.1.0.1:1", "10.9.0.9:2").bytes(), tcp("10.1.0.9:180", "10.1.0.2:22").bytes(),
      icmp("10.1.0.9", "10.1.0.2").bytes(), icmp("fd00:1::1", "fd00:1::2").icmp(135, 0, 0).ttl(254).bytes()};
  for (const Bytes& frame : vital) {
    bed.set_forwarding(forwarding(1, {kFirstHop, kNowhere, kNowhere}, 1));
    wait(std::chrono::seconds(1));
    while (send(not_vital[0]).verdict == Verdict::passed) {
    }
    EXPECT_EQ(send(frame).verdict, Verdict::passed) << hex(frame);
    for (const Bytes& other : not_vital) {
      EXPECT_EQ(send(other).verdict, Verdict::kernel_limited) << hex(other);
    }
  }
  while (send(arp).verdict == Verdict::passed) {
  }
  EXPECT_EQ(send(arp).verdict, Verdict::kernel_limited) << "and that has its bound too";
}

}  // namespace
}  // namespace weft::test
