// SPDX-License-Identifier: Apache-2.0
#include "kernel/hop_numbers.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace weft::kernel {
namespace {

HopIdentity neighbour(uint32_t number) {
  return {.what = HopIdentity::What::neighbour, .address = lb::address_from_host(number)};
}

TEST(HopNumbers, KeepsANumberForAsLongAsItIsInUse) {
  HopNumbers numbers(2, 10);
  EXPECT_EQ(numbers.number(neighbour(1)), 2);
  EXPECT_EQ(numbers.number(neighbour(2)), 3);
  EXPECT_EQ(numbers.number(neighbour(1)), 2);
}

TEST(HopNumbers, GivesARetiredNumberToNobodyBeforeItIsReclaimed) {
  HopNumbers numbers(0, 2);
  EXPECT_EQ(numbers.number(neighbour(1)), 0);
  EXPECT_EQ(numbers.number(neighbour(2)), 1);
  numbers.retire(neighbour(1), 5);
  EXPECT_EQ(numbers.number(neighbour(1)), std::nullopt) << "not even to the same";
  numbers.reclaim(4);
  EXPECT_EQ(numbers.left(), 0U);
  numbers.reclaim(5);
  EXPECT_EQ(numbers.number(neighbour(3)), 0);
}

TEST(HopNumbers, RetiresAllButThoseKept) {
  HopNumbers numbers(0, 8);
  for (uint32_t i = 0; i < 4; ++i) {
    numbers.number(neighbour(i));
  }
  numbers.retire_all_but({neighbour(1), neighbour(3)}, 1);
  EXPECT_EQ(numbers.retired().size(), 2U);
  EXPECT_EQ(numbers.number(neighbour(1)), 1);
  EXPECT_EQ(numbers.number(neighbour(0)), 4);
}

}  // namespace
}  // namespace weft::kernel
