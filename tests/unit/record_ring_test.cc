// SPDX-License-Identifier: Apache-2.0
/// @file One producer, one consumer. Run under ThreadSanitizer too.
#include "runtime/record_ring.h"

#include <gtest/gtest.h>

#include <cstring>
#include <thread>

namespace weft::runtime {
namespace {

bool put(RecordRing& ring, uint64_t number) {
  std::byte* place = ring.reserve();
  if (place == nullptr) {
    return false;
  }
  std::memcpy(place, &number, sizeof number);
  std::memcpy(place + 32, &number, sizeof number);
  ring.commit();
  return true;
}

uint64_t front_of(const RecordRing& ring) {
  uint64_t first = 0;
  uint64_t last = 1;
  std::memcpy(&first, ring.front(), sizeof first);
  std::memcpy(&last, ring.front() + 32, sizeof last);
  EXPECT_EQ(first, last) << "a record is whole";
  return first;
}

TEST(RecordRing, GivesRecordsInOrderAndCountsWhatHasNoRoom) {
  RecordRing ring(3, 40);
  EXPECT_EQ(ring.capacity(), 4U);
  EXPECT_EQ(ring.front(), nullptr);
  for (uint64_t number = 0; number < 6; ++number) {
    EXPECT_EQ(put(ring, number), number < 4);
  }
  EXPECT_EQ(ring.missed(), 2U);
  for (uint64_t number = 0; number < 4; ++number) {
    ASSERT_NE(ring.front(), nullptr);
    EXPECT_EQ(front_of(ring), number);
    ring.pop();
  }
  EXPECT_EQ(ring.front(), nullptr);
  EXPECT_TRUE(put(ring, 7)) << "there is room again";
  EXPECT_EQ(front_of(ring), 7U);
}

TEST(RecordRing, ReservedButNotCommittedIsNotThere) {
  RecordRing ring(2, 40);
  ASSERT_NE(ring.reserve(), nullptr);
  EXPECT_EQ(ring.front(), nullptr);
}

TEST(RecordRing, CarriesEveryRecordOnceFromOneThreadToAnother) {
  constexpr uint64_t kRecords = 200'000;
  RecordRing ring(64, 40);
  std::thread producer([&] {
    for (uint64_t number = 0; number < kRecords; ++number) {
      while (!put(ring, number)) {
        std::this_thread::yield();
      }
    }
  });
  for (uint64_t number = 0; number < kRecords; ++number) {
    while (ring.front() == nullptr) {
      std::this_thread::yield();
    }
    ASSERT_EQ(front_of(ring), number);
    ring.pop();
  }
  producer.join();
  EXPECT_EQ(ring.front(), nullptr);
}

}  // namespace
}  // namespace weft::runtime
