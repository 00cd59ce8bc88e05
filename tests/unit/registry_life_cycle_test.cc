// SPDX-License-Identifier: Apache-2.0
/// @file What time does to endpoints: slow starts, removals with and without a reset, and returns.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "registry_builder_fixture.h"

namespace weft::registry {
namespace {

using std::chrono::seconds;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr Time kBegin{seconds{1000}};

const std::string kPodsService = service("web", "10.96.0.1", "[{port: 80}]", "251");
const std::string kSlow = policy("p", "web", "endpoints: {slowStart: {seconds: 90}}");
const std::string kReset = policy("p", "web", "endpoints: {removal: {action: reset, graceSeconds: 60}}");

std::string pods(int first, int last) {
  return slice("a", "web", endpoints(first, last));
}

/// "endpoint weight" of the first service's table, without the port.
std::vector<std::string> members(const Bench& bench) {
  std::vector<std::string> result;
  for (const lb::MaglevMember& member : bench.snapshot().services()[0].table->members()) {
    result.push_back(member.identity.substr(0, member.identity.find(':')) + " " + std::to_string(member.weight));
  }
  return result;
}

/// The slot of the first service's endpoint 10.1.0.LAST.
uint32_t slot_of(const Bench& bench, int last) {
  for (const lb::Endpoint& each : bench.snapshot().services()[0].endpoints) {
    if (to_string(each.address) == "10.1.0." + std::to_string(last)) {
      return each.slot;
    }
  }
  ADD_FAILURE() << "no endpoint " << last;
  return 0;
}

TEST(SlowStart, NothingStartsSlowlyWithTheService) {
  Bench bench;
  bench.now = kBegin;
  bench.build(kPodsService + kSlow + pods(1, 2));
  EXPECT_THAT(members(bench), ElementsAre("10.1.0.1 1", "10.1.0.2 1"));
  EXPECT_EQ(bench.builder.next_deadline(), std::nullopt);
}

TEST(SlowStart, ANewEndpointRisesStepByStepByItself) {
  Bench bench;
  bench.now = kBegin;
  bench.build(kPodsService + kSlow + pods(1, 2));
  bench.build(kPodsService + kSlow + pods(1, 3));
  for (uint32_t step = 0; step < 9; ++step) {
    EXPECT_THAT(members(bench), ElementsAre("10.1.0.1 10", "10.1.0.2 10", "10.1.0.3 " + std::to_string(step + 1)));
    EXPECT_EQ(bench.snapshot().epoch(), 2 + step);
    const Time next = kBegin + seconds{10} * (step + 1);
    EXPECT_EQ(bench.builder.next_deadline(), next);
    EXPECT_FALSE(bench.build_at(next - std::chrono::nanoseconds{1}).changed);
    EXPECT_TRUE(bench.build_at(next).changed);
  }
  EXPECT_THAT(members(bench), ElementsAre("10.1.0.1 1", "10.1.0.2 1", "10.1.0.3 1"));
  EXPECT_EQ(bench.builder.next_deadline(), std::nullopt);
  const auto share = bench.snapshot().services()[0].table->shares();
  EXPECT_NEAR(share[2], 251 / 3.0, 3);
}

TEST(SlowStart, CountsFromReadinessNotFromArrival) {
  const auto with_third = [](const std::string& ready) {
    return kPodsService + kSlow + pods(1, 2) +
           slice("b", "web", "[{addresses: [10.1.0.3], conditions: {ready: " + ready + "}}]");
  };
  Bench bench;
  bench.now = kBegin;
  bench.build(with_third("false"));
  bench.now = kBegin + seconds{500};
  bench.build(with_third("true"));
  EXPECT_THAT(members(bench), ElementsAre("10.1.0.1 10", "10.1.0.2 10", "10.1.0.3 1"));
  bench.now += seconds{50};
  bench.build(with_third("false"));
  EXPECT_THAT(members(bench), ElementsAre("10.1.0.1 1", "10.1.0.2 1"));
  EXPECT_EQ(bench.builder.next_deadline(), std::nullopt);
  bench.build(with_third("true"));
  EXPECT_THAT(members(bench), ElementsAre("10.1.0.1 10", "10.1.0.2 10", "10.1.0.3 1")) << "anew";
}

TEST(SlowStart, OnlyBesideOlderEndpointsThatAreStillReady) {
  Bench bench;
  bench.now = kBegin;
  bench.build(kPodsService + kSlow + pods(1, 2));
  bench.build(kPodsService + kSlow + pods(3, 4));
  EXPECT_THAT(members(bench), ElementsAre("10.1.0.3 1", "10.1.0.4 1")) << "all others left in the same edit";
}

TEST(SlowStart, WhatIsWarmStaysWarm) {
  Bench bench;
  bench.now = kBegin;
  bench.build(kPodsService + pods(1, 2));
  bench.build(kPodsService + pods(1, 3));
  bench.build(kPodsService + kSlow + pods(1, 3));
  EXPECT_THAT(members(bench), ElementsAre("10.1.0.1 1", "10.1.0.2 1", "10.1.0.3 1")) << "it came before the policy";
  bench.build(kPodsService + kSlow + pods(1, 4));
  bench.build_at(kBegin + seconds{90});
  bench.build(kPodsService + policy("p", "web", "endpoints: {slowStart: {seconds: 3600}}") + pods(1, 4));
  EXPECT_THAT(members(bench), ElementsAre("10.1.0.1 1", "10.1.0.2 1", "10.1.0.3 1", "10.1.0.4 1"))
      << "it was warm by the policy of its time";
}

TEST(SlowStart, ADrainTakenBackDoesNotBeginAnew) {
  Bench bench;
  bench.now = kBegin;
  const std::string text = kPodsService + kSlow + pods(1, 2);
  bench.build(text);
  bench.drains = {{.service = "default/web", .endpoint = *lb::parse_ipv4("10.1.0.2")}};
  bench.build(text);
  EXPECT_THAT(members(bench), ElementsAre("10.1.0.1 1"));
  bench.drains.clear();
  bench.build(text);
  EXPECT_THAT(members(bench), ElementsAre("10.1.0.1 1", "10.1.0.2 1"));
}

TEST(SlowStart, EndsWithItsPolicy) {
  Bench bench;
  bench.now = kBegin;
  bench.build(kPodsService + kSlow + pods(1, 1));
  bench.build(kPodsService + kSlow + pods(1, 2));
  EXPECT_THAT(members(bench), ElementsAre("10.1.0.1 10", "10.1.0.2 1"));
  bench.build(kPodsService + pods(1, 2));
  EXPECT_THAT(members(bench), ElementsAre("10.1.0.1 1", "10.1.0.2 1"));
  EXPECT_EQ(bench.builder.next_deadline(), std::nullopt);
}

TEST(SlowStart, LeavesOtherServicesAsTheyAre) {
  Bench bench;
  bench.now = kBegin;
  const std::string api = service("api", "10.96.0.2", "[{port: 80}]", "251") + slice("z", "api", endpoints(11, 12));
  bench.build(kPodsService + kSlow + pods(1, 1) + api);
  bench.build(kPodsService + kSlow + pods(1, 2) + api);
  const auto before = bench.builder.snapshot();
  bench.build_at(*bench.builder.next_deadline());
  EXPECT_EQ(before->services().shared()[0], bench.snapshot().services().shared()[0]) << "api: the same object";
  EXPECT_NE(before->services().shared()[1], bench.snapshot().services().shared()[1]);
}

TEST(Removal, ResetsWhatFlowsAreLeftWhenTheGraceIsOver) {
  Bench bench;
  bench.now = kBegin;
  bench.build(kPodsService + kReset + pods(1, 2));
  EXPECT_EQ(bench.snapshot().services()[0].policy.removal, lb::Removal::reset);
  const uint32_t slot = slot_of(bench, 2);
  bench.used = {slot};
  bench.build(kPodsService + kReset + pods(1, 1));
  EXPECT_EQ(bench.snapshot().fate_of(slot), lb::Fate::gone);
  EXPECT_FALSE(bench.snapshot().any_resets());
  EXPECT_EQ(bench.builder.next_deadline(), kBegin + seconds{60});
  EXPECT_FALSE(bench.build_at(kBegin + seconds{60} - std::chrono::nanoseconds{1}).changed);
  EXPECT_TRUE(bench.build_at(kBegin + seconds{60}).changed);
  EXPECT_EQ(bench.snapshot().epoch(), 3U);
  EXPECT_EQ(bench.snapshot().fate_of(slot), lb::Fate::reset);
  EXPECT_THAT(bench.snapshot().resets(), ElementsAre(slot));
  EXPECT_EQ(bench.builder.next_deadline(), std::nullopt);
  EXPECT_FALSE(bench.build_at(kBegin + seconds{600}).changed) << "as long as flows hold it";
  bench.used.clear();
  EXPECT_TRUE(bench.build_at(kBegin + seconds{601}).changed);
  EXPECT_THAT(bench.snapshot().resets(), IsEmpty());
  EXPECT_EQ(bench.snapshot().fate_of(slot), lb::Fate::gone);
}

TEST(Removal, WithoutGraceTheSnapshotOfTheRemovalResets) {
  Bench bench;
  bench.build(kPodsService + policy("p", "web", "endpoints: {removal: {action: reset}}") + pods(1, 2));
  const uint32_t slot = slot_of(bench, 2);
  bench.used = {slot};
  bench.build(kPodsService + policy("p", "web", "endpoints: {removal: {action: reset}}") + pods(1, 1));
  EXPECT_EQ(bench.snapshot().epoch(), 2U);
  EXPECT_EQ(bench.snapshot().fate_of(slot), lb::Fate::reset);
}

TEST(Removal, WhoReturnsIsSimplyThereAgain) {
  for (const seconds away : {seconds{59}, seconds{61}}) {
    Bench bench;
    bench.now = kBegin;
    bench.build(kPodsService + kReset + pods(1, 2));
    const uint32_t slot = slot_of(bench, 2);
    bench.used = {slot};
    bench.build(kPodsService + kReset + pods(1, 1));
    bench.build_at(kBegin + away);
    EXPECT_EQ(bench.snapshot().fate_of(slot), away > seconds{60} ? lb::Fate::reset : lb::Fate::gone);
    bench.build(kPodsService + kReset + pods(1, 2));
    EXPECT_EQ(slot_of(bench, 2), slot);
    EXPECT_EQ(bench.snapshot().fate_of(slot), lb::Fate::open);
    EXPECT_THAT(bench.snapshot().resets(), IsEmpty());
    EXPECT_EQ(bench.builder.next_deadline(), std::nullopt);
    EXPECT_FALSE(bench.build_at(kBegin + seconds{1000}).changed);
  }
}

TEST(Removal, ThePolicyInForceAtTheRemovalCounts) {
  Bench bench;
  bench.now = kBegin;
  bench.build(kPodsService + kReset + pods(1, 3));
  bench.used = {slot_of(bench, 2), slot_of(bench, 3)};
  bench.build(kPodsService + pods(1, 2));  // endpoint 3 and the policy go in one edit
  EXPECT_EQ(bench.builder.next_deadline(), kBegin + seconds{60});
  bench.build(kPodsService + pods(1, 1));
  bench.build(kPodsService + kReset + pods(1, 1));
  bench.build_at(kBegin + seconds{60});
  EXPECT_THAT(bench.snapshot().resets(), ElementsAre(2)) << "endpoint 2 went while there was no policy";
}

TEST(Removal, AServiceThatGoesTakesItsEndpointsAlong) {
  Bench bench;
  bench.now = kBegin;
  bench.build(kPodsService + kReset + pods(1, 2));
  bench.used = {0, 1};
  bench.build("");
  EXPECT_TRUE(bench.snapshot().services().empty());
  EXPECT_EQ(bench.builder.endpoints(), 0U);
  bench.build_at(kBegin + seconds{60});
  EXPECT_THAT(bench.snapshot().resets(), ElementsAre(0, 1));
}

TEST(Removal, FlowsAreKeptWithoutAPolicy) {
  Bench bench;
  bench.now = kBegin;
  bench.build(kPodsService + pods(1, 2));
  bench.used = {slot_of(bench, 2)};
  bench.build(kPodsService + pods(1, 1));
  EXPECT_EQ(bench.builder.next_deadline(), std::nullopt);
}

TEST(LifeCycle, ATerminatingEndpointServesWhenNobodyIsReady) {
  const auto build = [](Bench& bench, const std::string& of_first) {
    bench.build(kPodsService +
                slice("a", "web",
                      "[{addresses: [10.1.0.1], conditions: {ready: " + of_first +
                          "}}, {addresses: [10.1.0.2], conditions: {ready: false, serving: true, terminating: "
                          "true}}]"));
  };
  Bench bench;
  build(bench, "true");
  EXPECT_THAT(members(bench), ElementsAre("10.1.0.1 1"));
  EXPECT_EQ(bench.snapshot().fate_of(slot_of(bench, 2)), lb::Fate::kept);
  build(bench, "false");
  EXPECT_THAT(members(bench), ElementsAre("10.1.0.2 1"));
  EXPECT_EQ(bench.snapshot().fate_of(slot_of(bench, 2)), lb::Fate::open);
  EXPECT_EQ(bench.snapshot().services()[0].endpoints[1].state, lb::EndpointState::draining);
  build(bench, "true");
  EXPECT_THAT(members(bench), ElementsAre("10.1.0.1 1"));
}

TEST(LifeCycle, AWeightOfZeroKeepsFlowsAndTakesNoNewOnes) {
  Bench bench;
  bench.build(kPodsService + slice("a", "web", endpoints(1, 1)) +
              slice("b", "web", endpoints(2, 2), "[{port: 8080}]", "0"));
  EXPECT_THAT(members(bench), ElementsAre("10.1.0.1 1"));
  EXPECT_EQ(bench.snapshot().fate_of(slot_of(bench, 2)), lb::Fate::kept);
  EXPECT_EQ(bench.snapshot().services()[0].endpoints[1].state, lb::EndpointState::ready);
}

TEST(LifeCycle, TheNodesZoneDecidesWhoIsInTheTable) {
  const std::string web =
      "{apiVersion: v1, kind: Service, metadata: {name: web, annotations: {weft.dev/maglev-table-size: '251'}}, spec: "
      "{clusterIP: 10.96.0.1, ports: [{port: 80}], trafficDistribution: PreferClose}}\n---\n";
  const auto text = [&](const std::string& ready) {
    return web + slice("a", "web",
                       "[{addresses: [10.1.0.1], zone: a, conditions: {ready: " + ready +
                           "}}, {addresses: [10.1.0.2], zone: b}]");
  };
  Bench in_a("a");
  in_a.build(text("true"));
  EXPECT_THAT(members(in_a), ElementsAre("10.1.0.1 1"));
  EXPECT_EQ(in_a.snapshot().services()[0].endpoints[1].zone, "b");
  EXPECT_EQ(in_a.snapshot().fate_of(slot_of(in_a, 2)), lb::Fate::kept);
  in_a.build(text("false"));
  EXPECT_THAT(members(in_a), ElementsAre("10.1.0.2 1")) << "fail-over";
  in_a.build(text("true"));
  EXPECT_THAT(members(in_a), ElementsAre("10.1.0.1 1")) << "and back";
  Bench in_b("b");
  in_b.build(text("true"));
  EXPECT_THAT(members(in_b), ElementsAre("10.1.0.2 1"));
  Bench nowhere;
  nowhere.build(text("true"));
  EXPECT_THAT(members(nowhere), ElementsAre("10.1.0.1 1", "10.1.0.2 1"));
}

TEST(LifeCycle, TellsWhatChangedOfTheEndpointsThatAreSteered) {
  Bench bench;
  const auto lingering = [](const std::vector<TrackedEndpoint>& tracked) {
    std::vector<std::string> result;
    for (const TrackedEndpoint& each : tracked) {
      result.push_back(to_string(each.address) + (each.lingering ? " lingers" : ""));
    }
    return result;
  };
  bench.build(kPodsService + pods(1, 3));
  EXPECT_THAT(lingering(bench.builder.take_changes().changed), ElementsAre("10.1.0.1", "10.1.0.2", "10.1.0.3"));
  bench.used = {0, 1};
  bench.build(kPodsService + pods(3, 4));
  EXPECT_THAT(lingering(bench.builder.take_changes().changed),
              ElementsAre("10.1.0.1 lingers", "10.1.0.2 lingers", "10.1.0.4"));
  bench.used = {0};
  bench.build(kPodsService +
              slice("a", "web", "[{addresses: [10.1.0.1]}, {addresses: [10.1.0.3]}, {addresses: [10.1.0.5]}]"));
  const TrackedChanges changes = bench.builder.take_changes();
  EXPECT_THAT(lingering(changes.gone), ElementsAre("10.1.0.2 lingers"));
  EXPECT_THAT(lingering(changes.changed), ElementsAre("10.1.0.1", "10.1.0.5", "10.1.0.4 lingers"))
      << "by slot: 5 has that of 2";
  const TrackedChanges nothing = bench.builder.take_changes();
  EXPECT_THAT(nothing.gone, IsEmpty());
  EXPECT_THAT(nothing.changed, IsEmpty());
}

}  // namespace
}  // namespace weft::registry
