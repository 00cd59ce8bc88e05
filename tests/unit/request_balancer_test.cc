// SPDX-License-Identifier: Apache-2.0
#include "lb/request_balancer.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <random>
#include <set>

namespace weft::lb {
namespace {

constexpr uint32_t kServices = 4;
constexpr uint32_t kEndpoints = 64;

/// Endpoints by slots and weights.
Service service(const std::vector<std::pair<uint32_t, uint32_t>>& endpoints, RequestPolicy policy, uint32_t slot = 1) {
  Service service{.name = "default/web", .slot = slot};
  std::vector<MaglevMember> members;
  for (const auto& [endpoint, weight] : endpoints) {
    service.targets.push_back(
        {.address = address_from_host(0x0a000000 + endpoint), .port = port_from_host(80), .slot = endpoint});
    members.push_back({.identity = "10.0.0." + std::to_string(100 + endpoint), .weight = weight});
  }
  service.table = std::make_shared<MaglevTable>(members, 4093, 1);
  service.requests = std::make_shared<RequestPolicy>(std::move(policy));
  return service;
}

std::map<uint32_t, int> picks(RequestBalancer& balancer, const Service& service, int count,
                              uint32_t avoid = UINT32_MAX) {
  std::map<uint32_t, int> result;
  for (int i = 0; i < count; ++i) {
    ++result[balancer.pick(service, {.tried = {&avoid, 1}})->slot];
  }
  return result;
}

const std::vector<Balancing> kAll = {Balancing::least_request, Balancing::round_robin, Balancing::random,
                                     Balancing::consistent_hash};
/// With nothing to hash in these requests.
RequestPolicy policy(Balancing balancing) {
  return {.balancing = balancing, .hash = {.kind = HashOn::Kind::header, .name = "x-user"}};
}

TEST(RequestBalancer, NoTargetsIsNull) {
  RequestBalancer balancer(kServices, kEndpoints, 1);
  for (const Balancing each : kAll) {
    EXPECT_EQ(balancer.pick(service({}, policy(each)), {}), nullptr);
    EXPECT_EQ(balancer.pick(service({{3, 0}}, policy(each)), {}), nullptr);
  }
}

// Chi-squared would do; five deviations of a binomial are plainer, and fail once in two million.
TEST(RequestBalancer, IdleEndpointsGetTheirWeightsShares) {
  const std::vector<std::pair<uint32_t, uint32_t>> weights = {{0, 1}, {5, 2}, {9, 0}, {13, 4}, {14, 13}};
  constexpr int kPicks = 20000;
  for (const Balancing each : kAll) {
    RequestBalancer balancer(kServices, kEndpoints, 7);
    auto counts = picks(balancer, service(weights, policy(each)), kPicks);
    for (const auto& [slot, weight] : weights) {
      const double share = weight / 20.0;
      EXPECT_NEAR(counts[slot], kPicks * share, 5 * std::sqrt(kPicks * share * (1 - share)))
          << static_cast<int>(each) << " " << slot;
    }
  }
}

TEST(RequestBalancer, ARoundGivesEachItsWeightExactly) {
  RequestBalancer balancer(kServices, kEndpoints, 3);
  const Service weighted = service({{0, 50}, {1, 10}, {2, 10}}, policy(Balancing::round_robin));
  for (int round = 0; round < 5; ++round) {
    EXPECT_EQ(picks(balancer, weighted, 7), (std::map<uint32_t, int>{{0, 5}, {1, 1}, {2, 1}}));
  }
  std::vector<std::pair<uint32_t, uint32_t>> equal;
  for (uint32_t slot = 0; slot < 50; ++slot) {
    equal.push_back({slot, 7});
  }
  const Service many = service(equal, policy(Balancing::round_robin));
  std::vector<uint32_t> first;
  for (int round = 0; round < 3; ++round) {
    std::vector<uint32_t> order;
    for (int i = 0; i < 50; ++i) {
      order.push_back(balancer.pick(many, {})->slot);
    }
    first = round == 0 ? order : first;
    EXPECT_EQ(order, first);
    EXPECT_EQ(std::set<uint32_t>(order.begin(), order.end()).size(), 50U);
  }
}

TEST(RequestBalancer, ARoundIsSmooth) {
  RequestBalancer balancer(kServices, kEndpoints, 3);
  const Service weighted = service({{0, 5}, {1, 3}, {2, 1}, {3, 11}}, policy(Balancing::round_robin));
  std::map<uint32_t, int> counts;
  for (int i = 1; i <= 200; ++i) {
    ++counts[balancer.pick(weighted, {})->slot];
    for (const auto& [slot, weight] : std::map<uint32_t, int>{{0, 5}, {1, 3}, {2, 1}, {3, 11}}) {
      EXPECT_NEAR(counts[slot], i * weight / 20.0, 2.0) << i;
    }
  }
}

TEST(RequestBalancer, WorkersBeginTheirRoundsElsewhere) {
  const Service equal = service({{0, 1}, {1, 1}, {2, 1}, {3, 1}}, policy(Balancing::round_robin));
  std::set<uint32_t> first;
  for (uint64_t seed = 0; seed < 32; ++seed) {
    RequestBalancer balancer(kServices, kEndpoints, seed);
    first.insert(balancer.pick(equal, {})->slot);
  }
  EXPECT_EQ(first.size(), 4U);
}

TEST(RequestBalancer, LeastRequestKeepsTheBusyAway) {
  RequestBalancer balancer(kServices, kEndpoints, 5);
  const Service equal = service({{0, 1}, {1, 1}, {2, 1}, {3, 1}}, policy(Balancing::least_request));
  for (int i = 0; i < 10; ++i) {
    balancer.begin(2);
  }
  EXPECT_EQ(picks(balancer, equal, 1000).count(2), 0U);  // of two different ones the other is always better
  for (int i = 0; i < 10; ++i) {
    balancer.end(2);
  }
  EXPECT_GT(picks(balancer, equal, 1000)[2], 150);
}

TEST(RequestBalancer, LeastRequestLevelsRequestsByWeight) {
  RequestBalancer balancer(kServices, kEndpoints, 5);
  const Service weighted = service({{0, 1}, {1, 1}, {2, 2}, {3, 4}}, policy(Balancing::least_request));
  for (int i = 0; i < 800; ++i) {  // none of them ends
    balancer.begin(balancer.pick(weighted, {})->slot);
  }
  EXPECT_NEAR(balancer.active(0), 100, 12);
  EXPECT_NEAR(balancer.active(1), 100, 12);
  EXPECT_NEAR(balancer.active(2), 200, 16);
  EXPECT_NEAR(balancer.active(3), 400, 24);
}

TEST(RequestBalancer, ARetryGoesElsewhereIfItCan) {
  for (const Balancing each : kAll) {
    RequestBalancer balancer(kServices, kEndpoints, 9);
    const Service three = service({{0, 1}, {1, 98}, {2, 1}}, policy(each));
    const auto counts = picks(balancer, three, 2000, 1);
    EXPECT_EQ(counts.count(1), 0U) << static_cast<int>(each);
    EXPECT_EQ(counts.size(), 2U);
    EXPECT_EQ(picks(balancer, service({{1, 1}}, policy(each)), 10, 1).at(1), 10);
    EXPECT_EQ(picks(balancer, service({{1, 1}, {2, 0}}, policy(each)), 10, 1).at(1), 10);
  }
}

TEST(RequestBalancer, HashesWhatThePolicyNames) {
  const RequestBalancer balancer(kServices, kEndpoints, 1);
  const std::vector<HttpField> fields = {{"X-User", "ann"}, {"Cookie", "a=1; user=bob;c=2"}, {"cookie", "late=x"}};
  const HttpRequest request{.path = "/", .query = "u=1&us%65r=eve&user=2", .fields = fields};
  const RequestBalancer::Asked asked{.request = &request, .client = address_from_host(7)};
  const auto hash = [&](HashOn::Kind kind, std::string name) {
    return balancer.hash_of({.hash = {.kind = kind, .name = std::move(name)}}, asked);
  };
  EXPECT_EQ(hash(HashOn::Kind::header, "x-user"), RequestBalancer::hash_of_value("ann"));
  EXPECT_EQ(hash(HashOn::Kind::cookie, "user"), RequestBalancer::hash_of_value("bob"));
  EXPECT_EQ(hash(HashOn::Kind::cookie, "c"), RequestBalancer::hash_of_value("2"));
  EXPECT_EQ(hash(HashOn::Kind::cookie, "late"), RequestBalancer::hash_of_value("x"));
  EXPECT_EQ(hash(HashOn::Kind::query, "user"), RequestBalancer::hash_of_value("eve"));
  EXPECT_EQ(hash(HashOn::Kind::header, "x-users"), std::nullopt);
  EXPECT_EQ(hash(HashOn::Kind::cookie, "use"), std::nullopt);
  EXPECT_EQ(hash(HashOn::Kind::query, "v"), std::nullopt);
  const auto source = hash(HashOn::Kind::source, "");
  ASSERT_TRUE(source);
  EXPECT_NE(source, balancer.hash_of({}, {.client = address_from_host(8)}));
  // A cookie that weft is about to set stands in for one that is not there, and for nothing else.
  const RequestPolicy by_cookie{.hash = {.kind = HashOn::Kind::cookie, .name = "user"}};
  EXPECT_EQ(balancer.hash_of(by_cookie, {.cookie_hash = 5}), 5U);
  EXPECT_EQ(balancer.hash_of(by_cookie, {.request = &request, .cookie_hash = 5}),
            RequestBalancer::hash_of_value("bob"));
  EXPECT_EQ(balancer.hash_of(policy(Balancing::consistent_hash), {.cookie_hash = 5}), std::nullopt);
}

TEST(RequestBalancer, AllWorkersSendOneUserToOneEndpoint) {
  std::vector<std::pair<uint32_t, uint32_t>> endpoints;
  for (uint32_t slot = 0; slot < 20; ++slot) {
    endpoints.push_back({slot, 1});
  }
  const Service all = service(endpoints, policy(Balancing::consistent_hash));
  endpoints.erase(endpoints.begin() + 4);
  const Service fewer = service(endpoints, policy(Balancing::consistent_hash));
  RequestBalancer one(kServices, kEndpoints, 1);
  RequestBalancer other(kServices, kEndpoints, 2);
  std::set<uint32_t> used;
  int moved = 0;
  for (int user = 0; user < 500; ++user) {
    const std::string name = "user-" + std::to_string(user);
    const std::vector<HttpField> fields = {{"x-user", name}};
    const HttpRequest request{.path = "/", .fields = fields};
    const uint32_t slot = one.pick(all, {.request = &request})->slot;
    EXPECT_EQ(other.pick(all, {.request = &request})->slot, slot);
    const uint32_t retried = one.pick(all, {.request = &request, .tried = {&slot, 1}})->slot;
    EXPECT_NE(retried, slot);
    EXPECT_EQ(other.pick(all, {.request = &request, .tried = {&slot, 1}})->slot, retried);
    used.insert(slot);
    moved += slot != 4 && other.pick(fewer, {.request = &request})->slot != slot ? 1 : 0;
  }
  EXPECT_EQ(used.size(), 20U);
  EXPECT_LT(moved, 25);
}

// Endpoints come, go and change their weights between any two picks; requests begin and end meanwhile.
TEST(RequestBalancer, AnyChangeBetweenPicksIsFine) {
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    SCOPED_TRACE(seed);
    std::mt19937_64 random(seed);
    RequestBalancer balancer(kServices, kEndpoints, seed);
    std::vector<uint32_t> active(kEndpoints);
    for (int change = 0; change < 50; ++change) {
      std::vector<std::pair<uint32_t, uint32_t>> endpoints;
      std::map<uint32_t, uint32_t> weights;
      for (uint32_t slot = 0; slot < kEndpoints; ++slot) {
        if (random() % 8 < static_cast<uint64_t>(change % 9)) {
          endpoints.push_back({slot, random() % 5 == 0 ? 0 : static_cast<uint32_t>(random() % 1000)});
          weights[slot] = endpoints.back().second;
        }
      }
      const auto open = static_cast<size_t>(
          std::count_if(weights.begin(), weights.end(), [](const auto& each) { return each.second > 0; }));
      const Service now = service(endpoints, policy(kAll[random() % kAll.size()]), static_cast<uint32_t>(random() % 4));
      for (int i = 0; i < 20; ++i) {
        const auto avoid = static_cast<uint32_t>(random() % kEndpoints);
        const Target* target = balancer.pick(now, {.tried = {&avoid, 1}});
        ASSERT_EQ(target != nullptr, open > 0);
        if (target != nullptr) {
          ASSERT_GT(weights.at(target->slot), 0U);
          ASSERT_TRUE(target->slot != avoid || open == 1);
          balancer.begin(target->slot);
          ++active[target->slot];
        }
        const auto ended = static_cast<uint32_t>(random() % kEndpoints);
        if (active[ended] > 0) {
          balancer.end(ended);
          --active[ended];
        }
        ASSERT_EQ(balancer.active(ended), active[ended]);
      }
    }
  }
}

/// One lost is as good as none: a hash goes from an ejected endpoint to the same other one whoever asks, and back with
/// it.
TEST(RequestBalancer, AHashPassesOverTheEjectedAlike) {
  RequestPolicy hashed = policy(Balancing::consistent_hash);
  hashed.outlier = {.enabled = true, .consecutive_5xx = 1, .max_ejection_percent = 100};
  const Service all = service({{0, 1}, {1, 1}, {2, 1}, {3, 1}, {4, 1}}, hashed);
  OutlierBoard board(kServices, kEndpoints, 2);
  RequestBalancer one(kServices, kEndpoints, 1, &board);
  RequestBalancer other(kServices, kEndpoints, 2, &board);
  std::map<std::string, uint32_t> homes;
  const auto pick = [&](RequestBalancer& balancer, const std::string& user) {
    std::vector<HttpField> fields = {{"x-user", user}};
    HttpRequest request;
    request.fields = fields;
    return balancer.pick(all, {.request = &request, .now = 100});
  };
  for (int i = 0; i < 200; ++i) {
    const std::string user = std::to_string(i);
    homes[user] = pick(one, user)->slot;
  }
  const auto eject = [&](uint32_t slot) {
    return board.report(0, all.slot, 5, slot, hashed.outlier, {.status = 500}, 0).ejected;
  };
  std::set<uint32_t> out;
  for (const uint32_t slot : {2U, 4U, 0U, 1U}) {
    ASSERT_EQ(eject(slot), Ejection::consecutive_5xx);
    out.insert(slot);
    std::map<uint32_t, int> moved;
    for (const auto& [user, home] : homes) {
      const Target* const target = pick(one, user);
      ASSERT_NE(target, nullptr);
      ASSERT_EQ(pick(other, user), target);
      ASSERT_FALSE(out.contains(target->slot));
      if (!out.contains(home)) {
        ASSERT_EQ(target->slot, home) << "who need not move stays";
      } else {
        ++moved[target->slot];
      }
    }
    EXPECT_EQ(moved.size(), 5 - out.size()) << "those of one endpoint go to all others";
  }
  ASSERT_EQ(eject(3), Ejection::consecutive_5xx);
  EXPECT_EQ(pick(one, "1"), nullptr) << "all are ejected";
}

/// What others do not get is shared by weight, and goes by the algorithm.
TEST(RequestBalancer, TheRestShareWhatTheEjectedDoNotGet) {
  for (const Balancing each : {Balancing::least_request, Balancing::round_robin, Balancing::random}) {
    RequestPolicy watched = policy(each);
    watched.outlier = {.enabled = true, .consecutive_5xx = 1, .max_ejection_percent = 100};
    const Service all = service({{0, 1}, {1, 1}, {2, 1}, {3, 1}}, watched);
    OutlierBoard board(kServices, kEndpoints, 1);
    RequestBalancer balancer(kServices, kEndpoints, 3, &board);
    board.report(0, all.slot, 4, 1, watched.outlier, {.status = 500}, 0);
    const std::map<uint32_t, int> counts = picks(balancer, all, 3000);
    ASSERT_EQ(counts.size(), 3U) << static_cast<int>(each);
    for (const auto& [slot, count] : counts) {
      EXPECT_NE(slot, 1U);
      EXPECT_NEAR(count, 1000, each == Balancing::round_robin ? 10 : 150) << static_cast<int>(each);
    }
  }
}

}  // namespace
}  // namespace weft::lb
