// SPDX-License-Identifier: Apache-2.0
#include "lb/maglev.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <random>

namespace weft::lb {
namespace {

using ::testing::Each;
using ::testing::ElementsAre;

std::vector<MaglevMember> equal_members(int count) {
  std::vector<MaglevMember> members;
  for (int i = 0; i < count; ++i) {
    members.push_back({.identity = "10.0." + std::to_string(i / 256) + "." + std::to_string(i % 256) + ":8080"});
  }
  return members;
}

// Table 1 of the paper.
TEST(Maglev, FillsThePapersExample) {
  const std::vector<MaglevWalk> walks = {{3, 4}, {0, 2}, {3, 1}};
  EXPECT_THAT(fill_maglev(walks, std::vector<uint32_t>{1, 1, 1}, 7), ElementsAre(1, 0, 1, 0, 2, 2, 0));
}

TEST(Maglev, FillsThePapersExampleWithoutItsSecondBackend) {
  const std::vector<MaglevWalk> walks = {{3, 4}, {0, 2}, {3, 1}};
  EXPECT_THAT(fill_maglev(walks, std::vector<uint32_t>{1, 0, 1}, 7), ElementsAre(0, 0, 0, 0, 2, 2, 2));
}

TEST(Maglev, SharesFollowWeights) {
  const MaglevTable table({{"a", 1}, {"b", 2}}, 65537, 1);
  EXPECT_THAT(table.shares(), ElementsAre(21846, 43691));
}

TEST(Maglev, EqualSharesDifferByOneSlotAtMost) {
  for (uint32_t size : MaglevTable::kSizes) {
    for (int count : {1, 2, 3, 10, 160}) {
      const MaglevTable table(equal_members(count), size, 7);
      const std::vector<uint32_t> shares = table.shares();
      const auto [least, most] = std::minmax_element(shares.begin(), shares.end());
      EXPECT_LE(*most - *least, 1U) << size << " slots, " << count << " members";
    }
  }
}

TEST(Maglev, SharesOfManyWeightsStayWithinAPercent) {
  std::vector<MaglevMember> members = equal_members(10);
  uint32_t sum = 0;
  for (uint32_t i = 0; i < members.size(); ++i) {
    members[i].weight = 10 * (i + 1);
    sum += members[i].weight;
  }
  const MaglevTable table(members, 65537, 3);
  const std::vector<uint32_t> shares = table.shares();
  for (size_t i = 0; i < members.size(); ++i) {
    const double ideal = 65537.0 * table.members()[i].weight / sum;
    EXPECT_NEAR(shares[i], ideal, ideal * 0.01) << table.members()[i].identity;
  }
}

TEST(Maglev, RemovingOneOfAHundredMovesFewSlotsOfTheOthers) {
  const std::vector<MaglevMember> all = equal_members(100);
  const MaglevTable before(all, 65537, 42);
  for (size_t removed : {0U, 17U, 50U, 99U}) {
    std::vector<MaglevMember> rest = before.members();
    rest.erase(rest.begin() + static_cast<std::ptrdiff_t>(removed));
    const MaglevTable after(rest, 65537, 42);
    uint32_t owned_by_others = 0;
    uint32_t moved = 0;
    for (uint32_t slot = 0; slot < before.size(); ++slot) {
      const std::string& owner = before.members()[before.slots()[slot]].identity;
      if (owner != before.members()[removed].identity) {
        ++owned_by_others;
        moved += owner != after.members()[after.slots()[slot]].identity;
      }
    }
    EXPECT_LE(moved, owned_by_others * 6 / 1000) << "without member " << removed;
    EXPECT_GT(moved, 0U) << "the measure itself must work: Maglev is not perfectly minimal";
  }
}

TEST(Maglev, ArrivalOrderDoesNotMatter) {
  std::vector<MaglevMember> members = equal_members(100);
  const MaglevTable table(members, 65537, 42);
  std::mt19937 random(1);
  for (int round = 0; round < 5; ++round) {
    std::shuffle(members.begin(), members.end(), random);
    EXPECT_EQ(MaglevTable(members, 65537, 42).digest(), table.digest());
  }
}

// Pins the hash, the walk and the fill: a change here moves every flow of a running mesh.
TEST(Maglev, TableIsTheSameInEveryProcessAndRelease) {
  EXPECT_EQ(MaglevTable(equal_members(100), 65537, 42).digest(), 17349495337950845213ULL);
}

TEST(Maglev, SeedChangesTheTable) {
  EXPECT_NE(MaglevTable(equal_members(10), 251, 1).digest(), MaglevTable(equal_members(10), 251, 2).digest());
}

TEST(Maglev, WeightZeroGetsNothing) {
  const MaglevTable table({{"a", 0}, {"b", 5}}, 251, 1);
  EXPECT_THAT(table.shares(), ElementsAre(0, 251));
}

TEST(Maglev, NobodyWithWeightMeansAnEmptyTable) {
  EXPECT_TRUE(MaglevTable({}, 251, 1).empty());
  EXPECT_TRUE(MaglevTable({{"a", 0}}, 251, 1).empty());
}

TEST(Maglev, ExtremeWeightsTerminate) {
  const MaglevTable table({{"a", 1}, {"b", MaglevTable::kMaxWeight}}, 655373, 1);
  EXPECT_THAT(table.shares(), ElementsAre(10, 655363)) << "b takes a slot each round, a in every 65535th";
}

TEST(Maglev, EverySlotIsReachedByHashes) {
  const MaglevTable table(equal_members(1), 251, 1);
  std::vector<int> seen(251);
  for (uint64_t i = 0; i < 251; ++i) {
    ++seen[table.slot_of((i * (uint64_t{1} << 32) / 251 + 1) << 32)];
  }
  EXPECT_THAT(seen, Each(1));
  EXPECT_EQ(table.slot_of(~uint64_t{0}), 250U);
}

TEST(Maglev, OnlyPrimesOfTheListAreSizes) {
  EXPECT_TRUE(MaglevTable::valid_size(65537));
  EXPECT_FALSE(MaglevTable::valid_size(65536));
  for (uint32_t size : MaglevTable::kSizes) {
    for (uint32_t divisor = 2; divisor * divisor <= size; ++divisor) {
      ASSERT_NE(size % divisor, 0U) << size << " is not prime";
    }
  }
}

}  // namespace
}  // namespace weft::lb
