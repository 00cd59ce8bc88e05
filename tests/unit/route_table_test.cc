// SPDX-License-Identifier: Apache-2.0
#include "l4/route_table.h"

#include <gtest/gtest.h>

#include <random>

namespace weft::l4 {
namespace {

RouteTable table(const std::vector<std::pair<const char*, uint32_t>>& routes) {
  std::vector<RouteTable::Entry> entries;
  for (const auto& [prefix, value] : routes) {
    entries.push_back({.prefix = lb::parse_prefix(prefix).value(), .value = value});
  }
  return RouteTable(entries);
}
uint32_t find(const RouteTable& routes, const char* address) {
  return routes.find(lb::parse_address(address).value());
}

TEST(RouteTable, TheLongestPrefixWinsInEitherFamily) {
  const RouteTable routes = table(
      {{"10.0.0.0/8", 1}, {"10.2.0.0/16", 2}, {"10.2.3.4", 3}, {"fd00::/8", 4}, {"fd00:2::/64", 5}, {"fd00:2::1", 6}});
  EXPECT_EQ(find(routes, "10.1.255.255"), 1U);
  EXPECT_EQ(find(routes, "10.2.0.0"), 2U);
  EXPECT_EQ(find(routes, "10.2.3.3"), 2U);
  EXPECT_EQ(find(routes, "10.2.3.4"), 3U);
  EXPECT_EQ(find(routes, "10.2.3.5"), 2U);
  EXPECT_EQ(find(routes, "10.3.0.0"), 1U);
  EXPECT_EQ(find(routes, "11.0.0.0"), RouteTable::kNone);
  EXPECT_EQ(find(routes, "9.255.255.255"), RouteTable::kNone);
  EXPECT_EQ(find(routes, "fd00:1::1"), 4U);
  EXPECT_EQ(find(routes, "fd00:2::"), 5U);
  EXPECT_EQ(find(routes, "fd00:2::1"), 6U);
  EXPECT_EQ(find(routes, "fd00:2:0:0:ffff:ffff:ffff:ffff"), 5U);
  EXPECT_EQ(find(routes, "fd00:2:0:1::"), 4U);
  EXPECT_EQ(find(routes, "fe00::"), RouteTable::kNone);
}

TEST(RouteTable, HoldsBothEndsOfAllAddresses) {
  const RouteTable none = table({});
  EXPECT_EQ(find(none, "0.0.0.0"), RouteTable::kNone);
  EXPECT_EQ(find(none, "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"), RouteTable::kNone);
  const RouteTable all = table({{"0.0.0.0/0", 1}, {"255.255.255.255", 2}, {"::/0", 3}});
  EXPECT_EQ(find(all, "0.0.0.0"), 1U);
  EXPECT_EQ(find(all, "255.255.255.254"), 1U);
  EXPECT_EQ(find(all, "255.255.255.255"), 2U);
  EXPECT_EQ(find(all, "::"), 3U);
  EXPECT_EQ(find(all, "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"), 3U);
}

TEST(RouteTable, OfEqualPrefixesTheFirstCounts) {
  EXPECT_EQ(find(table({{"10.0.0.0/8", 1}, {"10.0.0.0/8", 2}}), "10.0.0.1"), 1U);
}

TEST(RouteTable, AgreesWithALinearSearch) {
  for (uint32_t seed = 0; seed < 200; ++seed) {
    std::mt19937 random(seed);
    std::vector<RouteTable::Entry> entries;
    for (uint32_t i = 0; i < 60; ++i) {
      const auto length = static_cast<uint8_t>(random() % 33);
      const uint32_t mask = length == 0 ? 0 : UINT32_MAX << (32 - length);
      // Few distinct high bits, so that prefixes nest.
      const uint32_t address = (random() & 0xc0c0c0ff) & mask;
      entries.push_back({.prefix = {.address = lb::address_from_host(address), .length = length}, .value = i});
    }
    const RouteTable routes(entries);
    for (uint32_t i = 0; i < 500; ++i) {
      const lb::Address address = lb::address_from_host(random() & 0xc0c0c1ff);
      const RouteTable::Entry* best = nullptr;
      for (const RouteTable::Entry& entry : entries) {
        if (entry.prefix.contains(address) && (best == nullptr || entry.prefix.length > best->prefix.length)) {
          best = &entry;
        }
      }
      ASSERT_EQ(routes.find(address), best == nullptr ? RouteTable::kNone : best->value)
          << "seed " << seed << ", " << to_string(address);
    }
  }
}

}  // namespace
}  // namespace weft::l4
