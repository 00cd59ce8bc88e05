// SPDX-License-Identifier: Apache-2.0
#include "tcp/reassembly.h"

#include <algorithm>

namespace weft::tcp {

/// A segment, of which less and less is left to be added.
struct Reassembly::Part {
  Seq sequence;
  Seq end;
  const buffer::Slice& slice;
  bool fin;
  Seq begin;  ///< of what is left

  /// What is left up to there, as a piece. @returns kNone: pieces are short
  uint32_t cut(Pieces& pieces, Seq to) {
    const uint32_t taken = pieces.may_keep_beyond() ? pieces.take() : kNone;
    if (taken != kNone) {
      Piece& piece = pieces[taken];
      const uint32_t from = begin - sequence;
      const bool ends = fin && to == end;
      piece.sequence = begin;
      piece.slice = slice.part(static_cast<uint16_t>(from), static_cast<uint16_t>(to - begin - (ends ? 1 : 0)));
      piece.flags = ends ? Piece::fin : 0;
      begin = to;
    }
    return taken;
  }
};

Reassembly::Reassembly(uint32_t ranges, uint16_t max_ranges) : ranges_(ranges), max_ranges_(max_ranges) {
  for (uint32_t i = ranges; i-- > 0;) {
    give_back(i);
  }
}

Reassembly::Result Reassembly::insert(uint32_t& first, Pieces& pieces, Seq sequence, const buffer::Slice& slice,
                                      bool fin, uint32_t moment) {
  const Seq end = sequence + static_cast<uint32_t>(slice.size()) + (fin ? 1 : 0);
  Part part{sequence, end, slice, fin, sequence};
  if (!is_frugal(first)) {
    return Result::refused;
  }
  bool is_new = false;
  uint16_t passed = 0;
  uint32_t* link = &first;
  while (part.begin < end) {
    if (*link == kNone || end < ranges_[*link].begin) {  // a range of its own
      uint32_t count = passed;
      for (uint32_t at = *link; at != kNone; at = ranges_[at].next) {
        ++count;
      }
      const uint32_t range = count < max_ranges_ && may_have(count) ? take() : kNone;
      const uint32_t piece = range != kNone ? part.cut(pieces, end) : kNone;
      if (piece == kNone) {
        if (range != kNone) {
          give_back(range);
        }
        return Result::refused;
      }
      ranges_[range] = {pieces[piece].sequence, end, {piece, piece}, *link, 1, moment};
      *link = range;
      return Result::added;
    }
    Range& range = ranges_[*link];
    if (range.end < part.begin) {
      link = &range.next;
      ++passed;
      continue;
    }
    range.latest = moment;
    if (part.begin < range.begin) {  // in front of it
      const uint32_t piece = part.cut(pieces, range.begin);
      if (piece == kNone) {
        return Result::refused;
      }
      pieces[piece].next = range.pieces.head;
      range.pieces.head = piece;
      range.begin = pieces[piece].sequence;
      ++range.count;
      is_new = true;
    }
    part.begin = later(part.begin, range.end);
    if (part.begin >= end) {
      break;
    }
    const uint32_t next = range.next;  // behind it, up to the next one
    const Seq stop = next == kNone ? end : earlier(end, ranges_[next].begin);
    if (part.begin < stop) {
      const uint32_t piece = part.cut(pieces, stop);
      if (piece == kNone) {
        return Result::refused;
      }
      range.pieces.push(pieces, piece);
      range.end = stop;
      ++range.count;
      is_new = true;
    }
    if (next != kNone && stop == ranges_[next].begin) {
      const Range& merged = ranges_[next];
      pieces[range.pieces.tail].next = merged.pieces.head;
      range.pieces.tail = merged.pieces.tail;
      range.end = merged.end;
      range.count += merged.count;
      range.next = merged.next;
      give_back(next);
    }
  }
  return is_new ? Result::added : Result::known;
}

Reassembly::Delivery Reassembly::deliver(uint32_t& first, Pieces& pieces, Seq next, Queue& queue) {
  uint16_t added = 0;
  while (first != kNone && ranges_[first].begin <= next) {
    const uint32_t delivered = first;
    Queue from = ranges_[delivered].pieces;
    first = ranges_[delivered].next;
    give_back(delivered);
    while (!from.empty()) {
      const uint32_t taken = from.pop(pieces);
      Piece& piece = pieces[taken];
      if (piece.end() <= next) {  // came another way meanwhile
        pieces.give_back(taken);
        continue;
      }
      piece.slice.trim_front(static_cast<uint16_t>(next - piece.sequence));
      piece.sequence = next;
      next = piece.end();
      if (!piece.is(Piece::fin) && queue.absorb(pieces, piece.slice)) {
        pieces.give_back(taken);
        continue;
      }
      queue.push(pieces, taken);
      pieces.count_received();
      ++added;
    }
  }
  return {next, added};
}

void Reassembly::clear(uint32_t& first, Pieces& pieces) {
  while (first != kNone) {
    const uint32_t cleared = first;
    first = ranges_[cleared].next;
    ranges_[cleared].pieces.clear(pieces);
    give_back(cleared);
  }
}

void Reassembly::cut(uint32_t& first, Pieces& pieces, Seq from) {
  uint32_t* link = &first;
  while (*link != kNone && ranges_[*link].end <= from) {
    link = &ranges_[*link].next;
  }
  if (*link != kNone && ranges_[*link].begin < from) {
    Range& range = ranges_[*link];
    Queue all = range.pieces;
    range.pieces = {};
    range.count = 0;
    while (!all.empty()) {
      const uint32_t taken = all.pop(pieces);
      Piece& piece = pieces[taken];
      if (piece.sequence >= from) {
        pieces.give_back(taken);
        continue;
      }
      if (piece.end() > from) {
        const auto kept = static_cast<uint16_t>(from - piece.sequence);
        piece.flags = 0;
        piece.slice.trim_back(static_cast<uint16_t>(piece.slice.size() - kept));
      }
      range.pieces.push(pieces, taken);
      ++range.count;
    }
    range.end = from;
    link = &range.next;
  }
  clear(*link, pieces);
}

uint8_t Reassembly::blocks(uint32_t first, std::array<Block, 4>& blocks) const {
  std::array<uint32_t, 4> latest;
  uint8_t count = 0;
  for (uint32_t at = first; at != kNone; at = ranges_[at].next) {
    uint8_t place = count;  // sorted by arrival, the last first
    while (place > 0 && static_cast<int32_t>(ranges_[at].latest - latest[place - 1U]) > 0) {
      --place;
    }
    if (place == blocks.size()) {
      continue;
    }
    count = static_cast<uint8_t>(std::min<size_t>(count + 1U, blocks.size()));
    for (uint8_t i = static_cast<uint8_t>(count - 1); i > place; --i) {
      latest[i] = latest[i - 1U];
      blocks[i] = blocks[i - 1U];
    }
    latest[place] = ranges_[at].latest;
    blocks[place] = {ranges_[at].begin, ranges_[at].end};
  }
  return count;
}

uint32_t Reassembly::pieces(uint32_t first) const {
  uint32_t count = 0;
  for (uint32_t at = first; at != kNone; at = ranges_[at].next) {
    count += ranges_[at].count;
  }
  return count;
}

Reassembly::End Reassembly::end(uint32_t first, const Pieces& pieces) const {
  uint32_t last = first;
  while (ranges_[last].next != kNone) {
    last = ranges_[last].next;
  }
  const bool is_final = pieces[ranges_[last].pieces.tail].is(Piece::fin);
  return {ranges_[last].end - (is_final ? 1 : 0), is_final};
}

/// A few small pieces are as the network has it; many of them are a peer that wants to have them all.
bool Reassembly::is_frugal(uint32_t first) const {
  constexpr uint32_t kFew = 64;
  constexpr uint32_t kSmall = 256;  // bytes
  uint32_t bytes = 0;
  for (uint32_t at = first; at != kNone; at = ranges_[at].next) {
    bytes += ranges_[at].end - ranges_[at].begin;
  }
  return pieces(first) < kFew + bytes / kSmall;
}

/// An eighth of what is free, so that a few connections leave some to the others.
bool Reassembly::may_have(uint32_t count) const {
  constexpr uint32_t kFew = 4;
  return count < std::max(kFew, free_count_ / 8);
}

uint32_t Reassembly::take() {
  const uint32_t taken = free_;
  if (taken != kNone) {
    free_ = ranges_[taken].next;
    --free_count_;
  }
  return taken;
}

void Reassembly::give_back(uint32_t range) {
  ranges_[range] = {};
  ranges_[range].next = free_;
  free_ = range;
  ++free_count_;
}

}  // namespace weft::tcp
