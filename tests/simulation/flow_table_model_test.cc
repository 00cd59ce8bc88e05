// SPDX-License-Identifier: Apache-2.0
/// @file The flow table against a std::map: thousands of random steps a seed, on a virtual clock that jumps and wraps.
///
/// Few tuples are drawn from, so that the same ones come back while old, expired and ended flows still hold them.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <map>
#include <random>
#include <vector>

#include "flow/table.h"

namespace weft::flow {
namespace {

using lb::FlowKey4;
using Flow = Flow4;
using Refusal = FlowTable4::Refusal;

constexpr uint64_t kHashSeed = 99;

struct KeyOrder {
  bool operator()(const FlowKey4& a, const FlowKey4& b) const { return std::memcmp(&a, &b, sizeof a) < 0; }
};

struct ModelFlow {
  FlowKey4 reply;
  time::Millis last_seen;
  State state;
};

class Simulation {
 public:
  Simulation(uint32_t seed, uint32_t capacity) : random_(seed), table_(capacity, Timeouts{}, kHashSeed) {
    now_ = UINT32_MAX - random_() % 100'000;  // every seed crosses the wrap
  }

  void run(int steps) {
    for (int i = 0; i < steps && !::testing::Test::HasFailure(); ++i) {
      step();
      ASSERT_EQ(table_.size(), model_.size());
      ASSERT_LE(table_.size(), table_.capacity());
    }
    expect_visit_sees_all_live();
    now_ += 16'000'000;
    sweep(table_.capacity());
    EXPECT_EQ(table_.size(), 0U) << "all time out";
  }

  uint32_t refused_full = 0;
  uint32_t refused_conflict = 0;
  uint32_t expired_on_find = 0;

 private:
  using Model = std::map<FlowKey4, ModelFlow, KeyOrder>;

  void step() {
    const uint32_t action = random_() % 100;
    if (action < 40) {
      insert();
    } else if (action < 70) {
      find();
    } else if (action < 75) {
      remove();
    } else if (action < 90) {
      now_ += random_() % 2000;
    } else if (action < 91) {
      now_ += random_() % 10'000'000;
    } else if (action < 99) {
      sweep(random_() % 16);
    } else {
      expect_visit_sees_all_live();
    }
  }

  FlowKey4 some_request() {
    return FlowKey4::make(lb::address_from_host(0x0a010000 + random_() % 8), lb::port_from_host(random_() % 64),
                          lb::address_from_host(0x0a600000 + random_() % 2), lb::port_from_host(80), lb::Protocol::tcp);
  }
  FlowKey4 some_reply(const FlowKey4& request) {  // of two endpoints: the two virtual addresses meet there
    return FlowKey4::make(lb::address_from_host(0x0a020000 + random_() % 2), lb::port_from_host(8080), request.source,
                          request.source_port, lb::Protocol::tcp);
  }
  bool is_live(const ModelFlow& flow) const {
    return time::elapsed(flow.last_seen, now_) <= table_.timeout(flow.state);
  }
  static bool may_be_hurried(State state) {
    return is_over(state) || state == State::udp_request || state == State::tcp_opening || state == State::tcp_opened;
  }
  Model::iterator by_reply(const FlowKey4& reply) {
    return std::find_if(model_.begin(), model_.end(), [&](const auto& each) { return each.second.reply == reply; });
  }

  /// What insert() has to do, as its comment says it.
  Refusal expected_insert(const FlowKey4& request, const FlowKey4& reply, std::vector<FlowKey4>& removed) {
    for (const Model::iterator stale : {model_.find(request), by_reply(reply)}) {
      if (stale == model_.end() || std::find(removed.begin(), removed.end(), stale->first) != removed.end()) {
        continue;
      }
      if (is_live(stale->second) && !is_over(stale->second.state)) {
        return Refusal::conflict;
      }
      removed.push_back(stale->first);
    }
    return model_.size() - removed.size() == table_.capacity() ? Refusal::full : Refusal::none;
  }

