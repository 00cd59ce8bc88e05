// SPDX-License-Identifier: Apache-2.0
/// @file A bounded memory of what was seen lately, by a 64-bit keyed hash: clients that must stay with their endpoint,
/// sources and their rates, datagrams whose first fragment went by.
///
/// Sets of four; the one not seen for longest makes room for the new. So it never refuses, never grows, and needs no
/// sweep; under a flood it forgets earlier. The hash stands for what was hashed: with a secret seed, two of a million
/// keys share one in one of some ten million tables, and users of this table can live with it.
///
/// Owned and used by one thread.
#pragma once

#include <array>
#include <bit>
#include <cstdint>

#include "flow/pages.h"
#include "time/clock.h"

namespace weft::flow {

template <typename Value>
class RecentTable {
 public:
  /// @param capacity rounded up to a power of two, at least 4. Throws std::bad_alloc.
  explicit RecentTable(uint32_t capacity) : sets_(std::bit_ceil(capacity < kWays ? kWays : capacity) / kWays) {}

  /// What was put under this hash, if that or the last find() of it is at most `timeout` ago; it is then seen now.
  Value* find(uint64_t hash, time::Millis now, time::Millis timeout) {
    for (Entry& entry : set_of(hash).entries) {
      if (entry.hash == hash && time::elapsed(entry.seen, now) <= timeout) {
        entry.seen = now;
        return &entry.value;
      }
    }
    return nullptr;
  }

  /// Overwrites what was there. @returns where the value lies, until the next put()
  Value* put(uint64_t hash, const Value& value, time::Millis now) {
    Set& set = set_of(hash);
    Entry* place = &set.entries[0];
    for (Entry& entry : set.entries) {
      if (entry.hash == hash || entry.hash == 0) {
        place = &entry;
        break;
      }
      if (time::elapsed(entry.seen, now) > time::elapsed(place->seen, now)) {
        place = &entry;
      }
    }
    *place = {.hash = hash, .seen = now, .value = value};
    return &place->value;
  }

  size_t memory_bytes() const { return sets_.memory_bytes(); }

 private:
  static constexpr uint32_t kWays = 4;
  struct Entry {
    uint64_t hash;  ///< 0: free
    time::Millis seen;
    Value value;
  };
  struct alignas(64) Set {
    std::array<Entry, kWays> entries;
  };

  Set& set_of(uint64_t hash) { return sets_[hash & (sets_.size() - 1)]; }

  Pages<Set> sets_;
};

}  // namespace weft::flow
