// SPDX-License-Identifier: Apache-2.0
/// @file Records of one size, from a worker to a thread that reads them: one producer, one consumer, no lock.
///
/// The producer never waits: where there is no room, the record is missed, and counted. All memory is taken and touched
/// at construction.
#pragma once

#include <atomic>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace weft::runtime {

class RecordRing {
 public:
  /// @param records at least; rounded up to a power of two
  RecordRing(size_t records, size_t record_bytes)
      : stride_((record_bytes + kAlignment - 1) / kAlignment * kAlignment),
        mask_(std::bit_ceil(records) - 1),
        memory_((mask_ + 1) * stride_) {}

  // The producer's side.
  /// Where the next record is to be written, or null if there is no room.
  std::byte* reserve() {
    const size_t head = head_.load(std::memory_order_relaxed);
    if (head - seen_tail_ > mask_) {
      seen_tail_ = tail_.load(std::memory_order_acquire);
      if (head - seen_tail_ > mask_) {
        missed_.store(missed_.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
        return nullptr;
      }
    }
    return &memory_[(head & mask_) * stride_];
  }
  /// Hands the record of the last reserve() to the consumer.
  void commit() { head_.store(head_.load(std::memory_order_relaxed) + 1, std::memory_order_release); }

  // The consumer's side.
  /// The oldest record, or null. It stays until pop().
  const std::byte* front() const {
    const size_t tail = tail_.load(std::memory_order_relaxed);
    return tail == head_.load(std::memory_order_acquire) ? nullptr : &memory_[(tail & mask_) * stride_];
  }
  void pop() { tail_.store(tail_.load(std::memory_order_relaxed) + 1, std::memory_order_release); }

  /// Any thread's.
  uint64_t missed() const { return missed_.load(std::memory_order_relaxed); }
  size_t capacity() const { return mask_ + 1; }

 private:
  static constexpr size_t kAlignment = 16;

  const size_t stride_;
  const size_t mask_;
  std::vector<std::byte> memory_;  // operator new aligns it to 16
  alignas(64) std::atomic<size_t> head_{0};
  size_t seen_tail_ = 0;  ///< the producer's last look
  std::atomic<uint64_t> missed_{0};
  alignas(64) std::atomic<size_t> tail_{0};
};

}  // namespace weft::runtime
