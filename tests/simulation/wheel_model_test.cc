// SPDX-License-Identifier: Apache-2.0
/// @file The timing wheel under random use, beside a map that looks at every node.
#include <gtest/gtest.h>

#include <map>
#include <random>
#include <set>

#include "time/wheel.h"

namespace weft::time {
namespace {

constexpr uint32_t kNodes = 200;

/// Times since the start, which do not wrap.
class Simulation {
 public:
  Simulation(uint64_t seed, Millis start) : random_(seed), start_(start), wheel_(kNodes, start) {}

  void step() {
    const uint32_t node = random(kNodes);
    switch (random(8)) {
      case 0:
        wheel_.disarm(node);
        armed_.erase(node);
        break;
      case 1:
      case 2:
        advance();
        break;
      default:
        arm(node, now_ + reach() - std::min<uint64_t>(now_, random(3)));
    }
    ASSERT_EQ(wheel_.is_armed(node), armed_.contains(node));
    check_next();
  }
  /// Everything that is armed fires in the end.
  void finish() {
    is_finishing_ = true;
    constexpr int kSteps = 2000;  // what fires early is armed again, up to 2^25 ticks ahead
    for (int i = 0; i < kSteps && !armed_.empty(); ++i) {
      now_ += 1 << 16;
      advance_to_now(UINT32_MAX);
    }
    EXPECT_TRUE(armed_.empty());
    EXPECT_EQ(wheel_.next_deadline(), std::nullopt);
  }

 private:
  uint32_t random(uint32_t below) { return static_cast<uint32_t>(random_() % below); }
  /// Near and far, of every level and beyond the horizon.
  uint64_t reach() { return random_() % (uint64_t{1} << (1 + random(25))); }
  /// Ticks before it are done.
  uint64_t done() const {
    return now_ - static_cast<uint64_t>(static_cast<int64_t>(static_cast<int32_t>(wrapped(now_) - wheel_.next_tick())));
  }
  Millis wrapped(uint64_t time) const { return start_ + static_cast<Millis>(time); }

  void arm(uint32_t node, uint64_t deadline) {
    wheel_.arm(node, wrapped(deadline));
    const uint64_t at = std::clamp(deadline, done(), done() + Wheel::kHorizon);
    const auto [known, added] = armed_.emplace(node, at);
    if (!added) {
      known->second = std::min(known->second, at);
    }
  }
  void advance() {
    now_ += random(4) == 0 ? reach() % (1 << 20) : random(40);
    advance_to_now(random(3) == 0 ? random(4) : UINT32_MAX);
  }
  void advance_to_now(uint32_t budget) {
    uint64_t last = 0;
    const uint32_t used = wheel_.advance(wrapped(now_), budget, [&](uint32_t node) -> std::optional<Millis> {
      const auto fired = armed_.find(node);
      EXPECT_NE(fired, armed_.end()) << node;
      EXPECT_LE(fired->second, now_) << "not before its time";
      EXPECT_GE(fired->second, last) << "in the order of ticks";
      last = fired->second;
      armed_.erase(fired);
      if (is_finishing_ || random(4) != 0) {
        return std::nullopt;
      }
      const uint64_t again = now_ + reach();
      armed_[node] = std::clamp(again, done() + 1, done() + Wheel::kHorizon);
      return wrapped(again);
    });
    EXPECT_LE(used, budget);
    if (used < budget) {
      EXPECT_EQ(done(), now_ + 1);
      for (const auto& [node, deadline] : armed_) {
        EXPECT_GT(deadline, now_) << "all that is due has fired: " << node;
      }
    }
  }
  void check_next() {
    const std::optional<Millis> next = wheel_.next_deadline();
    ASSERT_EQ(next.has_value(), !armed_.empty());
    uint64_t earliest = UINT64_MAX;
    for (const auto& [node, deadline] : armed_) {
      earliest = std::min(earliest, deadline);
    }
    if (next) {
      EXPECT_GE(static_cast<int32_t>(wrapped(earliest) - *next), 0) << "not later than the first";
    }
  }

  std::mt19937_64 random_;
  Millis start_;
  Wheel wheel_;
  uint64_t now_ = 0;
  bool is_finishing_ = false;
  std::map<uint32_t, uint64_t> armed_;
};

TEST(Wheel, FiresWhatAMapWouldFire) {
  for (uint64_t seed = 0; seed < 100; ++seed) {
    Simulation simulation(seed, seed % 2 == 0 ? 0 : static_cast<Millis>(0) - static_cast<Millis>(seed * 1000));
    for (int i = 0; i < 2000 && !::testing::Test::HasFailure(); ++i) {
      simulation.step();
    }
    simulation.finish();
    ASSERT_FALSE(::testing::Test::HasFailure()) << "seed " << seed;
  }
}

}  // namespace
}  // namespace weft::time
