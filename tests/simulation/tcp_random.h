// SPDX-License-Identifier: Apache-2.0
/// @file Random choices that are the same with every standard library, and the bytes of streams.
#pragma once

#include <algorithm>
#include <bit>
#include <chrono>
#include <cstring>
#include <random>
#include <span>
#include <vector>

#include "time/clock.h"

namespace weft::simulation {

class Random {
 public:
  explicit Random(uint64_t seed) : bits_(seed) {}

  uint64_t bits() { return bits_(); }
  uint64_t below(uint64_t end) { return bits_() % end; }
  uint64_t between(uint64_t least, uint64_t most) { return least + below(most - least + 1); }
  time::Time between(time::Time least, time::Time most) {
    return time::Time(
        static_cast<int64_t>(between(static_cast<uint64_t>(least.count()), static_cast<uint64_t>(most.count()))));
  }
  bool chance(unsigned percent) { return below(100) < percent; }
  /// As many small ones as large ones.
  uint64_t of_any_size(uint64_t least, uint64_t most) {
    const int size = std::bit_width(least) +
                     static_cast<int>(below(static_cast<uint64_t>(std::bit_width(most) - std::bit_width(least) + 1)));
    return std::clamp((uint64_t{1} << (size - 1)) + below(uint64_t{1} << (size - 1)), least, most);
  }
  template <typename Value>
  Value one_of(std::initializer_list<Value> values) {
    return values.begin()[below(values.size())];
  }

 private:
  std::mt19937_64 bits_;
};

/// A stream's bytes, known by their place: whoever reads can tell, and none has to keep them.
class Stream {
 public:
  explicit Stream(uint64_t key = 0) : key_(key % kPeriod) {}

  /// @param bytes at most 65535
  void write(uint64_t at, std::span<std::byte> bytes) const {
    std::memcpy(bytes.data(), &source()[(key_ + at) % kPeriod], bytes.size());
  }
  bool is_at(uint64_t at, std::span<const std::byte> bytes) const {
    return bytes.empty() || std::memcmp(bytes.data(), &source()[(key_ + at) % kPeriod], bytes.size()) == 0;
  }

 private:
  static constexpr uint64_t kPeriod = 65'521;  // prime: no power of two, or segment's multiple, looks like another

  static const std::vector<std::byte>& source() {
    static const std::vector<std::byte> bytes = [] {
      std::vector<std::byte> made(kPeriod + UINT16_MAX);
      Random random(1);
      for (size_t i = 0; i < made.size(); ++i) {
        made[i] = i < kPeriod ? static_cast<std::byte>(random.bits()) : made[i - kPeriod];
      }
      return made;
    }();
    return bytes;
  }

  uint64_t key_;
};

}  // namespace weft::simulation
