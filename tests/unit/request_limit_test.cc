// SPDX-License-Identifier: Apache-2.0
/// @file Limits of the rate of requests: against a bucket that counts slowly and exactly.
#include "lb/request_limit.h"

#include <gtest/gtest.h>

#include <array>
#include <map>
#include <numeric>
#include <random>
#include <thread>

namespace weft::lb {
namespace {

constexpr uint64_t kSecond = 1'000'000'000;

/// In whole tokens and the time that is left over.
class ExactBucket {
 public:
  explicit ExactBucket(RequestRate rate) : rate_(rate), tokens_(rate.burst) {}

  bool take(uint64_t now_ns) {
    while (tokens_ < rate_.burst && now_ns - since_ >= rate_.interval_ns) {
      since_ += rate_.interval_ns;
      ++tokens_;
    }
    if (tokens_ == rate_.burst) {
      since_ = now_ns;
    }
    if (tokens_ == 0) {
      return false;
    }
    --tokens_;
    return true;
  }

 private:
  RequestRate rate_;
  uint64_t tokens_;
  uint64_t since_ = 0;
};

TEST(RequestLimiter, TakesTheBurstAndThenOneAnInterval) {
  SharedRates shared(64, 1);
  RequestLimiter limiter(shared, 64);
  const RequestRate rate{.interval_ns = kSecond / 10, .burst = 3};
  uint64_t now = 5 * kSecond;
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(limiter.take(7, rate, now), 0U);
  }
  EXPECT_EQ(limiter.take(7, rate, now), kSecond / 10);
  now += kSecond / 25;
  EXPECT_EQ(limiter.take(7, rate, now), kSecond * 6 / 100) << "what is left of the time";
  EXPECT_EQ(limiter.take(8, rate, now), 0U) << "another key's bucket";
  now += kSecond * 6 / 100;
  EXPECT_EQ(limiter.take(7, rate, now), 0U);
  EXPECT_EQ(limiter.take(7, rate, now), kSecond / 10);
  now += 60 * kSecond;
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(limiter.take(7, rate, now), 0U) << "a burst, however long nobody came";
  }
  EXPECT_NE(limiter.take(7, rate, now), 0U);
}

TEST(RequestLimiter, HoldsWhatTakesADayToComeBack) {
  for (const uint32_t burst : {1U, 7U, 11U, 1000U}) {
    SharedRates shared(64, 1);
    RequestLimiter limiter(shared, 64);
    const RequestRate rate{.interval_ns = RequestRate::kMostTime / burst, .burst = burst};
    uint32_t passed = 0;
    for (uint32_t i = 0; i < burst + 50; ++i) {
      passed += limiter.take(7, rate, kSecond) == 0;
    }
    EXPECT_LE(passed, burst);
    EXPECT_GE(passed, burst - burst / 16);
  }
}

struct Scene {
  unsigned seed;
  RequestRate rate;
  size_t workers;
  uint64_t mean_gap_ns;  ///< between requests
};

class RequestLimiterModel : public ::testing::TestWithParam<Scene> {};

TEST_P(RequestLimiterModel, PassesNoMoreThanAnExactBucketAndLittleLess) {
  const auto [seed, rate, workers, mean_gap] = GetParam();
  std::mt19937_64 random(seed);
  SharedRates shared(1024, static_cast<uint32_t>(workers));
  std::vector<RequestLimiter> limiters(workers, RequestLimiter(shared, 256));
  ExactBucket could(rate);  // of all that come: what might have passed
  ExactBucket passed_by(rate);
  uint64_t now = kSecond;
  uint64_t passed = 0;
  uint64_t might_have = 0;
  for (int i = 0; i < 200'000; ++i) {
    now += std::exponential_distribution<>(1.0 / static_cast<double>(mean_gap))(random);
    now -= now % 125;  // whole ticks: else it may be early by a part of one
    might_have += could.take(now);
    const uint64_t wait = limiters[random() % workers].take(99, rate, now);
    if (wait == 0) {
      ++passed;
      ASSERT_TRUE(passed_by.take(now)) << "request " << i << ": more than the limit";
    } else {
      ASSERT_LE(wait, rate.interval_ns + 125) << "there is one bucket, and its next token is nearer than this";
    }
  }
  EXPECT_LE(passed, might_have);
  EXPECT_GE(passed + rate.burst / 16 + 1, might_have * 999 / 1000);
}

