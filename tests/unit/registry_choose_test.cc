// SPDX-License-Identifier: Apache-2.0
/// @file Who gets new flows: conditions, zones, weights, and slow starts step by step.
#include "registry-sync/choose.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "registry-sync/resolve.h"
#include "registry_fixture.h"

namespace weft::registry {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using State = lb::EndpointState;

constexpr Time kStart{seconds{1000}};

Candidate candidate(State state, uint32_t weight = 1, bool near = true) {
  return {.endpoint = {.weight = weight, .state = state}, .near = near};
}
Candidate warming(uint32_t weight = 1, Time since = kStart) {
  Candidate result = candidate(State::ready, weight);
  result.warms_since = since;
  return result;
}

std::vector<size_t> chosen(const std::vector<Candidate>& candidates) {
  std::vector<size_t> result;
  for (const Share& share : choose(candidates, seconds{0}, kStart).shares) {
    result.push_back(share.candidate);
  }
  return result;
}

std::vector<uint32_t> weights(const Choice& choice) {
  std::vector<uint32_t> result;
  for (const Share& share : choice.shares) {
    result.push_back(share.weight);
  }
  return result;
}

TEST(Choose, TakesThoseThatAreReadyAndHaveWeight) {
  EXPECT_THAT(chosen({candidate(State::ready), candidate(State::draining), candidate(State::not_ready),
                      candidate(State::ready, 0), candidate(State::ready, 5)}),
              ElementsAre(0, 4));
  EXPECT_THAT(chosen({candidate(State::not_ready), candidate(State::ready, 0)}), IsEmpty());
}

TEST(Choose, FallsBackToThoseThatTerminateButServe) {
  EXPECT_THAT(chosen({candidate(State::not_ready), candidate(State::draining), candidate(State::draining, 0)}),
              ElementsAre(1));
  Candidate drained = candidate(State::draining);
  drained.drained = true;
  EXPECT_THAT(chosen({drained}), IsEmpty()) << "whom an operator drains gets none in any case";
}

TEST(Choose, PrefersTheOwnZoneUntilNoneOfItIsReady) {
  EXPECT_THAT(chosen({candidate(State::ready, 1, false), candidate(State::ready, 1, true)}), ElementsAre(1));
  EXPECT_THAT(chosen({candidate(State::ready, 1, false), candidate(State::not_ready, 1, true)}), ElementsAre(0));
  EXPECT_THAT(chosen({candidate(State::ready, 1, false), candidate(State::ready, 0, true)}), ElementsAre(0));
  EXPECT_THAT(chosen({candidate(State::ready, 1, false), candidate(State::draining, 1, true)}), ElementsAre(0))
      << "readiness before nearness";
}

TEST(Choose, SlowStartRisesByTenths) {
  const std::vector<Candidate> candidates = {candidate(State::ready, 3), warming(3)};
  EXPECT_THAT(weights(choose(candidates, seconds{0}, kStart)), ElementsAre(3, 3)) << "the service has none";
  constexpr seconds kWhole{90};
  for (uint32_t step = 0; step < 9; ++step) {
    const Time begin = kStart + seconds{10} * step;
    for (const Time now : {begin, begin + milliseconds{9999}}) {
      const Choice choice = choose(candidates, kWhole, now);
      EXPECT_THAT(weights(choice), ElementsAre(30, 3 * (step + 1)));
      EXPECT_EQ(choice.next_step, kStart + seconds{10} * (step + 1));
    }
  }
  const Choice warm = choose(candidates, kWhole, kStart + kWhole);
  EXPECT_THAT(weights(warm), ElementsAre(3, 3));
  EXPECT_EQ(warm.next_step, std::nullopt);
}

TEST(Choose, EveryStepIsTakenAtItsTime) {
  // 1 s has no ninths in nanoseconds: a step that came too early would ask for itself again.
  const std::vector<Candidate> candidates = {candidate(State::ready), warming()};
  Time now = kStart;
  std::vector<uint32_t> seen;
  for (int i = 0; i < 20; ++i) {
    const Choice choice = choose(candidates, seconds{1}, now);
    seen.push_back(choice.shares[1].weight);
    if (!choice.next_step) {
      break;
    }
    ASSERT_GT(*choice.next_step, now);
    now = *choice.next_step;
  }
  EXPECT_THAT(seen, ElementsAre(1, 2, 3, 4, 5, 6, 7, 8, 9, 1));
  EXPECT_EQ(now, kStart + seconds{1});
}

TEST(Choose, TheNextStepIsTheFirstOfAll) {
  const Choice choice = choose({warming(1, kStart), warming(1, kStart - seconds{5})}, seconds{90}, kStart);
  EXPECT_EQ(choice.next_step, kStart + seconds{5});
}

TEST(Choose, ScaledWeightsStayWithinMaglevsBound) {
  EXPECT_THAT(weights(choose({candidate(State::ready, 65535), warming(65535), warming(1)}, seconds{90}, kStart)),
              ElementsAre(65535, 6553, 1));
  EXPECT_THAT(weights(choose({candidate(State::ready, 10000), warming(10000)}, seconds{90}, kStart)),
              ElementsAre(60000, 6000));
}

TEST(Conditions, AreReadAsKubernetesMeansThem) {
  struct Row {
    const char* conditions;
    State state;
  };
  constexpr Row kRows[] = {
      {"{}", State::ready},
      {"{ready: null}", State::ready},
      {"{ready: true, serving: true, terminating: false}", State::ready},
      {"{ready: false}", State::not_ready},
      {"{ready: false, serving: false, terminating: false}", State::not_ready},
      {"{ready: false, serving: true}", State::not_ready},
      {"{ready: false, serving: true, terminating: true}", State::draining},
      {"{ready: false, serving: false, terminating: true}", State::not_ready},
      {"{ready: false, terminating: true}", State::not_ready},  // serving is as ready
      {"{terminating: true}", State::draining},
      {"{ready: true, serving: true, terminating: true}", State::draining},
  };
  for (const Row& row : kRows) {
    const auto documents = parsed(
        slice("s", "web", std::string("[{addresses: [10.1.0.1], conditions: ").append(row.conditions).append("}]")));
    EXPECT_EQ(documents->slices.at(0)->endpoints.at(0).state, row.state) << row.conditions;
  }
}

/// For each endpoint of service default/web whether it is near for a node of zone a.
std::vector<bool> near_in_zone_a(const std::string& distribution, const std::string& endpoints) {
  const std::string web =
      "{apiVersion: v1, kind: Service, metadata: {name: web}, spec: {clusterIP: 10.96.0.1, ports: "
      "[{port: 80}], trafficDistribution: " +
      distribution + "}}\n---\n";
  std::vector<bool> result;
  const std::vector<ResolvedPort> ports = resolve(about(web + slice("s", "web", endpoints)), "a");
  for (const Candidate& each : ports.at(0).endpoints) {
    result.push_back(each.near);
  }
  return result;
}

TEST(Zones, HintsWinOverTheEndpointsOwn) {
  const std::string pods =
      "[{addresses: [10.1.0.1], zone: a}, {addresses: [10.1.0.2], zone: b}, {addresses: [10.1.0.3]}, "
      "{addresses: [10.1.0.4], zone: a, hints: {forZones: [{name: b}]}}, "
      "{addresses: [10.1.0.5], zone: b, hints: {forZones: [{name: c}, {name: a}]}}, "
      "{addresses: [10.1.0.6], zone: a, hints: {forZones: [], forNodes: [{name: n}]}}]";
  const auto expected = ElementsAre(true, false, false, false, true, true);
  EXPECT_THAT(near_in_zone_a("PreferClose", pods), expected);
  EXPECT_THAT(near_in_zone_a("PreferSameZone", pods), expected);
  EXPECT_THAT(near_in_zone_a("null", pods), ElementsAre(true, true, true, true, true, true));
}

TEST(Zones, ANodeWithoutAZonePrefersNone) {
  const std::string web =
      "{apiVersion: v1, kind: Service, metadata: {name: web}, spec: {clusterIP: 10.96.0.1, ports: [{port: 80}], "
      "trafficDistribution: PreferClose}}\n---\n";
  const auto ports = resolve(about(web + slice("s", "web", "[{addresses: [10.1.0.1], zone: a}]")), "");
  EXPECT_TRUE(ports.at(0).endpoints.at(0).near);
  EXPECT_EQ(ports.at(0).endpoints.at(0).endpoint.zone, "a");
}

}  // namespace
}  // namespace weft::registry
