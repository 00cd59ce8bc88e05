// SPDX-License-Identifier: Apache-2.0
/// @file From short texts to numbers, each text in a space of its own kind: a hash table that is filled and then read.
///
/// A text that is not there costs a bit test as a rule: per space it is known which lengths there are, modulo 64.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "lb/bytes.h"

namespace weft::lb {

class TextTable {
 public:
  static constexpr uint32_t kNone = UINT32_MAX;

  TextTable() : TextTable(1, 0) {}
  /// @param spaces numbered from 0
  /// @param count texts in all, at most
  TextTable(uint32_t spaces, size_t count);

  /// Precondition: it is not in this space yet. The value is not kNone.
  void add(uint32_t space, std::string_view text, uint32_t value);

  uint32_t find(uint32_t space, std::string_view text) const {
    return may_have(space, text.size()) ? look_up(space, text) : kNone;
  }
  bool may_have(uint32_t space, size_t length) const { return (lengths_[space] >> (length & 63) & 1) != 0; }
  bool has(uint32_t space) const { return lengths_[space] != 0; }

  size_t memory_bytes() const;

 private:
  struct Slot {
    uint64_t hash = 0;
    uint32_t space = 0;
    uint32_t text = 0;
    uint32_t length = 0;
    uint32_t value = kNone;
  };

  uint32_t look_up(uint32_t space, std::string_view text) const;

  std::vector<Slot> slots_;  ///< open addressing, a power of two, at most half full
  std::vector<uint64_t> lengths_;
  std::string texts_;
};

}  // namespace weft::lb
