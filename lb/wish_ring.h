// SPDX-License-Identifier: Apache-2.0
/// @file What workers wish of each other: numbers, of which each worker hears all once, in its own time.
///
/// The last 256 wishes are kept. A worker that comes later than that misses some; so a wish is said again as long as
/// there is a reason for it, but not before whoever says it has heard its last one. Hearing nothing costs one load.
///
/// No clock, no allocation after construction. Any number of threads may wish; each worker hears by its own number.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <vector>

namespace weft::lb {

class WishRing {
 public:
  /// Where a wish keeps when it was said last.
  using Said = std::atomic<uint32_t>;

  explicit WishRing(uint32_t workers) : heard_(workers) {
    for (std::atomic<uint64_t>& each : entries_) {
      each.store(UINT64_MAX, std::memory_order_relaxed);
    }
  }

  /// @param said of this very wish @param worker who says it
  void say(uint32_t worker, uint32_t wish, Said& said) {
    const uint32_t heard = heard_[worker].until;
    if (said.load(std::memory_order_relaxed) - heard - 1 < said_.load(std::memory_order_relaxed) - heard) {
      return;  // all will hear it that hear what is new to this worker
    }
    const uint32_t number = said_.fetch_add(1, std::memory_order_relaxed);
    entries_[number % kKept].store(uint64_t{number} << 32 | wish, std::memory_order_relaxed);
    said.store(number + 1, std::memory_order_relaxed);
  }
  /// Calls use(wish) for each that was said since.
  template <typename Use>
  void hear(uint32_t worker, Use use) {
    uint32_t& heard = heard_[worker].until;
    const uint32_t said = said_.load(std::memory_order_relaxed);
    if (said - heard > kKept) [[unlikely]] {
      heard = said - kKept;
    }
    for (; heard != said; ++heard) {
      const uint64_t entry = entries_[heard % kKept].load(std::memory_order_relaxed);
      const auto number = static_cast<uint32_t>(entry >> 32);
      if (number == heard) {
        use(static_cast<uint32_t>(entry));
      } else if (static_cast<int32_t>(number - heard) < 0) {
        return;  // it is being written
      }          // else it was overwritten
    }
  }

 private:
  static constexpr uint32_t kKept = 256;

  struct alignas(64) Heard {
    uint32_t until = 0;
  };

  alignas(64) std::atomic<uint32_t> said_{0};
  alignas(64) std::array<std::atomic<uint64_t>, kKept> entries_;  ///< number, and wish
  std::vector<Heard> heard_;                                      ///< by worker
};

}  // namespace weft::lb
