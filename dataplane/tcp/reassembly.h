// SPDX-License-Identifier: Apache-2.0
/// @file What arrived beyond a gap: ranges of pieces, in the order of the sequence, none touching another.
///
/// What came first stays: bytes that are there are never replaced by others (RFC 9293 leaves it open; attacks live of
/// it). Ranges come from one stock an engine; a connection has the number of its first.
#pragma once

#include <array>
#include <vector>

#include "tcp/options.h"
#include "tcp/piece.h"

namespace weft::tcp {

struct Range {
  Seq begin;
  Seq end;
  Queue pieces;
  uint32_t next = kNone;
  uint32_t count = 1;   ///< of pieces
  uint32_t latest = 0;  ///< when the last segment of it arrived, as insert() was told
};

class Reassembly {
 public:
  enum class Result : uint8_t {
    added,
    known,    ///< all of it was there
    refused,  ///< some of it was not taken: no pieces or ranges are left, or the connection has its share of them
  };

  Reassembly(uint32_t ranges, uint16_t max_ranges);

  /// Adds what is not there yet.
  /// @param first of the connection's ranges; kNone: there are none
  /// @param fin whether the sequence ends behind the slice
  /// @param moment a number that grows
  Result insert(uint32_t& first, Pieces& pieces, Seq sequence, const buffer::Slice& slice, bool fin, uint32_t moment);
  struct Delivery {
    Seq next;             ///< where the queue ends now
    uint16_t pieces = 0;  ///< that were added to it
  };
  /// Moves the first range's pieces behind the queue, if they go on where it ends: at `next`.
  Delivery deliver(uint32_t& first, Pieces& pieces, Seq next, Queue& queue);
  void clear(uint32_t& first, Pieces& pieces);
  /// Forgets all from there on.
  void cut(uint32_t& first, Pieces& pieces, Seq from);

  /// For SACK: the range of the last segment first (RFC 2018, section 4). @returns how many
  uint8_t blocks(uint32_t first, std::array<Block, 4>& blocks) const;
  /// Of all ranges.
  uint32_t pieces(uint32_t first) const;
  struct End {
    Seq at;                 ///< behind the last byte that is there
    bool is_final = false;  ///< a FIN is there, too
  };
  /// Precondition: there is a range.
  End end(uint32_t first, const Pieces& pieces) const;

  const Range& operator[](uint32_t range) const { return ranges_[range]; }
  size_t memory_bytes() const { return ranges_.size() * sizeof(Range); }

 private:
  struct Part;
  bool is_frugal(uint32_t first) const;
  bool may_have(uint32_t count) const;
  uint32_t take();
  void give_back(uint32_t range);

  std::vector<Range> ranges_;
  uint32_t free_ = kNone;
  uint32_t free_count_ = 0;
  uint16_t max_ranges_;
};

}  // namespace weft::tcp
