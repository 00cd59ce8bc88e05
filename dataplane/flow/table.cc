// SPDX-License-Identifier: Apache-2.0
#include "flow/table.h"

#include <algorithm>
#include <bit>

namespace weft::flow {

template <typename Key>
FlowTable<Key>::FlowTable(uint32_t capacity, const Timeouts& timeouts, uint64_t seed)
    : flows_(std::bit_ceil(capacity)),
      buckets_(std::max<size_t>(2, flows_.size() / 2)),  // two entries a flow, in buckets of seven
      bucket_mask_(buckets_.size() - 1),
      timeouts_(timeouts.by_state()),
      hurried_timeouts_(timeouts.hurried_by_state()),
      seed_(seed) {}

template <typename Key>
Ref FlowTable<Key>::search(const Key& key, uint64_t hash) const {
  const uint32_t tag = tag_of(hash);
  const Bucket* bucket = &buckets_[home(hash)];
  for (bool elsewhere = bucket->away > 0;; elsewhere = false) {
    for (uint32_t left = match(*bucket, tag); left != 0; left &= left - 1) {
      const Ref ref = bucket->refs[__builtin_ctz(left)];
      if (matches(ref, key)) {
        return ref;
      }
    }
    if (!elsewhere) {
      return {};
    }
    bucket = &buckets_[other(home(hash), tag)];
  }
}

template <typename Key>
bool FlowTable<Key>::add_entry(uint64_t hash, Ref ref) {
  const uint32_t tag = tag_of(hash);
  const uint64_t first = home(hash);
  const uint64_t second = other(first, tag);
  if (put(first, tag, ref, false)) {
    return true;
  }
  if (put(second, tag, ref, true) || (make_room(second) && put(second, tag, ref, true))) {
    ++buckets_[first].away;
    return true;
  }
  return make_room(first) && put(first, tag, ref, false);
}

template <typename Key>
bool FlowTable<Key>::put(uint64_t at, uint32_t tag, Ref ref, bool guest) {
  Bucket& bucket = buckets_[at];
  const uint32_t free = match(bucket, 0);
  if (free == 0) {
    return false;
  }
  const int entry = __builtin_ctz(free);
  bucket.tags[entry] = tag;
  bucket.refs[entry] = ref;
  bucket.guests = (bucket.guests & ~(1U << entry)) | (guest ? 1U << entry : 0);
  return true;
}

template <typename Key>
bool FlowTable<Key>::make_room(uint64_t at) {
  Bucket& bucket = buckets_[at];
  for (uint32_t entry = 0; entry < kEntries; ++entry) {
    const bool guest = (bucket.guests >> entry & 1) != 0;
    const uint64_t target = other(at, bucket.tags[entry]);
    if (put(target, bucket.tags[entry], bucket.refs[entry], !guest)) {
      bucket.tags[entry] = 0;
      if (guest) {
        --buckets_[target].away;  // it went home
      } else {
        ++bucket.away;
      }
      return true;
    }
  }
  return false;
}

template <typename Key>
void FlowTable<Key>::remove_entry(const Key& key, Ref ref) {
  const uint64_t hash = lb::hash_of(key, seed_);
  const uint32_t tag = tag_of(hash);
  const uint64_t first = home(hash);
  for (const uint64_t at : {first, other(first, tag)}) {
    Bucket& bucket = buckets_[at];
    for (uint32_t left = match(bucket, tag); left != 0; left &= left - 1) {
      const int entry = __builtin_ctz(left);
      if (bucket.refs[entry] == ref) {
        bucket.tags[entry] = 0;
        buckets_[first].away -= bucket.guests >> entry & 1;
        return;
      }
    }
  }
}

template <typename Key>
void FlowTable<Key>::remove(Ref ref) {
  const Flow& flow = flows_[ref.flow()];
  if (flow.has_request()) {
    remove_entry(flow.request, {ref.flow(), Direction::request});
  }
  if (flow.has_reply()) {
    remove_entry(flow.reply, {ref.flow(), Direction::reply});
  }
  give_back(ref.flow());
  --size_;
}

template <typename Key>
void FlowTable<Key>::remove_steered(const Key& reply, uint32_t owner) {
  const Ref ref = search(reply, lb::hash_of(reply, seed_));
  if (ref && flows_[ref.flow()].state == State::steered && flows_[ref.flow()].endpoint_slot == owner) {
    remove(ref);
  }
}

template <typename Key>
auto FlowTable<Key>::enter(Flow* flow, uint64_t request_hash, uint64_t reply_hash) -> Insertion {
  const auto index = static_cast<uint32_t>(flow - flows_.data());
  const bool found_by_request = flow->has_request() && add_entry(request_hash, {index, Direction::request});
  const bool whole = found_by_request || !flow->has_request();
  if (!whole || (flow->has_reply() && !add_entry(reply_hash, {index, Direction::reply}))) {
    if (found_by_request) {
      remove_entry(flow->request, {index, Direction::request});
    }
    give_back(index);
    return {.refusal = Refusal::full};
  }
  ++size_;
  return {.flow = flow, .ref = {index, flow->has_request() ? Direction::request : Direction::reply}};
}

template <typename Key>
auto FlowTable<Key>::take_record() -> Flow* {
  if (first_free_ != kEndOfList) {
    Flow* flow = &flows_[first_free_];
    first_free_ = flow->endpoint_slot;
    return flow;
  }
  return high_water_ < flows_.size() ? &flows_[high_water_++] : nullptr;
}

template <typename Key>
void FlowTable<Key>::give_back(uint32_t index) {
  Flow& flow = flows_[index];
  flow.request = {};  // so that a nominee of this record, taken before, matches no packet
  flow.reply = {};
  flow.state = State::free;
  flow.endpoint_slot = first_free_;
  first_free_ = index;
}

template class FlowTable<lb::FlowKey4>;
template class FlowTable<lb::FlowKey6>;

}  // namespace weft::flow
