// SPDX-License-Identifier: Apache-2.0
/// @file Outlier detection: by rows against Envoy's documents, and by chance against a slow model on a clock of its
/// own.
#include "lb/outlier.h"

#include <gtest/gtest.h>

#include <cmath>
#include <map>
#include <random>
#include <set>

#include "lb/http_policy.h"

namespace weft::lb {
namespace {

using std::chrono::milliseconds;
using Leave = OutlierBoard::Leave;
using Phase = OutlierBoard::State::Phase;

constexpr uint32_t kService = 1;
constexpr OutlierPolicy kPolicy{.enabled = true, .max_ejection_percent = 100};

Service outlier_service(const std::vector<uint32_t>& endpoints, const OutlierPolicy& policy, uint32_t slot = kService) {
  Service service{.name = "default/web",
                  .address = address_from_host(0x0a600000 + slot),
                  .port = port_from_host(80),
                  .protocol = Protocol::tcp,
                  .slot = slot};
  std::vector<MaglevMember> members;
  for (const uint32_t each : endpoints) {
    const Address address(address_from_host(0x0a010000 + each));
    service.endpoints.push_back({.name = "pod", .address = address, .port = service.port, .slot = each});
    service.targets.push_back({.address = address, .port = service.port, .slot = each});
    members.push_back({.identity = std::to_string(1000 + each)});
  }
  service.table = std::make_shared<MaglevTable>(members, 251, 1);
  service.requests = std::make_shared<RequestPolicy>(RequestPolicy{.outlier = policy});
  return service;
}
Snapshot snapshot_of(std::vector<Service> services) {
  return Snapshot(1, 1, std::move(services));
}

/// A response's status, or a failure without one, told to an endpoint of many.
OutlierBoard::Reported tell(OutlierBoard& board, const OutlierPolicy& policy, int status, uint32_t endpoint = 0,
                            uint32_t hosts = 100, uint32_t now = 0) {
  const bool is_local = status < 0;
  return board.report(0, kService, hosts, endpoint, policy,
                      {.status = static_cast<uint16_t>(is_local ? -status : status), .is_local = is_local}, now);
}

TEST(Outlier, IsWhoFailsTooOftenInARow) {
  struct Row {
    const char* what;
    OutlierPolicy policy;
    std::vector<int> outcomes;  ///< a status; below 0: a failure of local origin, which the client would be told so
    Ejection by_last;           ///< by none before it
  };
  OutlierPolicy gateway = kPolicy;
  gateway.consecutive_gateway = 3;
  OutlierPolicy gateway_alone = gateway;
  gateway_alone.consecutive_5xx = 0;
  OutlierPolicy split = kPolicy;
  split.split_local_origin = true;
  split.consecutive_local = 2;
  OutlierPolicy split_off = split;
  split_off.consecutive_local = 0;
  OutlierPolicy one = kPolicy;
  one.consecutive_5xx = 1;
  for (const Row& row : std::vector<Row>{
           {"five are enough", kPolicy, {500, 501, 502, 503, 599}, Ejection::consecutive_5xx},
           {"four are not", kPolicy, {500, 500, 500, 500}, Ejection::none},
           {"any other response ends the row", kPolicy, {500, 500, 500, 500, 200, 500}, Ejection::none},
           {"404 is a success", kPolicy, {500, 500, 500, 500, 404, 500}, Ejection::none},
           {"a failure without a response counts as one",
            kPolicy,
            {500, 500, -503, -504, -503},
            Ejection::consecutive_5xx},
           {"one is enough if one is said", one, {500}, Ejection::consecutive_5xx},
           {"gateway errors are fewer", gateway, {502, 503, 504}, Ejection::consecutive_gateway},
           {"500 ends their row, and not that of 5xx", gateway, {502, 503, 500, 502, 503}, Ejection::consecutive_5xx},
           {"no connection is one of them", gateway, {-503, -503, -504}, Ejection::consecutive_gateway},
           {"5xx need not be looked at", gateway_alone, {500, 500, 500, 500, 500, 500, 500}, Ejection::none},
           {"gateway errors alone", gateway_alone, {500, 502, 502, 502}, Ejection::consecutive_gateway},
           {"gateway errors are not looked at by default", gateway_alone, {502, 502, 500, 502, 502}, Ejection::none},
           {"split: local failures apart", split, {-503, -504}, Ejection::consecutive_local},
           {"split: a response ends their row", split, {-503, 200, -503}, Ejection::none},
           {"split: a 5xx too", split, {-503, 500, -503}, Ejection::none},
           {"split: they are no 5xx, and end no row of those",
            split,
            {500, 500, 500, -503, 500, 500},
            Ejection::consecutive_5xx},
           {"split: not looked at", split_off, {-503, -503, -503, -503, -503, -503}, Ejection::none},
       }) {
    OutlierBoard board(4, 4, 1);
    for (size_t i = 0; i < row.outcomes.size(); ++i) {
      const OutlierBoard::Reported told = tell(board, row.policy, row.outcomes[i]);
      EXPECT_EQ(told.ejected, i + 1 == row.outcomes.size() ? row.by_last : Ejection::none) << row.what << ", " << i;
    }
    EXPECT_EQ(board.ejected(kService), row.by_last == Ejection::none ? 0U : 1U) << row.what;
    EXPECT_EQ(board.state(0).why, row.by_last) << row.what;
  }
}

/// "If the number of ejected hosts is above the threshold the host is not ejected": while their share is below, one
/// more is, so any percentage but 0 allows for one.
TEST(Outlier, NoMoreAreEjectedThanMayBe) {
  struct Row {
    uint32_t percent;
    uint32_t hosts;
    uint32_t ejected;
  };
  for (const Row& row : std::vector<Row>{{0, 10, 0},
                                         {10, 1, 1},
                                         {10, 5, 1},
                                         {10, 10, 1},
                                         {10, 11, 2},
                                         {10, 20, 2},
                                         {34, 3, 2},
                                         {50, 4, 2},
                                         {100, 4, 4}}) {
    OutlierPolicy policy = kPolicy;
    policy.max_ejection_percent = row.percent;
    policy.consecutive_5xx = 1;
    OutlierBoard board(4, 32, 1);
    uint32_t held_back = 0;
    for (uint32_t endpoint = 0; endpoint < row.hosts; ++endpoint) {
      held_back += tell(board, policy, 500, endpoint, row.hosts).held_back == Ejection::consecutive_5xx;
    }
    EXPECT_EQ(board.ejected(kService), row.ejected) << row.percent << "% of " << row.hosts;
    EXPECT_EQ(held_back, row.hosts - row.ejected);
  }
}

TEST(Outlier, ReturnsByOneProbe) {
  OutlierPolicy policy = kPolicy;
  policy.consecutive_5xx = 1;
  OutlierBoard board(4, 4, 2);
  tell(board, policy, 500);
  const auto ends_as = [&](uint16_t status, uint32_t now) {
    return board.report(0, kService, 4, 0, policy, {.status = status, .was_probe = true}, now).ejected;
  };
  EXPECT_EQ(board.leave_for(0, 29'999), Leave::no);
  EXPECT_EQ(board.leave_for(0, 30'000), Leave::as_probe);
  EXPECT_EQ(board.leave_for(0, 30'000), Leave::no) << "one is under way";
  EXPECT_EQ(board.state(0).phase, Phase::on_trial);
  tell(board, policy, 200, 0, 4, 30'001);
  EXPECT_EQ(board.leave_for(0, 30'002), Leave::no) << "what was under way before says nothing";
  EXPECT_EQ(ends_as(503, 31'000), Ejection::probe);
  EXPECT_EQ(board.leave_for(0, 31'000 + 59'999), Leave::no) << "for twice as long";
  EXPECT_EQ(board.leave_for(0, 31'000 + 60'000), Leave::as_probe);
  board.abandon(0, 91'000);
  EXPECT_EQ(board.leave_for(0, 91'000), Leave::as_probe) << "one that came to nothing is not the last";
  EXPECT_EQ(board.ejected(kService), 1U);
  EXPECT_EQ(ends_as(200, 92'000), Ejection::none);
  EXPECT_EQ(board.leave_for(0, 92'000), Leave::yes);
  EXPECT_EQ(board.ejected(kService), 0U);
  EXPECT_EQ(board.state(0).times, 2U) << "remembered, for a while";
}

TEST(Outlier, EjectionsGrowToACapAndAreForgotten) {
  OutlierPolicy policy = kPolicy;
  policy.consecutive_5xx = 1;
  const Snapshot snapshot = snapshot_of({outlier_service({0, 1, 2, 3}, policy)});
  OutlierBoard board(4, 4, 1);
  uint32_t now = 0;
  for (const uint32_t expected_s : {30, 60, 90, 120, 150, 180, 210, 240, 270, 300, 300, 300}) {
    EXPECT_EQ(tell(board, policy, 500, 0, 4, now).ejected, Ejection::consecutive_5xx);
    EXPECT_EQ(board.state(0).until - now, expected_s * 1000);
    now += expected_s * 1000;
    ASSERT_EQ(board.leave_for(0, now), Leave::as_probe);
    board.report(0, kService, 4, 0, policy, {.status = 200, .was_probe = true}, now);
  }
  const auto look_after = [&] { board.look_after(snapshot, now, [](uint32_t, const auto&) {}); };
  look_after();
  const uint32_t times = board.state(0).times;
  now += 9'999;
  look_after();
  EXPECT_EQ(board.state(0).times, times);
  now += 1;
  look_after();
  EXPECT_EQ(board.state(0).times, times - 1) << "one an interval";
  for (uint32_t i = 0; i < times; ++i) {
    now += 10'000;
    look_after();
  }
  EXPECT_EQ(board.state(0).times, 0U);
  OutlierPolicy longer = policy;
  longer.base_ejection = milliseconds(400'000);
  tell(board, longer, 500, 0, 4, now);
  EXPECT_EQ(board.state(0).until - now, 400'000U) << "a base above the cap is the cap";
}

TEST(Outlier, PanicIsWhenTooFewAreLeft) {
  OutlierPolicy policy = kPolicy;
  policy.consecutive_5xx = 1;
  policy.min_health_percent = 50;
  const Service service = outlier_service({0, 1, 2, 3}, policy);
  OutlierBoard board(4, 4, 1);
  for (uint32_t ejected = 0; ejected <= 4; ++ejected) {
    EXPECT_EQ(board.is_panic(service, policy), ejected > 2) << ejected;
    OutlierPolicy never = policy;
    never.min_health_percent = 0;
    EXPECT_FALSE(board.is_panic(service, never));
    if (ejected < 4) {
      tell(board, policy, 500, ejected, 4);
    }
  }
}

/// Envoy: threshold = mean - stdev * factor, of hosts with enough requests in the interval, if those are enough.
TEST(Outlier, SuccessRatesAreJudgedAgainstTheOthers) {
  struct Row {
    const char* what;
    std::vector<std::pair<int, int>> hosts;  ///< good ones, of so many
    std::set<uint32_t> ejected;
  };
  for (const Row& row : std::vector<Row>{
           {"all alike", {{100, 100}, {100, 100}, {100, 100}, {100, 100}, {100, 100}}, {}},
           // Mean 94, deviation 12: the threshold is 71.2.
           {"one lies low", {{100, 100}, {100, 100}, {100, 100}, {100, 100}, {70, 100}}, {4}},
           {"any one of five lies 2 deviations low", {{200, 200}, {200, 200}, {200, 200}, {200, 200}, {199, 200}}, {4}},
           {"all fail alike", {{50, 100}, {50, 100}, {50, 100}, {50, 100}, {50, 100}}, {}},
           {"two of six: 1.4 deviations", {{100, 100}, {100, 100}, {100, 100}, {100, 100}, {50, 100}, {50, 100}}, {}},
           {"too few hosts", {{100, 100}, {100, 100}, {100, 100}, {0, 100}}, {}},
           {"too few requests", {{100, 100}, {100, 100}, {100, 100}, {100, 100}, {0, 99}}, {}},
           {"who has too few is not counted",
            {{99, 99}, {100, 100}, {100, 100}, {100, 100}, {100, 100}, {20, 100}},
            {5}},
       }) {
    OutlierPolicy policy = kPolicy;
    policy.consecutive_5xx = 0;
    policy.success_rate.stdev_factor_permille = 1900;
    std::vector<uint32_t> slots;
    for (uint32_t i = 0; i < row.hosts.size(); ++i) {
      slots.push_back(i);
    }
    const Snapshot snapshot = snapshot_of({outlier_service(slots, policy)});
    OutlierBoard board(4, 8, 2);
    uint32_t now = 10'000;
    board.look_after(snapshot, now, [](uint32_t, const auto&) {});
    for (uint32_t host = 0; host < row.hosts.size(); ++host) {
      for (int i = 0; i < row.hosts[host].second; ++i) {
        const uint16_t status = i < row.hosts[host].first ? 200 : 500;
        board.report(static_cast<uint32_t>(i % 2), kService, static_cast<uint32_t>(slots.size()), host, policy,
                     {.status = status}, now);
      }
    }
    now += 9'999;
    board.look_after(snapshot, now, [](uint32_t, const auto&) {});
    EXPECT_EQ(board.ejected(kService), 0U) << row.what << ": the interval is not over";
    now += 1;
    int told = 0;
    board.look_after(snapshot, now, [&](uint32_t service, const OutlierBoard::Reported& each) {
      EXPECT_EQ(service, kService);
      EXPECT_EQ(each.ejected, Ejection::success_rate);
      ++told;
    });
    std::set<uint32_t> ejected;
    for (const uint32_t slot : slots) {
      if (board.state(slot).phase == Phase::ejected) {
        ejected.insert(slot);
      }
    }
    EXPECT_EQ(ejected, row.ejected) << row.what;
    EXPECT_EQ(told, static_cast<int>(row.ejected.size())) << row.what;
    now += 10'000;
    board.look_after(snapshot, now, [](uint32_t, const auto&) {});
    EXPECT_EQ(board.ejected(kService), row.ejected.size()) << row.what << ": what was judged is not judged again";
  }
}

TEST(Outlier, AnEjectionDoesNotOutliveItsEndpoint) {
  OutlierPolicy policy = kPolicy;
  policy.consecutive_5xx = 1;
  OutlierBoard board(4, 4, 1);
  const auto eject = [&] {
    tell(board, policy, 500, 2);
    EXPECT_EQ(board.ejected(kService), 1U);
  };
  const auto look_after = [&](const Snapshot& snapshot) {
    board.look_after(snapshot, 100, [](uint32_t, const auto&) {});
  };
  const Snapshot has_it = snapshot_of({outlier_service({1, 2}, policy)});
  const Snapshot without_it = snapshot_of({outlier_service({1, 3}, policy)});
  const Snapshot without_service = snapshot_of({outlier_service({1, 2}, policy, 3)});
  const Snapshot without_detection = snapshot_of({outlier_service({1, 2}, OutlierPolicy{})});
  eject();
  look_after(has_it);
  EXPECT_EQ(board.ejected(kService), 1U);
  for (const Snapshot* snapshot : {&without_it, &without_service, &without_detection}) {
    look_after(*snapshot);
    EXPECT_EQ(board.ejected(kService), 0U);
    EXPECT_EQ(board.leave_for(2, 100), Leave::yes);
    EXPECT_EQ(board.state(2).times, 0U);
    eject();
  }
  board.forget(2);
  EXPECT_EQ(board.ejected(kService), 0U);
  board.forget(2);
  EXPECT_EQ(board.ejected(kService), 0U);
  // A probe of the last owner's says nothing of the next one.
  board.report(0, kService, 4, 2, policy, {.status = 200, .was_probe = true}, 200);
  EXPECT_EQ(board.ejected(kService), 0U);
  EXPECT_EQ(board.state(2).phase, Phase::in_service);
}

/// Times wrap, and one that was long over is over still.
TEST(Outlier, StaysDueWithoutRequests) {
  OutlierPolicy policy = kPolicy;
  policy.consecutive_5xx = 1;
  const Snapshot snapshot = snapshot_of({outlier_service({0, 1, 2, 3}, policy)});
  OutlierBoard board(4, 4, 1);
  uint32_t now = UINT32_MAX - 10'000;
  tell(board, policy, 500, 0, 4, now);
  EXPECT_EQ(board.leave_for(0, now + 29'999), Leave::no);
  for (int day = 0; day < 60; ++day) {
    now += 24 * 3600 * 1000;
    board.look_after(snapshot, now, [](uint32_t, const auto&) {});
  }
  EXPECT_EQ(board.leave_for(0, now), Leave::as_probe);
}

/// Whatever the clock said when detection was turned on, or when it was on last.
TEST(Outlier, IntervalsGoOnHoweverLongThereWasNoDetection) {
  OutlierPolicy policy = kPolicy;
  policy.consecutive_5xx = 0;
  policy.success_rate.stdev_factor_permille = 1900;
  const std::vector<uint32_t> slots = {0, 1, 2, 3, 4};
  const Snapshot on = snapshot_of({outlier_service(slots, policy)});
  const Snapshot off = snapshot_of({outlier_service(slots, OutlierPolicy{})});
  constexpr uint32_t kDay = 24 * 3600 * 1000;
  for (const bool is_there : {false, true}) {  // the service, while it has no detection
    for (const uint32_t days_off : {0, 1, 24, 25, 26, 40, 49, 50, 70, 75, 80}) {
      OutlierBoard board(4, 8, 1);
      uint32_t now = 5'000;
      const auto look_after = [&](const Snapshot& snapshot) {
        board.look_after(snapshot, now, [](uint32_t, auto&) {});
      };
      const auto serve_an_interval = [&] {
        for (uint32_t second = 0; second <= 10; ++second) {
          for (const uint32_t host : slots) {
            for (int i = 0; i < 100; ++i) {
              tell(board, policy, host == 4 ? 500 : 200, host, 5, now);
            }
          }
          now += 1000;
          look_after(on);
        }
      };
      serve_an_interval();
      serve_an_interval();
      ASSERT_EQ(board.ejected(kService), 1U);
      for (uint32_t hour = 0; is_there && hour < 24 * days_off; ++hour) {
        now += kDay / 24;
        look_after(off);
      }
      now += is_there ? 0 : days_off * kDay;
      board.forget(4);
      serve_an_interval();
      serve_an_interval();
      EXPECT_EQ(board.ejected(kService), 1U) << days_off << " days off";
    }
  }
  OutlierBoard late(4, 8, 1);
  uint32_t now = (1U << 31) + 12'345;
  late.look_after(on, now, [](uint32_t, auto&) {});
  for (const uint32_t host : slots) {
    for (int i = 0; i < 100; ++i) {
      tell(late, policy, host == 4 ? 500 : 200, host, 5, now);
    }
  }
  now += 10'000;
  late.look_after(on, now, [](uint32_t, auto&) {});
  EXPECT_EQ(late.ejected(kService), 1U) << "turned on when half of the numbers were over";
}

/// What the board does, without its atomics, words and shortcuts.
class OutlierModel {
 public:
  struct Host {
    Phase phase = Phase::in_service;
    uint32_t until = 0;
    uint32_t times = 0;
    uint32_t row_5xx = 0;
    uint32_t row_gateway = 0;
    uint32_t row_local = 0;
  };
  std::map<uint32_t, Host> hosts;

  size_t out() const {
    return static_cast<size_t>(std::count_if(hosts.begin(), hosts.end(),
                                             [](const auto& each) { return each.second.phase != Phase::in_service; }));
  }
  Leave leave(uint32_t host, uint32_t now) {
    Host& at = hosts[host];
    if (at.phase == Phase::in_service) {
      return Leave::yes;
    }
    if (at.phase == Phase::ejected && now >= at.until) {
      at.phase = Phase::on_trial;
      return Leave::as_probe;
    }
    return Leave::no;
  }
  OutlierBoard::Reported report(uint32_t host, const OutlierPolicy& policy, const Outcome& outcome, uint32_t now) {
    Host& at = hosts[host];
    const bool failed = outcome.is_local || outcome.status >= 500;
    if (outcome.was_probe) {
      if (at.phase != Phase::on_trial) {
        return {};
      }
      if (!failed) {
        at = {.times = at.times};
        return {};
      }
      put_out(at, policy, now);
      return {.ejected = Ejection::probe};
    }
    std::vector<Ejection> reasons;
    const auto fail = [&](uint32_t& row, uint32_t threshold, Ejection why) {
      if (threshold > 0 && ++row == threshold) {
        row = 0;
        reasons.push_back(why);
      }
    };
    if (policy.split_local_origin && outcome.is_local) {
      fail(at.row_local, policy.consecutive_local, Ejection::consecutive_local);
    } else {
      at.row_local = 0;
      if (failed && outcome.status >= 502 && outcome.status <= 504) {
        fail(at.row_gateway, policy.consecutive_gateway, Ejection::consecutive_gateway);
      } else {
        at.row_gateway = 0;
      }
      if (failed) {
        fail(at.row_5xx, policy.consecutive_5xx, Ejection::consecutive_5xx);
      } else {
        at.row_5xx = 0;
      }
    }
    if (reasons.empty() || at.phase != Phase::in_service) {
      return {};
    }
    if (static_cast<double>(out()) / static_cast<double>(hosts.size()) * 100 >= policy.max_ejection_percent) {
      return {.held_back = reasons[0]};
    }
    put_out(at, policy, now);
    return {.ejected = reasons[0]};
  }

 private:
  static void put_out(Host& at, const OutlierPolicy& policy, uint32_t now) {
    at.times = std::min(at.times + 1, 255U);
    at.phase = Phase::ejected;
    at.until = now + static_cast<uint32_t>(std::min(policy.base_ejection * at.times, policy.max_ejection).count());
  }
};

TEST(Outlier, AgreesWithASlowModel) {
  std::mt19937_64 random(3);
  int ejections = 0;
  int probes = 0;
  int returned = 0;
  for (int round = 0; round < 60; ++round) {
    OutlierPolicy policy{.enabled = true};
    policy.split_local_origin = random() % 2 == 0;
    policy.consecutive_5xx = static_cast<uint32_t>(random() % 4);
    policy.consecutive_gateway = static_cast<uint32_t>(random() % 3);
    policy.consecutive_local = static_cast<uint32_t>(random() % 3);
    policy.max_ejection_percent = std::vector<uint32_t>{10, 25, 50, 100}[random() % 4];
    policy.base_ejection = milliseconds(1 + random() % 2000);
    policy.max_ejection = milliseconds(4000);
    policy.interval = milliseconds(1000);
    const auto count = static_cast<uint32_t>(1 + random() % 12);
    std::vector<uint32_t> slots;
    OutlierModel model;
    for (uint32_t i = 0; i < count; ++i) {
      slots.push_back(i);
      model.hosts[i] = {};
    }
    const Snapshot snapshot = snapshot_of({outlier_service(slots, policy)});
    OutlierBoard board(4, 16, 3);
    std::set<uint32_t> on_trial;
    uint32_t now = 0;
    uint32_t interval = 0;
    for (int i = 0; i < 20'000; ++i) {
      now += static_cast<uint32_t>(random() % 20);
      const auto host = static_cast<uint32_t>(random() % count);
      if (random() % 2 == 0) {
        const Leave leave = board.leave_for(host, now);
        ASSERT_EQ(leave, model.leave(host, now)) << round << " " << i;
        if (leave == Leave::as_probe) {
          ASSERT_TRUE(on_trial.insert(host).second) << "one at a time";
          ++probes;
        }
      } else {
        Outcome outcome{.status = std::vector<uint16_t>{200, 404, 500, 502, 503}[random() % 5],
                        .is_local = random() % 4 == 0,
                        .was_probe = on_trial.contains(host) && random() % 2 == 0};
        if (outcome.is_local) {
          outcome.status = 503;
        }
        if (outcome.was_probe) {
          on_trial.erase(host);
        }
        const OutlierBoard::Reported told =
            board.report(static_cast<uint32_t>(random() % 3), kService, count, host, policy, outcome, now);
        const OutlierBoard::Reported expected = model.report(host, policy, outcome, now);
        ASSERT_EQ(told.ejected, expected.ejected) << round << " " << i;
        ASSERT_EQ(told.held_back, expected.held_back) << round << " " << i;
        ejections += told.ejected != Ejection::none;
        returned += outcome.was_probe && told.ejected == Ejection::none;
      }
      if (random() % 50 == 0) {
        board.look_after(snapshot, now, [](uint32_t, const auto&) {});
        if (now >= interval + 1000) {
          interval = now;
          for (auto& [slot, each] : model.hosts) {
            each.times -= each.phase == Phase::in_service && each.times > 0 ? 1 : 0;
          }
        }
      }
      for (const auto& [slot, each] : model.hosts) {
        ASSERT_EQ(board.state(slot).phase, each.phase) << round << " " << i;
        ASSERT_EQ(board.state(slot).times, each.times) << round << " " << i;
      }
      ASSERT_EQ(board.ejected(kService), model.out());
    }
  }
  EXPECT_GT(ejections, 1000);
  EXPECT_GT(probes, 500);
  EXPECT_GT(returned, 100);
}

}  // namespace
}  // namespace weft::lb
