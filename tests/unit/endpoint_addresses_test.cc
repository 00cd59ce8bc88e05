// SPDX-License-Identifier: Apache-2.0
#include "node/endpoint_addresses.h"

#include <gmock/gmock.h>

#include <chrono>
#include <random>
#include <set>

namespace weft::node {
namespace {

using registry::TrackedChanges;
using registry::TrackedEndpoint;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using Wish = kernel::Follower::Wish;

lb::Address address(uint32_t number) {
  return lb::Ipv4Address(0x0a000000 + number);
}

TrackedEndpoint endpoint(uint32_t slot, uint32_t number, bool lingering = false) {
  return {.slot = slot, .address = address(number), .lingering = lingering};
}

TEST(EndpointAddresses, AreToldOnceHoweverManyEndpointsHaveThem) {
  EndpointAddresses addresses;
  EXPECT_THAT(addresses.take({.changed = {endpoint(0, 7), endpoint(1, 7), endpoint(2, 8)}}),
              ElementsAre(Wish{address(7), true}, Wish{address(8), true}));
  EXPECT_THAT(addresses.take({.gone = {endpoint(0, 7)}}), IsEmpty());
  EXPECT_THAT(addresses.take({.gone = {endpoint(1, 7)}}), ElementsAre(Wish{address(7), false}));
}

TEST(EndpointAddresses, StayWhileFlowsHoldTheirEndpoint) {
  EndpointAddresses addresses;
  addresses.take({.changed = {endpoint(0, 7)}});
  EXPECT_THAT(addresses.take({.changed = {endpoint(0, 7, true)}}), IsEmpty());
  EXPECT_THAT(addresses.take({.gone = {endpoint(0, 7, true)}, .changed = {endpoint(0, 9)}}),
              ElementsAre(Wish{address(7), false}, Wish{address(9), true}));
}

TEST(EndpointAddresses, OneThatWentBeforeItWasToldOfIsPassedOver) {
  EndpointAddresses addresses;
  EXPECT_THAT(addresses.take({.gone = {endpoint(5, 7)}}), IsEmpty());
}

TEST(EndpointAddresses, AreThoseOfAllEndpointsWhateverHappened) {
  std::mt19937 random(3);
  EndpointAddresses addresses;
  std::map<uint32_t, TrackedEndpoint> there;
  std::set<lb::Address> wanted;
  for (int round = 0; round < 20000; ++round) {
    TrackedChanges changes;
    std::map<uint32_t, TrackedEndpoint> changed;
    for (uint32_t i = random() % 4; i > 0; --i) {
      const uint32_t slot = random() % 50;
      if (const auto known = there.find(slot); known != there.end() && random() % 2 == 0) {
        changes.gone.push_back(known->second);
        changed.erase(slot);
        there.erase(known);
      } else {
        there[slot] = changed[slot] = endpoint(slot, random() % 20, random() % 4 == 0);
      }
    }
    for (const auto& [slot, each] : changed) {
      changes.changed.push_back(each);
    }
    for (const Wish& wish : addresses.take(changes)) {
      ASSERT_EQ(wish.wanted, wanted.count(wish.endpoint) == 0);
      if (wish.wanted) {
        wanted.insert(wish.endpoint);
      } else {
        wanted.erase(wish.endpoint);
      }
    }
    std::set<lb::Address> expected;
    for (const auto& [slot, each] : there) {
      expected.insert(each.address);
    }
    ASSERT_EQ(wanted, expected) << round;
  }
}

TEST(EndpointAddresses, AChangeCostsTheSameHoweverManyThereAre) {
  constexpr uint32_t kEndpoints = 100'000;
  constexpr uint32_t kChanges = 1000;
  using Clock = std::chrono::steady_clock;
  EndpointAddresses addresses;
  TrackedChanges all;
  for (uint32_t i = 0; i < kEndpoints; ++i) {
    all.changed.push_back(endpoint(i, i));
  }
  const Clock::time_point before = Clock::now();
  ASSERT_EQ(addresses.take(all).size(), kEndpoints);
  const Clock::time_point loaded = Clock::now();
  for (uint32_t i = 0; i < kChanges; ++i) {
    ASSERT_EQ(addresses.take({.changed = {endpoint(i, kEndpoints + i)}}).size(), 2U);
  }
  const Clock::time_point changed = Clock::now();
  using Microseconds = std::chrono::duration<double, std::micro>;
  RecordProperty("load_us", std::to_string(Microseconds(loaded - before).count()));
  RecordProperty("change_us", std::to_string(Microseconds(changed - loaded).count() / kChanges));
  // A thousand changes are a hundredth of all: had each looked at all, it would be a thousand times as much.
  EXPECT_LT(changed - loaded, 5 * (loaded - before));
}

}  // namespace
}  // namespace weft::node
