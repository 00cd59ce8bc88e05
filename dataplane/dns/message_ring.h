// SPDX-License-Identifier: Apache-2.0
/// @file Messages of any length from one thread to another: one producer, one consumer, no lock.
///
/// A message lies in one piece. The producer never waits: what finds no room is refused. All memory is taken and
/// touched at construction.
#pragma once

#include <atomic>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <vector>

namespace weft::dns {

class MessageRing {
 public:
  /// @param bytes at least; rounded up to a power of two. A message may have half of them less 8 at most
  explicit MessageRing(size_t bytes) : memory_(std::bit_ceil(bytes)), mask_(memory_.size() - 1) {}

  /// The producer's. @param parts written one behind the other. @returns false: there is no room
  bool put(std::span<const std::byte> first, std::span<const std::byte> second) {
    const size_t length = first.size() + second.size();
    const size_t needed = kLength + (length + kAlignment - 1) / kAlignment * kAlignment;
    size_t head = head_.load(std::memory_order_relaxed);
    const size_t to_end = memory_.size() - (head & mask_);
    const size_t skipped = needed > to_end ? to_end : 0;  // what is left at the end is too short
    if (needed > memory_.size() / 2 ||
        memory_.size() - (head - tail_.load(std::memory_order_acquire)) < skipped + needed) {
      return false;
    }
    if (skipped > 0) {
      write_length(head, kSkip);
      head += skipped;
    }
    write_length(head, length);
    std::byte* const to = &memory_[head & mask_] + kLength;
    std::memcpy(to, first.data(), first.size());
    if (!second.empty()) {
      std::memcpy(to + first.size(), second.data(), second.size());
    }
    head_.store(head + needed, std::memory_order_release);
    return true;
  }

  /// The consumer's: the oldest message, until pop(); empty: there is none.
  std::span<const std::byte> front() {
    size_t tail = tail_.load(std::memory_order_relaxed);
    if (tail == head_.load(std::memory_order_acquire)) {
      return {};
    }
    size_t length = length_at(tail);
    if (length == kSkip) {
      tail += memory_.size() - (tail & mask_);
      tail_.store(tail, std::memory_order_release);
      length = length_at(tail);
    }
    return {&memory_[tail & mask_] + kLength, length};
  }
  /// Precondition: front() was not empty.
  void pop() {
    const size_t tail = tail_.load(std::memory_order_relaxed);
    tail_.store(tail + kLength + (length_at(tail) + kAlignment - 1) / kAlignment * kAlignment,
                std::memory_order_release);
  }

 private:
  static constexpr size_t kAlignment = 8;
  static constexpr size_t kLength = 8;
  static constexpr size_t kSkip = SIZE_MAX;

  size_t length_at(size_t place) const {
    size_t length;
    std::memcpy(&length, &memory_[place & mask_], sizeof length);
    return length;
  }
  void write_length(size_t place, size_t length) { std::memcpy(&memory_[place & mask_], &length, sizeof length); }

  std::vector<std::byte> memory_;
  const size_t mask_;
  alignas(64) std::atomic<size_t> head_{0};
  alignas(64) std::atomic<size_t> tail_{0};
};

}  // namespace weft::dns
