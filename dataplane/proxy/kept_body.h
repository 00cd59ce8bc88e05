// SPDX-License-Identifier: Apache-2.0
/// @file What of requests' bodies has gone to an endpoint, kept for another attempt and for mirrors: shares of the
/// slices that they came in.
///
/// One store a worker. What is kept pins packet buffers that TCP has given back, so there are only so many slices for
/// all bodies together; all memory is taken at construction. One thread.
#pragma once

#include <cstdint>
#include <vector>

#include "buffer/slice.h"

namespace weft::proxy {

/// 20 bytes.
struct KeptBody {
  static constexpr uint32_t kNone = UINT32_MAX;
  /// Of those that are kept in case an endpoint's connection turns out to be stale,
  static constexpr uint32_t kShort = 8 << 10;
  /// and where a rule asks for retries or mirrors: as much as Linkerd keeps.
  static constexpr uint32_t kLong = 64 << 10;

  /// Each pins a buffer, however few bytes it has: what came in smaller pieces than a kilobyte is hardly kept.
  static constexpr uint32_t most_slices(uint32_t bytes) { return bytes / 1024 + 4; }

  uint32_t first = kNone;
  uint32_t last = kNone;
  uint32_t bytes = 0;
  uint32_t most = kShort;  ///< bytes
  uint16_t slices = 0;
  bool is_whole = true;  ///< false: something was not kept, and so nothing is
};

class KeptBodies {
 public:
  /// Throws std::bad_alloc. @param slices of all bodies
  explicit KeptBodies(uint32_t slices);

  /// Behind what there is of it. Too much, and where no slice is left, gives it all up.
  void keep(KeptBody& body, buffer::Slice slice);
  void forget(KeptBody& body);

  const buffer::Slice& operator[](uint32_t number) const { return kept_[number].slice; }
  uint32_t after(uint32_t number) const { return kept_[number].next; }

  size_t memory_bytes() const { return kept_.size() * sizeof(Kept); }

 private:
  struct Kept {
    buffer::Slice slice;
    uint32_t next = KeptBody::kNone;
  };

  std::vector<Kept> kept_;
  uint32_t free_ = KeptBody::kNone;
};

}  // namespace weft::proxy