  void insert() {
    const FlowKey4 request = some_request();
    const FlowKey4 reply = some_reply(request);
    std::vector<FlowKey4> expected_removed;
    const Refusal expected = expected_insert(request, reply, expected_removed);
    std::vector<FlowKey4> removed;
    const auto inserted = table_.insert(request, hash_of(request, kHashSeed), reply, now_,
                                        [&](const Flow& flow) { removed.push_back(flow.request); });
    EXPECT_EQ(removed, expected_removed);
    EXPECT_EQ(inserted.refusal, expected);
    for (const FlowKey4& gone : removed) {
      model_.erase(gone);
    }
    refused_full += expected == Refusal::full ? 1 : 0;
    refused_conflict += expected == Refusal::conflict ? 1 : 0;
    if (inserted.flow != nullptr) {
      inserted.flow->state = some_state();
      model_[request] = {.reply = reply, .last_seen = now_, .state = inserted.flow->state};
    }
  }

  void find() {
    const FlowKey4 request = some_request();
    const bool by_request = random_() % 2 == 0;
    const auto in_model = by_request ? model_.find(request) : by_reply(some_reply(request));
    const FlowKey4 key = by_request ? request : in_model == model_.end() ? some_reply(request) : in_model->second.reply;
    const auto expected = by_request ? in_model : by_reply(key);
    const uint64_t hash = hash_of(key, kHashSeed);
    const Ref found = table_.find(key, hash, table_.nominate(hash), now_);
    EXPECT_EQ(found, table_.find(key, hash, {}, now_)) << "the nominee changes nothing";
    ASSERT_EQ(static_cast<bool>(found), expected != model_.end() && is_live(expected->second));
    expired_on_find += expected != model_.end() && !found ? 1 : 0;
    if (!found) {
      return;
    }
    EXPECT_EQ(found.direction(), by_request ? Direction::request : Direction::reply);
    Flow& flow = table_[found];
    EXPECT_EQ(flow.request, expected->first);
    EXPECT_EQ(flow.reply, expected->second.reply);
    EXPECT_EQ(flow.state, expected->second.state);
    flow.last_seen = expected->second.last_seen = now_;
    flow.state = expected->second.state = some_state();
  }

  void remove() {
    const FlowKey4 request = some_request();
    const Ref found = table_.find(request, hash_of(request, kHashSeed), {}, now_);
    if (found) {
      table_.remove(found);
      model_.erase(request);
    }
  }

  void sweep(uint32_t budget) {
    uint32_t removed = 0;
    table_.sweep(budget, now_, [&](const Flow& flow) {
      const auto at = model_.find(flow.request);
      EXPECT_NE(at, model_.end());
      if (at == model_.end()) {
        return false;
      }
      // Before it is removed, the flow counts: the table is as full as the sweep takes it to be.
      EXPECT_GT(time::elapsed(at->second.last_seen, now_), table_.patience(at->second.state));
      EXPECT_TRUE(!is_live(at->second) || (table_.size() >= table_.capacity() / 2 && may_be_hurried(at->second.state)));
      model_.erase(at);
      ++removed;
      return true;
    });
    EXPECT_LE(removed, budget);
  }

  void expect_visit_sees_all_live() {
    size_t live = 0;
    for (const auto& [request, flow] : model_) {
      live += is_live(flow) ? 1 : 0;
    }
    size_t visited = 0;
    uint32_t from = 0;
    do {
      from = table_.visit(from, 1 + random_() % 50, now_, [&](const Flow& flow) {
        const auto at = model_.find(flow.request);
        ASSERT_NE(at, model_.end());
        EXPECT_TRUE(is_live(at->second));
        ++visited;
      });
    } while (from != 0);
    EXPECT_EQ(visited, live);
  }

  State some_state() { return static_cast<State>(1 + random_() % (kStates - 1)); }

  std::mt19937 random_;
  FlowTable4 table_;
  time::Millis now_;
  Model model_;
};

TEST(FlowTableModel, AgreesWithAMap) {
  uint32_t full = 0;
  uint32_t conflicts = 0;
  uint32_t expired = 0;
  for (uint32_t seed = 1; seed <= 300; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Simulation simulation(seed, seed % 2 == 0 ? 64 : 1024);
    simulation.run(2000);
    if (HasFailure()) {
      return;
    }
    full += simulation.refused_full;
    conflicts += simulation.refused_conflict;
    expired += simulation.expired_on_find;
  }
  EXPECT_GT(full, 1000U) << "or the test shows little";
  EXPECT_GT(conflicts, 1000U);
  EXPECT_GT(expired, 1000U);
}

}  // namespace
}  // namespace weft::flow
