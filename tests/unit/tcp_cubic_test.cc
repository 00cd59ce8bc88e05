// SPDX-License-Identifier: Apache-2.0
/// @file How slow start ends before anything is lost.
#include "tcp/cubic.h"

#include <gtest/gtest.h>

namespace weft::tcp {
namespace {

constexpr uint32_t kMss = 1000;

/// A sender whose window is always full.
class SlowStart : public ::testing::Test {
 protected:
  SlowStart() {
    connection_.mss = kMss;
    begin(10);
  }

  void begin(uint32_t segments) {
    connection_.congestion_window = segments * kMss;
    connection_.send_next = connection_.send_unacknowledged + connection_.congestion_window;
    details_.round_end = connection_.send_next;
  }
  /// What was on its way is acknowledged, segment by segment.
  void round_of(uint32_t rtt) {
    const Seq end = connection_.send_next;
    while (connection_.send_unacknowledged < end) {
      connection_.send_unacknowledged = connection_.send_unacknowledged + kMss;
      look_for_queue(connection_, details_, rtt);
      grow_window(connection_, details_, kMss, 1);
      connection_.send_next = connection_.send_unacknowledged + window() / kMss * kMss;
      if (threshold() != UINT32_MAX) {
        return;
      }
    }
  }
  uint32_t window() const { return connection_.congestion_window; }
  uint32_t threshold() const { return details_.slow_start_threshold; }

  Connection connection_;
  Details details_;
};

TEST_F(SlowStart, DoublesWhileRoundTripsStay) {
  for (const uint32_t rtt : {20'000, 20'100, 22'400, 21'000}) {  // an eighth, but less than 4 ms, is no queue
    round_of(rtt);
  }
  EXPECT_EQ(window(), 160 * kMss);
  EXPECT_EQ(threshold(), UINT32_MAX);
}

TEST_F(SlowStart, EndsAfterFiveRoundsOfAQueue) {
  round_of(20'000);
  round_of(24'000);
  const uint32_t before = window();
  EXPECT_LT(before, 40 * kMss);
  round_of(26'000);
  EXPECT_NEAR(window(), before * 5 / 4, kMss);
  for (int round = 0; round < 2; ++round) {
    EXPECT_EQ(threshold(), UINT32_MAX);
    round_of(28'000);
  }
  EXPECT_EQ(threshold(), UINT32_MAX);
  round_of(28'000);
  EXPECT_NEAR(threshold(), window(), kMss);
}

TEST_F(SlowStart, GoesOnIfItWasNoQueue) {
  round_of(20'000);
  round_of(40'000);
  EXPECT_NE(details_.conservative_rounds, 0);
  round_of(20'000);
  EXPECT_EQ(details_.conservative_rounds, 0);
  const uint32_t before = window();
  round_of(20'000);
  EXPECT_NEAR(window(), 2 * before, kMss);
}

TEST_F(SlowStart, BelievesNoFewSamples) {
  begin(7);
  round_of(20'000);
  begin(7);
  round_of(90'000);
  EXPECT_EQ(details_.conservative_rounds, 0);
}

}  // namespace
}  // namespace weft::tcp
