// SPDX-License-Identifier: Apache-2.0
/// @file Reassembly of what arrives beyond gaps, beside a byte for each place of the stream.
#include <gtest/gtest.h>

#include <array>
#include <optional>
#include <random>
#include <vector>

#include "buffer/heap.h"
#include "tcp/reassembly.h"

namespace weft::tcp {
namespace {

constexpr uint32_t kStream = 3000;
constexpr uint32_t kBuffers = 600;

/// One connection's receiving side: what is in order is read at once, the rest waits.
class Receiver {
 public:
  Receiver(uint64_t seed, Seq start, uint32_t pieces, uint16_t max_ranges)
      : random_(seed), start_(start), pieces_(pieces), reassembly_(64, max_ranges), there_(kStream + 1) {}

  void step() {
    const uint32_t from = random(kStream);
    const uint32_t length = 1 + random(random(3) == 0 ? 400 : 40);
    arrive(from, std::min(length, kStream - from));
    check();
  }
  /// Everything once, in order: the stream is complete, and all pieces are back.
  void finish() {
    for (uint32_t at = 0; at < kStream; at += 50) {
      arrive(at, std::min(50U, kStream - at));
      check();
    }
    ASSERT_EQ(next_, kStream);
    ASSERT_EQ(first_, kNone);
    ASSERT_EQ(pieces_.free(), pieces_.capacity());
    ASSERT_EQ(pieces_.received(), 0);
    ASSERT_TRUE(buffers_.is_whole());
  }
  /// The connection ends, whatever it holds.
  void drop() {
    reassembly_.clear(first_, pieces_);
    ASSERT_EQ(first_, kNone);
    ASSERT_EQ(pieces_.free(), pieces_.capacity());
    ASSERT_TRUE(buffers_.is_whole());
  }

 private:
  uint32_t random(uint32_t below) { return static_cast<uint32_t>(random_() % below); }

