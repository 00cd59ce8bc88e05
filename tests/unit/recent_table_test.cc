// SPDX-License-Identifier: Apache-2.0
#include "flow/recent_table.h"

#include <gtest/gtest.h>

#include <map>
#include <random>

namespace weft::flow {
namespace {

TEST(RecentTable, RemembersForItsTime) {
  RecentTable<uint32_t> table(16);
  EXPECT_EQ(table.find(5, 0, 100), nullptr);
  table.put(5, 42, 1000);
  ASSERT_NE(table.find(5, 1100, 100), nullptr);
  EXPECT_EQ(*table.find(5, 1200, 100), 42U) << "being found is being seen";
  EXPECT_EQ(table.find(5, 1301, 100), nullptr);
  EXPECT_EQ(table.find(6, 1200, 100), nullptr);
}

TEST(RecentTable, WhatWasNotSeenForLongestMakesRoom) {
  RecentTable<uint32_t> table(4);  // one set
  for (uint64_t hash = 1; hash <= 4; ++hash) {
    table.put(hash, static_cast<uint32_t>(hash), static_cast<time::Millis>(hash));
  }
  table.find(1, 10, 100);
  table.put(5, 5, 11);
  EXPECT_EQ(table.find(2, 11, 100), nullptr);
  for (const uint64_t hash : {1, 3, 4, 5}) {
    EXPECT_NE(table.find(hash, 11, 100), nullptr) << hash;
  }
}

TEST(RecentTable, NeverSaysWhatWasNotPut) {
  RecentTable<uint64_t> table(256);
  std::mt19937_64 random(1);
  std::map<uint64_t, uint64_t> model;
  for (time::Millis now = 1; now < 20000; ++now) {
    const uint64_t hash = (random() % 1000 + 1) * 0x9e3779b97f4a7c15;
    if (random() % 2 == 0) {
      table.put(hash, now, now);
      model[hash] = now;
    } else if (const uint64_t* found = table.find(hash, now, UINT32_MAX)) {
      ASSERT_EQ(*found, model.at(hash));
    }
  }
}

}  // namespace
}  // namespace weft::flow
