// SPDX-License-Identifier: Apache-2.0
#include "lb/http_choice.h"

#include <gtest/gtest.h>

#include <map>
#include <random>

namespace weft::lb {
namespace {

HttpRule rule(const std::vector<uint32_t>& weights) {
  HttpRule rule;
  for (const uint32_t weight : weights) {
    rule.backends.push_back({.port = {.service = std::to_string(rule.backends.size())}, .weight = weight});
  }
  return rule;
}

/// Picks of each of 10,000 evenly spread numbers.
std::map<std::string, int> shares(const HttpRule& rule) {
  std::map<std::string, int> counts;
  for (uint64_t i = 0; i < 10000; ++i) {
    const HttpBackend* backend = choose_backend(rule, i * (UINT64_MAX / 10000));
    ++counts[backend == nullptr ? "none" : backend->port.service];
  }
  return counts;
}

TEST(HttpChoice, FollowsWeights) {
  const auto counts = shares(rule({90, 10}));
  EXPECT_NEAR(counts.at("0"), 9000, 1);
  EXPECT_NEAR(counts.at("1"), 1000, 1);
  EXPECT_NEAR(shares(rule({1000000, 1000000})).at("1"), 5000, 1);  // Gateway API's largest
}

TEST(HttpChoice, NoWeightGetsNothing) {
  EXPECT_EQ(shares(rule({0, 1, 0})), (std::map<std::string, int>{{"1", 10000}}));
  EXPECT_EQ(shares(rule({0, 0})), (std::map<std::string, int>{{"none", 10000}}));
  EXPECT_EQ(shares(rule({})), (std::map<std::string, int>{{"none", 10000}}));
}

TEST(HttpChoice, AnInvalidBackendKeepsItsShare) {
  HttpRule half = rule({1, 1});
  half.backends[0].port.slots[0] = 7;
  EXPECT_TRUE(choose_backend(half, 0)->port.is_valid());
  EXPECT_FALSE(choose_backend(half, UINT64_MAX)->port.is_valid());
  EXPECT_NEAR(shares(half).at("1"), 5000, 1);
}

TEST(HttpChoice, MirrorsAFraction) {
  const auto mirrored = [](Fraction fraction) {
    int count = 0;
    for (uint64_t i = 0; i < 10000; ++i) {
      count += is_mirrored(fraction, i * (UINT64_MAX / 10000)) ? 1 : 0;
    }
    return count;
  };
  EXPECT_EQ(mirrored({1, 1}), 10000);
  EXPECT_EQ(mirrored({0, 100}), 0);
  EXPECT_NEAR(mirrored({5, 100}), 500, 1);
  EXPECT_NEAR(mirrored({1, 3}), 3333, 1);
  EXPECT_EQ(mirrored({3, 2}), 10000);
  EXPECT_EQ(mirrored({1, 0}), 0);
}

}  // namespace
}  // namespace weft::lb
