// SPDX-License-Identifier: Apache-2.0
/// @file From a socket pair to what is known of it: connections, handshakes and TIME-WAITs in one table.
///
/// Buckets of a cache line: eight tags of 16 bits, compared at once, eight references, and how many entries that belong
/// here lie further on (linear probing). A look-up of what is not there reads one line; a tag that agrees by chance
/// costs the record it leads to. Never grows: loaded to three quarters at most. One thread.
#pragma once

#include <immintrin.h>

#include <bit>
#include <cassert>
#include <cstdint>
#include <vector>

namespace weft::tcp {

/// What a place leads to, and where in its own table that is.
struct Reference {
  enum class Kind : uint32_t { none, connection, half_open, time_wait };

  uint32_t value = 0;

  Reference() = default;
  Reference(Kind kind, uint32_t index) : value(static_cast<uint32_t>(kind) << 30 | index) {}
  Kind kind() const { return static_cast<Kind>(value >> 30); }
  uint32_t index() const { return value & kMaxIndex; }
  bool operator==(const Reference&) const = default;

  static constexpr uint32_t kMaxIndex = (1U << 30) - 1;
};

class Table {
 public:
  explicit Table(uint32_t entries) : buckets_(std::bit_ceil(entries / 6 + 1)) {}

  void prefetch(uint64_t hash) const { __builtin_prefetch(&buckets_[bucket_of(hash)]); }

  /// @param is_it whether the reference leads to what is looked for
  template <typename IsIt>
  Reference find(uint64_t hash, IsIt is_it) const {
    const size_t home = bucket_of(hash);
    for (size_t at = home;;) {
      const Bucket& bucket = buckets_[at];
      for (uint32_t found = matches(bucket, tag_of(hash)); found != 0; found &= found - 1) {
        const Reference reference = bucket.references[std::countr_zero(found)];
        if (is_it(reference)) {
          return reference;
        }
      }
      // Entries may lie beyond every bucket of a small table, each behind one that was full and is not any more.
      if (bucket.further == 0 || (at = next(at)) == home) {
        return {};
      }
    }
  }
  /// The first whose tag agrees: what is worth prefetching.
  Reference candidate(uint64_t hash) const {
    const Bucket& bucket = buckets_[bucket_of(hash)];
    const uint32_t found = matches(bucket, tag_of(hash));
    return found == 0 ? Reference() : bucket.references[std::countr_zero(found)];
  }
  /// Precondition: it is not there, and there are fewer entries than the table was made for.
  void insert(uint64_t hash, Reference reference) {
    for (size_t at = bucket_of(hash);; at = next(at)) {
      Bucket& bucket = buckets_[at];
      const uint32_t empty = matches(bucket, kEmpty);
      if (empty != 0) {
        const int slot = std::countr_zero(empty);
        bucket.tags[slot] = tag_of(hash);
        bucket.references[slot] = reference;
        return;
      }
      ++bucket.further;
    }
  }
  /// Precondition: it is there.
  void erase(uint64_t hash, Reference reference) {
    for (size_t at = bucket_of(hash);; at = next(at)) {
      Bucket& bucket = buckets_[at];
      for (uint32_t found = matches(bucket, tag_of(hash)); found != 0; found &= found - 1) {
        const int slot = std::countr_zero(found);
        if (bucket.references[slot] == reference) {
          bucket.tags[slot] = kEmpty;
          return;
        }
      }
      assert(bucket.further > 0);
      --bucket.further;
    }
  }
  /// The same place leads elsewhere. Precondition: it is there.
  void replace(uint64_t hash, Reference from, Reference to) {
    for (size_t at = bucket_of(hash);; at = next(at)) {
      Bucket& bucket = buckets_[at];
      for (uint32_t found = matches(bucket, tag_of(hash)); found != 0; found &= found - 1) {
        Reference& reference = bucket.references[std::countr_zero(found)];
        if (reference == from) {
          reference = to;
          return;
        }
      }
    }
  }
  size_t memory_bytes() const { return buckets_.size() * sizeof(Bucket); }

 private:
  static constexpr uint16_t kEmpty = 0;
  struct alignas(64) Bucket {
    uint16_t tags[8] = {};
    Reference references[8];
    uint32_t further = 0;  ///< entries that found this bucket full on their way
  };
  static_assert(sizeof(Bucket) == 64);

  size_t bucket_of(uint64_t hash) const { return hash & (buckets_.size() - 1); }
  size_t next(size_t bucket) const { return (bucket + 1) & (buckets_.size() - 1); }
  static uint16_t tag_of(uint64_t hash) { return static_cast<uint16_t>(hash >> 48 | 1); }
  /// A bit for each of the eight tags that is this one.
  static uint32_t matches(const Bucket& bucket, uint16_t tag) {
    const __m128i tags = _mm_load_si128(reinterpret_cast<const __m128i*>(bucket.tags));
    const __m128i equal = _mm_cmpeq_epi16(tags, _mm_set1_epi16(static_cast<int16_t>(tag)));
    return static_cast<uint32_t>(_mm_movemask_epi8(_mm_packs_epi16(equal, _mm_setzero_si128())));
  }

  std::vector<Bucket> buckets_;
};

}  // namespace weft::tcp
