// SPDX-License-Identifier: Apache-2.0
/// @file The flow table by example. tests/simulation compares it with a std::map under random use.
#include "flow/table.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <set>
#include <unordered_map>

#include "lb/flow_key.h"

namespace weft::flow {
namespace {

using lb::FlowKey4;
using Flow = Flow4;
using Refusal = FlowTable4::Refusal;

constexpr uint64_t kSeed = 3;
constexpr time::Millis kNow = 100'000;

FlowKey4 request(uint32_t n) {
  return FlowKey4::make(lb::address_from_host(0x0a010000 + n / 60000),
                        lb::port_from_host(static_cast<uint16_t>(n % 60000)), lb::address_from_host(0x0a600001),
                        lb::port_from_host(80), lb::Protocol::tcp);
}
FlowKey4 reply(uint32_t n) {
  const FlowKey4 key = request(n);
  return FlowKey4::make(lb::address_from_host(0x0a020001), lb::port_from_host(8080), key.source, key.source_port,
                        lb::Protocol::tcp);
}

struct Table : FlowTable4 {
  explicit Table(uint32_t capacity) : FlowTable4(capacity, Timeouts{}, kSeed) {}

  Insertion add(const FlowKey4& from, const FlowKey4& back, time::Millis now = kNow) {
    const Insertion insertion = insert(from, hash_of(from, kSeed), back, now, [this](const Flow&) { ++removed; });
    if (insertion.flow != nullptr) {
      insertion.flow->state = State::tcp_established;
    }
    return insertion;
  }
  Insertion add(uint32_t n, time::Millis now = kNow) { return add(request(n), reply(n), now); }
  /// As a burst looks a packet up, and also without a nominee: both must agree.
  Ref at(const FlowKey4& key, time::Millis now = kNow) {
    const uint64_t hash = hash_of(key, kSeed);
    const Ref found = find(key, hash, nominate(hash), now);
    EXPECT_EQ(found, find(key, hash, {}, now));
    return found;
  }
  bool has(uint32_t n, time::Millis now = kNow) {
    const Ref there = at(request(n), now);
    const Ref back = at(reply(n), now);
    EXPECT_EQ(static_cast<bool>(there), static_cast<bool>(back)) << n;
    EXPECT_TRUE(!there || there.flow() == back.flow()) << n;
    return static_cast<bool>(there);
  }

