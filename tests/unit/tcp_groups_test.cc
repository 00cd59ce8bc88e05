// SPDX-License-Identifier: Apache-2.0
/// @file Shares of an engine's connections and pieces between groups: the rule against a slow reading of it, and an
/// engine in which one group's peers hoard.
#include "tcp/groups.h"

#include <gtest/gtest.h>

#include <random>
#include <vector>

#include "tcp_host.h"

namespace weft::tcp {
namespace {

TEST(Groups, OneAloneHasFourFifthsAndTwoHaveAsMuchEach) {
  for (const uint32_t stuck : {1U, 2U, 5U}) {
    constexpr uint32_t kCapacity = 9000;
    Groups groups(8, 1);
    uint32_t free = kCapacity;
    for (bool any = true; any;) {
      any = false;
      for (uint32_t g = 0; g < stuck; ++g) {
        if (free > 0 && groups.may_connect(groups.tag(g), free)) {
          groups.connected(groups.tag(g));
          --free;
          any = true;
        }
      }
    }
    EXPECT_NEAR(free, kCapacity / (1 + stuck * kShareMultiple), 2) << stuck;
    for (uint32_t g = 0; g < stuck; ++g) {
      EXPECT_NEAR(groups.connections(groups.tag(g)), kCapacity * kShareMultiple / (1 + stuck * kShareMultiple), 2);
    }
    EXPECT_TRUE(groups.may_connect(groups.tag(7), free));  // whoever comes
  }
}

TEST(Groups, WhoIsNobodysIsAskedNothing) {
  Groups groups(2, 1);
  EXPECT_EQ(groups.tag(2), Groups::kNone);
  EXPECT_EQ(groups.tag(UINT32_MAX), Groups::kNone);
  EXPECT_TRUE(groups.may_connect(Groups::kNone, 0));
  EXPECT_EQ(groups.takes(Groups::kNone, 0, 5, 0), 5U);
}

TEST(Groups, BeyondItsShareAQueueHasOnePieceAndBeyondTwiceNone) {
  Groups groups(2, 1);
  const uint16_t tag = groups.tag(0);
  groups.hold(tag, 99);
  EXPECT_EQ(groups.takes(tag, 7, 30, 100), 30U);
  groups.hold(tag, 1);
  EXPECT_EQ(groups.takes(tag, 0, 30, 100), 1U);
  EXPECT_EQ(groups.takes(tag, 1, 30, 100), 0U);
  EXPECT_EQ(groups.takes(tag, 0, 0, 100), 0U);
  groups.hold(tag, 100);
  EXPECT_EQ(groups.takes(tag, 0, 30, 100), 0U);
  groups.drop(tag, 101);
  EXPECT_EQ(groups.takes(tag, 7, 30, 100), 30U);
}

/// Whatever comes and goes: a group is let in if, counted anew, it has less than four times what is free.
TEST(Groups, AreAsCountedAnew) {
  for (uint32_t seed = 0; seed < 20; ++seed) {
    std::mt19937 random(seed);
    constexpr uint32_t kCapacity = 64;
    Groups groups(4, 1);
    std::vector<uint32_t> owners;
    for (int i = 0; i < 2000; ++i) {
      const uint32_t g = random() % 4;
      const auto free = static_cast<uint32_t>(kCapacity - owners.size());
      if (random() % 5 < 3) {
        const auto used = static_cast<uint32_t>(std::count(owners.begin(), owners.end(), g));
        ASSERT_EQ(groups.may_connect(groups.tag(g), free), used < 4 * free) << "seed " << seed;
        if (used < 4 * free) {
          groups.connected(groups.tag(g));
          owners.push_back(g);
        }
      } else if (!owners.empty()) {
        const size_t gone = random() % owners.size();
        groups.disconnected(groups.tag(owners[gone]));
        owners.erase(owners.begin() + static_cast<std::ptrdiff_t>(gone));
      }
      ASSERT_GT(kCapacity, owners.size());  // never all of it
    }
  }
}

const lb::Address kTheirs{lb::address_from_host(0x0a000001)};
const lb::Address kOurs{lb::address_from_host(0x0a000002)};
constexpr uint16_t kPort = 80;

/// Peers of groups, who send to an engine that reads only what the test reads.
class GroupsInEngine : public testing::Test {
 protected:
  static Config ours() {
    Config config;
    config.connections = 256;
    config.pieces = 1024;
    config.groups = 8;
    return config;
  }
  GroupsInEngine() { receiver.engine.listen(kOurs, lb::port_from_host(kPort), 0); }

