// SPDX-License-Identifier: Apache-2.0
/// @file The time of day of what a worker stamped with the time-stamp counter.
#pragma once

#include <fmt/chrono.h>

#include <chrono>
#include <string>

#include "time/clock.h"

namespace weft::ops {

class WallClock {
 public:
  using Moment = std::chrono::time_point<std::chrono::system_clock, std::chrono::nanoseconds>;

  explicit WallClock(uint64_t hertz)
      : tsc_(hertz), started_at_(tsc_.at(time::TscClock::cycles())), started_(std::chrono::system_clock::now()) {}

  Moment at(uint64_t cycles) const { return started_ + (tsc_.at(cycles) - started_at_); }
  /// How long ago it was.
  time::Time age(uint64_t cycles) const { return tsc_.at(time::TscClock::cycles()) - tsc_.at(cycles); }
  time::Time since_start() const { return tsc_.at(time::TscClock::cycles()) - started_at_; }

 private:
  time::TscClock tsc_;
  time::Time started_at_;
  Moment started_;
};

/// "2026-11-30T12:00:00.000001Z"
inline std::string utc(WallClock::Moment time) {
  const auto seconds = std::chrono::floor<std::chrono::seconds>(time);
  const auto micros = std::chrono::floor<std::chrono::microseconds>(time - seconds).count();
  return fmt::format("{:%Y-%m-%dT%H:%M:%S}.{:06}Z", seconds, micros);
}

}  // namespace weft::ops
