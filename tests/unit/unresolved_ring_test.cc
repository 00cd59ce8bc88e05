// SPDX-License-Identifier: Apache-2.0
#include "runtime/unresolved_ring.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <thread>

namespace weft::runtime {
namespace {

lb::Address address(uint32_t number) {
  return lb::address_from_host(number);
}

TEST(UnresolvedRing, LosesTheNewestWhatItHasNoRoomFor) {
  const auto ring = std::make_unique<UnresolvedRing>();
  std::vector<lb::Address> all;
  for (uint32_t i = 0; i < UnresolvedRing::kRoom + 10; ++i) {
    all.push_back(address(i));
  }
  ring->put(all);
  std::vector<lb::Address> taken;
  ring->take(taken);
  all.resize(UnresolvedRing::kRoom);
  EXPECT_EQ(taken, all);
  ring->put(std::vector{address(7)});
  taken.clear();
  ring->take(taken);
  EXPECT_THAT(taken, ::testing::ElementsAre(address(7))) << "there is room again";
}

TEST(UnresolvedRing, KeepsTheOrderBetweenTwoThreads) {
  const auto ring = std::make_unique<UnresolvedRing>();
  std::atomic<bool> done = false;
  std::thread worker([&] {
    for (uint32_t i = 0; i < 20'000; ++i) {
      ring->put(std::vector{address(i)});
    }
    done = true;
  });
  std::vector<lb::Address> taken;
  while (!done) {
    ring->take(taken);
    std::this_thread::yield();
  }
  worker.join();
  ring->take(taken);
  ASSERT_FALSE(taken.empty());
  for (size_t i = 1; i < taken.size(); ++i) {
    ASSERT_LT(taken[i - 1], taken[i]);
  }
}

}  // namespace
}  // namespace weft::runtime
