// SPDX-License-Identifier: Apache-2.0
/// @file Pieces of streams, and queues of them: what was received, what waits beyond a gap, what is to be sent and what
/// is on its way.
///
/// A piece is a slice with its place in the stream and, once sent, what became of it. A relayed payload stays one piece
/// from the segment that brought it to the acknowledgment of the one that took it away; it moves between queues by its
/// number. Pieces come from one stock an engine; a queue is two numbers.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "buffer/slice.h"
#include "packet/checksum.h"
#include "tcp/sequence.h"

namespace weft::tcp {

constexpr uint32_t kNone = UINT32_MAX;

struct Piece {
  enum : uint8_t {
    fin = 1 << 0,          ///< no bytes, and a place in the sequence all the same
    sent = 1 << 1,         ///< once at least
    sacked = 1 << 2,       ///< the peer has it, though not all before it
    lost = 1 << 3,         ///< taken for lost, and not sent since
    resent = 1 << 4,       ///< sent again, and not known to be lost again
    ever_resent = 1 << 5,  ///< no round trip is timed by it (Karn's rule)
    leaps = 1 << 6,        ///< sacked, and sent_at is the number of the last that is known to be so without a gap
  };

  buffer::Slice slice;
  Seq sequence;  ///< of its first byte
  uint32_t next = kNone;
  uint32_t sent_at = 0;  ///< the last time: microseconds, wrapping
  uint8_t flags = 0;

  uint32_t length() const { return static_cast<uint32_t>(slice.size()) + (flags & fin); }
  Seq end() const { return sequence + length(); }
  bool is(uint8_t any_of) const { return (flags & any_of) != 0; }
  /// When it was sent is not known any more.
  void forget_leap(uint32_t now) {
    if (is(leaps)) {
      flags = static_cast<uint8_t>((flags & ~leaps) | ever_resent);
      sent_at = now;
    }
  }
};
static_assert(sizeof(Piece) == 32 && Piece::fin == 1);

/// When few are left, each use leaves what the others need to go on. What is written makes room when the peer takes it,
/// what is received when somebody reads it or moves it on, what waits beyond a gap when the gap is filled: none of them
/// may hold so much that another can't. With a share of an eighth,
/// - one more is received while those received have less than their share, or more than a share is free;
/// - a segment is cut out of its share, or of what those received leave of theirs: cut, it is under way at once. What
///   was sent already and must be cut again, as the path bears less, may take half of the other share, too;
/// - what is written or moved on leaves a share to each of both, and what is kept beyond a gap one more to what is
/// moved. So two engines that are full of what each has for the other still drain, and so does a relay that must cut
/// each piece.
///
/// And no connection takes from the others: each of its two queues holds a quarter of what is free at most (as switches
/// share their memory: Choudhury and Hahne, "Dynamic Queue Length Thresholds", 1998), so that many who do not read, or
/// do not acknowledge, leave something to those who do.
class Pieces {
 public:
  /// One share and none to spare would be no stock.
  static constexpr uint32_t kLeast = 32;

  explicit Pieces(uint32_t capacity) : pieces_(capacity), free_count_(capacity) {
    for (uint32_t i = 0; i < capacity; ++i) {
      pieces_[i].next = i + 1 < capacity ? i + 1 : kNone;
    }
    free_ = capacity > 0 ? 0 : kNone;
  }

  Piece& operator[](uint32_t piece) { return pieces_[piece]; }
  const Piece& operator[](uint32_t piece) const { return pieces_[piece]; }

  /// kNone: none is left.
  uint32_t take() {
    const uint32_t taken = free_;
    if (taken != kNone) {
      free_ = pieces_[taken].next;
      pieces_[taken].next = kNone;
      --free_count_;
    }
    return taken;
  }
  void give_back(uint32_t piece) {
    pieces_[piece] = Piece{};
    pieces_[piece].next = free_;
    free_ = piece;
    ++free_count_;
  }
  uint32_t capacity() const { return static_cast<uint32_t>(pieces_.size()); }
  uint32_t free() const { return free_count_; }

