// SPDX-License-Identifier: Apache-2.0
/// @file Packets that go in a circle: whatever comes back to weft ends, soon, and makes nothing new.
#include "pipeline_ways.h"

namespace weft::test {
namespace {

class Loops : public testing::TestWithParam<Way>, protected WayBed {
 protected:
  Loops() : WayBed(GetParam()) {}

  /// Sends a frame, and what comes of it again, until something else than forwarding becomes of it.
  Sent round_and_round(const PacketBuilder& frame, uint32_t& rounds) {
    Sent sent{.bytes = frame.bytes()};
    for (rounds = 0; rounds < 10'000; ++rounds) {
      sent = bed.process({&sent.bytes, 1}, kPods, *snapshot, now).front();
      if (sent.verdict != forwarded() && sent.verdict != Verdict::tunneled_by_hash) {
        break;
      }
    }
    return sent;
  }

  void TearDown() override { EXPECT_EQ(bed.imbalance(), ""); }
};

TEST_P(Loops, WhatWeftSentIsNobodysWhenItComesBack) {
  const Sent sent = send(request());
  ASSERT_EQ(sent.verdict, forwarded());
  const auto comes_back = [&](const Bytes& frame) {
    EXPECT_EQ(bed.process({&frame, 1}, kUplink, *snapshot, now).front().verdict, Verdict::not_ours);
    EXPECT_EQ(bed.process({&frame, 1}, kPods, *snapshot, now).front().verdict, Verdict::passed);
  };
  comes_back(sent.bytes);
  if (!way.dsr()) {
    comes_back(send(packet(first, replied_to(sent), kAck), kUplink).bytes);
  }
  publish({});
  const Sent refused = send(packet({client.address, 9}, vip, kSyn));
  ASSERT_EQ(refused.verdict, Verdict::refused_no_endpoint);
  comes_back(refused.bytes);
  EXPECT_EQ(bed.pipeline().active_flows(), 1U);
}

/// The registry refuses this in one snapshot (validate.cc); two nodes that are not of one mind may still do it.
TEST_P(Loops, AnEndpointThatIsAVirtualAddressEndsWithItsTimeToLive) {
  if (way.inner != way.outer) {
    return;
  }
  const Socket other_vip = way.v4() ? "10.96.0.2:8080" : "[fd00:96::2]:8080";
  std::vector<lb::Service> services = {make_service(vip, way.protocol, 0, {{other_vip, 0}}),
                                       make_service(other_vip, way.protocol, 1, {{vip, 1}})};
  services[0].policy = services[1].policy = {.mode = way.mode, .encapsulation = way.encapsulation};
  snapshot = make_snapshot(services, 100);
  uint32_t rounds = 0;
  const Sent end = round_and_round(request().ttl(64), rounds);
  switch (way.mode) {
    case lb::Mode::nat:
      EXPECT_EQ(end.verdict, Verdict::ttl_expired);
      EXPECT_EQ(rounds, 63U);
      EXPECT_EQ(bed.pipeline().active_flows(), 2U);
      break;
    case lb::Mode::fullnat:
      EXPECT_EQ(end.verdict, Verdict::bad_source) << "its own address is no client's";
      EXPECT_EQ(rounds, 1U);
      break;
    case lb::Mode::dsr:
      EXPECT_EQ(end.verdict, way.gue() ? Verdict::refused_no_service_port : Verdict::other_protocol);
      EXPECT_EQ(rounds, 1U);
      break;
    case lb::Mode::proxy:
      break;
  }
}

/// A tunnel whose far end is the service itself: each round adds headers, until the packet is too large.
TEST_P(Loops, ATunnelIntoItselfEndsWithItsSize) {
  if (!way.gue() || way.tcp() || way.inner != way.outer) {
    return;
  }
  const Socket itself(vip.address, 6080);  // GUE's port
  std::vector<lb::Service> services = {make_service(itself, way.protocol, 0, {{itself, 0}})};
  services[0].policy = {.mode = way.mode, .encapsulation = way.encapsulation};
  snapshot = make_snapshot(services, 100);
  uint32_t rounds = 0;
  const Sent end = round_and_round(packet(client, itself, 0), rounds);
  EXPECT_EQ(end.verdict, Verdict::too_big_answered);
  EXPECT_LT(rounds, kMtu / 28U);
}

INSTANTIATE_TEST_SUITE_P(Ways, Loops, testing::ValuesIn(all_ways()),
                         [](const auto& tested) { return name_of(tested.param); });

/// RFC 1122, section 3.2.2, and RFC 9293, section 3.10.7.1: else two hosts could go on about it for ever.
TEST_F(PipelineTest, NothingAnswersAnAnswer) {
  for (const PacketBuilder& question :
       {tcp(kClient, kEmpty).flags(kSyn), udp(kClient, kEmpty), icmp("10.1.0.1", "10.96.0.1"),
        tcp(kClient, kWeb).payload_of(kMtu).fragment(0x4000)}) {
    const Sent answer = send(question);
    ASSERT_EQ(outcome_of(answer.verdict), l4::Outcome::transmitted);
    // As if a virtual address had asked, and were answered.
    Bytes turned = answer.bytes;
    std::swap_ranges(turned.begin() + 26, turned.begin() + 30, turned.begin() + 30);
    EXPECT_EQ(outcome_of(send(turned).verdict), l4::Outcome::dropped);
  }
}

}  // namespace
}  // namespace weft::test
