// SPDX-License-Identifier: Apache-2.0
#include "lb/caller_board.h"

#include <algorithm>

namespace weft::lb {

CallerBoard::CallerBoard(uint32_t places, uint32_t workers) : places_(places), workers_(workers), wishes_(workers) {
  for (Worker& each : workers_) {
    each.keys.resize(places);
    each.shares = std::vector<Shares>(places);
  }
}

/// One more worker has it open. @returns false: it is not, or not any more, the pair's
bool CallerBoard::join(uint32_t place, uint64_t tag) {
  std::atomic<uint64_t>& owner = places_[place].owner;
  uint64_t now = owner.load();
  while ((now & ~kWorkers) == tag && (now & kWorkers) != 0 && (now & kWorkers) != kTentative) {
    if (owner.compare_exchange_weak(now, now + 1)) {
      return true;
    }
  }
  return false;
}

/// A pair has one place. Of workers that claim one at once all but one see another's: who does gives its own back,
/// which nobody has joined as it was tentative, and then joins the other's or begins anew.
uint32_t CallerBoard::claim(Worker& own, uint64_t key) {
  constexpr int kTries = 8;
  const uint64_t tag = key & ~kWorkers;
  const uint32_t first = first_of(key);
  const auto take_over = [&](uint32_t place) {
    own.keys[place] = key;
    return place;
  };
  const auto join_any = [&] {
    uint32_t place = first;
    while (place < first + kWays && (own.keys[place] != 0 || !join(place, tag))) {
      ++place;
    }
    return place < first + kWays ? place : kNone;
  };
  for (int i = 0; i < kTries; ++i) {
    if (const uint32_t joined = join_any(); joined != kNone) {
      return take_over(joined);
    }
    uint32_t claimed = kNone;
    for (uint32_t place = first; place < first + kWays && claimed == kNone; ++place) {
      uint64_t before = places_[place].owner.load();
      if ((before & kWorkers) == 0 && places_[place].owner.compare_exchange_strong(before, tag | kTentative)) {
        claimed = place;
      }
    }
    if (claimed == kNone) {
      return kNone;
    }
    const auto is_others = [&](uint32_t place) {
      const uint64_t owner = places_[place].owner.load();
      return place != claimed && (owner & ~kWorkers) == tag && (owner & kWorkers) != 0;
    };
    bool alone = true;
    for (uint32_t place = first; place < first + kWays; ++place) {
      alone &= !is_others(place);
    }
    places_[claimed].owner.store(alone ? tag | 1 : 0);
    if (alone) {
      return take_over(claimed);
    }
  }
  return kNone;
}

void CallerBoard::close(Worker& own, uint32_t place) {
  for (size_t kind = 0; kind < kKinds; ++kind) {
    places_[place].bounds[kind].return_spare(own.shares[place][kind]);
  }
  own.keys[place] = 0;
  places_[place].owner.fetch_sub(1);
}

void CallerBoard::look_after(uint32_t worker) {
  Worker& own = workers_[worker];
  wishes_.hear(worker, [&](uint32_t wish) {
    const uint32_t place = wish / uint32_t{kKinds};
    places_[place].bounds[wish % kKinds].return_spare(own.shares[place][wish % kKinds]);
  });
  const uint32_t most = std::min(kLookedAfter, places());
  for (uint32_t i = 0; i < most; ++i) {
    const uint32_t place = own.looked_after;
    own.looked_after = place + 1 < places() ? place + 1 : 0;
    if (own.keys[place] == 0) {
      continue;
    }
    const Shares& shares = own.shares[place];
    if (std::all_of(shares.begin(), shares.end(), [](const BreakerShare& each) { return each.in_use() == 0; })) {
      close(own, place);
    }
  }
}

uint32_t CallerBoard::open_places() const {
  return static_cast<uint32_t>(std::count_if(places_.begin(), places_.end(), [](const Place& each) {
    return (each.owner.load(std::memory_order_relaxed) & kWorkers) != 0;
  }));
}

size_t CallerBoard::memory_bytes() const {
  return places_.size() * (sizeof(Place) + workers_.size() * (sizeof(uint64_t) + sizeof(Shares)));
}

}  // namespace weft::lb
