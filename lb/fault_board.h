// SPDX-License-Identifier: Apache-2.0
/// @file What was done by faults, and the bound of those that bound bandwidth: one a node.
///
/// Counters are a worker's own line a fault, which any thread may read. A place that another fault had is counted anew
/// by the first who counts there. Bandwidth is one number a fault that all workers share, as GCRA has it (ITU-T I.371):
/// the time at which the bucket will be full again; so it costs an atomic a packet, of those that the fault is about.
///
/// No allocation after construction; 16 KiB a worker.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "lb/fault.h"

namespace weft::lb {

enum class Injected : uint8_t {
  delayed,    ///< requests and connections
  aborted,    ///< requests, by a status
  reset,      ///< clients' connections
  dead,       ///< attempts and packets that got no answer
  lost,       ///< packets
  throttled,  ///< packets dropped for the bandwidth
};
constexpr size_t kInjected = 6;

class FaultBoard {
 public:
  /// Throws std::bad_alloc.
  explicit FaultBoard(uint32_t workers) : tallies_(size_t{workers} * Fault::kMost), buckets_(Fault::kMost) {}

  /// By the worker alone.
  void count(uint32_t worker, const Fault& fault, Injected what) {
    Tally& tally = tallies_[size_t{worker} * Fault::kMost + fault.number];
    if (tally.id.load(std::memory_order_relaxed) != fault.id) {
      for (std::atomic<uint64_t>& each : tally.counts) {
        each.store(0, std::memory_order_relaxed);
      }
      tally.id.store(fault.id, std::memory_order_release);
    }
    std::atomic<uint64_t>& count = tally.counts[static_cast<size_t>(what)];
    count.store(count.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
  }
  /// Over all workers. Any thread.
  uint64_t sum(const Fault& fault, Injected what) const {
    uint64_t sum = 0;
    for (size_t i = fault.number; i < tallies_.size(); i += Fault::kMost) {
      const Tally& tally = tallies_[i];
      const bool is_its = tally.id.load(std::memory_order_acquire) == fault.id;
      sum += is_its ? tally.counts[static_cast<size_t>(what)].load(std::memory_order_relaxed) : 0;
    }
    return sum;
  }

  /// Is there room for another packet? Precondition: the fault bounds bandwidth. Any worker.
  bool has_room(const Fault& fault, uint32_t bytes, uint64_t now_ns) {
    constexpr uint64_t kSecond = 1'000'000'000;
    Bucket& bucket = buckets_[fault.number];
    if (bucket.id.load(std::memory_order_acquire) != fault.id) {
      bucket.full_ns.store(now_ns, std::memory_order_relaxed);
      bucket.id.store(fault.id, std::memory_order_release);  // who sees it sees that it begins full
    }
    const uint64_t cost = uint64_t{bytes} * 8 * kSecond / fault.bits_per_second;
    const uint64_t most = fault.burst_bits();
    const uint64_t burst =
        most / fault.bits_per_second * kSecond + most % fault.bits_per_second * kSecond / fault.bits_per_second;
    uint64_t full = bucket.full_ns.load(std::memory_order_relaxed);
    for (;;) {
      const uint64_t from = full > now_ns ? full : now_ns;
      if (from + cost > now_ns + burst) {
        return false;
      }
      if (bucket.full_ns.compare_exchange_weak(full, from + cost, std::memory_order_relaxed)) {
        return true;
      }
    }
  }

 private:
  struct alignas(64) Tally {
    std::atomic<uint64_t> id{0};
    std::array<std::atomic<uint64_t>, kInjected> counts{};
  };
  struct alignas(64) Bucket {
    std::atomic<uint64_t> id{0};
    std::atomic<uint64_t> full_ns{0};
  };

  std::vector<Tally> tallies_;  ///< by worker and the fault's number
  std::vector<Bucket> buckets_;
};

}  // namespace weft::lb
