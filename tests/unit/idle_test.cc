// SPDX-License-Identifier: Apache-2.0
#include "runtime/idle.h"

#include <gtest/gtest.h>

namespace weft::runtime {
namespace {

using std::chrono::microseconds;
using std::chrono::seconds;
using Action = Idle::Action;

constexpr IdleBounds kBounds{.spin = microseconds(50), .pause = microseconds(200), .longest_sleep = microseconds(250)};

TEST(Idle, SpinsThenPausesThenSleeps) {
  Idle idle(kBounds);
  const time::Time start = seconds(1);
  EXPECT_EQ(idle.found_nothing(start).action, Action::spin);
  EXPECT_EQ(idle.found_nothing(start + microseconds(49)).action, Action::spin);
  EXPECT_EQ(idle.found_nothing(start + microseconds(50)).action, Action::pause);
  EXPECT_EQ(idle.found_nothing(start + microseconds(249)).action, Action::pause);
  EXPECT_EQ(idle.found_nothing(start + microseconds(250)).action, Action::sleep);
}

TEST(Idle, SleepsForEverLongerUpToItsBound) {
  Idle idle(kBounds);
  time::Time now = seconds(1);
  idle.found_nothing(now);
  now += microseconds(300);
  for (const int expected : {10, 20, 40, 80, 160, 250, 250}) {
    const Idle::Step step = idle.found_nothing(now);
    EXPECT_EQ(step.action, Action::sleep);
    EXPECT_EQ(step.sleep, microseconds(expected));
    now += step.sleep;
  }
}

TEST(Idle, StartsAnewAfterWork) {
  Idle idle(kBounds);
  idle.found_nothing(seconds(1));
  idle.found_nothing(seconds(2));
  idle.found_nothing(seconds(3));
  idle.found_work();
  EXPECT_EQ(idle.found_nothing(seconds(4)).action, Action::spin);
  EXPECT_EQ(idle.found_nothing(seconds(4) + microseconds(60)).action, Action::pause);
  EXPECT_EQ(idle.found_nothing(seconds(5)).sleep, microseconds(10));
}

TEST(Idle, NeverSleepsLongerThanTheBoundEvenAtFirst) {
  Idle idle({.longest_sleep = microseconds(3)});
  idle.found_nothing(seconds(1));
  EXPECT_EQ(idle.found_nothing(seconds(2)).sleep, microseconds(3));
  EXPECT_EQ(idle.found_nothing(seconds(3)).sleep, microseconds(3));
}

TEST(Idle, BusySpinsForEver) {
  Idle idle({.mode = IdleMode::busy});
  for (int second = 1; second < 100; ++second) {
    EXPECT_EQ(idle.found_nothing(seconds(second)).action, Action::spin);
  }
}

}  // namespace
}  // namespace weft::runtime
