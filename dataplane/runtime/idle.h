// SPDX-License-Identifier: Apache-2.0
/// @file What a worker does when its queues are empty: spin, then pause, then sleep for ever longer, up to a bound.
///
/// Spinning answers the next packet at once, pausing gives a sibling hyper-thread the core's units, sleeping gives the
/// core away. The longest sleep is the most that idling adds to a packet's latency, and bounds what its queue must
/// hold.
#pragma once

#include <algorithm>
#include <cstdint>

#include "time/clock.h"

namespace weft::runtime {

enum class IdleMode : uint8_t { adaptive, busy };

struct IdleBounds {
  IdleMode mode = IdleMode::adaptive;                 ///< busy: spin for ever
  time::Time spin = std::chrono::microseconds(50);    ///< after the last packet
  time::Time pause = std::chrono::microseconds(200);  ///< after that
  time::Time longest_sleep = std::chrono::microseconds(250);
};

class Idle {
 public:
  enum class Action : uint8_t { spin, pause, sleep };
  struct Step {
    Action action = Action::spin;
    time::Time sleep{0};
  };

  explicit Idle(const IdleBounds& bounds) : bounds_(bounds) {}

  void found_work() { idle_ = false; }

  /// Call after each loop that found nothing. @param now of that loop
  Step found_nothing(time::Time now) {
    if (bounds_.mode == IdleMode::busy) {
      return {};
    }
    if (!idle_) {
      idle_ = true;
      since_ = now;
      next_sleep_ = std::min(kFirstSleep, bounds_.longest_sleep);
    }
    const time::Time idle_for = now - since_;
    if (idle_for < bounds_.spin) {
      return {};
    }
    if (idle_for < bounds_.spin + bounds_.pause) {
      return {.action = Action::pause};
    }
    const Step step{.action = Action::sleep, .sleep = next_sleep_};
    next_sleep_ = std::min(next_sleep_ * 2, bounds_.longest_sleep);
    return step;
  }

 private:
  static constexpr time::Time kFirstSleep = std::chrono::microseconds(10);

  IdleBounds bounds_;
  bool idle_ = false;
  time::Time since_{0};
  time::Time next_sleep_{0};
};

}  // namespace weft::runtime
