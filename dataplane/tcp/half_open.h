// SPDX-License-Identifier: Apache-2.0
/// @file Handshakes that peers began and have not completed (SYN-RECEIVED): 72 bytes each, no connection yet.
///
/// A SYN-ACK that is not answered is sent again after 1, 2, 4, ... seconds. All that were sent equally often wait
/// equally long, so there is a list for each number of tries, and its first is the first that is due.
#pragma once

#include <array>
#include <optional>
#include <vector>

#include "tcp/piece.h"
#include "tcp/segment.h"
#include "time/clock.h"

namespace weft::tcp {

struct HalfOpen {
  static constexpr uint8_t kNoShift = UINT8_MAX;

  SocketPair pair;
  Seq peer_first;       ///< its SYN's
  Seq first;            ///< our SYN's
  uint32_t recent = 0;  ///< the peer's last timestamp
  time::Millis due = 0;
  uint16_t mss = 0;          ///< the peer's
  uint8_t shift = kNoShift;  ///< the peer's; none: windows are not scaled
  bool timestamps = false;
  bool sack = false;
  bool repeated = false;  ///< the peer asked again, and was answered again
  uint8_t path = 0;
  uint8_t tries = 0;       ///< SYN-ACKs sent again
  uint8_t challenges = 0;  ///< sent; they are counted
  uint16_t listener = 0;
  uint32_t previous = kNone;
  uint32_t next = kNone;
};
static_assert(sizeof(HalfOpen) == 72);

class HalfOpens {
 public:
  static constexpr uint8_t kMaxTries = 15;

  explicit HalfOpens(uint32_t capacity) : entries_(capacity) {
    for (uint32_t i = capacity; i-- > 0;) {
      entries_[i].next = free_;
      free_ = i;
    }
  }

  HalfOpen& operator[](uint32_t entry) { return entries_[entry]; }
  const HalfOpen& operator[](uint32_t entry) const { return entries_[entry]; }

  /// Precondition: is_full() is false.
  uint32_t add(const HalfOpen& half_open) {
    const uint32_t added = free_;
    free_ = entries_[added].next;
    entries_[added] = half_open;
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
  /// Its SYN-ACK was sent once more.
  void retry(uint32_t entry, time::Millis due) {
    unlink(entry);
    ++entries_[entry].tries;
    entries_[entry].due = due;
    append(entry);
  }
  /// The first that is due by now; kNone: none is.
  uint32_t due(time::Millis now) const {
    for (const List& list : lists_) {
      if (list.head != kNone && static_cast<int32_t>(now - entries_[list.head].due) >= 0) {
        return list.head;
      }
    }
    return kNone;
  }
  /// When the first will be due.
  std::optional<time::Millis> next_due() const {
    std::optional<time::Millis> first;
    for (const List& list : lists_) {
      if (list.head != kNone && (!first || static_cast<int32_t>(*first - entries_[list.head].due) > 0)) {
        first = entries_[list.head].due;
      }
    }
    return first;
  }
  bool is_full() const { return size_ == entries_.size(); }
  uint32_t size() const { return size_; }
  uint32_t capacity() const { return static_cast<uint32_t>(entries_.size()); }
  size_t memory_bytes() const { return entries_.size() * sizeof(HalfOpen); }

 private:
  struct List {
    uint32_t head = kNone;
    uint32_t tail = kNone;
  };

  void append(uint32_t entry) {
    HalfOpen& added = entries_[entry];
    List& list = lists_[added.tries];
    added.previous = list.tail;
    added.next = kNone;
    (list.tail == kNone ? list.head : entries_[list.tail].next) = entry;
    list.tail = entry;
  }
  void unlink(uint32_t entry) {
    const HalfOpen& gone = entries_[entry];
    List& list = lists_[gone.tries];
    (gone.previous == kNone ? list.head : entries_[gone.previous].next) = gone.next;
    (gone.next == kNone ? list.tail : entries_[gone.next].previous) = gone.previous;
  }

  std::vector<HalfOpen> entries_;
  std::array<List, kMaxTries + 1> lists_;
  uint32_t free_ = kNone;
  uint32_t size_ = 0;
};

}  // namespace weft::tcp
