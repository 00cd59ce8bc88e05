// SPDX-License-Identifier: Apache-2.0
#include "lb/caller_board.h"

#include <gtest/gtest.h>

#include <map>
#include <random>
#include <thread>
#include <vector>

#include "lb/caller_limit.h"

namespace weft::lb {
namespace {

/// Keys with places of their own: `set` of eight.
uint64_t key_in(uint64_t set, uint64_t n) {
  return (set << 32) | (n << 20) | 1;
}

void look_after_all(CallerBoard& board, uint32_t workers) {
  for (uint32_t i = 0; i < 2 * board.places() / CallerBoard::kLookedAfter + 2; ++i) {
    for (uint32_t worker = 0; worker < workers; ++worker) {
      board.look_after(worker);
    }
  }
}

TEST(CallerBoard, BoundsEachPairByItself) {
  CallerBoard board(64, 2);
  const uint32_t a = board.open(0, key_in(1, 1));
  const uint32_t b = board.open(0, key_in(1, 2));
  EXPECT_NE(a, b);
  EXPECT_EQ(board.open(1, key_in(1, 1)), a);
  EXPECT_TRUE(board.take(0, CallerBoard::requests, a, 2));
  EXPECT_TRUE(board.take(1, CallerBoard::requests, a, 2));
  EXPECT_FALSE(board.take(0, CallerBoard::requests, a, 2));
  EXPECT_TRUE(board.take(0, CallerBoard::connections, a, 2));
  EXPECT_TRUE(board.take(0, CallerBoard::requests, b, 2));
  board.give_back(1, CallerBoard::requests, a);
  EXPECT_TRUE(board.take(0, CallerBoard::requests, a, 2));
}

TEST(CallerBoard, APlaceIsAPairsAsLongAsAnythingIsInUse) {
  CallerBoard board(64, 2);
  std::vector<uint32_t> places;
  for (uint64_t n = 0; n < CallerBoard::kWays; ++n) {
    places.push_back(board.open(0, key_in(1, n)));
    EXPECT_TRUE(board.take(0, CallerBoard::requests, places.back(), 5));
  }
  EXPECT_EQ(board.open(0, key_in(1, 99)), CallerBoard::kNone);
  EXPECT_EQ(board.open(1, key_in(1, 99)), CallerBoard::kNone);
  look_after_all(board, 2);
  EXPECT_EQ(board.open(1, key_in(1, 99)), CallerBoard::kNone);
  board.give_back(0, CallerBoard::requests, places[3]);
  look_after_all(board, 2);
  EXPECT_EQ(board.open(1, key_in(1, 99)), places[3]);
  EXPECT_EQ(board.open_places(), CallerBoard::kWays);
}

/// What the other worker has to spare, and does not use, is to be had within a few looks.
TEST(CallerBoard, WhatIsToSpareElsewhereComesBack) {
  CallerBoard board(64, 2);
  const uint32_t place = board.open(0, key_in(1, 1));
  board.open(1, key_in(1, 1));
  constexpr uint32_t kLimit = 320;  // chunks of ten
  EXPECT_TRUE(board.take(1, CallerBoard::requests, place, kLimit));
  uint32_t taken = 0;
  while (board.take(0, CallerBoard::requests, place, kLimit)) {
    ++taken;
  }
  EXPECT_EQ(taken, kLimit - 10);
  board.look_after(1);
  while (board.take(0, CallerBoard::requests, place, kLimit)) {
    ++taken;
  }
  EXPECT_EQ(taken, kLimit - 1);
}

/// Any sequence: a pair never has more than its bound, and is refused only if it has it, or what others hold to spare.
TEST(CallerBoard, IsAsCountedAnew) {
  for (uint32_t seed = 0; seed < 30; ++seed) {
    std::mt19937 random(seed);
    constexpr uint32_t kWorkers = 3;
    CallerBoard board(64, kWorkers);
    struct Use {
      uint32_t worker;
      uint64_t key;
      CallerBoard::Kind kind;
      uint32_t place;
    };
    std::vector<Use> uses;
    const uint32_t limit = 1 + random() % 40;  // less than 32 a worker: exact
    for (int i = 0; i < 3000; ++i) {
      const uint32_t worker = random() % kWorkers;
      const uint32_t what = random() % 10;
      if (what < 5) {
        const uint64_t key = key_in(random() % 8, random() % 12);
        const auto kind = static_cast<CallerBoard::Kind>(random() % 3);
        const uint32_t place = board.open(worker, key);
        if (place == CallerBoard::kNone) {
          continue;
        }
        const auto used = std::count_if(uses.begin(), uses.end(),
                                        [&](const Use& each) { return each.key == key && each.kind == kind; });
        ASSERT_EQ(board.take(worker, kind, place, limit), used < limit) << "seed " << seed << " step " << i;
        if (used < limit) {
          uses.push_back({worker, key, kind, place});
        }
      } else if (what < 9 && !uses.empty()) {
        const size_t gone = random() % uses.size();
        board.give_back(uses[gone].worker, uses[gone].kind, uses[gone].place);
        uses.erase(uses.begin() + static_cast<std::ptrdiff_t>(gone));
      } else {
        board.look_after(worker);
      }
    }
    for (const Use& each : uses) {
      board.give_back(each.worker, each.kind, each.place);
    }
    look_after_all(board, kWorkers);
    EXPECT_EQ(board.open_places(), 0U);
    for (uint32_t place = 0; place < board.places(); ++place) {
      for (const auto kind : {CallerBoard::connections, CallerBoard::pending, CallerBoard::requests}) {
        EXPECT_EQ(board.held(kind, place), 0U);
      }
    }
  }
}

/// Threads open, use and leave the same few pairs: none is ever used beyond its bound, and nothing is left over.
TEST(CallerBoard, HoldsBetweenThreads) {
  constexpr uint32_t kWorkers = 4;
  constexpr uint32_t kLimit = 3;
  constexpr uint64_t kPairs = 12;  // of eight places
  CallerBoard board(8, kWorkers);
  std::vector<std::atomic<uint32_t>> used(kPairs);
  std::atomic<uint32_t> most{0};
  std::vector<std::thread> threads;
  for (uint32_t worker = 0; worker < kWorkers; ++worker) {
    threads.emplace_back([&, worker] {
      std::mt19937 random(worker);
      for (int i = 0; i < 20'000; ++i) {
        const uint64_t pair = random() % kPairs;
        const uint32_t place = board.open(worker, key_in(1, pair));
        if (place != CallerBoard::kNone && board.take(worker, CallerBoard::requests, place, kLimit)) {
          const uint32_t now = used[pair].fetch_add(1) + 1;
          for (uint32_t seen = most.load(); seen < now && !most.compare_exchange_weak(seen, now);) {
          }
          used[pair].fetch_sub(1);
          board.give_back(worker, CallerBoard::requests, place);
        }
        if (random() % 3 == 0) {
          board.look_after(worker);
        }
      }
    });
  }
  for (std::thread& each : threads) {
    each.join();
  }
  EXPECT_LE(most.load(), kLimit);
  look_after_all(board, kWorkers);
  EXPECT_EQ(board.open_places(), 0U);
  for (uint32_t place = 0; place < board.places(); ++place) {
    EXPECT_EQ(board.held(CallerBoard::requests, place), 0U);
  }
}

/// All use a pair for the first time at once, and hold what they get until all have tried.
TEST(CallerBoard, GivesAPairOnePlaceWhoeverComesAtOnce) {
  constexpr uint32_t kWorkers = 4;
  constexpr uint64_t kRounds = 500;
  CallerBoard board(8, kWorkers);
  std::atomic<uint32_t> arrived{0};
  std::atomic<uint32_t> admitted{0};
  std::atomic<uint32_t> most{0};
  const auto meet = [&](uint32_t times) {
    arrived.fetch_add(1);
    while (arrived.load() < times * kWorkers) {
      std::this_thread::yield();
    }
  };
  std::vector<std::thread> threads;
  for (uint32_t worker = 0; worker < kWorkers; ++worker) {
    threads.emplace_back([&, worker] {
      uint32_t times = 0;
      for (uint64_t round = 0; round < kRounds; ++round) {
        meet(++times);
        const uint32_t place = board.open(worker, key_in(1, round));
        const bool is_in = place != CallerBoard::kNone && board.take(worker, CallerBoard::requests, place, 1);
        if (is_in) {
          admitted.fetch_add(1);
        }
        meet(++times);
        if (worker == 0) {
          most.store(std::max(most.load(), admitted.exchange(0)));
        }
        if (is_in) {
          board.give_back(worker, CallerBoard::requests, place);
        }
        board.look_after(worker);
        meet(++times);
      }
    });
  }
  for (std::thread& each : threads) {
    each.join();
  }
  EXPECT_EQ(most.load(), 1U);
  EXPECT_EQ(board.open_places(), 0U);
}

TEST(CallerLimits, TheFirstOverrideThatIsAboutACallerHolds) {
  const CallerLimits limits{.bounds = {.max_requests = 1},
                            .overrides = {{"shop", "cluster.local/ns/shop/sa/cart", {.max_requests = 2}},
                                          {"shop", "", {.max_requests = 3}},
                                          {"lab", "", {.max_requests = 4}}},
                            .id = 7};
  const Caller cart{{"shop"}, {"cluster.local/ns/shop/sa/cart"}};
  const Caller shop{{"shop"}, {"cluster.local/ns/shop/sa/other"}};
  const Caller both{{"lab", "shop"}, {"cluster.local/ns/lab/sa/a", "cluster.local/ns/shop/sa/cart"}};
  const Caller none{{"far"}, {"cluster.local/ns/far/sa/cart"}};
  EXPECT_EQ(limits.of(&cart).max_requests, 2U);
  EXPECT_EQ(limits.of(&shop).max_requests, 3U);
  EXPECT_EQ(limits.of(&both).max_requests, 2U);
  EXPECT_EQ(limits.of(&none).max_requests, 1U);
  EXPECT_EQ(limits.of(nullptr).max_requests, 1U);
  EXPECT_NE(caller_key(limits, &cart), caller_key(limits, &shop));
  EXPECT_NE(caller_key(limits, &cart), caller_key({.id = 8}, &cart));
  EXPECT_NE(caller_key(limits, nullptr), caller_key(limits, &shop));
  EXPECT_EQ(caller_key(limits, &cart), caller_key({.id = 7}, &cart));
}

}  // namespace
}  // namespace weft::lb
