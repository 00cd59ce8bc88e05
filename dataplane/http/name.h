// SPDX-License-Identifier: Apache-2.0
/// @file Which of the names that weft acts on a field has: a perfect hash of its length and its ends names the only
/// candidate, and one comparison of 32 bytes says whether it is.
#pragma once

#include "http/ascii_set.h"
#include "http/head.h"

namespace weft::http {

/// Letters to lower case; "-" and digits stay. Other characters of a token become others, which no known name has.
constexpr char kLower = 0x20;

struct NameTable {
  /// 32 bytes a name, and as many before the first: a vector that begins up to 31 bytes before a name lies within.
  alignas(kVector) std::array<char, kVector*(kNames + 1)> texts{};
  std::array<uint8_t, kNames> lengths{};
  std::array<Name, 64> slots{};

  static constexpr size_t place(Name name) { return kVector * (static_cast<size_t>(name) + 1); }
  /// Precondition: length > 0
  static constexpr size_t slot(const char* at, size_t length) {
    const auto byte = [](char c) { return static_cast<uint32_t>(static_cast<uint8_t>(c | kLower)); };
    const uint32_t key = static_cast<uint32_t>(length) << 16 ^ byte(at[0]) << 8 ^ byte(at[length - 1]);
    return key * 0xa46d6753 >> 26;  // found by trial: no two names share a slot
  }
};
extern constinit const NameTable kNameTable;

/// Preconditions: a token, not empty.
/// @param within what may be read: the token, and what lies around it
inline Name name_of(std::string_view token, std::string_view within) {
  const Name candidate = kNameTable.slots[NameTable::slot(token.data(), token.size())];
  if (token.size() != kNameTable.lengths[static_cast<size_t>(candidate)]) {
    return Name::other;
  }
  const char* const text = kNameTable.texts.data() + NameTable::place(candidate);
  if (within.size() < kVector) [[unlikely]] {
    for (size_t i = 0; i < token.size(); ++i) {
      if ((token[i] | kLower) != text[i]) {
        return Name::other;
      }
    }
    return candidate;
  }
  // Near the end, a vector that ends there; the text is loaded from as far before it as the token is into it.
  const char* const from = std::min(token.data(), within.data() + within.size() - kVector);
  const auto before = token.data() - from;
  const Vector lower = _mm256_or_si256(load(from), _mm256_set1_epi8(kLower));
  const uint32_t same = mask_of(_mm256_cmpeq_epi8(lower, load(text - before))) >> before;
  return (~same & ((uint32_t{1} << token.size()) - 1)) == 0 ? candidate : Name::other;
}

}  // namespace weft::http
