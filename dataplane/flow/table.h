// SPDX-License-Identifier: Apache-2.0
/// @file The flow table of one worker: bounded, allocation-free, found from both directions of a flow.
///
/// A flow is one record; an index leads to it from the request's and from the reply's tuple, or from the one of them
/// that it has (see flow.h). The index has 64-byte buckets of seven entries, each a 32-bit tag of the tuple's hash and
/// a reference to record and direction. An entry lives in one of two buckets: its home, or, when that is full, the one
/// that home and tag name together; when both are, another entry is moved to its own second bucket. A home counts its
/// entries that live away, so that a look-up (and above all one that finds nothing) seldom reads a second line. A tag
/// only nominates; the whole tuple decides, so two flows are never taken for one.
///
/// A burst is looked up in three passes, each ahead of its memory: prefetch(hash), then nominate(hash), which reads the
/// bucket and prefetches the record, then find(key, hash, nominee).
///
/// Flows expire by time stamp: find() does not return a flow past its time, and sweep() frees a few at a time. Once
/// half of the records are taken, sweep() is less patient with flows that are over, or that were never answered: new
/// connections may come at a rate at which a minute's worth of ended ones would fill any table.
///
/// Memory, all taken at construction: 64 bytes an IPv4 flow, 128 an IPv6 flow, and 32 bytes of index a flow, so that
/// the index is 57 % full at most; capacities are powers of two. Owned and used by one thread.
#pragma once

#include <immintrin.h>

#include <algorithm>
#include <cstdint>
#include <initializer_list>

#include "flow/flow.h"
#include "flow/pages.h"
#include "flow/state.h"

namespace weft::flow {

/// A record and the direction that a tuple matched in.
class Ref {
 public:
  constexpr Ref() = default;
  constexpr Ref(uint32_t flow, Direction direction) : value_(flow << 1 | static_cast<uint32_t>(direction)) {}

  constexpr explicit operator bool() const { return value_ != kNone; }
  constexpr uint32_t flow() const { return value_ >> 1; }
  constexpr Direction direction() const { return static_cast<Direction>(value_ & 1); }
  bool operator==(const Ref&) const = default;

 private:
  static constexpr uint32_t kNone = UINT32_MAX;
  uint32_t value_ = kNone;
};

template <typename Key>
class FlowTable {
 public:
  using Flow = flow::Flow<Key>;
  static constexpr uint32_t kMaxCapacity = uint32_t{1} << 30;

  enum class Refusal : uint8_t {
    none,
    full,      ///< no free record, or (most unlikely) no free entry in the index
    conflict,  ///< another live flow has the same reply tuple: its client uses one port towards two virtual addresses
  };
  struct Insertion {
    Flow* flow = nullptr;  ///< null if refused; else its tuples are set and the rest is fresh
    Ref ref = {};          ///< the flow, by its first tuple
    Refusal refusal = Refusal::none;
  };

  /// @param capacity in flows, 1 to kMaxCapacity; rounded up to a power of two. Throws std::bad_alloc.
  FlowTable(uint32_t capacity, const Timeouts& timeouts, uint64_t seed);

  void prefetch(uint64_t hash) const { __builtin_prefetch(&buckets_[hash & bucket_mask_]); }

  /// The first entry of the home bucket whose tag fits.
  Ref nominate(uint64_t hash) const {
    const Bucket& bucket = buckets_[hash & bucket_mask_];
    const uint32_t matches = match(bucket, tag_of(hash));
    if (matches == 0) {
      return {};
    }
    const Ref ref = bucket.refs[__builtin_ctz(matches)];
    __builtin_prefetch(&flows_[ref.flow()]);
    if constexpr (sizeof(Flow) > 64) {
      __builtin_prefetch(reinterpret_cast<const std::byte*>(&flows_[ref.flow()]) + 64);
    }
    return ref;
  }

  /// The live flow with this tuple, if any. @param nominee what nominate() said, or nothing
  Ref find(const Key& key, uint64_t hash, Ref nominee, time::Millis now) const {
    if (nominee && matches(nominee, key)) [[likely]] {
      return is_live(flows_[nominee.flow()], now) ? nominee : Ref{};
    }
    const Ref found = search(key, hash);
    return found && is_live(flows_[found.flow()], now) ? found : Ref{};
  }

  Flow& operator[](Ref ref) { return flows_[ref.flow()]; }
  const Flow& operator[](Ref ref) const { return flows_[ref.flow()]; }

  /// Makes a flow of both tuples. What stands in its way but is past its time is removed first; `removed(flow)` is told
  /// of each.
  /// @param hash of the request under the table's seed
  template <typename Removed>
  Insertion insert(const Key& request, uint64_t hash, const Key& reply, time::Millis now, Removed removed);

  /// The same of a tunnel, found by its request alone.
  template <typename Removed>
  Insertion insert_tunnel(Kind kind, const Key& request, uint64_t hash, const lb::Address& end, time::Millis now,
                          Removed removed);

