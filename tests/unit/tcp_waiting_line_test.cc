// SPDX-License-Identifier: Apache-2.0
/// @file Who waits is fed in turn, and those who have ended take nobody's place.
#include "tcp/waiting_line.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace weft::tcp {
namespace {

constexpr auto kAll = [](ConnectionId) { return true; };

std::vector<uint32_t> drained(WaitingLine& line) {
  std::vector<uint32_t> indices;
  while (!line.empty()) {
    indices.push_back(line.next().index);
  }
  return indices;
}

TEST(WaitingLine, FeedsInTurn) {
  WaitingLine line(3);
  EXPECT_TRUE(line.empty());
  for (const uint32_t index : {4U, 9U, 2U}) {
    line.join({index, 1}, kAll);
  }
  EXPECT_EQ(line.next().index, 4);
  line.join({4, 1}, kAll);
  EXPECT_THAT(drained(line), ::testing::ElementsAre(9, 2, 4)) << "whoever asks again stands last";
}

TEST(WaitingLine, GoesRoundForEver) {
  WaitingLine line(2);
  line.join({0, 1}, kAll);
  line.join({1, 1}, kAll);
  for (uint32_t round = 0; round < 1000; ++round) {
    ASSERT_EQ(line.next().index, round % 2);
    line.join({round % 2, 1}, kAll);
  }
  EXPECT_THAT(drained(line), ::testing::ElementsAre(0, 1));
}

TEST(WaitingLine, ForgetsThoseWhoHaveEndedWhenItIsFull) {
  WaitingLine line(2);
  const auto is_there = [](ConnectionId id) { return id.generation == 9; };
  for (uint32_t generation = 0; generation < 10; ++generation) {
    line.join({0, generation}, is_there);
  }
  line.join({1, 9}, is_there);
  EXPECT_EQ(line.memory_bytes(), 4 * sizeof(ConnectionId));
  std::vector<uint32_t> alive;
  while (!line.empty()) {
    const ConnectionId id = line.next();
    if (is_there(id)) {
      alive.push_back(id.index);
    }
  }
  EXPECT_THAT(alive, ::testing::ElementsAre(0, 1));
}

}  // namespace
}  // namespace weft::tcp