  void settle() {
    for (size_t carried = 1; carried > 0;) {
      carried = carry(sender, receiver, now);
      for (const Event& event : receiver.events) {
        if ((event.what & event::accepted) != 0) {
          accepted.push_back(event.id);
        }
      }
      receiver.events.clear();
      carried += carry(receiver, sender, now);
      sender.events.clear();
    }
  }
  void pass(std::chrono::milliseconds time) {
    for (std::chrono::milliseconds passed{0}; passed < time; passed += std::chrono::milliseconds(5)) {
      now += std::chrono::milliseconds(5);
      sender.engine.advance(now, sender.output);
      receiver.engine.advance(now, receiver.output);
      settle();
    }
  }
  ConnectionId connect() {
    const SocketPair pair{kTheirs, kOurs, lb::port_from_host(next_port++), lb::port_from_host(kPort)};
    const auto id = sender.engine.connect(pair, 0, now);
    settle();
    return *id;
  }
  void offer(ConnectionId id, int segments) {
    for (int i = 0; i < segments && sender.engine.write(id, sender.slice_of(std::string(1400, 'x'))); ++i) {
      settle();
    }
  }

  time::Time now{std::chrono::seconds(5)};
  Host sender{1};
  Host receiver{2, ours()};
  std::vector<ConnectionId> accepted;
  uint16_t next_port = 2000;
};

TEST_F(GroupsInEngine, AGroupHasItsShareOfConnections) {
  uint32_t joined = 0;
  for (int i = 0; i < 240; ++i) {
    connect();
    if (receiver.engine.join(accepted.back(), 3)) {
      ++joined;
    } else {
      receiver.engine.abort(accepted.back());
      settle();
    }
  }
  EXPECT_NEAR(joined, 256 * 4 / 5, 2);
  EXPECT_EQ(receiver.engine.counters().beyond_share, 240 - joined);
  EXPECT_FALSE(receiver.engine.may_connect(3));
  EXPECT_TRUE(receiver.engine.may_connect(4));
  connect();
  EXPECT_TRUE(receiver.engine.join(accepted.back(), 4));
  for (const ConnectionId id : accepted) {  // what is gone is given back
    receiver.engine.abort(id);
  }
  settle();
  EXPECT_TRUE(receiver.engine.may_connect(3));
  EXPECT_EQ(receiver.engine.connections(), 0U);
}

TEST_F(GroupsInEngine, WhoDoesNotReadHoldsItsShareOfPieces) {
  for (int i = 0; i < 100; ++i) {
    const ConnectionId id = connect();
    ASSERT_TRUE(receiver.engine.join(accepted.back(), 1));
    offer(id, 40);
  }
  pass(std::chrono::milliseconds(500));
  const uint32_t hoarded = receiver.engine.pieces();
  EXPECT_GT(hoarded, 1024U / 4);
  EXPECT_LE(hoarded, 1024U / 2);  // twice what is beyond the reserve of a quarter, when it has all it may
  EXPECT_GT(receiver.engine.counters().pieces_beyond_share, 0U);
  // Another group's connection takes as much at a time as it did.
  const ConnectionId other = connect();
  const ConnectionId heard = accepted.back();
  ASSERT_TRUE(receiver.engine.join(heard, 2));
  const uint64_t refused = receiver.engine.counters().out_of_memory;
  offer(other, 40);
  EXPECT_EQ(receiver.engine.readable(heard), 40 * 1400U);
  EXPECT_EQ(receiver.engine.counters().out_of_memory, refused);
  for (const ConnectionId id : accepted) {
    receiver.engine.abort(id);
  }
  settle();
  EXPECT_EQ(receiver.engine.pieces(), 0U);
}

/// Peers leave out the first segment of what they send, so that all the rest waits beyond a gap.
TEST_F(GroupsInEngine, WhatWaitsBeyondAGapIsOfItsShare) {
  for (int i = 0; i < 100; ++i) {
    const ConnectionId id = connect();
    ASSERT_TRUE(receiver.engine.join(accepted.back(), 1));
    for (int n = 0; n < 10; ++n) {
      sender.engine.write(id, sender.slice_of(std::string(1400, 'x')));
    }
    sender.engine.flush(now, sender.output);
    sender.output.segments.erase(sender.output.segments.begin());
    settle();
  }
  EXPECT_GT(receiver.engine.pieces(), 1024U / 4);
  EXPECT_LE(receiver.engine.pieces(), 1024U / 2);
  EXPECT_GT(receiver.engine.counters().pieces_beyond_share, 0U);
  const ConnectionId other = connect();
  const ConnectionId heard = accepted.back();
  ASSERT_TRUE(receiver.engine.join(heard, 2));
  offer(other, 40);
  EXPECT_EQ(receiver.engine.readable(heard), 40 * 1400U);
  pass(std::chrono::seconds(2));  // the gaps are filled: what waited is held as before, and given back when it is read
  for (int round = 0; round < 200 && receiver.engine.pieces() > 0; ++round) {
    for (const ConnectionId id : accepted) {
      receiver.engine.consume(id, SIZE_MAX);
    }
    pass(std::chrono::milliseconds(500));
  }
  EXPECT_EQ(receiver.engine.pieces(), 0U);
  for (const uint32_t group : {1U, 2U}) {
    EXPECT_EQ(receiver.engine.pieces_of(group), 0U);
  }
}

TEST_F(GroupsInEngine, WhatWasAskedBeforeIsAssignedWhateverThereIs) {
  uint32_t joined = 0;
  for (int i = 0; i < 240; ++i) {
    connect();
    joined += receiver.engine.join(accepted.back(), 3) ? 1 : 0;
  }
  ASSERT_LT(joined, 240U);
  receiver.engine.assign(accepted.back(), 3);
  EXPECT_EQ(receiver.engine.connections_of(3), joined + 1);
  receiver.engine.abort(accepted.back());
  settle();
  EXPECT_EQ(receiver.engine.connections_of(3), joined);
}

/// Without groups, as many leave next to nothing: what the above is for.
TEST_F(GroupsInEngine, WithoutThemWhoDoesNotReadHoldsNearlyAll) {
  for (int i = 0; i < 100; ++i) {
    offer(connect(), 40);
  }
  pass(std::chrono::milliseconds(500));
  EXPECT_GT(receiver.engine.pieces(), 1024U * 3 / 4);
  const ConnectionId other = connect();
  offer(other, 40);
  EXPECT_LT(receiver.engine.readable(accepted.back()), 40 * 1400U);
}

TEST_F(GroupsInEngine, WhatWaitsIsCountedWhereItsConnectionGoes) {
  const ConnectionId id = connect();
  offer(id, 10);
  ASSERT_TRUE(receiver.engine.join(accepted.back(), 1));
  EXPECT_TRUE(receiver.engine.join(accepted.back(), 1));
  EXPECT_TRUE(receiver.engine.join(accepted.back(), 2));
  receiver.engine.consume(accepted.back(), SIZE_MAX);
  EXPECT_EQ(receiver.engine.pieces(), 0U);
  EXPECT_TRUE(receiver.engine.join({9999, 1}, 2));  // nobody's
}

}  // namespace
}  // namespace weft::tcp