  /// Notes that packets with this tuple are for another worker's flow, until remove_steered().
  template <typename Removed>
  Insertion insert_steered(const Key& reply, uint32_t owner, time::Millis now, Removed removed);
  void remove_steered(const Key& reply, uint32_t owner);

  /// What find() and insert() would read for a tuple that may come next.
  void prefetch_insert(uint64_t reply_hash) const {
    prefetch(reply_hash);
    if (first_free_ != kEndOfList) {
      __builtin_prefetch(&flows_[first_free_], 1);
    }
  }

  void remove(Ref ref);

  /// How many records to look at, so long after the last time: a pass over all takes about four seconds; a sixteenth of
  /// a second when the table is half full, or a quarter if the pass before found little to remove. No more than
  /// kMostSwept, however long it was: a turn is short.
  uint32_t sweep_budget(time::Millis since) const {
    const uint64_t pass = !is_half_full() ? 4096 : last_pass_was_worth_it_ ? 64 : 256;
    return static_cast<uint32_t>(
        std::min<uint64_t>(high_water_ * std::min<uint64_t>(since, pass) / pass + 1, kMostSwept));
  }
  /// Looks at the next records, at most `budget` of them, and removes flows past patience() for which
  /// `removable(flow)` says yes.
  template <typename Removed>
  void sweep(uint32_t budget, time::Millis now, Removed removable);

  /// Looks at `budget` records from record `from` on, and calls visit(flow) for those that hold a live flow.
  /// @param from 0, or what the last call returned: where to go on; 0 at the end
  template <typename Visit>
  uint32_t visit(uint32_t from, uint32_t budget, time::Millis now, Visit visit) const;

  uint32_t size() const { return size_; }
  uint32_t capacity() const { return static_cast<uint32_t>(flows_.size()); }
  /// Records below this have been used at some time: what a sweep has to look at.
  uint32_t high_water() const { return high_water_; }
  size_t memory_bytes() const { return flows_.memory_bytes() + buckets_.memory_bytes(); }
  time::Millis timeout(State state) const { return timeouts_[static_cast<size_t>(state)]; }
  /// How long after its last packet a sweep leaves a flow alone.
  time::Millis patience(State state) const {
    return (is_half_full() ? hurried_timeouts_ : timeouts_)[static_cast<size_t>(state)];
  }

 private:
  static constexpr uint32_t kEntries = 7;
  static constexpr uint32_t kMostSwept = 4096;  ///< records a call
  struct alignas(64) Bucket {
    uint32_t tags[kEntries];  ///< 0: the entry is free
    uint32_t guests;          ///< one bit an entry: its home is its other bucket
    Ref refs[kEntries];
    uint32_t away;  ///< how many entries have their home here and live in their other bucket
  };
  static_assert(sizeof(Bucket) == 64);

  static constexpr uint32_t tag_of(uint64_t hash) {
    const auto tag = static_cast<uint32_t>(hash >> 32);
    return tag == 0 ? 1 : tag;
  }
  /// One bit an entry.
  static uint32_t match(const Bucket& bucket, uint32_t tag) {
    const __m256i tags = _mm256_load_si256(reinterpret_cast<const __m256i*>(bucket.tags));
    const __m256i equal = _mm256_cmpeq_epi32(tags, _mm256_set1_epi32(static_cast<int>(tag)));
    constexpr uint32_t kAll = (1 << kEntries) - 1;  // the eighth lane is `guests`
    return static_cast<uint32_t>(_mm256_movemask_ps(_mm256_castsi256_ps(equal))) & kAll;
  }

  uint64_t home(uint64_t hash) const { return hash & bucket_mask_; }
  /// Where an entry goes whose home is full; applied twice it leads back.
  uint64_t other(uint64_t bucket, uint32_t tag) const {
    return (bucket ^ (uint64_t{tag} * 0x5bd1e995 + 1)) & bucket_mask_;
  }

  bool matches(Ref ref, const Key& key) const {
    const Flow& flow = flows_[ref.flow()];
    return (ref.direction() == Direction::request ? flow.request : flow.reply) == key;
  }
  bool is_half_full() const { return size_ >= capacity() / 2; }
  bool is_live(const Flow& flow, time::Millis now) const {
    return time::elapsed(flow.last_seen, now) <= timeouts_[static_cast<size_t>(flow.state)];
  }

  Ref search(const Key& key, uint64_t hash) const;
  /// Removes what stands in a new flow's way, unless it lives: then false.
  template <typename Removed>
  bool give_way(Ref stale, time::Millis now, Removed& removed);
  /// Puts a record's tuples into the index.
  Insertion enter(Flow* flow, uint64_t request_hash, uint64_t reply_hash);
  bool add_entry(uint64_t hash, Ref ref);
  void remove_entry(const Key& key, Ref ref);
  /// Puts an entry into a bucket, as a guest or at home. @returns false if there is no room
  bool put(uint64_t at, uint32_t tag, Ref ref, bool guest);
  /// Moves one entry of a full bucket to its other bucket. @returns false if none can be moved
  bool make_room(uint64_t at);
  Flow* take_record();
  void give_back(uint32_t flow);

