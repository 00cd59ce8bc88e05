// SPDX-License-Identifier: Apache-2.0
#include "lb/token_bucket.h"

#include <gtest/gtest.h>

namespace weft::lb {
namespace {

TEST(TokenBucket, GivesItsBurstAndThenItsRate) {
  TokenBucket bucket;
  const Rate rate{.per_second = 100, .burst = 3};
  uint32_t now = UINT32_MAX - 5;  // its clock wraps
  for (int i = 0; i < 3; ++i) {
    EXPECT_TRUE(bucket.take(rate, now));
  }
  EXPECT_FALSE(bucket.has_some(rate, now));
  EXPECT_FALSE(bucket.take(rate, now));
  EXPECT_TRUE(bucket.has_some(rate, now + 10));
  EXPECT_FALSE(bucket.has_some(rate, now + 9)) << "asking takes nothing";
  uint32_t taken = 0;
  for (int i = 0; i < 1000; ++i) {
    taken += bucket.take(rate, ++now) ? 1 : 0;
  }
  EXPECT_EQ(taken, 100U);
  now += 3'600'000;
  taken = 0;
  for (int i = 0; i < 10; ++i) {
    taken += bucket.take(rate, now) ? 1 : 0;
  }
  EXPECT_EQ(taken, 3U) << "an idle hour saves no more than the burst";
}

TEST(TokenBucket, HoldsTheLargestRates) {
  TokenBucket bucket;
  const Rate rate{.per_second = UINT32_MAX, .burst = kMaxBurst};
  for (int i = 0; i < 1000; ++i) {
    ASSERT_TRUE(bucket.take(rate, 7));
  }
}

TEST(TokenBucket, FollowsAChangeOfItsRate) {
  TokenBucket bucket;
  for (int i = 0; i < 100; ++i) {
    EXPECT_TRUE(bucket.take({.per_second = 1, .burst = 100}, 1000));
  }
  EXPECT_FALSE(bucket.take({.per_second = 1, .burst = 10}, 1001));
  EXPECT_TRUE(bucket.take({.per_second = 1, .burst = 10}, 2001)) << "debts beyond the new burst are forgiven";
}

TEST(Share, PartsAddUpToTheWhole) {
  for (const uint32_t whole : {0U, 1U, 7U, 100U, 1'000'003U}) {
    for (uint32_t workers = 1; workers <= 16; ++workers) {
      uint64_t sum = 0;
      for (uint32_t worker = 0; worker < workers; ++worker) {
        sum += share_of(whole, worker, workers);
      }
      EXPECT_EQ(sum, whole);
    }
  }
}

}  // namespace
}  // namespace weft::lb