INSTANTIATE_TEST_SUITE_P(Scenes, RequestLimiterModel,
                         ::testing::Values(Scene{1, {.interval_ns = kSecond / 100, .burst = 100}, 1, kSecond / 300},
                                           Scene{2, {.interval_ns = kSecond / 100, .burst = 1}, 4, kSecond / 200},
                                           Scene{3, {.interval_ns = 1000, .burst = 100'000}, 4, 400},
                                           Scene{4, {.interval_ns = 10'000, .burst = 1000}, 8, 3000},
                                           Scene{5, {.interval_ns = 3600 * kSecond, .burst = 2}, 2, 60 * kSecond},
                                           Scene{6, {.interval_ns = kSecond / 100, .burst = 50}, 3, kSecond / 90}));

TEST(RequestLimiter, KeepsManyKeysApartAndAFloodOfThemTight) {
  SharedRates shared(65536, 1);
  RequestLimiter limiter(shared, 4096);
  const RequestRate rate{.interval_ns = kSecond, .burst = 2};
  std::mt19937_64 random(1);
  std::map<uint64_t, int> passed;
  for (int key = 0; key < 4000; ++key) {
    const uint64_t hash = random();
    for (int i = 0; i < 4; ++i) {
      passed[hash] += limiter.take(hash, rate, kSecond) == 0;
    }
  }
  int exact = 0;
  for (const auto& [key, count] : passed) {
    ASSERT_LE(count, 2);
    exact += count == 2;
  }
  EXPECT_GT(exact, 3950) << "few share a bucket";
  uint64_t of_flood = 0;
  for (int i = 0; i < 1'000'000; ++i) {
    of_flood += limiter.take(random(), rate, kSecond) == 0;
  }
  EXPECT_LE(of_flood, 65536U * 2) << "no more than all buckets hold";
  for (const auto& [key, count] : passed) {
    ASSERT_NE(limiter.take(key, rate, kSecond), 0U) << "a flood of others gave a key its tokens back";
  }
}

TEST(RequestLimiter, GivesKeysThatShareAPlaceAllOfTheirTokens) {
  constexpr uint32_t kWorkers = 2;
  SharedRates shared(64, kWorkers);
  RequestLimiter limiter(shared, 1);
  const RequestRate one{.interval_ns = kSecond, .burst = 100};
  const RequestRate other{.interval_ns = kSecond / 2, .burst = 1000};
  const uint64_t keys[] = {uint64_t{7} << 60 | 7, uint64_t{9} << 60 | 9};
  uint32_t passed[2] = {};
  for (uint32_t i = 0; i < 2000; ++i) {
    passed[0] += limiter.take(keys[0], one, kSecond) == 0;
    passed[1] += limiter.take(keys[1], other, kSecond) == 0;
  }
  EXPECT_LE(passed[0], one.burst);
  EXPECT_LE(passed[1], other.burst);
  EXPECT_GE(passed[0], one.burst - one.burst / 16) << "what the other worker may have to spare";
  EXPECT_GE(passed[1], other.burst - other.burst / 16);
}

TEST(RequestLimiter, PassesNoMoreThanTheBurstThoughWorkersRunAtATime) {
  constexpr uint32_t kWorkers = 4;
  const RequestRate rate{.interval_ns = RequestRate::kMostTime / 1000, .burst = 1000};
  SharedRates shared(64, kWorkers);
  std::array<uint64_t, kWorkers> passed{};
  std::vector<std::thread> workers;
  for (uint64_t& mine : passed) {
    workers.emplace_back([&] {
      RequestLimiter limiter(shared, 64);
      for (int i = 0; i < 20'000; ++i) {
        mine += limiter.take(7, rate, kSecond) == 0;
      }
    });
  }
  for (std::thread& each : workers) {
    each.join();
  }
  const uint64_t all = std::accumulate(passed.begin(), passed.end(), uint64_t{0});
  EXPECT_LE(all, rate.burst);
  EXPECT_GE(all, rate.burst - rate.burst / 16);
}

TEST(RequestLimiter, OutlivesTheTimeAsItIsKept) {
  SharedRates shared(64, 1);
  RequestLimiter limiter(shared, 64);
  const RequestRate rate{.interval_ns = kSecond, .burst = 1};
  const uint64_t round = (uint64_t{1} << 52) / 2 * 125;
  uint64_t now = round - kSecond / 2;
  EXPECT_EQ(limiter.take(7, rate, now), 0U);
  EXPECT_NE(limiter.take(7, rate, now + kSecond / 4), 0U);
  EXPECT_EQ(limiter.take(7, rate, now + kSecond), 0U) << "on the other side";
  for (const uint64_t later : {round / 4, round / 2, 2 * round / 3, round - 2 * RequestRate::kMostTime}) {
    now += later;
    EXPECT_EQ(limiter.take(7, rate, now), 0U) << later;
    EXPECT_NE(limiter.take(7, rate, now), 0U) << later;
  }
}

}  // namespace
}  // namespace weft::lb
