// SPDX-License-Identifier: Apache-2.0
/// @file Publications of the real builder in, edits of maps out: what they are, their order, and what becomes of
/// errors.
#include "node/steering.h"

#include <gmock/gmock.h>

#include <random>

#include "registry_builder_fixture.h"

namespace weft::node {
namespace {

using registry::endpoints;
using registry::policy;
using registry::service;
using registry::slice;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using ::testing::UnorderedElementsAre;

std::string shown(const pods::Endpoint& endpoint) {
  return "endpoint " + to_string(endpoint.address, endpoint.port);
}
std::string shown(const pods::DirectEndpoint& direct) {
  return "direct " + to_string(direct.address) + " of " + to_string(direct.vip);
}
std::string shown(const lb::Address& vip) {
  return "vip " + to_string(vip);
}

/// Maps with a bound, and a log of the edits that changed them.
class FakeMaps : public pods::SteeringMaps {
 public:
  using Done = tl::expected<void, std::string>;

  Done add(const pods::Steered& what) override {
    const bool fit[] = {add(endpoints, what.endpoints), add(direct, what.direct), add(vips, what.vips)};
    return fit[0] && fit[1] && fit[2] ? Done{} : tl::unexpected(std::string("the map is full"));
  }
  Done erase(const pods::Steered& what) override {
    erase(vips, what.vips);
    erase(endpoints, what.endpoints);
    erase(direct, what.direct);
    return {};
  }
  pods::Steered steered() const override {
    return {.vips = {vips.begin(), vips.end()},
            .endpoints = {endpoints.begin(), endpoints.end()},
            .direct = {direct.begin(), direct.end()}};
  }
  std::vector<std::string> take_log() { return std::exchange(log, {}); }

  std::set<lb::Address> vips;
  std::set<pods::Endpoint> endpoints;
  std::set<pods::DirectEndpoint> direct;
  size_t capacity = 1000;  ///< of each
  std::vector<std::string> log;

 private:
  template <typename Key>
  bool add(std::set<Key>& map, const std::vector<Key>& keys) {
    bool all = true;
    for (const Key& key : keys) {
      if (map.contains(key)) {
        continue;
      }
      if (map.size() == capacity) {
        all = false;
        continue;
      }
      map.insert(key);
      log.push_back("+ " + shown(key));
    }
    return all;
  }
  template <typename Key>
  void erase(std::set<Key>& map, const std::vector<Key>& keys) {
    for (const Key& key : keys) {
      if (map.erase(key) > 0) {
        log.push_back("- " + shown(key));
      }
    }
  }
};

class SteeringTest : public ::testing::Test {
 protected:
  /// Whoever is in force must have its replies steered, and every VIP that is asked for must be in force or lingering.
  void publish(const std::shared_ptr<const lb::Snapshot>& snapshot) {
    maps.log.push_back("publish " + std::to_string(snapshot->epoch()));
    for (const lb::Service& each : snapshot->services()) {
      for (const lb::Endpoint& endpoint : each.endpoints) {
        EXPECT_TRUE(
            maps.endpoints.contains({.address = endpoint.address, .port = endpoint.port, .protocol = each.protocol}));
        if (each.policy.mode == lb::Mode::dsr) {
          EXPECT_TRUE(maps.direct.contains({.address = endpoint.address, .vip = each.address}));
        }
      }
    }
    in_force = snapshot;
  }

  Steering::Done take(const std::string& text) {
    bench.build(text);
    return steering->take({.snapshot = bench.builder.snapshot(), .endpoints = bench.builder.take_changes()});
  }
  /// What edits a text leads to.
  std::vector<std::string> edits(const std::string& text) {
    const Steering::Done done = take(text);
    EXPECT_TRUE(done) << done.error();
    return maps.take_log();
  }

