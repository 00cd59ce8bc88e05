// SPDX-License-Identifier: Apache-2.0
/// @file SplitMix64 (Steele, Lea, Flood, 2014): numbers for choices by chance, not for secrets. One thread each.
#pragma once

#include <cstdint>

namespace weft::lb {

class SplitMix64 {
 public:
  explicit SplitMix64(uint64_t seed) : state_(seed) {}

  uint64_t operator()() { return mixed(state_ += 0x9e3779b97f4a7c15); }
  /// Every bit of the input moves every bit of the outcome, and no two inputs have the same one.
  static constexpr uint64_t mixed(uint64_t value) {
    value = (value ^ value >> 30) * 0xbf58476d1ce4e5b9;
    value = (value ^ value >> 27) * 0x94d049bb133111eb;
    return value ^ value >> 31;
  }

 private:
  uint64_t state_;
};

}  // namespace weft::lb
