// SPDX-License-Identifier: Apache-2.0
/// @file From dumped tables to forwarding: which next hop an address has, and which numbers of before are retired.
#include "kernel/router.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

namespace weft::kernel {
namespace {

using ::testing::ElementsAre;

constexpr uint32_t kUp0 = 7;  // interfaces
constexpr uint32_t kUp1 = 9;
constexpr uint32_t kElsewhere = 2;
constexpr uint8_t kUplink0 = 0;  // ports; the twins are 1 and 3
constexpr uint8_t kUplink1 = 2;
constexpr uint8_t kFixed = 4;  // a port without a twin

lb::Address address(const char* text) {
  return lb::parse_address(text).value();
}

Mac mac(uint8_t last) {
  return {2, 0, 0, 0, 0, last};
}

Base base() {
  Base base;
  for (uint8_t port = 0; port < 5; ++port) {
    base.ports.push_back({.fixed = {.mtu = 0, .port = port}, .mtu = 1500, .mac = mac(port), .others_port = port});
  }
  base.ports[kUplink0].twin_name = "up0";
  base.ports[kUplink1].twin_name = "up1";
  base.ports[kFixed].fixed = {.addresses = {2, 9}, .mtu = 1400, .port = kFixed};
  base.networks = {{.prefix = lb::parse_prefix("10.1.0.0/16").value(), .port = kFixed}};
  return base;
}

Route route(const char* destination, std::vector<Via> vias, uint32_t metric = 0) {
  return {.destination = lb::parse_prefix(destination).value(), .metric = metric, .vias = std::move(vias)};
}
Via via(const char* gateway, uint32_t ifindex = kUp0) {
  return {.ifindex = ifindex, .gateway = address(gateway)};
}
Neighbour neighbour(const char* its_address, uint8_t last, uint32_t ifindex = kUp0) {
  return {.ifindex = ifindex, .address = address(its_address), .state = Neighbour::State::good, .mac = mac(last)};
}

/// Two twins on links of their own, with a gateway each, who is resolved.
Tables tables() {
  return {.links = {{.ifindex = kUp0, .name = "up0", .mtu = 1500, .up = true},
                    {.ifindex = kUp1, .name = "up1", .mtu = 9000, .up = true}},
          .routes = {route("192.0.2.0/24", {{.ifindex = kUp0}}), route("198.51.100.0/24", {{.ifindex = kUp1}})},
          .neighbours = {neighbour("192.0.2.1", 0x11), neighbour("198.51.100.1", 0x21, kUp1)}};
}

class RouterTest : public ::testing::Test {
 protected:
  /// @returns whether there was something new
  bool take(const Tables& next, uint64_t renewed = 0) {
    auto made = router.next(std::make_shared<const Tables>(next), renewed);
    if (made == nullptr) {
      return false;
    }
    forwarding = made;
    return true;
  }
  uint16_t number(const char* to, uint8_t ingress = kUplink0) const { return forwarding->route(address(to), ingress); }
  const l4::NextHop& hop(const char* to) const { return (*forwarding)[number(to)]; }
  /// The last byte of the Ethernet address that a packet is sent to; nothing if it is not sent.
  std::optional<int> sent_to(const char* to) const {
    return hop(to).in_force() ? std::optional<int>(hop(to).addresses[5]) : std::nullopt;
  }

