// SPDX-License-Identifier: Apache-2.0
/// @file What pairs of a caller and a service have under way, held by all workers of a node together.
///
/// Each pair has a place, with bounds as circuit breakers have them: shared by chunks, no atomic on most uses, no more
/// than the bound ever (breaker.h). Places are found by hash, and are a pair's as long as any worker has it open: from
/// its first use there until nothing of it was in use when the worker looked after that place. So idle pairs cost
/// nothing, and there may be more pairs than places as long as they are not in use together. A pair that finds no place
/// is not bounded, which is counted: what protects callers from each other must not refuse those who do nothing wrong.
///
/// No clock, no allocation after construction. A worker uses its own number; any may read.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <vector>

#include "lb/breaker.h"

namespace weft::lb {

class CallerBoard {
 public:
  enum Kind : uint8_t { connections, pending, requests };
  static constexpr size_t kKinds = 3;
  static constexpr uint32_t kNone = UINT32_MAX;
  static constexpr uint32_t kWays = 8;          ///< places that a pair may have
  static constexpr uint32_t kLookedAfter = 16;  ///< places a call

  /// Throws std::bad_alloc. @param places a power of two, at least 8; 32 bytes each, and 56 for each worker
  CallerBoard(uint32_t places, uint32_t workers);

  /// The pair's place, until look_after() finds nothing of it in use. @param key caller_key()
  /// @returns kNone: there is none
  uint32_t open(uint32_t worker, uint64_t key) {
    Worker& own = workers_[worker];
    const uint32_t first = first_of(key);
    for (uint32_t place = first; place < first + kWays; ++place) {
      if (own.keys[place] == key) [[likely]] {
        return place;
      }
    }
    return claim(own, key);
  }
  /// Precondition: the worker has opened it. @returns false: the bound is reached
  bool take(uint32_t worker, Kind kind, uint32_t place, uint32_t limit) {
    SharedBound& bound = places_[place].bounds[kind];
    if (bound.take(workers_[worker].shares[place][kind], limit, count())) [[likely]] {
      return true;
    }
    if (in_use(kind, place) < limit) {
      wishes_.say(worker, place * uint32_t{kKinds} + kind, bound.wished);
    }
    return false;
  }
  /// Precondition: one was taken.
  void give_back(uint32_t worker, Kind kind, uint32_t place) {
    places_[place].bounds[kind].give_back(workers_[worker].shares[place][kind]);
  }
  /// Each worker, once a millisecond or so: what others wish for goes back, and places of which nothing is in use.
  void look_after(uint32_t worker);

  /// Node-wide, now; what changes meanwhile may be missed.
  uint32_t in_use(Kind kind, uint32_t place) const {
    uint32_t sum = 0;
    for (const Worker& each : workers_) {
      sum += each.shares[place][kind].in_use();
    }
    return sum;
  }
  uint32_t held(Kind kind, uint32_t place) const { return places_[place].bounds[kind].held(); }
  /// Places that any worker has open.
  uint32_t open_places() const;
  uint32_t places() const { return static_cast<uint32_t>(places_.size()); }
  size_t memory_bytes() const;

 private:
  using Shares = std::array<BreakerShare, kKinds>;

  /// A pair's, as its key's front bits say, while workers have it open.
  struct Place {
    std::atomic<uint64_t> owner{0};  ///< of the key all but the last bits; and there, how many workers, or kTentative
    SharedBound bounds[kKinds];
  };
  struct Worker {
    std::vector<uint64_t> keys;  ///< by place; 0: not open
    std::vector<Shares> shares;
    uint32_t looked_after = 0;
  };
  static constexpr uint64_t kWorkers = 0xffff;
  static constexpr uint64_t kTentative = kWorkers;  ///< one has claimed it, and may give it back at once

  uint32_t count() const { return static_cast<uint32_t>(workers_.size()); }
  uint32_t first_of(uint64_t key) const { return static_cast<uint32_t>(key >> 32) * kWays & (places() - 1); }
  uint32_t claim(Worker& own, uint64_t key);
  bool join(uint32_t place, uint64_t tag);
  void close(Worker& own, uint32_t place);

  std::vector<Place> places_;
  std::vector<Worker> workers_;
  WishRing wishes_;
};

}  // namespace weft::lb