  Pages<Flow> flows_;
  Pages<Bucket> buckets_;
  uint64_t bucket_mask_;
  std::array<time::Millis, kStates> timeouts_;
  std::array<time::Millis, kStates> hurried_timeouts_;
  uint64_t seed_;
  uint32_t size_ = 0;
  uint32_t high_water_ = 0;
  uint32_t first_free_ = kEndOfList;  ///< freed records, linked through Flow::endpoint_slot
  uint32_t sweep_at_ = 0;
  uint32_t removed_in_pass_ = 0;
  bool last_pass_was_worth_it_ = true;  ///< it removed one in 64

  static constexpr uint32_t kEndOfList = UINT32_MAX;
};

template <typename Key>
template <typename Removed>
auto FlowTable<Key>::insert(const Key& request, uint64_t hash, const Key& reply, time::Millis now, Removed removed)
    -> Insertion {
  const uint64_t reply_hash = lb::hash_of(reply, seed_);
  if (!give_way(search(request, hash), now, removed) || !give_way(search(reply, reply_hash), now, removed)) {
    return {.refusal = Refusal::conflict};
  }
  Flow* flow = take_record();
  if (flow == nullptr) {
    return {.refusal = Refusal::full};
  }
  *flow = Flow{.request = request, .reply = reply, .created = now, .last_seen = now};
  return enter(flow, hash, reply_hash);
}

template <typename Key>
template <typename Removed>
auto FlowTable<Key>::insert_tunnel(Kind kind, const Key& request, uint64_t hash, const lb::Address& end,
                                   time::Millis now, Removed removed) -> Insertion {
  if (!give_way(search(request, hash), now, removed)) {
    return {.refusal = Refusal::conflict};
  }
  Flow* flow = take_record();
  if (flow == nullptr) {
    return {.refusal = Refusal::full};
  }
  *flow = Flow{.request = request, .created = now, .last_seen = now, .kind = kind};
  flow->set_tunnel_end(end);
  return enter(flow, hash, 0);
}

template <typename Key>
template <typename Removed>
auto FlowTable<Key>::insert_steered(const Key& reply, uint32_t owner, time::Millis now, Removed removed) -> Insertion {
  const uint64_t hash = lb::hash_of(reply, seed_);
  const Ref present = search(reply, hash);
  if (present && flows_[present.flow()].state == State::steered) {  // the flow has a new owner
    remove(present);
  } else if (!give_way(present, now, removed)) {
    return {.refusal = Refusal::conflict};
  }
  Flow* flow = take_record();
  if (flow == nullptr) {
    return {.refusal = Refusal::full};
  }
  *flow = Flow{.reply = reply,
               .created = now,
               .last_seen = now,
               .endpoint_slot = owner,
               .state = State::steered,
               .kind = Kind::steered};
  return enter(flow, 0, hash);
}

template <typename Key>
template <typename Removed>
bool FlowTable<Key>::give_way(Ref stale, time::Millis now, Removed& removed) {
  if (!stale) {
    return true;
  }
  const Flow& flow = flows_[stale.flow()];
  if (is_live(flow, now) && !is_over(flow.state)) {
    return false;
  }
  removed(flow);
  remove(stale);
  return true;
}

template <typename Key>
template <typename Removed>
void FlowTable<Key>::sweep(uint32_t budget, time::Millis now, Removed removable) {
  for (; budget > 0 && high_water_ > 0; --budget) {
    if (++sweep_at_ >= high_water_) {
      sweep_at_ = 0;
      last_pass_was_worth_it_ = removed_in_pass_ >= high_water_ / 64;
      removed_in_pass_ = 0;
    }
    const Flow& flow = flows_[sweep_at_];
    if (flow.state != State::free && time::elapsed(flow.last_seen, now) > patience(flow.state)) {
      if (!removable(flow)) {
        continue;
      }
      remove({sweep_at_, Direction::request});
      ++removed_in_pass_;
    }
  }
}

template <typename Key>
template <typename Visit>
uint32_t FlowTable<Key>::visit(uint32_t from, uint32_t budget, time::Millis now, Visit visit) const {
  const uint32_t end = from + std::min(budget, high_water_ - from);
  for (; from < end; ++from) {
    const Flow& flow = flows_[from];
    if (flow.state != State::free && is_live(flow, now)) {
      visit(flow);
    }
  }
  return end < high_water_ ? end : 0;
}

extern template class FlowTable<lb::FlowKey4>;
extern template class FlowTable<lb::FlowKey6>;
using FlowTable4 = FlowTable<lb::FlowKey4>;
using FlowTable6 = FlowTable<lb::FlowKey6>;

}  // namespace weft::flow