  Router router{base()};
  std::shared_ptr<const l4::Forwarding> forwarding;
};

TEST_F(RouterTest, WithoutTablesThereIsWhatIsConfigured) {
  ASSERT_TRUE(take({}));
  EXPECT_EQ(hop("10.1.2.3").port, kFixed);
  EXPECT_EQ(hop("10.1.2.3").mtu, 1400);
  EXPECT_EQ(hop("10.9.0.1").port, kUplink0) << "back where it came from";
  EXPECT_FALSE(hop("10.9.0.1").in_force()) << "where nobody is configured";
  EXPECT_FALSE(forwarding->retires());
  EXPECT_FALSE(take({})) << "nothing new";
}

TEST_F(RouterTest, AGatewayIsANextHopWithItsAndThePortsAddress) {
  Tables now = tables();
  now.routes.push_back(route("0.0.0.0/0", {via("192.0.2.1")}));
  now.routes.push_back(route("10.8.0.0/16", {via("198.51.100.1", kUp1)}));
  now.routes.back().mtu = 1450;
  ASSERT_TRUE(take(now));
  EXPECT_THAT(hop("10.9.0.1").addresses, ElementsAre(2, 0, 0, 0, 0, 0x11, 2, 0, 0, 0, 0, kUplink0));
  EXPECT_EQ(hop("10.9.0.1").port, kUplink0);
  EXPECT_EQ(hop("10.9.0.1").mtu, 1500);
  EXPECT_EQ(hop("10.8.0.1").port, kUplink1);
  EXPECT_EQ(hop("10.8.0.1").mtu, 1450) << "of the path; the port's own is less than the interface's";
  EXPECT_EQ(hop("10.1.2.3").port, kFixed) << "the configuration comes first";
  EXPECT_THAT(router.gateways(),
              ElementsAre(Wanted{kUp0, address("192.0.2.1")}, Wanted{kUp1, address("198.51.100.1")}));
}

TEST_F(RouterTest, AGatewayThatIsNotResolvedIsNotInForceAndKeepsItsNumber) {
  Tables now = tables();
  now.routes.push_back(route("0.0.0.0/0", {via("192.0.2.9")}));
  ASSERT_TRUE(take(now));
  EXPECT_FALSE(hop("10.9.0.1").in_force());
  const uint16_t before = number("10.9.0.1");
  now.neighbours.push_back(neighbour("192.0.2.9", 0x19));
  ASSERT_TRUE(take(now));
  EXPECT_EQ(sent_to("10.9.0.1"), 0x19);
  EXPECT_EQ(number("10.9.0.1"), before);
  now.neighbours.back().mac = mac(0x1a);
  ASSERT_TRUE(take(now));
  EXPECT_EQ(sent_to("10.9.0.1"), 0x1a) << "another card";
  EXPECT_EQ(number("10.9.0.1"), before);
  now.neighbours.back().state = Neighbour::State::failed;
  ASSERT_TRUE(take(now));
  EXPECT_FALSE(hop("10.9.0.1").in_force());
}

TEST_F(RouterTest, OnALinkEachNeighbourIsANextHop) {
  Tables now = tables();
  now.neighbours.push_back(neighbour("192.0.2.7", 0x17));
  ASSERT_TRUE(take(now));
  EXPECT_EQ(sent_to("192.0.2.7"), 0x17);
  EXPECT_EQ(sent_to("192.0.2.1"), 0x11);
  EXPECT_FALSE(hop("192.0.2.8").in_force());
  EXPECT_EQ(hop("192.0.2.8").port, kUplink0);
  EXPECT_EQ(router.neighbour_for(address("192.0.2.8")), (Wanted{kUp0, address("192.0.2.8")}));
  EXPECT_EQ(router.neighbour_for(address("10.9.0.1")), std::nullopt) << "no route";
  const uint16_t gone = number("192.0.2.7");
  now.neighbours.pop_back();
  ASSERT_TRUE(take(now));
  EXPECT_FALSE((*forwarding)[gone].in_force()) << "whoever holds it asks again";
  EXPECT_TRUE(forwarding->retires());
}

TEST_F(RouterTest, ANeighbourWithARouteOfItsOwnHasThatOnesMtu) {
  Tables now = tables();
  now.routes.push_back(route("192.0.2.1/32", {{.ifindex = kUp0}}));
  now.routes.back().mtu = 1000;
  ASSERT_TRUE(take(now));
  EXPECT_EQ(sent_to("192.0.2.1"), 0x11);
  EXPECT_EQ(hop("192.0.2.1").mtu, 1000);
  EXPECT_FALSE(hop("192.0.2.8").in_force());
}

TEST_F(RouterTest, ANeighbourOfAnotherLinkIsNone) {
  Tables now = tables();
  now.neighbours.push_back(neighbour("192.0.2.7", 0x17, kUp1));
  ASSERT_TRUE(take(now));
  EXPECT_FALSE(hop("192.0.2.7").in_force());
}

TEST_F(RouterTest, TheLowestMetricCounts) {
  Tables now = tables();
  now.routes.push_back(route("10.9.0.0/16", {via("192.0.2.1")}, 100));
  now.routes.push_back(route("10.9.0.0/16", {via("198.51.100.1", kUp1)}, 20));
  ASSERT_TRUE(take(now));
  EXPECT_EQ(sent_to("10.9.0.1"), 0x21);
}

TEST_F(RouterTest, ARouteOverAnotherInterfaceHidesALessSpecificOne) {
  Tables now = tables();
  now.routes.push_back(route("0.0.0.0/0", {via("192.0.2.1")}));
  now.routes.push_back(route("10.9.0.0/16", {via("172.16.0.1", kElsewhere)}));
  now.routes.push_back(route("10.10.0.0/16", {}));
  now.routes.back().unreachable = true;
  ASSERT_TRUE(take(now));
  EXPECT_EQ(sent_to("10.8.0.1"), 0x11);
  EXPECT_EQ(number("10.9.0.1"), forwarding->port(kUplink0).default_hop);
  EXPECT_FALSE(hop("10.10.0.1").in_force());
  EXPECT_NE(number("10.10.0.1"), forwarding->port(kUplink0).default_hop);
}

/// As a pod's own route does, over its veth.
TEST_F(RouterTest, ARouteOverAnotherInterfaceHidesNoNetworkOfTheConfiguration) {
  Tables now = tables();
  now.routes.push_back(route("10.1.0.7/32", {{.ifindex = kElsewhere}}));
  now.routes.push_back(route("10.1.9.0/24", {via("192.0.2.1")}));
  ASSERT_TRUE(take(now));
  EXPECT_EQ(hop("10.1.0.7").port, kFixed);
  EXPECT_EQ(sent_to("10.1.9.1"), 0x11) << "one over a twin is a way";
}

TEST_F(RouterTest, DestinationsAreSpreadOverTheWaysOfARouteByWeight) {
  Tables now = tables();
  Via heavy = via("198.51.100.1", kUp1);
  heavy.weight = 3;
  now.routes.push_back(route("10.0.0.0/8", {via("192.0.2.1"), heavy}));
  ASSERT_TRUE(take(now));
  int by_heavy = 0;
  for (uint32_t i = 0; i < 4000; ++i) {
    const lb::Address to = lb::address_from_host(0x0a090000 + i);
    const uint16_t way = forwarding->route(to, kUplink0);
    EXPECT_EQ(way, forwarding->route(to, kUplink1)) << "always the same one";
    by_heavy += (*forwarding)[way].port == kUplink1 ? 1 : 0;
  }
  EXPECT_NEAR(by_heavy, 3000, 150);
}

TEST_F(RouterTest, FlowsOfARouteThatChangesAreMadeToAsk) {
  Tables now = tables();
  now.routes.push_back(route("10.9.0.0/16", {via("192.0.2.1")}));
  now.routes.push_back(route("10.10.0.0/16", {via("192.0.2.1")}));
  now.routes.push_back(route("10.11.0.0/16", {via("198.51.100.1", kUp1)}));
  ASSERT_TRUE(take(now));
  const uint16_t moved = number("10.9.0.1");
  const uint16_t stays = number("10.11.0.1");
  now.routes[2].vias = {via("198.51.100.1", kUp1)};
  ASSERT_TRUE(take(now));
  EXPECT_FALSE((*forwarding)[moved].in_force());
  EXPECT_EQ((*forwarding)[moved].port, kUplink0) << "where its flows left, for those that have no route any more";
  EXPECT_EQ(sent_to("10.9.0.1"), 0x21);
  EXPECT_EQ(sent_to("10.10.0.1"), 0x11) << "still by the old gateway, under a new number";
  EXPECT_NE(number("10.10.0.1"), moved);
  EXPECT_EQ(number("10.11.0.1"), stays) << "nothing of its was changed";
}

TEST_F(RouterTest, FlowsOfARouteThatGoesOrOfALongerOneThatComesAreMadeToAsk) {
  Tables now = tables();
  now.routes.push_back(route("10.0.0.0/8", {via("192.0.2.1")}));
  ASSERT_TRUE(take(now));
  const uint16_t covered = number("10.9.0.1");
  now.routes.push_back(route("10.9.0.0/16", {via("198.51.100.1", kUp1)}));
  ASSERT_TRUE(take(now));
  EXPECT_FALSE((*forwarding)[covered].in_force());
  const uint16_t own = number("10.9.0.1");
  EXPECT_EQ(sent_to("10.9.0.1"), 0x21);
  now.routes.pop_back();
  ASSERT_TRUE(take(now));
  EXPECT_FALSE((*forwarding)[own].in_force());
  EXPECT_EQ(sent_to("10.9.0.1"), 0x11);
}

TEST_F(RouterTest, FlowsWithoutARouteAreMadeToAskWhenOneComes) {
  ASSERT_TRUE(take(tables()));
  const uint16_t by_port = number("10.9.0.1", kFixed);
  EXPECT_TRUE((*forwarding)[by_port].in_force());
  Tables now = tables();
  now.routes.push_back(route("10.0.0.0/8", {via("192.0.2.1")}));
  ASSERT_TRUE(take(now));
  EXPECT_FALSE((*forwarding)[by_port].in_force());
  EXPECT_EQ(hop("10.1.0.1").mtu, 1400) << "others still have the configured way";
}

TEST_F(RouterTest, ANumberIsUsedAgainOnlyWhenNoFlowHoldsIt) {
  Tables now = tables();
  now.routes.push_back(route("10.0.0.0/8", {via("192.0.2.1")}));
  ASSERT_TRUE(take(now));
  const uint16_t retired = number("10.9.0.1");
  const auto change = [&](uint64_t renewed) {
    now.routes.back().vias = {now.routes.back().vias[0].ifindex == kUp0 ? via("198.51.100.1", kUp1) : via("192.0.2.1")};
    ASSERT_TRUE(take(now, renewed));
  };
  change(0);
  const uint64_t epoch = forwarding->epoch();
  for (int i = 0; i < 10; ++i) {
    change(epoch - 1);
    EXPECT_FALSE((*forwarding)[retired].in_force());
  }
  change(epoch);
  change(epoch);
  std::set<uint16_t> in_use = {number("10.9.0.1"), number("192.0.2.1"), number("198.51.100.1"), number("10.1.0.1")};
  for (int i = 0; i < 4 && !in_use.contains(retired); ++i) {
    change(forwarding->epoch());
    in_use.insert(number("10.9.0.1"));
  }
  EXPECT_TRUE(in_use.contains(retired));
}

TEST_F(RouterTest, ARunOfChangesWaitsForFlowsToLetGo) {
  constexpr uint32_t kHops = 200;
  Router few(base(), kHops);
  const auto take_few = [&](const Tables& next, uint64_t renewed) {
    auto made = few.next(std::make_shared<const Tables>(next), renewed);
    forwarding = made == nullptr ? forwarding : made;
    return made != nullptr;
  };
  Tables now = tables();
  now.routes.push_back(route("10.0.0.0/8", {via("192.0.2.1")}));
  ASSERT_TRUE(take_few(now, 0));
  uint32_t changes = 0;
  while (!few.postponed() && changes < 2 * kHops) {
    now.routes.back().vias = {changes++ % 2 == 0 ? via("198.51.100.1", kUp1) : via("192.0.2.1")};
    take_few(now, 0);
  }
  EXPECT_TRUE(few.postponed()) << "all numbers are retired";
  EXPECT_GT(changes, kHops / 4);
  EXPECT_TRUE(take_few(now, forwarding->epoch()));
  EXPECT_FALSE(few.postponed());
}

}  // namespace
}  // namespace weft::kernel