  /// Those in receive queues, as they come and go.
  void count_received() { ++received_; }
  void uncount_received() { --received_; }
  uint32_t received() const { return received_; }

  /// May a queue that holds so many hold one more?
  bool may_hold(uint32_t held) const { return held < most(); }
  /// How many more a receive queue that holds so many may be promised: what is promised has to be held when it comes,
  /// and other queues grow until then.
  uint32_t promisable(uint32_t held) const { return most() / 2 > held ? most() / 2 - held : 0; }
  /// What is free beyond the two shares.
  uint32_t spare() const { return free_count_ > reserve() ? free_count_ - reserve() : 0; }
  bool may_receive() const { return free_count_ > 0 && (received_ < share() || free_count_ > share()); }
  /// @param again what was sent before, and needs to be smaller now
  bool may_cut(bool again) const {
    return free_count_ > 0 && free_count_ + received_ > (again ? share() / 2 : share());
  }
  bool may_move() const { return free_count_ + received_ > 2 * share(); }
  bool may_write() const { return free_count_ > share() && may_move(); }
  bool may_keep_beyond() const { return free_count_ > 3 * share(); }

 private:
  static constexpr uint32_t kFew = 16;           ///< anybody's,
  static constexpr uint32_t kNextToNothing = 4;  ///< and anybody's when few are left
  static constexpr uint32_t kMany = 16 << 10;    ///< as they are counted in 16 bits

  std::vector<Piece> pieces_;
  uint32_t free_ = kNone;
  uint32_t free_count_;
  uint32_t received_ = 0;

  uint32_t share() const { return capacity() / 8; }
  uint32_t reserve() const { return share() < kFew ? 0 : 2 * share(); }
  /// Two shares are left to queues that hold next to nothing, so that many who hoard do not keep others out; not where
  /// a share is less than a queue's few.
  uint32_t most() const {
    return spare() > 0 ? std::clamp(spare() / 4, kFew, kMany) : reserve() == 0 ? kFew : kNextToNothing;
  }
};

/// Up to so many bytes are copied rather than held in a buffer of their own.
constexpr uint32_t kCopied = 256;

struct Queue {
  uint32_t head = kNone;
  uint32_t tail = kNone;

  bool empty() const { return head == kNone; }
  /// Copies a small slice behind the last piece's bytes, if there is room that nobody else sees. @returns false: it
  /// needs a piece of its own
  bool absorb(Pieces& pieces, const buffer::Slice& slice) const {
    if (empty() || slice.size() > kCopied) {
      return false;
    }
    buffer::Slice& last = pieces[tail].slice;
    if (last.empty() || !last.is_only_one() || last.tailroom() < slice.size()) {
      return false;
    }
    const bool are_summed = last.is_summed() && slice.is_summed();
    const uint16_t sum = are_summed ? packet::sum_of_both(last.sum(), last.size(), slice.sum()) : uint16_t{0};
    const std::span<std::byte> grown = last.grow(static_cast<uint16_t>(slice.size()));
    std::copy(slice.bytes().begin(), slice.bytes().end(), grown.begin());
    if (are_summed) {
      last.set_sum(sum);
    }
    return true;
  }
  void push(Pieces& pieces, uint32_t piece) {
    pieces[piece].next = kNone;
    (tail == kNone ? head : pieces[tail].next) = piece;
    tail = piece;
  }
  uint32_t pop(Pieces& pieces) {
    const uint32_t popped = head;
    head = pieces[popped].next;
    if (head == kNone) {
      tail = kNone;
    }
    return popped;
  }
  void clear(Pieces& pieces) {
    while (!empty()) {
      pieces.give_back(pop(pieces));
    }
  }
};

}  // namespace weft::tcp
