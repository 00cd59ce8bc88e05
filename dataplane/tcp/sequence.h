// SPDX-License-Identifier: Apache-2.0
/// @file Sequence numbers (RFC 9293, section 3.4): modulo 2^32, compared by difference.
#pragma once

#include <cstdint>

namespace weft::tcp {

struct Seq {
  uint32_t value = 0;

  constexpr Seq() = default;
  constexpr explicit Seq(uint32_t number) : value(number) {}

  constexpr Seq operator+(uint32_t bytes) const { return Seq(value + bytes); }
  constexpr Seq operator-(uint32_t bytes) const { return Seq(value - bytes); }
  constexpr Seq& operator+=(uint32_t bytes) {
    value += bytes;
    return *this;
  }
  /// Bytes from the other to this one. Precondition: the other is not after it.
  constexpr uint32_t operator-(Seq other) const { return value - other.value; }

  constexpr bool operator==(const Seq&) const = default;
  constexpr bool operator<(Seq other) const { return static_cast<int32_t>(value - other.value) < 0; }
  constexpr bool operator>(Seq other) const { return other < *this; }
  constexpr bool operator<=(Seq other) const { return !(other < *this); }
  constexpr bool operator>=(Seq other) const { return !(*this < other); }
};

constexpr Seq later(Seq a, Seq b) {
  return a < b ? b : a;
}
constexpr Seq earlier(Seq a, Seq b) {
  return a < b ? a : b;
}

}  // namespace weft::tcp
