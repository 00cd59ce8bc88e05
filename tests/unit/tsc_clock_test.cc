// SPDX-License-Identifier: Apache-2.0
#include "time/clock.h"

#include <gtest/gtest.h>

namespace weft::time {
namespace {

TEST(TscClock, TurnsCyclesIntoNanoseconds) {
  const TscClock clock(2'000'000'000);
  EXPECT_EQ(clock.at(0), Time{0});
  EXPECT_EQ(clock.at(2), Time{1});
  EXPECT_EQ(clock.at(2'000'000'000), std::chrono::seconds(1));
}

TEST(TscClock, IsRightToAMicrosecondADayAndNeverGoesBack) {
  for (const uint64_t hertz : {1'000'000'000ULL, 2'194'843'000ULL, 3'333'333'333ULL, 5'000'000'000ULL}) {
    const TscClock clock(hertz);
    constexpr uint64_t kDay = 24 * 3600;
    EXPECT_NEAR(static_cast<double>(clock.at(kDay * hertz).count()), 86400e9, 86400.0 * 1000) << hertz;
    Time before = clock.at(365 * kDay * hertz);
    for (uint64_t cycle = 1; cycle < 1000; ++cycle) {
      const Time now = clock.at(365 * kDay * hertz + cycle);
      EXPECT_GE(now, before);
      before = now;
    }
  }
}

TEST(TscClock, LastsForTenYears) {
  const TscClock clock(5'000'000'000);
  constexpr uint64_t kTenYears = 10ULL * 365 * 24 * 3600;
  EXPECT_NEAR(static_cast<double>(clock.at(kTenYears * 5'000'000'000).count()), kTenYears * 1e9, kTenYears * 10.0);
}

TEST(Millis, CountDifferencesAcrossTheirWrap) {
  constexpr Time kBeforeWrap = std::chrono::milliseconds(UINT32_MAX);
  EXPECT_EQ(to_millis(kBeforeWrap), UINT32_MAX);
  EXPECT_EQ(to_millis(kBeforeWrap + std::chrono::milliseconds(3)), 2U);
  EXPECT_EQ(elapsed(to_millis(kBeforeWrap), to_millis(kBeforeWrap + std::chrono::milliseconds(3))), 3U);
  EXPECT_EQ(to_millis(std::chrono::microseconds(1999)), 1U);
}

}  // namespace
}  // namespace weft::time
