// SPDX-License-Identifier: Apache-2.0
/// @file Sets of ASCII characters, such as those of a token, and how many bytes in a row are in one.
///
/// A byte's low half names a row, its high half a bit of that row. Two table look-ups in registers (vpshufb) so
/// classify 32 bytes at once, exactly, for any set; has() is the scalar twin. As for packet/sum.h, the build's
/// architecture says what there is (-Darch): nothing is chosen at run time.
#pragma once

#include <immintrin.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>

namespace weft::http {

constexpr size_t kVector = 32;  ///< bytes
using Vector = __m256i;

inline Vector load(const char* at) {
  Vector vector;
  std::memcpy(&vector, at, kVector);
  return vector;
}
/// The bits of bytes that are not 0.
inline uint32_t mask_of(Vector bytes) {
  return static_cast<uint32_t>(_mm256_movemask_epi8(bytes));
}

class AsciiSet {
 public:
  /// Ranges are written out by their ends: "azAZ09" and single characters in `others`.
  constexpr AsciiSet(std::string_view ranges, std::string_view others) {
    for (size_t i = 0; i + 1 < ranges.size(); i += 2) {
      for (char c = ranges[i];; ++c) {
        add(c);
        if (c == ranges[i + 1]) {
          break;
        }
      }
    }
    for (const char c : others) {
      add(c);
    }
  }

  constexpr bool has(char c) const {
    const auto byte = static_cast<uint8_t>(c);
    return byte < 0x80 && (rows_[byte & 15] >> (byte >> 4) & 1) != 0;
  }

  /// A bit for each byte that is not in the set.
  uint32_t others(Vector bytes) const {
    const auto both = [](const std::array<uint8_t, 16>& table) {
      __m128i row;
      std::memcpy(&row, table.data(), table.size());
      return _mm256_broadcastsi128_si256(row);
    };
    constexpr std::array<uint8_t, 16> kBits = {1, 2, 4, 8, 16, 32, 64, 128};
    const Vector high = _mm256_and_si256(_mm256_srli_epi16(bytes, 4), _mm256_set1_epi8(0x0f));
    const Vector row = _mm256_shuffle_epi8(both(rows_), bytes);  // 0 for a byte above 0x7f
    const Vector bit = _mm256_shuffle_epi8(both(kBits), high);
    return mask_of(_mm256_cmpeq_epi8(_mm256_and_si256(row, bit), _mm256_setzero_si256()));
  }

  /// How many bytes from the front are in the set.
  /// @param within what may be read: bytes, and what lies around them. 32 bytes of it spare a look at each.
  size_t span(std::string_view bytes, std::string_view within) const {
    if (within.size() < kVector) [[unlikely]] {
      size_t i = 0;
      while (i < bytes.size() && has(bytes[i])) {
        ++i;
      }
      return i;
    }
    const char* const last = within.data() + within.size() - kVector;
    for (size_t i = 0; i < bytes.size();) {
      const char* const at = bytes.data() + i;
      const char* const from = std::min(at, last);
      const auto before = static_cast<unsigned>(at - from);
      if (const uint32_t mask = others(load(from)) >> before; mask != 0) {
        return std::min(i + static_cast<size_t>(std::countr_zero(mask)), bytes.size());
      }
      i += kVector - before;
    }
    return bytes.size();
  }
  bool holds(std::string_view bytes) const { return span(bytes, bytes) == bytes.size(); }

 private:
  constexpr void add(char c) {
    const auto byte = static_cast<uint8_t>(c);
    rows_[byte & 15] = static_cast<uint8_t>(rows_[byte & 15] | 1 << (byte >> 4));
  }

  std::array<uint8_t, 16> rows_{};
};

constexpr AsciiSet kToken("azAZ09", "!#$%&'*+-.^_`|~");  ///< RFC 9110, section 5.6.2

}  // namespace weft::http
