// SPDX-License-Identifier: Apache-2.0
/// @file Short strings read and hashed by words of eight bytes, without reading a byte beyond their end.
#pragma once

#include <cstdint>
#include <cstring>
#include <string_view>

namespace weft::lb {

/// Eight bytes of the text from `at` on, the first one lowest; zeros where the text has ended. Precondition: at <=
/// size.
inline uint64_t word_at(std::string_view text, size_t at) {
  uint64_t word = 0;
  const size_t left = text.size() - at;
  if (left >= 8) [[likely]] {
    std::memcpy(&word, text.data() + at, 8);
  } else if (text.size() >= 8) {
    std::memcpy(&word, text.data() + text.size() - 8, 8);
    word = left == 0 ? 0 : word >> (8 * (8 - left));
  } else if (left >= 4) {
    uint32_t first = 0;
    uint32_t last = 0;
    std::memcpy(&first, text.data() + at, 4);
    std::memcpy(&last, text.data() + text.size() - 4, 4);
    word = first | static_cast<uint64_t>(last) << (8 * (left - 4));
  } else if (left > 0) {
    const auto byte = [&](size_t i) { return static_cast<uint64_t>(static_cast<uint8_t>(text[at + i])) << (8 * i); };
    word = byte(0) | byte(left / 2) | byte(left - 1);
  }
  return word;
}

/// The product's halves, folded: every bit of both moves every bit of the outcome. Tables hold what operators wrote, so
/// nobody can fill them with collisions, and it needs no secret.
inline uint64_t folded(uint64_t a, uint64_t b) {
  __extension__ using Wide = unsigned __int128;
  const Wide product = static_cast<Wide>(a) * b;
  return static_cast<uint64_t>(product) ^ static_cast<uint64_t>(product >> 64);
}
inline constexpr uint64_t kFold = 0x9e3779b97f4a7c15;

inline uint64_t hash_of_text(std::string_view text, uint64_t seed) {
  uint64_t hash = (seed + text.size()) ^ kFold;
  for (size_t at = 0; at < text.size(); at += 8) {
    hash = folded(hash ^ word_at(text, at), kFold);
  }
  return folded(hash, kFold);
}

/// As memcmp() == 0, but for the call: most of what is compared here is shorter than 32 bytes. Of equal sizes.
inline bool same_text(std::string_view a, std::string_view b) {
  for (size_t at = 0; at < a.size(); at += 8) {
    if (word_at(a, at) != word_at(b, at)) {
      return false;
    }
  }
  return true;
}

/// ASCII only, as names of hosts and headers are.
constexpr char to_lower(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c | 0x20) : c;
}
inline bool same_name(std::string_view a, std::string_view b) {
  if (a.size() != b.size()) {
    return false;
  }
  for (size_t i = 0; i < a.size(); ++i) {
    if (to_lower(a[i]) != to_lower(b[i])) {
      return false;
    }
  }
  return true;
}

}  // namespace weft::lb
