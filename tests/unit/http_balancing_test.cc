// SPDX-License-Identifier: Apache-2.0
/// @file Which backend gets a request, and which of its endpoints: on the wire. How each balancer chooses among weights
/// is request_balancer_test's.
#include "http_proxied.h"

namespace weft::proxy {
namespace {

using lb::Balancing;
using lb::HashOn;
using lb::HttpRule;
using testing::StartsWith;

class HttpBalanced : public HttpProxied {
 protected:
  /// So many requests, each answered: how many came to each endpoint; under 0, how many weft answered with 500.
  std::map<uint32_t, int> shares(int count, const std::string& asked = std::string(kGet)) {
    std::map<uint32_t, int> shares;
    const auto client = mesh.connect();
    for (int i = 0; i < count; ++i) {
      const Told told = exchange(client, asked);
      EXPECT_THAT(told.client, StartsWith(told.to == 0 ? "HTTP/1.1 500 " : "HTTP/1.1 200 "));
      ++shares[told.to];
    }
    mesh.reset(client);
    return shares;
  }
  void balance(lb::RequestPolicy policy, const std::vector<uint32_t>& endpoints = {1, 2, 3, 4}) {
    mesh.publish({asking(http_service("default/web", 1, endpoints), std::move(policy))});
  }
};

TEST_F(HttpBalanced, ByWeight) {
  route(HttpRule{.backends = {backend(2, 90), backend(3, 10), backend(4, 0)}});
  auto split = shares(1000);
  EXPECT_NEAR(split[2], 900, 45);  // 4.7 standard deviations
  EXPECT_NEAR(split[3], 100, 45);
  EXPECT_FALSE(split.contains(4));
  route(HttpRule{.backends = {backend(2)}});
  EXPECT_EQ(shares(10), (std::map<uint32_t, int>{{2, 10}}));
}

TEST_F(HttpBalanced, WithoutABackendThereIs500) {
  lb::HttpBackend missing = backend(2);
  missing.port.slots = {lb::BackendPort::kNone, lb::BackendPort::kNone};
  const std::vector<std::vector<lb::HttpBackend>> rows = {
      {}, {backend(2, 0), backend(3, 0)}, {missing}, {missing, backend(2, 0)}, {backend(60)}};
  for (const auto& backends : rows) {
    route(HttpRule{.backends = backends});
    EXPECT_EQ(shares(20), (std::map<uint32_t, int>{{0, 20}}));
    EXPECT_EQ(flags_of_last(), "NR");
  }
  route(HttpRule{.backends = {missing, backend(3)}});
  auto split = shares(400);
  EXPECT_NEAR(split[0], 200, 50);
  EXPECT_NEAR(split[3], 200, 50);
}

TEST_F(HttpBalanced, InTurns) {
  balance({.balancing = Balancing::round_robin});
  EXPECT_EQ(shares(40), (std::map<uint32_t, int>{{1, 10}, {2, 10}, {3, 10}, {4, 10}}));
}

TEST_F(HttpBalanced, AsABackendSaysThatIsForwardedPacketByPacket) {
  lb::Service backing = asking(http_service("default/s2", 2, {2, 3}), {.balancing = Balancing::round_robin});
  backing.http = nullptr;
  lb::Http http{.protocol = lb::AppProtocol::http};
  http.routes = route_table({{"/", HttpRule{.backends = {backend(2)}}}});
  mesh.publish({http_service("default/web", 1, {1}, std::move(http)), std::move(backing)});
  EXPECT_EQ(shares(40), (std::map<uint32_t, int>{{2, 20}, {3, 20}}));
}

TEST_F(HttpBalanced, ByChance) {
  balance({.balancing = Balancing::random});
  auto split = shares(400);
  for (uint32_t endpoint = 1; endpoint <= 4; ++endpoint) {
    EXPECT_NEAR(split[endpoint], 100, 41) << endpoint;  // 4.7 standard deviations
  }
}

TEST_F(HttpBalanced, ToWhoHasLessToDo) {
  balance({.balancing = Balancing::least_request}, {1, 2});
  // One of two has a request under way that it does not answer: all others go to the other one.
  const auto stuck = mesh.connect();
  mesh.say(stuck, kGet);
  const uint32_t busy = number_of(only_heard().endpoint);
  EXPECT_EQ(shares(20), (std::map<uint32_t, int>{{3 - busy, 20}}));
}

TEST_F(HttpBalanced, ByWhatTheRequestHas) {
  struct Row {
    const char* what;
    HashOn on;
    std::string (*asked)(int);
  };
  const std::vector<Row> rows = {
      {"header",
       {.kind = HashOn::Kind::header, .name = "x-user"},
       [](int user) { return request("/a", "X-User: user-" + std::to_string(user) + "\r\n"); }},
      {"cookie",
       {.kind = HashOn::Kind::cookie, .name = "user"},
       [](int user) { return request("/a", "Cookie: a=b; user=" + std::to_string(user) + "\r\n"); }},
      {"query parameter",
       {.kind = HashOn::Kind::query, .name = "user"},
       [](int user) { return request("/a?b=c&user=" + std::to_string(user)); }},
  };
  for (const Row& row : rows) {
    balance({.balancing = Balancing::consistent_hash, .hash = row.on});
    std::set<uint32_t> used;
    for (int user = 0; user < 20; ++user) {
      const auto split = shares(5, row.asked(user));
      EXPECT_EQ(split.size(), 1U) << row.what << user;
      used.insert(split.begin()->first);
    }
    EXPECT_GT(used.size(), 2U) << row.what;
    EXPECT_GT(shares(60).size(), 2U) << row.what << ": nothing to hash, so by chance";
  }
  balance({.balancing = Balancing::consistent_hash, .hash = {.kind = HashOn::Kind::source}});
  EXPECT_EQ(shares(20).size(), 1U);
}

/// In which zones and slow starts show too.
TEST_F(HttpBalanced, ByTheWeightsOfEndpoints) {
  for (const Balancing balancing : {Balancing::round_robin, Balancing::random, Balancing::least_request}) {
    lb::Service service = asking(http_service("default/web", 1, {1, 2, 3}), {.balancing = balancing});
    std::vector<lb::MaglevMember> members;
    for (size_t i = 0; i < 3; ++i) {  // another zone's, one that has just come, and one that is there
      members.push_back({.identity = service.endpoints[i].identity(), .weight = std::array{0U, 10U, 90U}[i]});
    }
    service.table = std::make_shared<lb::MaglevTable>(members, 251, kMeshSeed);
    mesh.publish({std::move(service)});
    auto split = shares(400);
    EXPECT_FALSE(split.contains(1));
    EXPECT_NEAR(split[2], 40, 29) << static_cast<int>(balancing);  // 4.7 standard deviations
    EXPECT_EQ(split[2] + split[3], 400);
  }
}

TEST_F(HttpBalanced, AnEndpointThatGoesMovesItsOwnAlone) {
  const lb::RequestPolicy policy{.balancing = Balancing::consistent_hash,
                                 .hash = {.kind = HashOn::Kind::header, .name = "x-user"}};
  const auto by_user = [&] {
    std::map<int, uint32_t> endpoints;
    for (int user = 0; user < 60; ++user) {
      endpoints[user] = shares(1, request("/a", "X-User: " + std::to_string(user) + "\r\n")).begin()->first;
    }
    return endpoints;
  };
  balance(policy);
  const auto before = by_user();
  balance(policy, {1, 2, 3});
  int moved = 0;
  for (const auto& [user, endpoint] : by_user()) {
    moved += before.at(user) != 4 && before.at(user) != endpoint ? 1 : 0;
    EXPECT_NE(endpoint, 4U);
  }
  EXPECT_LE(moved, 6);  // Maglev moves a few more than it must
}

TEST_F(HttpBalanced, AHashCookieIsSetForWhoHasNone) {
  balance(
      {.balancing = Balancing::consistent_hash,
       .hash = {
           .kind = HashOn::Kind::cookie, .name = "user", .cookie_ttl = std::chrono::seconds(60), .cookie_path = "/p"}});
  const Told first = exchange_once(kGet);
  const std::string cookie = value_of(first.client, "set-cookie");
  EXPECT_THAT(cookie, testing::MatchesRegex("user=[0-9a-f]{16}; Path=/p; HttpOnly; Max-Age=60"));
  const std::string brought = request("/a", "Cookie: " + cookie.substr(0, cookie.find(';')) + "\r\n");
  EXPECT_EQ(shares(10, brought), (std::map<uint32_t, int>{{first.to, 10}}));
  EXPECT_EQ(value_of(exchange_once(brought).client, "set-cookie"), "-");
}

TEST_F(HttpBalanced, ADrainingEndpointEndsWhatItHasAndGetsNoMore) {
  balance({}, {1});
  const auto client = mesh.connect();
  exchange(client, kGet);  // its connection waits
  mesh.say(client, kGet);
  const auto under_way = only_heard();
  lb::Service service = http_service("default/web", 1, {2});
  service.endpoints.push_back({.name = "pod-1",
                               .address = endpoint_address(1),
                               .port = kMeshPort,
                               .state = lb::EndpointState::draining,
                               .slot = 1});
  std::sort(service.endpoints.begin(), service.endpoints.end(),
            [](const auto& a, const auto& b) { return a.identity() < b.identity(); });
  mesh.publish({std::move(service)});
  mesh.pass(std::chrono::milliseconds(10));
  mesh.say(under_way.id, kOk);
  EXPECT_EQ(mesh.hear_client(client), kOkHeard);
  EXPECT_TRUE(mesh.told(under_way.id) & tcp::event::peer_closed);
  EXPECT_EQ(exchange(client, kGet).to, 2U);
}

TEST_F(HttpBalanced, ConnectionsThatWaitForAnEndpointThatIsGoneAreClosed) {
  balance({}, {1});
  exchange_once(kGet);
  EXPECT_EQ(mesh.books().parked, 1U);
  balance({}, {2});
  mesh.pass(std::chrono::milliseconds(10));
  EXPECT_EQ(mesh.books().upstreams, 0U);
}

TEST_F(HttpBalanced, AConnectionServesAsManyRequestsAsThePolicyLets) {
  balance({.max_requests_per_connection = 2}, {1});
  shares(6);
  EXPECT_EQ(mesh.accepted.size(), 3U);
}

TEST_F(HttpBalanced, AConnectionWaitsAsLongAsThePolicyLets) {
  balance({.idle_timeout = std::chrono::milliseconds(3000)}, {1});
  exchange_once(kGet);
  mesh.pass(std::chrono::milliseconds(2900));
  EXPECT_EQ(mesh.books().parked, 1U);
  mesh.pass(std::chrono::milliseconds(200));
  EXPECT_EQ(mesh.books().upstreams, 0U);
}

}  // namespace
}  // namespace weft::proxy