  /// Bytes of a colour of their own: who came first stays.
  void arrive(uint32_t from, uint32_t length) {
    const auto colour = static_cast<std::byte>(1 + random_() % 255);
    buffer::Slice slice(buffers_.pool().take(), 7, static_cast<uint16_t>(length));
    std::fill(slice.writable().begin(), slice.writable().end(), colour);
    if (from + length <= next_) {
      return;
    }
    if (from <= next_) {  // as the engine does: in order
      for (uint32_t at = next_; at < from + length; ++at) {
        there_[at] = colour;  // the stretch below is decided by what came in order
      }
      next_ = from + length;
    } else {
      const bool had_all = has_all(from, from + length);
      const Reassembly::Result result = reassembly_.insert(first_, pieces_, start_ + from, slice, false, ++moment_);
      ASSERT_NE(result, had_all ? Reassembly::Result::added : Reassembly::Result::known);
      if (result != Reassembly::Result::added) {
        // What was refused may have been taken in part: the ranges say which.
        take_over(from, length, colour);
        return;
      }
      for (uint32_t at = from; at < from + length; ++at) {
        there_[at] = there_[at].value_or(colour);
      }
      return;
    }
    slice = {};
    Queue delivered;
    const Seq end = reassembly_.deliver(first_, pieces_, start_ + next_, delivered).next;
    uint32_t at = next_;
    while (!delivered.empty()) {
      const uint32_t piece = delivered.pop(pieces_);
      pieces_.uncount_received();
      ASSERT_EQ(pieces_[piece].sequence, start_ + at);
      for (const std::byte byte : pieces_[piece].slice.bytes()) {
        ASSERT_EQ(there_[at], byte) << "at " << at;
        ++at;
      }
      pieces_.give_back(piece);
    }
    ASSERT_EQ(start_ + at, end);
    while (next_ < kStream && there_[next_]) {
      ++next_;
    }
    ASSERT_EQ(at, next_) << "all that is there is delivered";
  }
  bool has_all(uint32_t from, uint32_t to) const {
    for (uint32_t at = from; at < to; ++at) {
      if (!there_[at]) {
        return false;
      }
    }
    return true;
  }
  void take_over(uint32_t from, uint32_t length, std::byte colour) {
    for (uint32_t range = first_; range != kNone; range = reassembly_[range].next) {
      for (Seq at = reassembly_[range].begin; at < reassembly_[range].end; at += 1) {
        const uint32_t place = at - start_;
        if (!there_[place]) {
          ASSERT_TRUE(place >= from && place < from + length) << "only what was offered is taken";
          there_[place] = colour;
        }
      }
    }
  }
  /// The ranges are what the model has beyond the gap: sorted, apart, each byte the first that came.
  void check() {
    uint32_t at = next_;
    uint32_t pieces = 0;
    for (uint32_t range = first_; range != kNone; range = reassembly_[range].next) {
      const uint32_t begin = reassembly_[range].begin - start_;
      const uint32_t end = reassembly_[range].end - start_;
      ASSERT_LT(begin, end);
      ASSERT_GT(begin, at) << "there is a gap before each range";
      for (; at < begin; ++at) {
        ASSERT_FALSE(there_[at]) << "what was taken is there: " << at;
      }
      uint32_t count = 0;
      for (uint32_t piece = reassembly_[range].pieces.head; piece != kNone; piece = pieces_[piece].next) {
        ASSERT_EQ(pieces_[piece].sequence, start_ + at);
        for (const std::byte byte : pieces_[piece].slice.bytes()) {
          ASSERT_EQ(there_[at], byte) << "at " << at;
          ++at;
        }
        ++count;
      }
      ASSERT_EQ(at, end);
      ASSERT_EQ(count, reassembly_[range].count);
      pieces += count;
    }
    for (; at < kStream; ++at) {
      ASSERT_FALSE(there_[at]);
    }
    ASSERT_EQ(pieces_.capacity() - pieces_.free(), pieces);
    check_blocks();
  }
  void check_blocks() {
    std::array<Block, 4> blocks;
    const uint8_t count = reassembly_.blocks(first_, blocks);
    uint32_t ranges = 0;
    for (uint32_t range = first_; range != kNone; range = reassembly_[range].next) {
      ++ranges;
    }
    ASSERT_EQ(count, std::min(ranges, 4U));
    for (uint8_t i = 0; i < count; ++i) {
      bool found = false;
      for (uint32_t range = first_; range != kNone; range = reassembly_[range].next) {
        found |= blocks[i] == Block{reassembly_[range].begin, reassembly_[range].end};
      }
      ASSERT_TRUE(found) << "a block is a range";
    }
  }

  std::mt19937_64 random_;
  const Seq start_;
  buffer::HeapBuffers buffers_{kBuffers, 512};
  Pieces pieces_;
  Reassembly reassembly_;
  uint32_t first_ = kNone;
  uint32_t next_ = 0;
  uint32_t moment_ = 0;
  std::vector<std::optional<std::byte>> there_;  ///< the model
};

class ReassemblyModel : public ::testing::TestWithParam<uint64_t> {};

TEST_P(ReassemblyModel, HoldsWhatAByteForEachPlaceHolds) {
  const uint64_t seed = GetParam();
  for (const uint32_t start : {uint32_t{1}, UINT32_MAX - kStream / 2}) {  // the second wraps in the middle
    Receiver plenty(seed, Seq(start), 512, 64);
    Receiver few(seed, Seq(start), 40, 5);
    for (int i = 0; i < 120; ++i) {
      ASSERT_NO_FATAL_FAILURE(plenty.step()) << i;
      ASSERT_NO_FATAL_FAILURE(few.step()) << i;
    }
    if (seed % 2 == 0) {
      ASSERT_NO_FATAL_FAILURE(plenty.finish());
      ASSERT_NO_FATAL_FAILURE(few.finish());
    } else {
      ASSERT_NO_FATAL_FAILURE(plenty.drop());
      ASSERT_NO_FATAL_FAILURE(few.drop());
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Seeds, ReassemblyModel, ::testing::Range<uint64_t>(1, 101));

}  // namespace
}  // namespace weft::tcp
