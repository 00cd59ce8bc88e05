// SPDX-License-Identifier: Apache-2.0
/// @file A value that one thread publishes whole and any thread reads whole: a sequence lock.
///
/// The writer never waits. A reader that meets a publication under way reads again. So a reader's copy is always one
/// that the writer published: what adds up in the writer's hands adds up in the reader's.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <cstring>
#include <type_traits>

namespace weft::runtime {

template <typename T>
class Published {
  static_assert(std::is_trivially_copyable_v<T> && sizeof(T) % sizeof(uint64_t) == 0);
  static constexpr size_t kWords = sizeof(T) / sizeof(uint64_t);

 public:
  void publish(const T& value) {
    const uint64_t sequence = sequence_.load(std::memory_order_relaxed);
    sequence_.store(sequence + 1, std::memory_order_relaxed);
    const auto* words = reinterpret_cast<const std::byte*>(&value);
    for (size_t i = 0; i < kWords; ++i) {
      uint64_t word;
      std::memcpy(&word, words + i * sizeof word, sizeof word);
      words_[i].store(word, std::memory_order_release);  // not before the odd sequence number
    }
    sequence_.store(sequence + 2, std::memory_order_release);
  }

  T read() const {
    std::array<uint64_t, kWords> copy;
    for (;;) {
      const uint64_t before = sequence_.load(std::memory_order_acquire);
      for (size_t i = 0; i < kWords; ++i) {
        copy[i] = words_[i].load(std::memory_order_acquire);  // not after the sequence number's second look
      }
      if (before % 2 == 0 && sequence_.load(std::memory_order_relaxed) == before) {
        T value;
        std::memcpy(static_cast<void*>(&value), copy.data(), sizeof value);
        return value;
      }
    }
  }

 private:
  alignas(64) std::atomic<uint64_t> sequence_{0};
  std::array<std::atomic<uint64_t>, kWords> words_{};
};

}  // namespace weft::runtime