  registry::Bench bench;
  FakeMaps maps;
  std::shared_ptr<const lb::Snapshot> in_force;
  std::unique_ptr<Steering> steering =
      std::make_unique<Steering>(maps, [this](const auto& snapshot) { publish(snapshot); });
};

std::string web(int first, int last) {
  return service("web", "10.96.0.1", "[{port: 80}]", "251") + slice("web", "web", endpoints(first, last));
}

TEST_F(SteeringTest, EndpointsComeBeforeTheSnapshotAndVipsAfterIt) {
  EXPECT_THAT(edits(web(1, 2)),
              ElementsAre("+ endpoint 10.1.0.1:8080", "+ endpoint 10.1.0.2:8080", "publish 1", "+ vip 10.96.0.1"));
}

TEST_F(SteeringTest, EditsWhatChangedAndNoMore) {
  edits(web(1, 50));
  EXPECT_THAT(edits(web(1, 51)), ElementsAre("+ endpoint 10.1.0.51:8080", "publish 2"));
  EXPECT_THAT(edits(web(2, 51)), ElementsAre("publish 3")) << "it may have flows";
  EXPECT_THAT(edits(web(2, 51)), ElementsAre("publish 3", "- endpoint 10.1.0.1:8080"));
}

TEST_F(SteeringTest, WhoLeftStaysWhileItHasFlowsAndSoDoesItsVip) {
  const std::string other = service("other", "10.96.0.2", "[{port: 80}]", "251");
  edits(web(1, 1) + other);
  bench.used = {0};
  EXPECT_THAT(edits(other), ElementsAre("publish 2"));
  EXPECT_THAT(edits(other), ElementsAre("publish 2"));
  bench.used = {};
  EXPECT_THAT(edits(other), ElementsAre("publish 2", "- vip 10.96.0.1", "- endpoint 10.1.0.1:8080"));
  EXPECT_THAT(maps.vips, SizeIs(1)) << "of a service without endpoints";
}

TEST_F(SteeringTest, WhatTwoServicesShareStaysUntilTheSecondIsGone) {
  const auto named = [](const std::string& name, const std::string& port) {
    return service(name, "10.96.0.1", "[{port: " + port + "}]", "251") + slice(name, name, endpoints(1, 1));
  };
  const std::string other = service("other", "10.96.0.2", "[{port: 80}]", "251");
  edits(named("a", "80") + named("b", "81") + other);
  edits(named("b", "81") + other);
  EXPECT_THAT(edits(named("b", "81") + other), ElementsAre("publish 2"));
  edits(other);
  EXPECT_THAT(edits(other), ElementsAre("publish 3", "- vip 10.96.0.1", "- endpoint 10.1.0.1:8080"));
}

TEST_F(SteeringTest, ADirectEndpointStaysOneWhileItHasFlows) {
  const std::string dsr =
      service("web", "10.96.0.1", "[{port: 8080}]", "251") + policy("p", "web", "forwarding: {mode: dsr}");
  const std::string nat = service("web", "10.96.0.1", "[{port: 8080}]", "251");
  EXPECT_THAT(edits(nat + slice("web", "web", endpoints(1, 2))), SizeIs(4));
  EXPECT_THAT(edits(dsr + slice("web", "web", endpoints(1, 2))),
              ElementsAre("+ direct 10.1.0.1 of 10.96.0.1", "+ direct 10.1.0.2 of 10.96.0.1", "publish 2"));
  EXPECT_THAT(edits(nat + slice("web", "web", endpoints(1, 2))), ElementsAre("publish 3"));
  edits(nat + slice("web", "web", endpoints(2, 2)));
  EXPECT_THAT(edits(nat + slice("web", "web", endpoints(2, 2))),
              ElementsAre("publish 4", "- endpoint 10.1.0.1:8080", "- direct 10.1.0.1 of 10.96.0.1"));
}

TEST_F(SteeringTest, WhatACrashLeftGoesAndWhatIsStillRightIsNotTouched) {
  maps.vips = {lb::parse_address("10.96.0.1").value(), lb::parse_address("10.96.0.9").value()};
  maps.endpoints = {{lb::parse_address("10.1.0.1").value(), lb::port_from_host(8080), lb::Protocol::tcp},
                    {lb::parse_address("10.1.0.9").value(), lb::port_from_host(8080), lb::Protocol::tcp}};
  maps.direct = {{lb::parse_address("10.1.0.9").value(), lb::parse_address("10.96.0.9").value()}};
  steering = std::make_unique<Steering>(maps, [this](const auto& snapshot) { publish(snapshot); });
  EXPECT_THAT(edits(web(1, 2)), ElementsAre("+ endpoint 10.1.0.2:8080", "publish 1", "- vip 10.96.0.9",
                                            "- endpoint 10.1.0.9:8080", "- direct 10.1.0.9 of 10.96.0.9"));
}

TEST_F(SteeringTest, WithoutRoomForAnEndpointTheSnapshotBeforeStaysInForceUntilThereIs) {
  edits(web(1, 3));
  maps.capacity = 4;
  EXPECT_THAT(take(web(1, 6)).error(), HasSubstr("full"));
  EXPECT_TRUE(steering->is_behind());
  EXPECT_EQ(in_force->epoch(), 1U);
  EXPECT_FALSE(take(web(1, 7)));
  EXPECT_FALSE(steering->retry());
  EXPECT_EQ(in_force->epoch(), 1U);
  maps.capacity = 7;
  EXPECT_TRUE(steering->retry());
  EXPECT_FALSE(steering->is_behind());
  EXPECT_EQ(in_force->epoch(), 3U);
  maps.take_log();
  EXPECT_TRUE(steering->retry());
  EXPECT_THAT(maps.take_log(), IsEmpty());
}

TEST_F(SteeringTest, RoomIsMadeOfWhatNobodyNeeds) {
  maps.capacity = 3;
  edits(web(1, 3));
  edits(web(2, 3));  // the first lingers
  EXPECT_THAT(edits(web(2, 4)), ElementsAre("- endpoint 10.1.0.1:8080", "+ endpoint 10.1.0.4:8080", "publish 3"));
}

TEST_F(SteeringTest, WithoutRoomForAVipItsServiceIsInForceAndAskedForLater) {
  maps.capacity = 1;
  const std::string two =
      service("a", "10.96.0.1", "[{port: 80}]", "251") + service("b", "10.96.0.2", "[{port: 80}]", "251");
  EXPECT_FALSE(take(two));
  EXPECT_FALSE(steering->is_behind());
  EXPECT_EQ(in_force->epoch(), 1U);
  EXPECT_THAT(maps.vips, SizeIs(1));
  maps.capacity = 2;
  EXPECT_TRUE(steering->retry());
  EXPECT_THAT(maps.vips, SizeIs(2));
}

TEST_F(SteeringTest, AfterAnyEditsTheMapsHoldWhatIsTracked) {
  std::mt19937 random(5);
  const auto pick = [&](int least, int most) { return std::uniform_int_distribution(least, most)(random); };
  size_t failed = 0;
  for (int round = 0; round < 400; ++round) {
    std::string text;
    for (int i = 1; i <= 4; ++i) {
      const std::string name = "s" + std::to_string(i);
      if (pick(0, 3) == 0) {
        continue;
      }
      // Pairs of services share a VIP, and all of them endpoints.
      text += service(name, "10.96.0." + std::to_string(i / 2), "[{port: " + std::to_string(8078 + i) + "}]", "251") +
              slice(name, name, endpoints(pick(1, 4), pick(1, 7)), "[{port: " + std::to_string(8078 + i) + "}]");
      text += pick(0, 2) == 0 ? policy(name, name, "forwarding: {mode: dsr}") : "";
    }
    bench.used = {};
    for (int i = pick(0, 6); i > 0; --i) {
      bench.used.insert(static_cast<uint32_t>(pick(0, 20)));
    }
    if (steering->is_behind()) {  // then nothing is freed
      for (uint32_t slot = 0; slot < 100; ++slot) {
        bench.used.insert(slot);
      }
    }
    maps.capacity = static_cast<size_t>(pick(0, 9) == 0 ? pick(1, 20) : 1000);
    if (!take(text)) {
      ++failed;
      continue;
    }
    std::set<pods::Endpoint> wanted;
    std::set<lb::Address> vips;
    for (const registry::TrackedEndpoint& each : bench.builder.tracked()) {
      wanted.insert({.address = each.address, .port = each.port, .protocol = each.protocol});
      vips.insert(each.vip);
    }
    for (const lb::Service& each : in_force->services()) {
      vips.insert(each.address);
    }
    ASSERT_EQ(maps.endpoints, wanted) << "round " << round;
    ASSERT_EQ(maps.vips, vips) << "round " << round;
    ASSERT_EQ(in_force, bench.builder.snapshot());
  }
  EXPECT_GT(failed, 5U);
}

}  // namespace
}  // namespace weft::node
