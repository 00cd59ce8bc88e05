// SPDX-License-Identifier: Apache-2.0
/// @file Bounds that workers share by chunks, against one exact count; and the retry budget.
#include "lb/breaker.h"

#include <gtest/gtest.h>

#include <random>
#include <thread>

namespace weft::lb {
namespace {

constexpr auto kRequests = BreakerBoard::requests;

/// What another worker keeps to spare is not to be had, whoever asks first.
TEST(Breaker, AnEndpointHasRoomIfOneWouldBeGiven) {
  for (uint32_t seed = 0; seed < 20; ++seed) {
    std::mt19937 random(seed);
    constexpr uint32_t kWorkers = 3;
    const uint32_t limit = 1 + random() % 300;
    BreakerBoard board(2, 2, kWorkers);
    std::vector<uint32_t> used(kWorkers);
    bool was_ever_spare = false;
    for (int i = 0; i < 3000; ++i) {
      const uint32_t worker = random() % kWorkers;
      if (random() % 5 < 3) {
        const bool has_room = board.has_room_at_endpoint(worker, kRequests, 1, limit);
        was_ever_spare |= !has_room && board.endpoint_in_use(kRequests, 1) < limit;
        ASSERT_EQ(board.take_of_endpoint(worker, kRequests, 1, limit), has_room) << "seed " << seed;
        used[worker] += has_room ? 1 : 0;
      } else if (used[worker] > 0) {
        board.give_back_of_endpoint(worker, kRequests, 1);
        --used[worker];
      }
    }
    EXPECT_TRUE(limit < 32 * kWorkers || was_ever_spare);
  }
}

TEST(Breaker, ASmallBoundIsExact) {
  for (const uint32_t workers : {1U, 2U, 5U, 16U}) {
    for (const uint32_t limit : {1U, 2U, 7U, 31U}) {
      BreakerBoard board(2, 2, workers);
      for (uint32_t i = 0; i < limit; ++i) {
        EXPECT_TRUE(board.take(i % workers, kRequests, 1, limit));
      }
      for (uint32_t worker = 0; worker < workers; ++worker) {
        EXPECT_FALSE(board.take(worker, kRequests, 1, limit));
      }
      EXPECT_EQ(board.in_use(kRequests, 1), limit);
      EXPECT_EQ(board.in_use(kRequests, 0), 0U);
      board.give_back(0, kRequests, 1);
      EXPECT_TRUE(board.take(workers - 1, kRequests, 1, limit)) << "whoever gave it back";
    }
  }
}

TEST(Breaker, KindsServicesAndEndpointsHaveBoundsOfTheirOwn) {
  BreakerBoard board(2, 2, 1);
  EXPECT_TRUE(board.take(0, BreakerBoard::connections, 0, 1));
  EXPECT_TRUE(board.take(0, BreakerBoard::pending, 0, 1));
  EXPECT_TRUE(board.take(0, kRequests, 0, 1));
  EXPECT_TRUE(board.take(0, kRequests, 1, 1));
  EXPECT_TRUE(board.take_of_endpoint(0, BreakerBoard::connections, 0, 1));
  EXPECT_TRUE(board.take_of_endpoint(0, kRequests, 0, 1));
  EXPECT_TRUE(board.take_of_endpoint(0, kRequests, 1, 1));
  EXPECT_FALSE(board.take_of_endpoint(0, kRequests, 1, 1));
  EXPECT_EQ(board.endpoint_in_use(kRequests, 1), 1U);
  EXPECT_FALSE(board.take(0, BreakerBoard::connections, 0, 1));
}

/// The slow reference is the sum of what each worker was given: never above the bound, and refused only when more than
/// seven eighths of it are in use.
TEST(Breaker, AgreesWithAnExactCount) {
  std::mt19937_64 random(1);
  for (int round = 0; round < 200; ++round) {
    const auto workers = static_cast<uint32_t>(1 + random() % 8);
    const auto limit = static_cast<uint32_t>(1 + random() % (round % 2 == 0 ? 3000 : 40));
    const bool is_exact = limit < 32 * workers;
    BreakerBoard board(1, 1, workers);
    std::vector<uint32_t> used(workers);
    uint32_t all = 0;
    uint32_t fullest = 0;
    const int phase = 4 * static_cast<int>(limit) + 1000;
    for (int i = 0; i < 4 * phase; ++i) {
      // Phases that fill, and phases that empty; some workers more than others.
      const bool takes = random() % 100 < (i / phase % 2 == 0 ? 80 : 20);
      const auto worker = static_cast<uint32_t>(std::min(random() % workers, random() % workers));
      if (takes) {
        if (board.take(worker, kRequests, 0, limit)) {
          ++used[worker];
          ++all;
        } else if (is_exact) {
          ASSERT_EQ(all, limit);
        } else {
          ASSERT_GT(all * 8, limit * 7);
        }
      } else if (used[worker] > 0) {
        board.give_back(worker, kRequests, 0);
        --used[worker];
        --all;
      }
      ASSERT_LE(all, limit);
      ASSERT_EQ(board.in_use(kRequests, 0), all);
      fullest = std::max(fullest, all);
    }
    EXPECT_GT(fullest * 8, limit * 7) << limit << " by " << workers;
    for (uint32_t worker = 0; worker < workers; ++worker) {
      for (; used[worker] > 0; --used[worker]) {
        board.give_back(worker, kRequests, 0);
      }
    }
    // All of it is there again, for any one worker but for what the others keep.
    uint32_t taken = 0;
    while (board.take(0, kRequests, 0, limit)) {
      ++taken;
    }
    EXPECT_GT(taken * 8, limit * 7);
  }
}

TEST(Breaker, ALowerBoundLetsWhatIsUnderWayEnd) {
  BreakerBoard board(1, 1, 2);
  for (int i = 0; i < 500; ++i) {
    EXPECT_TRUE(board.take(static_cast<uint32_t>(i % 2), kRequests, 0, 1000));
  }
  for (int i = 500; i > 10; --i) {
    EXPECT_FALSE(board.take(0, kRequests, 0, 10)) << i;
    EXPECT_FALSE(board.take(1, kRequests, 0, 10)) << i;
    board.give_back(static_cast<uint32_t>(i % 2), kRequests, 0);
  }
  EXPECT_FALSE(board.take(0, kRequests, 0, 10));
  board.give_back(1, kRequests, 0);
  EXPECT_TRUE(board.take(0, kRequests, 0, 10));
  EXPECT_FALSE(board.take(1, kRequests, 0, 10));
}

/// An atomic is a chunk's, not a request's: the shared number does not move while a worker goes up and down in its own.
TEST(Breaker, TheSharedNumberMovesByChunks) {
  SharedBound bound;
  BreakerShare share;
  ASSERT_TRUE(bound.take(share, 1024, 4));
  const uint32_t held = bound.held();
  EXPECT_EQ(held, 16U);
  for (int i = 0; i < 1000; ++i) {
    for (int up = 0; up < 15; ++up) {
      ASSERT_TRUE(bound.take(share, 1024, 4));
    }
    for (int down = 0; down < 15; ++down) {
      bound.give_back(share);
    }
    ASSERT_EQ(bound.held(), held);
  }
}

/// Others' units to spare, of an old bound or a slot's last owner, come back as soon as those workers hear of a
/// refusal, whether or not they ever use the slot again.
TEST(Breaker, WhatOthersKeepToSpareComesBack) {
  struct Row {
    uint32_t before;
    uint32_t after;
  };
  for (const Row& row : std::vector<Row>{{1024, 40}, {BreakerLimits::kNone - 1, 2}, {3000, 1}, {1024, 1024}}) {
    constexpr uint32_t kWorkers = 4;
    BreakerBoard board(2, 2, kWorkers);
    for (const bool of_endpoint : {false, true}) {
      const auto take = [&](uint32_t worker, uint32_t limit) {
        return of_endpoint ? board.take_of_endpoint(worker, kRequests, 1, limit)
                           : board.take(worker, kRequests, 1, limit);
      };
      const auto give_back = [&](uint32_t worker) {
        of_endpoint ? board.give_back_of_endpoint(worker, kRequests, 1) : board.give_back(worker, kRequests, 1);
      };
      for (uint32_t worker = 1; worker < kWorkers; ++worker) {
        ASSERT_TRUE(take(worker, row.before));
        give_back(worker);
      }
      uint32_t taken = 0;
      for (int turn = 0; turn < 2; ++turn) {
        while (take(0, row.after)) {
          ++taken;
        }
        for (uint32_t worker = 0; worker < kWorkers; ++worker) {
          board.hear_wishes(
              worker, [](uint32_t) {}, [](uint32_t) {});
        }
      }
      while (take(0, row.after)) {
        ++taken;
      }
      EXPECT_EQ(taken, row.after) << row.before;
      for (; taken > 0; --taken) {
        give_back(0);
      }
    }
  }
}

TEST(Breaker, ABoundWhereNoneWasCountsWhatIsUnderWayAndNothingElse) {
  BreakerBoard board(1, 1, 4);
  const auto take = [&](uint32_t worker, uint32_t limit) {
    return board.take_of_endpoint(worker, BreakerBoard::connections, 0, limit);
  };
  for (uint32_t worker = 1; worker < 4; ++worker) {
    ASSERT_TRUE(take(worker, BreakerLimits::kNone));
  }
  board.give_back_of_endpoint(1, BreakerBoard::connections, 0);
  EXPECT_TRUE(take(0, 3)) << "at once: two are under way";
  EXPECT_FALSE(take(0, 3));
  EXPECT_FALSE(take(3, 3));
}

/// Between what was used under the last bound and what is kept under the next there is no more to spare.
TEST(Breaker, WhatIsGivenBackAfterAWishIsNotKept) {
  BreakerBoard board(1, 1, 2);
  for (int i = 0; i < 20; ++i) {
    ASSERT_TRUE(board.take(1, kRequests, 0, 1024));
  }
  while (board.take(0, kRequests, 0, 30)) {
  }
  board.hear_wishes(
      1, [](uint32_t) {}, [](uint32_t) {});
  for (int i = 0; i < 10; ++i) {
    EXPECT_TRUE(board.take(0, kRequests, 0, 30)) << i;
  }
  EXPECT_FALSE(board.take(0, kRequests, 0, 30));
  for (int i = 0; i < 20; ++i) {
    board.give_back(1, kRequests, 0);
    EXPECT_TRUE(board.take(0, kRequests, 0, 30)) << i;
  }
  EXPECT_FALSE(board.take(0, kRequests, 0, 30));
}

TEST(Wishes, AreHeardOnceByEachWorker) {
  WishRing ring(3);
  std::vector<WishRing::Said> said(1000);
  const auto heard_by = [&](uint32_t worker) {
    std::vector<uint32_t> heard;
    ring.hear(worker, [&](uint32_t wish) { heard.push_back(wish); });
    return heard;
  };
  EXPECT_EQ(heard_by(0), std::vector<uint32_t>());
  for (int i = 0; i < 1000; ++i) {
    ring.say(0, 7, said[7]);
  }
  ring.say(1, 7, said[7]);
  ring.say(1, 9, said[9]);
  EXPECT_EQ(heard_by(0), (std::vector<uint32_t>{7, 9})) << "once, however often it was said";
  EXPECT_EQ(heard_by(0), std::vector<uint32_t>());
  ring.say(0, 7, said[7]);
  EXPECT_EQ(heard_by(0), (std::vector<uint32_t>{7})) << "again";
  EXPECT_EQ(heard_by(2), (std::vector<uint32_t>{7, 9, 7}));
  for (uint32_t wish = 0; wish < 1000; ++wish) {
    ring.say(0, wish, said[wish]);
  }
  const std::vector<uint32_t> last = heard_by(2);
  EXPECT_EQ(last.size(), 256U) << "who is late misses the first";
  EXPECT_EQ(last.back(), 999U);
}

TEST(Breaker, HoldsBetweenThreads) {
  for (const uint32_t limit : {3U, 500U}) {
    constexpr uint32_t kWorkers = 4;
    BreakerBoard board(1, 1, kWorkers);
    std::atomic<uint32_t> all{0};
    std::atomic<bool> was_above{false};
    std::atomic<uint64_t> taken{0};
    std::vector<std::thread> threads;
    for (uint32_t worker = 0; worker < kWorkers; ++worker) {
      threads.emplace_back([&, worker] {
        std::mt19937 random(worker);
        uint32_t used = 0;
        for (int i = 0; i < 100'000; ++i) {
          if (random() % 2 == 0) {
            if (board.take(worker, kRequests, 0, limit)) {
              ++used;
              taken.fetch_add(1);
              if (all.fetch_add(1) + 1 > limit) {
                was_above = true;
              }
            }
          } else if (used > 0) {
            --used;
            all.fetch_sub(1);
            board.give_back(worker, kRequests, 0);
          }
          board.hear_wishes(
              worker, [](uint32_t) {}, [](uint32_t) {});
        }
        for (; used > 0; --used) {
          all.fetch_sub(1);
          board.give_back(worker, kRequests, 0);
        }
      });
    }
    for (std::thread& each : threads) {
      each.join();
    }
    EXPECT_FALSE(was_above);
    EXPECT_GT(taken, 0U);
    EXPECT_EQ(board.in_use(kRequests, 0), 0U);
  }
}

TEST(Breaker, AWishForAConnectionIsHeardByAllAndGrantedOnce) {
  BreakerBoard board(3, 3, 2);
  using Slots = std::vector<uint32_t>;
  const auto heard_by = [&](uint32_t worker) {
    std::pair<Slots, Slots> heard;
    board.hear_wishes(
        worker, [&](uint32_t service) { heard.first.push_back(service); },
        [&](uint32_t endpoint) { heard.second.push_back(endpoint); });
    return heard;
  };
  board.want_connection(0, 2);
  board.want_connection_to(0, 1);
  for (const uint32_t worker : {0U, 1U}) {
    EXPECT_EQ(heard_by(worker), (std::pair<Slots, Slots>{{2}, {1}}));
    EXPECT_EQ(heard_by(worker), (std::pair<Slots, Slots>{}));
  }
  EXPECT_FALSE(board.grant_connection(1));
  EXPECT_TRUE(board.grant_connection(2));
  EXPECT_FALSE(board.grant_connection(2));
  EXPECT_FALSE(board.grant_connection_to(2));
  EXPECT_TRUE(board.grant_connection_to(1));
  EXPECT_FALSE(board.grant_connection_to(1));
  board.want_connection(0, 0);
  board.want_connection_to(1, 0);
  board.forget_wishes();
  EXPECT_FALSE(board.grant_connection(0));
  EXPECT_FALSE(board.grant_connection_to(0));
}

TEST(RetryBudget, IsAShareOfFirstAttemptsOrSoMany) {
  struct Row {
    RetryBudget budget;
    uint32_t requests;  ///< under way, those that retry too
    uint32_t retries;   ///< that may
  };
  for (const Row& row : std::vector<Row>{{{}, 1, 1},
                                         {{}, 3, 3},
                                         {{}, 10, 3},
                                         {{}, 18, 3},
                                         {{}, 24, 4},
                                         {{}, 120, 20},
                                         {{}, 1200, 200},
                                         {{.percent = 0}, 1000, 3},
                                         {{.percent = 50, .at_least = 0}, 150, 50},
                                         {{.percent = 100, .at_least = 0}, 100, 50},
                                         {{.at_least = 7, .is_fixed = true}, 1000, 7},
                                         {{.percent = 0, .at_least = 0}, 1000, 0}}) {
    BreakerBoard board(1, 1, 3);
    for (uint32_t i = 0; i < row.requests; ++i) {
      ASSERT_TRUE(board.take(i % 3, kRequests, 0, BreakerLimits::kNone));
    }
    uint32_t retries = 0;
    while (retries < row.requests && board.take_retry(0, row.budget)) {
      ++retries;
    }
    EXPECT_EQ(retries, row.retries) << row.requests;
    EXPECT_EQ(board.retries(0), row.retries);
    if (retries > 0) {
      board.give_back_retry(0);
      EXPECT_TRUE(board.take_retry(0, row.budget));
    }
  }
}

}  // namespace
}  // namespace weft::lb
