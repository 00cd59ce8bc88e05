// SPDX-License-Identifier: Apache-2.0
/// @file The tables of connections, handshakes and TIME-WAITs under random use, beside maps.
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <random>
#include <vector>

#include "tcp/half_open.h"
#include "tcp/table.h"
#include "tcp/time_wait.h"

namespace weft::tcp {
namespace {

using Kind = Reference::Kind;

/// Hashes as hostile as they come: few buckets, few tags.
uint64_t hash_of(std::mt19937_64& random, uint64_t buckets, uint64_t tags) {
  return random() % buckets | random() % tags << 49;
}

TEST(Table, EndsASearchWhenEachBucketHasEntriesBeyondIt) {
  Table table(12);  // four buckets
  uint32_t index = 0;
  for (uint64_t bucket = 0; bucket < 4; ++bucket) {
    std::vector<Reference> here;  // until one lies beyond; that one stays
    for (int i = 0; i < (bucket == 0 ? 9 : 8); ++i) {
      here.emplace_back(Kind::connection, index++);
      table.insert(bucket, here.back());
    }
    for (size_t i = 0; i + 1 < here.size(); ++i) {
      table.erase(bucket, here[i]);
    }
  }
  EXPECT_EQ(table.find(uint64_t{1} << 60, [](Reference) { return true; }).kind(), Kind::none);
}

class TableModel : public ::testing::TestWithParam<uint64_t> {};

TEST_P(TableModel, FindsWhatAMapFinds) {
  std::mt19937_64 random(GetParam());
  constexpr uint32_t kEntries = 300;
  Table table(kEntries);
  struct Entry {
    uint64_t hash;
    Reference reference;
  };
  std::vector<Entry> there;
  std::vector<bool> used(kEntries);
  const uint64_t buckets = 1 + random() % 64;
  const uint64_t tags = 1 + random() % 40;
  for (int i = 0; i < 20'000; ++i) {
    // Filled and emptied in turns, to both ends.
    const bool adds = random() % 1000 < (i / 2000 % 2 == 0 ? 700U : 300U);
    if (adds && there.size() < kEntries) {
      const auto index = static_cast<uint32_t>(std::find(used.begin(), used.end(), false) - used.begin());
      const Reference reference(static_cast<Kind>(1 + random() % 3), index);
      there.push_back({hash_of(random, buckets, tags), reference});
      used[index] = true;
      table.insert(there.back().hash, reference);
    } else if (!adds && !there.empty()) {
      const size_t gone = random() % there.size();
      table.erase(there[gone].hash, there[gone].reference);
      used[there[gone].reference.index()] = false;
      there[gone] = there.back();
      there.pop_back();
    }
    if (!there.empty() && random() % 4 == 0) {
      Entry& moved = there[random() % there.size()];
      const Reference to(static_cast<Kind>(1 + random() % 3), moved.reference.index());
      table.replace(moved.hash, moved.reference, to);
      moved.reference = to;
    }
    const uint64_t asked =
        there.empty() || random() % 2 == 0 ? hash_of(random, buckets, tags) : there[random() % there.size()].hash;
    std::vector<uint32_t> looked_at;  // all that the table offers
    const Reference none = table.find(asked, [&](Reference reference) {
      looked_at.push_back(reference.value);
      return false;
    });
    ASSERT_EQ(none.kind(), Kind::none);
    for (const Entry& each : there) {
      const auto offered = std::count(looked_at.begin(), looked_at.end(), each.reference.value);
      if (each.hash == asked) {
        ASSERT_EQ(offered, 1) << "what is there is found, once";
        ASSERT_EQ(table.find(asked, [&](Reference reference) { return reference == each.reference; }), each.reference);
      } else {
        ASSERT_LE(offered, 1);
      }
    }
    for (const uint32_t value : looked_at) {
      ASSERT_TRUE(std::any_of(there.begin(), there.end(), [&](const Entry& each) {
        return each.reference.value == value;
      })) << "what is gone is not found";
    }
  }
}

TEST_P(TableModel, HandshakesAreDueAsAMapHasThem) {
  std::mt19937_64 random(GetParam());
  HalfOpens half_opens(50);
  std::map<uint32_t, time::Millis> due;  // by entry
  std::map<uint32_t, uint8_t> tries;
  time::Millis now = static_cast<time::Millis>(0) - 20'000;  // wraps on the way
  const auto after = [](uint8_t sent) { return time::Millis{1000} << sent; };
  for (int i = 0; i < 5000; ++i) {
    now += static_cast<time::Millis>(random() % 200);
    if (random() % 3 == 0 && !half_opens.is_full()) {
      HalfOpen half_open;
      half_open.due = now + after(0);
      const uint32_t entry = half_opens.add(half_open);
      ASSERT_FALSE(due.contains(entry));
      due[entry] = half_open.due;
      tries[entry] = 0;
    } else if (random() % 4 == 0 && !due.empty()) {
      const uint32_t entry = std::next(due.begin(), static_cast<long>(random() % due.size()))->first;
      half_opens.remove(entry);
      due.erase(entry);
    }
    while (true) {
      const uint32_t first = half_opens.due(now);
      const bool any = std::any_of(due.begin(), due.end(),
                                   [&](const auto& each) { return static_cast<int32_t>(now - each.second) >= 0; });
      ASSERT_EQ(first != kNone, any);
      if (!any) {
        break;
      }
      ASSERT_TRUE(due.contains(first));
      ASSERT_GE(static_cast<int32_t>(now - due[first]), 0);
      ASSERT_EQ(half_opens[first].tries, tries[first]);
      if (tries[first] == 5) {
        half_opens.remove(first);
        due.erase(first);
      } else {
        due[first] = now + after(++tries[first]);
        half_opens.retry(first, due[first]);
      }
    }
    ASSERT_EQ(half_opens.size(), due.size());
    ASSERT_EQ(half_opens.is_full(), due.size() == half_opens.capacity());
    const auto first = std::min_element(due.begin(), due.end(), [&](const auto& a, const auto& b) {
      return static_cast<int32_t>(a.second - b.second) < 0;
    });
    ASSERT_EQ(half_opens.next_due(), first == due.end() ? std::nullopt : std::optional(first->second));
  }
}

TEST_P(TableModel, TimeWaitsExpireInTheirOrder) {
  std::mt19937_64 random(GetParam());
  TimeWaits time_waits(40);
  std::vector<std::pair<uint32_t, time::Millis>> waiting;  // the oldest first
  time::Millis now = static_cast<time::Millis>(0) - 30'000;
  const auto place_of = [&](uint32_t entry) {
    return std::find_if(waiting.begin(), waiting.end(), [&](const auto& each) { return each.first == entry; });
  };
  for (int i = 0; i < 5000; ++i) {
    now += static_cast<time::Millis>(random() % 100);
    while (!waiting.empty() && static_cast<int32_t>(now - waiting.front().second) >= 0) {
      ASSERT_EQ(time_waits.oldest(), waiting.front().first);
      time_waits.remove(time_waits.oldest());
      waiting.erase(waiting.begin());
    }
    switch (random() % 4) {
      case 0:
      case 1: {
        if (time_waits.is_full()) {
          time_waits.remove(time_waits.oldest());
          waiting.erase(waiting.begin());
        }
        const uint32_t entry = time_waits.add({.hash = random(), .expiry = now + 5000});
        ASSERT_EQ(place_of(entry), waiting.end());
        waiting.emplace_back(entry, now + 5000);
        break;
      }
      case 2:
        if (!waiting.empty()) {
          const uint32_t entry = waiting[random() % waiting.size()].first;
          time_waits.restart(entry, now + 5000);
          waiting.erase(place_of(entry));
          waiting.emplace_back(entry, now + 5000);
        }
        break;
      default:
        if (!waiting.empty()) {
          const uint32_t entry = waiting[random() % waiting.size()].first;
          time_waits.remove(entry);
          waiting.erase(place_of(entry));
        }
    }
    ASSERT_EQ(time_waits.size(), waiting.size());
    ASSERT_EQ(time_waits.oldest(), waiting.empty() ? kNone : waiting.front().first);
    for (const auto& [entry, expiry] : waiting) {
      ASSERT_EQ(time_waits[entry].expiry, expiry);
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Seeds, TableModel, ::testing::Range<uint64_t>(1, 13));

}  // namespace
}  // namespace weft::tcp
