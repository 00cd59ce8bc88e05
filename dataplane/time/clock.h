// SPDX-License-Identifier: Apache-2.0
/// @file Time as values. Everything that decides by time takes it as an argument; only a worker's loop reads a clock.
#pragma once

#include <x86intrin.h>

#include <chrono>
#include <cstdint>

namespace weft::time {

/// Nanoseconds since some moment before the program started; never goes back.
using Time = std::chrono::nanoseconds;

/// A coarse time for records that have no room for more: milliseconds, wrapping after 49 days. Only differences count.
using Millis = uint32_t;

constexpr Millis to_millis(Time time) {
  return static_cast<Millis>(time.count() / 1'000'000);
}
/// Precondition: less than 49 days apart.
constexpr Millis elapsed(Millis since, Millis now) {
  return now - since;
}

/// Turns the time-stamp counter into Time without a division.
class TscClock {
  __extension__ using Wide = unsigned __int128;

 public:
  explicit TscClock(uint64_t hertz)
      : nanoseconds_a_cycle_(static_cast<uint64_t>((Wide{1'000'000'000} << 32) / hertz)) {}

  static uint64_t cycles() { return __rdtsc(); }
  Time at(uint64_t cycles) const { return Time{static_cast<int64_t>(Wide{cycles} * nanoseconds_a_cycle_ >> 32)}; }

 private:
  uint64_t nanoseconds_a_cycle_;  ///< 32.32 fixed point
};

}  // namespace weft::time
