// SPDX-License-Identifier: Apache-2.0
#include "packet/sum.h"

#include <array>
#include <cstring>

namespace weft::packet {
namespace {

// The compiler's vectors, not intrinsics: one text for AVX2, AVX-512 and clang.
#ifdef __AVX512F__
constexpr size_t kWidth = 64;
#else
constexpr size_t kWidth = 32;
#endif
using Vector [[gnu::vector_size(kWidth)]] = uint64_t;
static_assert(kWidth <= kLongSum);

/// As many zeros as a vector has bytes, then as many ones: from `n` on, a mask of a vector's last n bytes.
alignas(64) constexpr auto kMasks = [] {
  std::array<uint8_t, 2 * kWidth> masks{};
  for (size_t i = kWidth; i < masks.size(); ++i) {
    masks[i] = 0xff;
  }
  return masks;
}();

void load(Vector& vector, const void* from) {
  std::memcpy(&vector, from, kWidth);
}

/// Each lane adds up 64-bit words, and their upper halves once more. The words' sum wraps; what is left of it without
/// the upper halves is the sum of the lower ones, which does not. That takes three instructions a step: taking each
/// word's halves apart and adding both would take four.
struct Accumulator {
  Vector words = {};
  Vector upper = {};

  void add(const Vector& next) {
    words += next;
    upper += next >> 32;
  }
  void add(const std::byte* at) {
    Vector next;
    load(next, at);
    add(next);
  }
  void add(const Accumulator& other) {
    words += other.words;
    upper += other.upper;
  }
  uint64_t sum() const {
    const Vector lanes = words - (upper << 32) + upper;
    uint64_t sum = 0;
    for (size_t i = 0; i < kWidth / sizeof(uint64_t); ++i) {
      sum += lanes[i];
    }
    return sum;
  }
};

}  // namespace

uint64_t sum_of_long(std::span<const std::byte> bytes) {
  const std::byte* at = bytes.data();
  size_t left = bytes.size();
  Accumulator sums[2];  // so that one step need not wait for the one before
  for (; left >= 4 * kWidth; at += 4 * kWidth, left -= 4 * kWidth) {
    sums[0].add(at);
    sums[1].add(at + kWidth);
    sums[0].add(at + 2 * kWidth);
    sums[1].add(at + 3 * kWidth);
  }
  for (; left >= kWidth; at += kWidth, left -= kWidth) {
    sums[0].add(at);
  }
  if (left > 0) {  // the last whole vector again, without what is counted already
    Vector last;
    Vector mask;
    load(last, at + left - kWidth);
    load(mask, kMasks.data() + left);
    last &= mask;
    if (left % 2 != 0) {  // its even bytes are odd ones of the whole
      last = last << 8 | last >> 56;
    }
    sums[1].add(last);
  }
  sums[0].add(sums[1]);
  return sums[0].sum();
}

}  // namespace weft::packet
