// SPDX-License-Identifier: Apache-2.0
/// @file Connections that are over, for as long as segments of theirs may still arrive (RFC 9293, section 3.6.1): 32
/// bytes each.
///
/// A pair is known by 64 bits of its keyed hash: that one of a million entries be taken for another pair happens once
/// in 10^13 look-ups, and costs that pair an answer that it does not expect. All wait equally long, so the first to
/// expire is the first in the list. When all are taken, the oldest goes.
#pragma once

#include <optional>
#include <vector>

#include "tcp/piece.h"
#include "tcp/sequence.h"
#include "time/clock.h"

namespace weft::tcp {

struct TimeWait {
  uint64_t hash = 0;  ///< Keyed::place_of()
  Seq send_next;
  Seq receive_next;
  uint32_t recent = 0;  ///< the peer's last timestamp; 0: it sends none
  time::Millis expiry = 0;
  uint32_t previous = kNone;
  uint32_t next = kNone;
};
static_assert(sizeof(TimeWait) == 32);

class TimeWaits {
 public:
  explicit TimeWaits(uint32_t capacity) : entries_(capacity) {
    for (uint32_t i = capacity; i-- > 0;) {
      entries_[i].next = free_;
      free_ = i;
    }
  }

  TimeWait& operator[](uint32_t entry) { return entries_[entry]; }
  const TimeWait& operator[](uint32_t entry) const { return entries_[entry]; }

  /// Precondition: is_full() is false.
  uint32_t add(const TimeWait& time_wait) {
    const uint32_t added = free_;
    free_ = entries_[added].next;
    entries_[added] = time_wait;
    append(added);
    ++size_;
    return added;
  }
  void remove(uint32_t entry) {
    unlink(entry);
    entries_[entry].next = free_;
    free_ = entry;
    --size_;
  }
  void restart(uint32_t entry, time::Millis expiry) {
    unlink(entry);
    entries_[entry].expiry = expiry;
    append(entry);
  }
  /// kNone: there are none.
  uint32_t oldest() const { return head_; }
  bool is_full() const { return size_ == entries_.size(); }
  uint32_t size() const { return size_; }
  size_t memory_bytes() const { return entries_.size() * sizeof(TimeWait); }

 private:
  void append(uint32_t entry) {
    entries_[entry].previous = tail_;
    entries_[entry].next = kNone;
    (tail_ == kNone ? head_ : entries_[tail_].next) = entry;
    tail_ = entry;
  }
  void unlink(uint32_t entry) {
    const TimeWait& gone = entries_[entry];
    (gone.previous == kNone ? head_ : entries_[gone.previous].next) = gone.next;
    (gone.next == kNone ? tail_ : entries_[gone.next].previous) = gone.previous;
  }

  std::vector<TimeWait> entries_;
  uint32_t free_ = kNone;
  uint32_t head_ = kNone;
  uint32_t tail_ = kNone;
  uint32_t size_ = 0;
};

}  // namespace weft::tcp
