// SPDX-License-Identifier: Apache-2.0
#include "lb/request_limit.h"

#include <algorithm>
#include <string_view>

#include "lb/bytes.h"
#include "lb/flow_key.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

namespace weft::lb {
namespace {

constexpr size_t kEight = 8;
// A bucket's number: in front some bits of its key, and then the time, in ticks, which comes round after nine years.
constexpr int kTimeBits = 52;
constexpr uint64_t kTimeMask = (uint64_t{1} << kTimeBits) - 1;
constexpr uint64_t kTagMask = ~kTimeMask;

// 62.5 ns each: nanoseconds would come round after 52 days.
constexpr uint64_t ticks_of(uint64_t ns) {
  return ns / 125 * 2 + ns % 125 * 2 / 125;
}
constexpr uint64_t ticks_up(uint64_t ns) {
  return (ns * 2 + 124) / 125;
}
constexpr uint64_t ns_of(uint64_t ticks) {
  return (ticks * 125 + 1) / 2;
}

/// How far in the future a time lies; 0: it does not. What is further away than any bucket is from being full lies in
/// the past.
uint64_t ahead_of(uint64_t bucket, uint64_t now) {
  constexpr uint64_t kMost = 2 * ticks_up(RequestRate::kMostTime);  // intervals are rounded up, each of a burst
  const uint64_t ahead = (bucket - now) & kTimeMask;
  const bool is_unused = (bucket & kTagMask) == 0;
  return ahead <= kMost && !is_unused ? ahead : 0;
}

/// Never that of zeroed memory.
uint64_t tag_of(uint64_t key) {
  return (key & kTagMask) | (uint64_t{1} << kTimeBits);
}

}  // namespace

uint64_t bucket_key(const RequestLimit& limit, const HttpRequest& request, const Address& client,
                    const Caller* caller) {
  uint64_t hash = limit.id;
  const auto add = [&hash](std::string_view text) { hash = XXH3_64bits_withSeed(text.data(), text.size(), hash); };
  switch (limit.by) {
    case RequestLimit::By::all:
      break;
    case RequestLimit::By::address:
      hash = hash_of(client, hash);
      break;
    case RequestLimit::By::service:
      if (caller != nullptr) {
        std::for_each(caller->principals.begin(), caller->principals.end(), add);
      }
      break;
    case RequestLimit::By::header: {
      const auto field = std::find_if(request.fields.begin(), request.fields.end(),
                                      [&](const HttpField& each) { return same_name(each.name, limit.header); });
      if (field != request.fields.end()) {
        add(field->value);
      }
      break;
    }
  }
  return hash;
}

/// The key's own, or one that is full, or the one that will be full first.
std::atomic<uint64_t>& SharedRates::bucket_of(uint64_t key, uint64_t now) {
  std::atomic<uint64_t>* const eight = &buckets_[key * kEight & (buckets_.size() - 1)];
  std::atomic<uint64_t>* fullest = eight;
  uint64_t least = UINT64_MAX;
  for (size_t i = 0; i < kEight; ++i) {
    const uint64_t bucket = eight[i].load(std::memory_order_relaxed);
    if ((bucket & kTagMask) == tag_of(key)) {
      return eight[i];
    }
    if (const uint64_t ahead = ahead_of(bucket, now); ahead < least) {
      least = ahead;
      fullest = &eight[i];
    }
  }
  return *fullest;
}

SharedRates::Grant SharedRates::take(uint64_t key, const RequestRate& rate, uint64_t now_ns) {
  const uint64_t now = ticks_of(now_ns);
  const uint64_t interval = ticks_up(rate.interval_ns);
  const uint32_t chunk = rate.burst / (16 * workers_);
  const uint64_t whole = interval * (rate.burst - chunk * workers_);
  std::atomic<uint64_t>& bucket = bucket_of(key, now);
  uint64_t before = bucket.load(std::memory_order_relaxed);
  for (;;) {
    const uint64_t ahead = ahead_of(before, now);
    const uint64_t left = whole > ahead ? (whole - ahead) / interval : 0;
    if (left == 0) {
      return {.tokens = 0, .wait_ns = ns_of(ahead + interval - whole)};
    }
    const auto tokens = static_cast<uint32_t>(std::min<uint64_t>(left, std::max(chunk, 1U)));
    const uint64_t after = tag_of(key) | ((now + ahead + tokens * interval) & kTimeMask);
    if (bucket.compare_exchange_weak(before, after, std::memory_order_relaxed)) {
      return {.tokens = tokens};
    }
  }
}

void SharedRates::give_back(uint64_t key, uint64_t interval_ns, uint32_t tokens, uint64_t now_ns) {
  const uint64_t now = ticks_of(now_ns);
  std::atomic<uint64_t>& bucket = bucket_of(key, now);
  uint64_t before = bucket.load(std::memory_order_relaxed);
  uint64_t after = 0;
  do {
    const uint64_t ahead = ahead_of(before, now);
    if ((before & kTagMask) != tag_of(key) || ahead == 0) {
      return;
    }
    after = tag_of(key) | ((now + ahead - std::min(ahead, tokens * ticks_up(interval_ns))) & kTimeMask);
  } while (!bucket.compare_exchange_weak(before, after, std::memory_order_relaxed));
}

uint64_t RequestLimiter::take(uint64_t key, const RequestRate& rate, uint64_t now_ns) {
  Owned& owned = owned_[key & (owned_.size() - 1)];
  if (owned.key != key) {
    if (owned.tokens > 0) {
      shared_.give_back(owned.key, owned.interval_ns, owned.tokens, now_ns);
    }
    owned = {.key = key, .interval_ns = rate.interval_ns};
  }
  if (owned.tokens == 0) {
    if (now_ns < owned.until_ns) {
      return owned.until_ns - now_ns;
    }
    const SharedRates::Grant grant = shared_.take(key, rate, now_ns);
    if (grant.tokens == 0) {
      owned.until_ns = now_ns + grant.wait_ns;
      return grant.wait_ns;
    }
    owned.tokens = grant.tokens;
  }
  --owned.tokens;
  return 0;
}

}  // namespace weft::lb
