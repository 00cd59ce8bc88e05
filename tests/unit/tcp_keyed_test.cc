// SPDX-License-Identifier: Apache-2.0
/// @file Initial sequence numbers (RFC 6528): along one pair they grow with time; of other pairs, and under another
/// secret, nothing can be told.
#include "tcp/keyed.h"

#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <set>

namespace weft::tcp {
namespace {

using namespace std::chrono_literals;

SocketPair pair_of(uint32_t number) {
  return {lb::address_from_host(0x0a000001), lb::address_from_host(0x0a010000 + number / 50'000),
          lb::port_from_host(80), lb::port_from_host(static_cast<uint16_t>(10'000 + number % 50'000))};
}

TEST(TcpKeyed, SequenceNumbersOfAPairFollowTheClock) {
  const Keyed keyed(Secret{{1}});
  const uint32_t hash = keyed.sequence_of(pair_of(0));
  Seq last = initial_sequence(hash, 0s);
  for (time::Time now = 1ms; now < 1000s; now += 1ms) {  // a million of them, a millisecond apart
    const Seq next = initial_sequence(hash, now);
    ASSERT_EQ(next - last, 250U) << "a tick each 4 us";
    last = next;
  }
}

TEST(TcpKeyed, SequenceNumbersOfPairsAreSpread) {
  const Keyed keyed(Secret{{1}});
  constexpr uint32_t kPairs = 1 << 20;
  std::array<uint32_t, 256> high{};
  std::array<uint32_t, 256> steps{};  // between neighbours: a linear hash would have few
  std::array<uint32_t, 32> ones{};
  uint32_t last = 0;
  for (uint32_t number = 0; number < kPairs; ++number) {
    const uint32_t sequence = keyed.sequence_of(pair_of(number));
    ++high[sequence >> 24];
    ++steps[(sequence - last) >> 24];
    for (uint32_t bit = 0; bit < 32; ++bit) {
      ones[bit] += sequence >> bit & 1;
    }
    last = sequence;
  }
  // Of a fair coin, six standard deviations: once in a billion.
  const double expected = kPairs / 256.0;
  const double bound = 6 * std::sqrt(expected);
  for (size_t i = 0; i < 256; ++i) {
    EXPECT_NEAR(high[i], expected, bound);
    EXPECT_NEAR(steps[i], expected, bound);
  }
  for (const uint32_t count : ones) {
    EXPECT_NEAR(count, kPairs / 2.0, 6 * std::sqrt(kPairs / 4.0));
  }
}

TEST(TcpKeyed, AnotherSecretAndEachPurposeMakeOtherNumbers) {
  const Keyed one(Secret{{1}});
  const Keyed other(Secret{{2}});
  const SocketPair pair = pair_of(0);
  std::set<uint32_t> all = {one.sequence_of(pair), other.sequence_of(pair), one.timestamp_of(pair),
                            other.timestamp_of(pair)};
  EXPECT_EQ(all.size(), 4U);
  EXPECT_NE(one.place_of(pair), other.place_of(pair));
  EXPECT_EQ(one.sequence_of(pair), Keyed(Secret{{1}}).sequence_of(pair));
}

TEST(TcpKeyed, CookiesDependOnAllThatTheySay) {
  const Keyed keyed(Secret{{1}});
  std::set<uint32_t> all;
  for (uint32_t pair = 0; pair < 4; ++pair) {
    for (uint32_t first = 0; first < 4; ++first) {
      for (uint32_t said = 0; said < 256; ++said) {
        const uint32_t cookie = keyed.cookie_of(pair_of(pair), Seq(first), said);
        EXPECT_LT(cookie, 1U << 24);
        all.insert(cookie);
      }
    }
  }
  EXPECT_GE(all.size(), 4096U - 8) << "of 24 bits, one of 4096 may meet another by chance, but not many";
}

}  // namespace
}  // namespace weft::tcp
