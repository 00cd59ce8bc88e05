// SPDX-License-Identifier: Apache-2.0
/// @file Policies of access at L4, for every way of forwarding: who may begin a flow, and what becomes of flows that a
/// change of policy forbids.
#include "pipeline_ways.h"

namespace weft::test {
namespace {

class Access : public testing::TestWithParam<Way>, protected WayBed {
 protected:
  Access() : WayBed(GetParam()) {}

  void TearDown() override { EXPECT_EQ(bed.imbalance(), ""); }

  /// From now on; null: nobody is denied.
  void enforce(std::shared_ptr<const lb::Authorization> policies) {
    authorization = std::move(policies);
    publish({{first, 0}});
  }
  /// So many turns that all flows were looked at.
  void look_through() {
    for (int i = 0; i < 4; ++i) {
      bed.sweep(1, *snapshot, now);
    }
  }
  Verdict refused() const { return way.tcp() ? Verdict::refused_not_authorized : Verdict::not_authorized; }
  const l4::ServiceCounters& books() const { return bed.counters().service[0]; }
  const std::string everybody = way.v4() ? "0.0.0.0/0" : "::/0";
  const std::string other = way.v4() ? "10.1.0.2" : "fd00:1::2";
};

TEST_P(Access, IsAskedByTheFirstPacket) {
  enforce(denying({everybody}));
  const Sent sent = send(request());
  EXPECT_EQ(sent.verdict, refused());
  if (way.tcp()) {
    expect_bytes(sent.bytes, expected_refusal(request(), client, kSyn));
  }
  EXPECT_EQ(bed.pipeline().active_flows(), 0U);
  EXPECT_EQ(books().denied.get(), 1U);
  EXPECT_EQ(books().refused.get(), 1U);
  enforce(denying({other}));
  EXPECT_EQ(send(request()).verdict, forwarded());
  EXPECT_EQ(books().denied.get(), 1U);
}

TEST_P(Access, OfADryRunIsCountedOnceAFlow) {
  enforce(denying({everybody}, true));
  EXPECT_EQ(send(request()).verdict, forwarded());
  EXPECT_EQ(send(request(kAck)).verdict, forwarded());
  EXPECT_EQ(books().dry_run_denied.get(), 1U);
  EXPECT_EQ(books().denied.get(), 0U);
}

TEST_P(Access, ThatIsTakenAwayEndsTheFlow) {
  ASSERT_EQ(send(request()).verdict, forwarded());
  ASSERT_EQ(send(request(kAck)).verdict, forwarded());
  enforce(denying({everybody}));
  look_through();
  const PacketBuilder next = request(kAck).acknowledgment(kAcknowledged);
  const Sent sent = send(next);
  const bool is_told = way.tcp() && !way.dsr();
  EXPECT_EQ(sent.verdict, is_told ? Verdict::ended_by_policy : refused());
  if (way.tcp()) {
    expect_bytes(sent.bytes, expected_refusal(next, client, kAck));
  }
  EXPECT_EQ(bed.pipeline().active_flows(), is_told ? 1U : 0U) << "what is still to come is to be known";
  now += std::chrono::seconds(11);
  bed.sweep(64, *snapshot, now);
  EXPECT_EQ(bed.pipeline().active_flows(), 0U);
  EXPECT_EQ(books().active_flows.get(), 0U);
  EXPECT_EQ(bed.counters().endpoint[0].active_flows.get(), 0U);
}

TEST_P(Access, ThatOthersLoseChangesNothing) {
  ASSERT_EQ(send(request()).verdict, forwarded());
  enforce(denying({other}));
  look_through();
  EXPECT_EQ(send(request(kAck)).verdict, forwarded());
}

/// A client of a download has nothing to say: the endpoint's next segment tells it, and the one after that the
/// endpoint.
TEST_P(Access, ThatIsTakenAwayIsToldToWhoOnlyListens) {
  if (!way.tcp() || way.dsr()) {
    return;  // nothing to tell, or nothing of the endpoint's comes this way
  }
  const Sent begun = send(request());
  ASSERT_EQ(send(packet(first, replied_to(begun), kSyn | kAck), kUplink).verdict, Verdict::reply);
  ASSERT_EQ(send(request(kAck)).verdict, forwarded());
  enforce(denying({everybody}));
  look_through();
  const Sent told = send(packet(first, replied_to(begun), kAck), kUplink);
  EXPECT_EQ(told.verdict, Verdict::ended_by_policy);
  EXPECT_EQ(told.egress, kPods);
  const Sent endpoint = send(packet(first, replied_to(begun), kAck), kUplink);
  EXPECT_EQ(endpoint.verdict, Verdict::ended_by_policy);
  EXPECT_EQ(endpoint.egress, kUplink);
}

TEST_P(Access, ThatIsGivenBackLetsTheClientBeginAnew) {
  ASSERT_EQ(send(request()).verdict, forwarded());
  enforce(denying({everybody}));
  look_through();
  EXPECT_EQ(send(request()).verdict, refused()) << "a new connection by the same port is a new question";
  enforce(nullptr);
  EXPECT_EQ(send(request()).verdict, forwarded());
  EXPECT_EQ(bed.pipeline().active_flows(), 1U);
}

TEST_P(Access, GivesOwnPortsBackOnce) {
  for (int round = 0; round < 3; ++round) {
    enforce(nullptr);
    ASSERT_EQ(send(request()).verdict, forwarded());
    enforce(denying({everybody}));
    look_through();
    send(request());
  }
  now += std::chrono::hours(3);
  bed.sweep(64, *snapshot, now);
  EXPECT_EQ(bed.pipeline().active_flows(), 0U);
  EXPECT_EQ(bed.pipeline().own_ports().used(0) + bed.pipeline().own_ports().used(1), 0U);
}

INSTANTIATE_TEST_SUITE_P(Ways, Access, testing::ValuesIn(all_ways()),
                         [](const auto& tested) { return name_of(tested.param); });

}  // namespace
}  // namespace weft::test
