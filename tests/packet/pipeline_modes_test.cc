// SPDX-License-Identifier: Apache-2.0
/// @file Every way of forwarding, for every family and protocol: bytes in, bytes out. pipeline_life_cycle_test.cc has
/// what becomes of flows as their endpoints come and go.
#include "packet/encapsulate.h"
#include "pipeline_ways.h"

namespace weft::test {
namespace {

class Modes : public testing::TestWithParam<Way>, protected WayBed {
 protected:
  Modes() : WayBed(GetParam()) {}

  void TearDown() override { EXPECT_EQ(bed.imbalance(), ""); }
};

TEST_P(Modes, ForwardBothWays) {
  const Sent sent = send(request());
  ASSERT_EQ(sent.verdict, forwarded());
  EXPECT_EQ(sent.egress, kUplink);
  expect_bytes(sent.bytes, expected_request(sent, client, first, kSyn));
  expect_bytes(send(request(kAck)).bytes, expected_request(sent, client, first, kAck));
  EXPECT_EQ(bed.pipeline().active_flows(), 1U);
  const PacketBuilder reply = packet(first, replied_to(sent), kSyn | kAck);
  if (way.dsr()) {
    if (way.inner == way.outer) {
      EXPECT_EQ(send(reply, kUplink).verdict, Verdict::not_ours) << "it answers by itself, and not by this way";
    }
    EXPECT_EQ(bed.count(Verdict::tunneled), 2U);
    return;
  }
  const Sent back = send(reply, kUplink);
  EXPECT_EQ(back.verdict, Verdict::reply);
  EXPECT_EQ(back.egress, kPods);
  expect_bytes(back.bytes, expected_reply(kSyn | kAck));
}

TEST_P(Modes, ForgetAndGiveBack) {
  send(request());
  ASSERT_EQ(bed.pipeline().active_flows(), 1U);
  now += std::chrono::hours(3);
  bed.sweep(1024, now);
  EXPECT_EQ(bed.pipeline().active_flows(), 0U);
  for (size_t i = 0; i < bed.pipeline().own_ports().addresses(); ++i) {
    EXPECT_EQ(bed.pipeline().own_ports().used(i), 0U);
  }
}

/// Of a tunnel weft sees the client alone, whose acknowledgement, or second datagram, says that the endpoint has
/// spoken.
TEST_P(Modes, RememberAConversationThatPauses) {
  const Sent sent = send(request());
  if (!way.dsr()) {
    send(packet(first, replied_to(sent), kSyn | kAck), kUplink);
  }
  send(request(kAck));
  now += way.tcp() ? std::chrono::minutes(120) : std::chrono::minutes(4);
  bed.sweep(1024, now);
  EXPECT_EQ(bed.pipeline().active_flows(), 1U);
}

/// The endpoint's FIN does not come by a tunnel's way either.
TEST_P(Modes, ForgetAClosedConnectionSoon) {
  const Sent sent = send(request());
  const auto replies = [&](uint8_t flags) {
    if (!way.dsr()) {
      send(packet(first, replied_to(sent), flags), kUplink);
    }
  };
  replies(kSyn | kAck);
  send(request(kAck));
  send(request(kFin | kAck));
  replies(kFin | kAck);
  send(request(kAck));
  EXPECT_EQ(bed.counters().service[0].closed_flows.get(), way.tcp() ? 1U : 0U);
  now += std::chrono::seconds(61);
  bed.sweep(1024, now);
  EXPECT_EQ(bed.counters().service[0].closed_flows.get(), 0U);
  EXPECT_EQ(bed.pipeline().active_flows(), way.tcp() ? 0U : 1U);
}

/// RFC 1122, section 3.2.2: no ICMP error is about an ICMP error. One that quotes the client's flow and does not fit
/// into its tunnel is dropped, with a flow and without.
TEST_P(Modes, AnswerNoErrorThatIsTooBig) {
  const Bytes quoted = packet(vip, client, kAck).payload_of(kMtu).ip();
  const size_t headers = (way.v4() ? 20U : 40U) + 8U;  // with them, one byte less than the link takes
  PacketBuilder error = icmp({client.address, 0}, {vip.address, 0});
  error.icmp(way.v4() ? 3 : 2, way.v4() ? 4 : 0, 1400).payload(std::span(quoted).first(kMtu - headers - 1));
  if (way.v4()) {
    error.fragment(0x4000);
  }
  for (const bool known : {false, true}) {
    if (known) {
      send(request());
    }
    const Sent sent = send(error);
    EXPECT_EQ(sent.verdict, way.dsr() ? Verdict::too_big : known ? Verdict::icmp_error : Verdict::icmp);
  }
}

TEST_P(Modes, TellWhatIsTooBig) {
  const size_t overhead = way.dsr() ? packet::tunnel_overhead(way.outer, way.encapsulation) : 0;
  const size_t headers = (way.v4() ? 20U : 40U) + (way.tcp() ? 20U : 8U);
  const PacketBuilder fits = request().payload_of(kMtu - headers - overhead);
  EXPECT_EQ(send(fits).verdict, forwarded());
  const PacketBuilder too_big = request().payload_of(kMtu - headers - overhead + 1);
  const Sent answer = send(too_big);
  EXPECT_EQ(answer.verdict, Verdict::too_big_answered);
  EXPECT_EQ(answer.egress, kPods);
  const Bytes quoted = too_big.ip();
  const auto mtu = static_cast<uint32_t>(kMtu - overhead);
  PacketBuilder expected = icmp({vip.address, 0}, {client.address, 0}).addresses(kPodsAddresses);
  expect_bytes(answer.bytes, way.v4() ? expected.icmp(3, 4, mtu).payload(std::span(quoted).first(548))
                                      : expected.icmp(2, 0, mtu).payload(std::span(quoted).first(1232)));
  if (way.v4()) {
    EXPECT_EQ(send(request().payload_of(kMtu).fragment(0)).verdict, Verdict::too_big) << "it would have to be cut";
  }
}

/// A host drops what comes from its own address. With a source of the node's own, or in a tunnel, it does not see that.
TEST_P(Modes, AClientThatIsTheOnlyEndpointItself) {
  if (way.inner != way.outer) {
    return;  // then the addresses differ, and nobody can tell
  }
  const Socket itself(client.address, 8080);
  publish({{itself, 0}});
  const Sent sent = send(request());
  EXPECT_EQ(sent.verdict, forwarded());
  EXPECT_EQ(sent.egress, kPods);
  if (way.dsr()) {
    expect_bytes(sent.bytes, expected_tunnel(request().ip(), client, itself).addresses(kPodsAddresses));
    return;
  }
  const Socket source = own_source(sent);
  expect_bytes(sent.bytes, packet(source, itself, kSyn).ttl(63).addresses(kPodsAddresses));
  const Sent back = send(packet(itself, source, kSyn | kAck));
  EXPECT_EQ(back.verdict, Verdict::reply);
  expect_bytes(back.bytes, expected_reply(kSyn | kAck));
  EXPECT_EQ(bed.counters().endpoint[0].packets[1].get(), 1U);
}

TEST_P(Modes, WithoutASourceOfTheNodesOwn) {
  WayBed without(GetParam(), false);
  const Socket itself(client.address, 8080);
  without.publish({{itself, 0}});
  const Sent sent = without.send(request());
  if (way.mode == lb::Mode::fullnat) {
    EXPECT_EQ(sent.verdict, Verdict::own_ports_dry);
  } else if (way.mode == lb::Mode::nat) {
    EXPECT_EQ(sent.verdict, Verdict::refused_only_itself);
    EXPECT_EQ(without.bed.counters().service[0].refused.get(), 1U);
    expect_bytes(sent.bytes, expected_refusal(request(), client, kSyn));
  } else {
    EXPECT_EQ(sent.verdict, Verdict::tunneled) << "a tunnel needs none";
  }
  EXPECT_EQ(without.bed.imbalance(), "");
}

INSTANTIATE_TEST_SUITE_P(Ways, Modes, testing::ValuesIn(all_ways()),
                         [](const auto& tested) { return name_of(tested.param); });

}  // namespace
}  // namespace weft::test