  int removed = 0;
};

TEST(FlowTable, FindsAFlowFromBothDirections) {
  Table table(16);
  EXPECT_FALSE(table.has(1));
  Flow* flow = table.add(1).flow;
  ASSERT_NE(flow, nullptr);
  EXPECT_EQ(flow->request, request(1));
  EXPECT_EQ(flow->reply, reply(1));
  EXPECT_EQ(flow->created, kNow);
  EXPECT_EQ(flow->last_seen, kNow);
  EXPECT_EQ(table.at(request(1)).direction(), Direction::request);
  EXPECT_EQ(table.at(reply(1)).direction(), Direction::reply);
  EXPECT_EQ(&table[table.at(request(1))], flow);
  EXPECT_EQ(&table[table.at(reply(1))], flow);
  EXPECT_EQ(table.size(), 1U);
}

TEST(FlowTable, TellsTuplesApartThatDifferInOneFieldOnly) {
  Table table(16);
  table.add(1);
  const FlowKey4 key = request(1);
  for (size_t i = 0; i < 13; ++i) {
    FlowKey4 other = key;
    reinterpret_cast<uint8_t*>(&other)[i] ^= 1;
    EXPECT_FALSE(table.at(other)) << "byte " << i;
  }
}

/// Two requests with the same tag and, in a table of `buckets` buckets, the same home: found by search, since 32 bits
/// of tag collide once in 2^31 pairs.
std::pair<uint32_t, uint32_t> colliding(uint64_t buckets) {
  std::unordered_map<uint64_t, uint32_t> seen;
  for (uint32_t n = 0;; ++n) {
    const uint64_t hash = hash_of(request(n), kSeed);
    const auto [at, fresh] = seen.try_emplace(hash >> 32 << 32 | (hash & (buckets - 1)), n);
    if (!fresh) {
      return {at->second, n};
    }
  }
}

TEST(FlowTable, ATagOnlyNominatesTheWholeTupleDecides) {
  const auto [one, two] = colliding(2);
  Table table(4);
  ASSERT_NE(table.add(one).flow, nullptr);
  const uint64_t hash = hash_of(request(two), kSeed);
  ASSERT_TRUE(table.nominate(hash)) << "the tags collide, or the test shows nothing";
  EXPECT_FALSE(table.has(two));
  ASSERT_NE(table.add(two).flow, nullptr);
  EXPECT_TRUE(table.has(one));
  EXPECT_TRUE(table.has(two));
  EXPECT_NE(table.at(request(one)).flow(), table.at(request(two)).flow());
  EXPECT_EQ(table.nominate(hash), table.nominate(hash_of(request(one), kSeed))) << "one nominee for both";

  table.remove(table.at(request(one)));
  EXPECT_FALSE(table.has(one)) << "the other's entry is not its own";
  EXPECT_TRUE(table.has(two));
  ASSERT_NE(table.add(one).flow, nullptr);
  table.remove(table.at(reply(two)));
  EXPECT_TRUE(table.has(one));
  EXPECT_FALSE(table.has(two));
}

TEST(FlowTable, ANomineeOfARemovedFlowMatchesNothing) {
  Table table(4);
  table.add(1);
  const uint64_t hash = hash_of(request(1), kSeed);
  const Ref nominee = table.nominate(hash);
  table.remove(nominee);
  EXPECT_FALSE(table.find(request(1), hash, nominee, kNow));
  table.add(2);  // takes the same record
  ASSERT_EQ(table.at(request(2)).flow(), nominee.flow());
  EXPECT_FALSE(table.find(request(1), hash, nominee, kNow));
}

class Capacity : public ::testing::TestWithParam<uint32_t> {};

TEST_P(Capacity, HoldsAllItsFlowsAndRefusesTheNext) {
  const uint32_t capacity = GetParam();
  Table table(capacity);
  ASSERT_EQ(table.capacity(), capacity);
  for (uint32_t n = 0; n < capacity; ++n) {
    ASSERT_NE(table.add(n).flow, nullptr) << n;
  }
  EXPECT_EQ(table.size(), capacity);
  for (uint32_t n = capacity; n < capacity + 100; ++n) {
    const auto refused = table.add(n);
    EXPECT_EQ(refused.flow, nullptr);
    EXPECT_EQ(refused.refusal, Refusal::full);
  }
  for (uint32_t n = 0; n < capacity + 100; ++n) {
    ASSERT_EQ(table.has(n), n < capacity) << "the old stay, n = " << n;
  }
  for (uint32_t n = 0; n < capacity; n += 2) {
    table.remove(table.at(request(n)));
  }
  EXPECT_EQ(table.size(), capacity / 2);
  for (uint32_t n = 0; n < capacity; n += 2) {
    ASSERT_NE(table.add(capacity + n).flow, nullptr);
  }
  for (uint32_t n = 0; n < capacity; ++n) {
    ASSERT_EQ(table.has(n), n % 2 == 1);
    ASSERT_EQ(table.has(capacity + n), n % 2 == 0);
  }
}

INSTANTIATE_TEST_SUITE_P(PowersOfTwo, Capacity, ::testing::Values(2, 64, 1024, 65536));

TEST(FlowTable, RoundsItsCapacityUp) {
  EXPECT_EQ(Table(1).capacity(), 1U);
  EXPECT_EQ(Table(3).capacity(), 4U);
  EXPECT_EQ(Table(1000).capacity(), 1024U);
  EXPECT_EQ(Table(1024).memory_bytes(), 1024U * (64 + 32));
}

TEST(FlowTable, RefusesAReplyTupleThatALivingFlowHas) {
  Table table(16);
  table.add(1);
  const auto refused = table.add(request(2), reply(1));
  EXPECT_EQ(refused.flow, nullptr);
  EXPECT_EQ(refused.refusal, Refusal::conflict);
  EXPECT_TRUE(table.has(1));
  EXPECT_FALSE(table.at(request(2)));
  EXPECT_EQ(table.size(), 1U);
  EXPECT_EQ(table.removed, 0);
}

TEST(FlowTable, TakesAReplyTupleFromAFlowThatIsOverOrPastItsTime) {
  Table table(16);
  table.add(1).flow->state = State::tcp_closed;
  ASSERT_NE(table.add(request(2), reply(1)).flow, nullptr);
  EXPECT_EQ(table.removed, 1);
  const time::Millis later = kNow + table.timeout(State::tcp_established) + 1;
  ASSERT_NE(table.add(request(3), reply(1), later).flow, nullptr);
  EXPECT_EQ(table.removed, 2);
  EXPECT_EQ(table.size(), 1U);
  EXPECT_TRUE(table.at(request(3), later));
  EXPECT_EQ(table.at(reply(1), later).flow(), table.at(request(3), later).flow());
}

TEST(FlowTable, InsertingRemovesWhatIsPastItsTimeUnderBothTuples) {
  Table table(16);
  table.add(1);
  table.add(2);
  const time::Millis later = kNow + table.timeout(State::tcp_established) + 1;
  ASSERT_NE(table.add(request(1), reply(2), later).flow, nullptr) << "two flows are in its way";
  EXPECT_EQ(table.removed, 2);
  EXPECT_EQ(table.size(), 1U);
  ASSERT_NE(table.add(3, later).flow, nullptr);
  ASSERT_NE(table.add(3, later + table.timeout(State::tcp_established) + 1).flow, nullptr) << "one, under both";
  EXPECT_EQ(table.removed, 3);
  EXPECT_EQ(table.size(), 2U);
}

TEST(FlowTable, DoesNotFindAFlowPastItsTime) {
  Table table(16);
  for (const State state : {State::udp_request, State::tcp_opening, State::tcp_established, State::tcp_reset}) {
    Flow* flow = table.add(1).flow;
    flow->state = state;
    EXPECT_TRUE(table.has(1, kNow + table.timeout(state)));
    EXPECT_FALSE(table.has(1, kNow + table.timeout(state) + 1));
    table.remove(table.at(request(1)));
  }
}

TEST(FlowTable, AgesAcrossTheWrapOfItsClock) {
  constexpr time::Millis kBeforeWrap = UINT32_MAX - 10;
  Table table(16);
  table.add(1, kBeforeWrap);
  const time::Millis lifetime = table.timeout(State::tcp_established);
  EXPECT_TRUE(table.has(1, 5));
  EXPECT_TRUE(table.has(1, kBeforeWrap + lifetime));
  EXPECT_FALSE(table.has(1, kBeforeWrap + lifetime + 1));
  table.sweep(16, kBeforeWrap + lifetime, [](const Flow&) {
    ADD_FAILURE() << "still alive";
    return true;
  });
  table.sweep(16, kBeforeWrap + lifetime + 1, [](const Flow&) { return true; });
  EXPECT_EQ(table.size(), 0U);
}

TEST(FlowTable, SweepsWithinItsBudgetAndComesToAll) {
  Table table(64);
  for (uint32_t n = 0; n < 40; ++n) {
    table.add(n, n % 4 == 0 ? kNow + 1000 : kNow);
  }
  const time::Millis later = kNow + table.timeout(State::tcp_established) + 1;
  std::set<uint16_t> swept;
  for (int turn = 0; turn < 10; ++turn) {
    const size_t before = swept.size();
    table.sweep(4, later, [&](const Flow& flow) {
      swept.insert(to_host(flow.request.source_port));
      return true;
    });
    EXPECT_LE(swept.size() - before, 4U);
  }
  EXPECT_EQ(swept.size(), 30U);
  EXPECT_EQ(table.size(), 10U);
  for (uint32_t n = 0; n < 40; ++n) {
    EXPECT_EQ(table.has(n, later), n % 4 == 0);
  }
}

TEST(FlowTable, ASweepIsShortAndSlowWhereItFoundNothing) {
  Table table(1 << 14);
  for (uint32_t n = 0; n < 9000; ++n) {
    ASSERT_TRUE(table.add(n).flow);
  }
  EXPECT_EQ(table.sweep_budget(64), 4096U) << "half full: all of it in 64 ms, but for the bound of a call";
  EXPECT_EQ(table.sweep_budget(1), 9000 / 64 + 1U);
  table.sweep(9001, kNow, [](const Flow&) { return true; });
  EXPECT_EQ(table.sweep_budget(1), 9000 / 256 + 1U) << "all are alive";
  for (uint32_t n = 0; n < 200; ++n) {
    table[table.at(request(n))].state = State::tcp_closed;
  }
  table.sweep(9001, kNow + 1000, [](const Flow&) { return true; });
  EXPECT_EQ(table.sweep_budget(1), 9000 / 64 + 1U) << "it was worth it";
}

/// A minute's worth of ended connections would fill any table.
TEST(FlowTable, AHalfFullTableLosesPatienceWithWhatIsOverOrUnanswered) {
  Table table(64);
  const auto sweep = [&](time::Millis now) { table.sweep(64, now, [](const Flow&) { return true; }); };
  const auto age = [&](uint32_t n, State state) { table[table.at(request(n))].state = state; };
  for (uint32_t n = 0; n < 31; ++n) {
    table.add(n);
    age(n, n % 3 == 0 ? State::tcp_closed : n % 3 == 1 ? State::tcp_opening : State::tcp_established);
  }
  sweep(kNow + 5000);
  EXPECT_EQ(table.size(), 31U) << "less than half full: all have their whole time";
  for (uint32_t n = 31; n < 43; ++n) {
    table.add(n, kNow + 5000);
  }
  EXPECT_LT(table.patience(State::tcp_closed), table.timeout(State::tcp_closed));
  EXPECT_EQ(table.patience(State::tcp_reset), table.timeout(State::tcp_reset)) << "anybody may have sent that reset";
  EXPECT_EQ(table.patience(State::tcp_established), table.timeout(State::tcp_established));
  sweep(kNow + 5000);
  EXPECT_EQ(table.size(), 31U) << "until it is less than half full again";
  for (uint32_t n = 0; n < 43; ++n) {
    if (n % 3 == 2 || n >= 31) {
      EXPECT_TRUE(table.has(n, kNow + 5000)) << "established ones stay";
    }
  }
}

TEST(FlowTable, SweepsAllOfAFullTableWithinASixteenthOfTheUsualTime) {
  Table table(4096);
  table.add(0);
  EXPECT_EQ(table.sweep_budget(4096), 1U + 1U);
  for (uint32_t n = 1; n < 2048; ++n) {
    table.add(n);
  }
  EXPECT_EQ(table.sweep_budget(1), 2048U / 64 + 1);
  EXPECT_EQ(table.sweep_budget(1'000'000), 2048U + 1) << "a pass at most, however long it was away";
}

TEST(FlowTable, SweepsAnEmptyTable) {
  Table table(4);
  table.sweep(1000, kNow, [](const Flow&) {
    ADD_FAILURE();
    return true;
  });
  table.add(1);
  table.remove(table.at(request(1)));
  table.sweep(1000, kNow, [](const Flow&) {
    ADD_FAILURE();
    return true;
  });
}

TEST(FlowTable, VisitsEachLiveFlowOnceAFewRecordsAtATime) {
  Table table(64);
  for (uint32_t n = 0; n < 50; ++n) {
    table.add(n);
  }
  for (uint32_t n = 0; n < 50; n += 5) {
    table.remove(table.at(request(n)));
  }
  std::multiset<uint16_t> visited;
  uint32_t turns = 0;
  uint32_t from = 0;
  do {
    uint32_t now_visited = 0;
    from = table.visit(from, 8, kNow, [&](const Flow& flow) {
      visited.insert(to_host(flow.request.source_port));
      ++now_visited;
    });
    EXPECT_LE(now_visited, 8U);
    ++turns;
  } while (from != 0);
  EXPECT_EQ(turns, 7U);
  EXPECT_EQ(visited.size(), 40U);
  EXPECT_EQ(std::set(visited.begin(), visited.end()).size(), 40U);
  EXPECT_EQ(Table(4).visit(0, 8, kNow, [](const Flow&) { FAIL(); }), 0U);
}

/// Free records cost a worker's turn as much as live ones: they too must count.
TEST(FlowTable, AVisitIsBoundedHoweverFewFlowsLive) {
  Table table(1024);
  for (uint32_t n = 0; n < 1024; ++n) {
    table.add(n);
  }
  for (uint32_t n = 0; n < 1023; ++n) {
    table.remove(table.at(request(n)));
  }
  EXPECT_EQ(table.visit(0, 64, kNow, [](const Flow&) {}), 64U);
}

TEST(FlowTable, KeepsAFlowThatMayNotGoYet) {
  Table table(16);
  table.add(1);
  const time::Millis later = kNow + table.timeout(State::tcp_established) + 1;
  table.sweep(16, later, [](const Flow&) { return false; });
  EXPECT_EQ(table.size(), 1U);
  table.sweep(16, later, [](const Flow&) { return true; });
  EXPECT_EQ(table.size(), 0U);
}

TEST(FlowTable, FindsATunnelByItsRequestAlone) {
  Table table(16);
  const lb::Address end = lb::parse_address("fd00:2::1").value();
  const auto inserted =
      table.insert_tunnel(Kind::gue, request(1), hash_of(request(1), kSeed), end, kNow, [](const Flow&) {});
  ASSERT_NE(inserted.flow, nullptr);
  inserted.flow->state = State::udp_request;
  EXPECT_EQ(inserted.flow->tunnel_end(), end);
  EXPECT_TRUE(table.at(request(1)));
  EXPECT_FALSE(table.at(reply(1)));
  table.remove(table.at(request(1)));
  EXPECT_FALSE(table.at(request(1)));
  EXPECT_EQ(table.size(), 0U);
}

TEST(FlowTable, RemembersWhoseAReplyIsUntilTheOwnerTakesItBack) {
  Table table(16);
  table.insert_steered(reply(1), 3, kNow, [](const Flow&) {});
  const Ref ref = table.at(reply(1));
  ASSERT_TRUE(ref);
  EXPECT_EQ(table[ref].kind, Kind::steered);
  EXPECT_EQ(table[ref].endpoint_slot, 3U);
  EXPECT_EQ(table.add(1).refusal, Refusal::conflict) << "the tuple is another worker's";
  table.remove_steered(reply(1), 2);
  EXPECT_TRUE(table.at(reply(1))) << "not that worker's to take back";
  table.insert_steered(reply(1), 2, kNow, [](const Flow&) {});
  EXPECT_EQ(table[table.at(reply(1))].endpoint_slot, 2U) << "a new owner";
  table.remove_steered(reply(1), 2);
  EXPECT_EQ(table.size(), 0U);
  EXPECT_NE(table.add(1).flow, nullptr);
  table.remove_steered(reply(1), 2);
  EXPECT_EQ(table.size(), 1U) << "a flow of its own";
}

}  // namespace
}  // namespace weft::flow
