// SPDX-License-Identifier: Apache-2.0
/// @file Circuit breakers, outlier detection and retry budgets, as requests through the whole proxy meet them.
#include <random>
#include <set>

#include "http_proxied.h"

namespace weft::proxy {
namespace {

using lb::BreakerBoard;
using lb::HttpRetry;
using lb::HttpRule;
using lb::RequestPolicy;
using std::chrono::milliseconds;
using std::chrono::seconds;

/// There before the mesh that uses it.
struct NodesProtections {
  Protections protections{64, 256, 1};
};

class HttpProtected : private NodesProtections, public HttpProxied {
 protected:
  HttpProtected() : HttpProxied({.protections = &protections}) {}

  using NodesProtections::protections;

  void publish(const std::vector<uint32_t>& endpoints, RequestPolicy policy, std::optional<HttpRetry> retry = {}) {
    lb::Http http{.protocol = lb::AppProtocol::http};
    if (retry) {
      HttpRule rule{.retry = std::move(retry)};
      rule.backends.push_back(backend(1));
      http.routes = route_table({{"/", rule}});
    }
    mesh.publish({asking(http_service("default/web", 1, endpoints, std::move(http)), std::move(policy))});
  }
  tcp::ConnectionId ask() {
    const auto client = mesh.connect();
    mesh.say(client, kGet);
    return client;
  }
  std::string first_line_of(tcp::ConnectionId client) { return first_line(mesh.hear_client(client)); }
  std::string detail_of_last() const { return std::string(to_string(mesh.records.back().decided_by)); }
  uint64_t overflows(Protection bound) const {
    return protections.counters[0][1].overflows[static_cast<size_t>(bound) - 1].get();
  }
  uint64_t ejections(lb::Ejection why) const {
    return protections.counters[0][1].ejections[static_cast<size_t>(why)].get();
  }
  void expect_nothing_in_use() {
    mesh.pass(seconds(130));
    for (const auto kind : {BreakerBoard::connections, BreakerBoard::pending, BreakerBoard::requests}) {
      EXPECT_EQ(protections.breakers.in_use(kind, 1), 0U) << static_cast<int>(kind);
    }
    for (uint32_t endpoint = 1; endpoint < 8; ++endpoint) {
      EXPECT_EQ(protections.breakers.endpoint_in_use(BreakerBoard::connections, endpoint), 0U);
      EXPECT_EQ(protections.breakers.endpoint_in_use(BreakerBoard::requests, endpoint), 0U);
    }
    EXPECT_EQ(protections.breakers.retries(1), 0U);
    expect_all_given_back();
  }
  /// What each endpoint makes of the requests that came, by its number; requests are counted by the endpoint.
  template <typename Answer>
  void serve(Answer answer) {
    for (const auto& heard : mesh.heard()) {
      const uint32_t number = number_of(heard.endpoint);
      ++served[number];
      mesh.say(heard.id, response(answer(number)));
    }
  }
  std::map<uint32_t, int> served;
};

TEST_F(HttpProtected, NoMoreRequestsThanMayBeAreUnderWay) {
  publish({1}, {.breaker = {.max_requests = 2}});
  const auto first = ask();
  const auto second = ask();
  EXPECT_EQ(first_line_of(ask()), "HTTP/1.1 503 Service Unavailable");
  EXPECT_EQ(flags_of_last(), "UO");
  EXPECT_EQ(detail_of_last(), "max_requests");
  EXPECT_EQ(mesh.records.back().attempts, 0);
  EXPECT_EQ(overflows(Protection::max_requests), 1U);
  for (const auto& heard : mesh.heard()) {
    mesh.say(heard.id, kOk);
  }
  EXPECT_EQ(mesh.hear_client(first), kOkHeard);
  EXPECT_EQ(mesh.hear_client(second), kOkHeard);
  EXPECT_EQ(exchange_once(kGet).client, kOkHeard);
  expect_nothing_in_use();
}

TEST_F(HttpProtected, NoMoreWaitForConnectionsThanMay) {
  publish({1}, {.connect_timeout = milliseconds(200), .breaker = {.max_pending_requests = 1}});
  mesh.silent = endpoint_address(1);
  const auto first = ask();
  EXPECT_EQ(protections.breakers.in_use(BreakerBoard::pending, 1), 1U);
  EXPECT_EQ(first_line_of(ask()), "HTTP/1.1 503 Service Unavailable");
  EXPECT_EQ(flags_of_last(), "UO");
  EXPECT_EQ(detail_of_last(), "max_pending_requests");
  EXPECT_EQ(overflows(Protection::max_pending_requests), 1U);
  mesh.pass(milliseconds(1000));
  EXPECT_EQ(first_line_of(first), "HTTP/1.1 503 Service Unavailable");
  EXPECT_EQ(flags_of_last(), "UF,URX");
  mesh.silent = {};
  const auto second = ask();
  EXPECT_EQ(protections.breakers.in_use(BreakerBoard::pending, 1), 0U) << "it is connected";
  mesh.say(only_heard().id, kOk);
  EXPECT_EQ(mesh.hear_client(second), kOkHeard);
  expect_nothing_in_use();
}

TEST_F(HttpProtected, NoMoreConnectionsThanMayBe) {
  publish({1, 2, 3}, {.balancing = lb::Balancing::round_robin, .breaker = {.max_connections = 1}});
  for (int i = 0; i < 6; ++i) {
    EXPECT_EQ(exchange_once(kGet).client, kOkHeard) << "one that waits elsewhere makes room";
    EXPECT_EQ(protections.breakers.in_use(BreakerBoard::connections, 1), 1U);
  }
  const auto first = ask();
  EXPECT_EQ(first_line_of(ask()), "HTTP/1.1 503 Service Unavailable");
  EXPECT_EQ(flags_of_last(), "UO");
  EXPECT_EQ(detail_of_last(), "max_connections");
  EXPECT_EQ(overflows(Protection::max_connections), 1U);
  mesh.say(only_heard().id, kOk);
  EXPECT_EQ(mesh.hear_client(first), kOkHeard);
  mesh.pass(milliseconds(10));
  EXPECT_EQ(mesh.books().upstreams, 0U) << "another worker's wish was granted";
  expect_nothing_in_use();
}

TEST_F(HttpProtected, AnotherWorkersWishEndsAConnectionThatWaits) {
  publish({1}, {});
  EXPECT_EQ(exchange_once(kGet).client, kOkHeard);
  EXPECT_EQ(mesh.books().parked, 1U);
  protections.breakers.want_connection(0, 2);
  mesh.pass(milliseconds(10));
  EXPECT_EQ(mesh.books().parked, 1U) << "another service's";
  protections.breakers.want_connection(0, 1);
  mesh.pass(milliseconds(10));
  EXPECT_EQ(mesh.books().parked, 0U);
  expect_nothing_in_use();
}

TEST_F(HttpProtected, AnEndpointThatIsFullIsPassedOver) {
  for (const bool by_connections : {false, true}) {
    lb::BreakerLimits limits;
    (by_connections ? limits.endpoint_max_connections : limits.endpoint_max_requests) = 1;
    publish({1, 2}, {.balancing = lb::Balancing::random, .breaker = limits});
    for (int i = 0; i < 8; ++i) {
      ask();
      ask();
      const auto heard = mesh.heard();
      ASSERT_EQ(heard.size(), 2U);
      EXPECT_NE(heard[0].endpoint, heard[1].endpoint);
      EXPECT_EQ(first_line_of(ask()), "HTTP/1.1 503 Service Unavailable");
      EXPECT_EQ(flags_of_last(), "UO");
      EXPECT_EQ(detail_of_last(), by_connections ? "endpoint_max_connections" : "endpoint_max_requests");
      for (const auto& each : heard) {
        mesh.say(each.id, kOk);
      }
    }
    EXPECT_EQ(overflows(by_connections ? Protection::endpoint_max_connections : Protection::endpoint_max_requests), 8U);
  }
  expect_nothing_in_use();
}

/// However few of many have room: each request finds them, until all are full.
TEST_F(HttpProtected, OnlyIfAllEndpointsAreFullIsARequestRefused) {
  constexpr uint32_t kEndpoints = 30;
  std::vector<uint32_t> endpoints;
  for (uint32_t endpoint = 1; endpoint <= kEndpoints; ++endpoint) {
    endpoints.push_back(endpoint);
  }
  for (const auto balancing : {lb::Balancing::least_request, lb::Balancing::round_robin, lb::Balancing::random,
                               lb::Balancing::consistent_hash}) {
    publish(endpoints, {.balancing = balancing, .breaker = {.endpoint_max_requests = 1}});
    std::vector<tcp::ConnectionId> clients;
    for (uint32_t i = 0; i < kEndpoints; ++i) {
      clients.push_back(ask());
    }
    const auto heard = mesh.heard();
    EXPECT_EQ(heard.size(), kEndpoints) << static_cast<int>(balancing);
    EXPECT_EQ(first_line_of(ask()), "HTTP/1.1 503 Service Unavailable");
    for (const auto& each : heard) {
      mesh.say(each.id, kOk);
    }
    for (const auto client : clients) {
      EXPECT_EQ(mesh.hear_client(client), kOkHeard);
      mesh.reset(client);
    }
  }
  expect_nothing_in_use();
}

TEST_F(HttpProtected, RelayedConnectionsAreBounded) {
  mesh.publish({asking(http_service("default/web", 1, {1}, {.protocol = lb::AppProtocol::opaque}),
                       {.breaker = {.max_connections = 2}})});
  const auto first = mesh.connect();
  const auto second = mesh.connect();
  mesh.say(second, "hello");
  EXPECT_EQ(only_heard().text, "hello");
  const auto third = mesh.connect();
  EXPECT_NE(mesh.told(third) & tcp::event::reset, 0);
  EXPECT_EQ(overflows(Protection::max_connections), 1U);
  EXPECT_EQ(protections.breakers.in_use(BreakerBoard::connections, 1), 2U);
  mesh.reset(first);
  const auto fourth = mesh.connect();
  mesh.say(fourth, "hello");
  EXPECT_EQ(only_heard().text, "hello");
  mesh.reset(second);
  mesh.reset(fourth);
  EXPECT_EQ(protections.breakers.in_use(BreakerBoard::connections, 1), 0U);
  EXPECT_EQ(protections.breakers.endpoint_in_use(BreakerBoard::connections, 1), 0U);
}

/// However exchanges end, what they count for goes back.
TEST_F(HttpProtected, AllIsGivenBack) {
  const HttpRetry retry{.attempts = 2, .codes = {503}, .backoff = milliseconds(50)};
  publish({1, 2, 3},
          {.connect_timeout = milliseconds(300),
           .breaker = {.endpoint_max_connections = 40, .endpoint_max_requests = 40},
           .outlier = {.enabled = true,
                       .consecutive_5xx = 3,
                       .base_ejection = milliseconds(100),
                       .max_ejection_percent = 100}},
          retry);
  std::mt19937 random(5);
  std::vector<tcp::ConnectionId> clients;
  for (int i = 0; i < 400; ++i) {
    mesh.silent = random() % 10 == 0 ? endpoint_address(1 + random() % 3) : lb::Address();
    clients.push_back(ask());
    for (const auto& heard : mesh.heard()) {
      switch (random() % 6) {
        case 0:
          mesh.reset(heard.id);
          break;
        case 1:
          mesh.finish(heard.id);
          break;
        case 2:
          mesh.say(heard.id, response(503));
          break;
        case 3:
          mesh.say(heard.id, "nonsense\r\n\r\n");
          break;
        case 4:
          break;
        default:
          mesh.say(heard.id, kOk);
      }
    }
    if (random() % 3 == 0) {
      mesh.reset(clients[random() % clients.size()]);
    }
    mesh.pass(milliseconds(random() % 100));
  }
  mesh.silent = {};
  for (const auto client : clients) {
    mesh.reset(client);
  }
  for (const auto& [id, endpoint] : mesh.accepted) {
    mesh.reset(id);
  }
  expect_nothing_in_use();
}

/// Two workers of a node: what each of them has is no other's to take.
class HttpWorkers : public ::testing::Test {
 protected:
  static HttpConfig worker(uint32_t number, Protections& protections) {
    HttpConfig config;
    config.worker = number;
    config.protections = &protections;
    return config;
  }
  void publish(const std::vector<uint32_t>& endpoints, const RequestPolicy& policy) {
    for (HttpMesh* each : {&idle, &busy}) {
      each->publish({asking(http_service("default/web", 1, endpoints), policy)});
      each->proxy().http().want_records(true);
    }
  }
  /// A client of this worker asks, and whoever hears it says that all is well. @returns the first line of the response
  static std::string ask(HttpMesh& of) {
    const auto client = of.connect();
    of.say(client, kGet);
    for (const auto& heard : of.heard()) {
      of.say(heard.id, kOk);
    }
    const std::string line = first_line(of.hear_client(client));
    of.reset(client);
    return line;
  }

  static HttpConfig wide(HttpConfig config) {
    config.clients = config.exchanges = config.upstreams = 400;
    return config;
  }
  static lb::Address endpoint_of_service(uint32_t number) {
    return lb::Address(lb::address_from_host(0x0a600000 + number));
  }

  Protections protections{64, 256, 2};
  HttpMesh idle{worker(0, protections)};
  HttpMesh many{wide(worker(0, protections))};  ///< instead of that one
  HttpMesh busy{worker(1, protections)};
};

constexpr std::string_view kOkLine = "HTTP/1.1 200 OK";

TEST_F(HttpWorkers, ALowerBoundIsNotHeldByWhoHasNothingUnderWay) {
  publish({1}, {.breaker = {.max_requests = 3000}});
  EXPECT_EQ(ask(idle), kOkLine);
  publish({1}, {.breaker = {.max_requests = 2}});
  ask(busy);
  idle.pass(milliseconds(5));
  for (int i = 0; i < 4; ++i) {
    EXPECT_EQ(ask(busy), kOkLine);
  }
}

TEST_F(HttpWorkers, AnEndpointsConnectionThatWaitsElsewhereMakesRoom) {
  publish({1}, {.breaker = {.endpoint_max_connections = 1}});
  EXPECT_EQ(ask(idle), kOkLine);
  EXPECT_EQ(idle.books().parked, 1U);
  EXPECT_EQ(ask(busy), "HTTP/1.1 503 Service Unavailable");
  idle.pass(milliseconds(5));
  EXPECT_EQ(idle.books().parked, 0U);
  EXPECT_EQ(ask(busy), kOkLine);
}

/// Of a service whose own waits behind more of another's than anybody would look at in a turn.
TEST_F(HttpWorkers, AConnectionThatWaitsBehindManyOthersMakesRoom) {
  constexpr int kOthers = 300;
  RequestPolicy policy{.breaker = {.max_connections = 1}};
  for (HttpMesh* each : {&many, &busy}) {
    each->publish({asking(http_service("default/web", 1, {1}), policy), http_service("default/other", 2, {2})});
  }
  std::vector<tcp::ConnectionId> clients;
  for (int i = 0; i < kOthers; ++i) {
    clients.push_back(many.connect(endpoint_of_service(2)));
    many.say(clients.back(), kGet);
  }
  for (const auto& heard : many.heard()) {
    many.say(heard.id, kOk);
  }
  EXPECT_EQ(ask(many), kOkLine);
  ASSERT_EQ(many.books().parked, kOthers + 1U);
  EXPECT_EQ(ask(busy), "HTTP/1.1 503 Service Unavailable");
  many.pass(milliseconds(5));
  EXPECT_EQ(many.books().parked, static_cast<uint32_t>(kOthers)) << "the service's own, and no other";
  EXPECT_EQ(ask(busy), kOkLine);
}

class HttpOutlier : public HttpProtected {
 protected:
  void watch(lb::OutlierPolicy policy, const std::vector<uint32_t>& endpoints = {1, 2, 3, 4, 5},
             lb::Balancing balancing = lb::Balancing::round_robin) {
    policy.enabled = true;
    publish(endpoints, {.balancing = balancing, .connect_timeout = milliseconds(200), .outlier = policy});
  }
  /// One request after the other; endpoint 1 answers so, and the others 200.
  void load(int requests, int status) {
    for (int i = 0; i < requests; ++i) {
      const auto client = ask();
      serve([&](uint32_t number) { return number == 1 ? status : 200; });
      mesh.reset(client);
    }
  }
  lb::OutlierBoard::State state() const { return protections.outliers.state(1); }
};

TEST_F(HttpOutlier, GetsNoRequestsUntilItsProbeSucceeds) {
  watch({.consecutive_5xx = 3});
  load(20, 500);
  EXPECT_EQ(served[1], 3);
  EXPECT_EQ(ejections(lb::Ejection::consecutive_5xx), 1U);
  const auto ejecting = std::find_if(mesh.records.begin(), mesh.records.end(), [](const AccessRecord& record) {
    return record.decided_by == Protection::ejected_5xx;
  });
  ASSERT_NE(ejecting, mesh.records.end());
  EXPECT_EQ(ejecting->status, 500);
  load(50, 500);
  EXPECT_EQ(served[1], 3);
  mesh.pass(seconds(31));
  // One request is its probe; while that is not answered, all others go elsewhere.
  std::vector<tcp::ConnectionId> clients;
  for (int i = 0; i < 10; ++i) {
    clients.push_back(ask());
  }
  const auto heard = mesh.heard();
  ASSERT_EQ(heard.size(), 10U);
  const auto probe =
      std::find_if(heard.begin(), heard.end(), [](const auto& each) { return number_of(each.endpoint) == 1; });
  ASSERT_NE(probe, heard.end());
  EXPECT_EQ(std::count_if(heard.begin(), heard.end(), [](const auto& each) { return number_of(each.endpoint) == 1; }),
            1);
  for (const auto& each : heard) {
    mesh.say(each.id, response(each.id == probe->id ? 502 : 200));
  }
  EXPECT_EQ(ejections(lb::Ejection::probe), 1U);
  EXPECT_EQ(state().times, 2U);
  for (const auto client : clients) {
    mesh.reset(client);
  }
  mesh.pass(seconds(59));
  served.clear();
  load(20, 200);
  EXPECT_EQ(served[1], 0) << "twice as long";
  mesh.pass(seconds(2));
  load(20, 200);
  EXPECT_GE(served[1], 3) << "its probe brought it back";
  EXPECT_EQ(protections.outliers.ejected(1), 0U);
}

TEST_F(HttpOutlier, FailuresWithoutAResponseCount) {
  watch({.consecutive_5xx = 2, .max_ejection_percent = 100}, {1, 2});
  mesh.outside.engine.stop_listening(endpoint_address(1), kMeshPort);
  load(10, 200);
  EXPECT_EQ(ejections(lb::Ejection::consecutive_5xx), 1U);
  EXPECT_EQ(state().phase, lb::OutlierBoard::State::Phase::ejected);
  EXPECT_EQ(served[2], 10) << "a connection that does not come about is made elsewhere";
}

TEST_F(HttpOutlier, RelayedConnectionsThatDoNotComeAboutCount) {
  mesh.publish({asking(http_service("default/web", 1, {1, 2}, {.protocol = lb::AppProtocol::opaque}),
                       {.outlier = {.enabled = true, .consecutive_5xx = 2, .max_ejection_percent = 50}})});
  const auto refused = [&](int connections) {
    int count = 0;
    for (int i = 0; i < connections; ++i) {
      const auto client = mesh.connect();
      mesh.pass(milliseconds(10));
      count += (mesh.told(client) & tcp::event::reset) != 0;
      mesh.reset(client);
      mesh.pass(milliseconds(10));
    }
    return count;
  };
  EXPECT_EQ(refused(20), 0);
  mesh.outside.engine.stop_listening(endpoint_address(1), kMeshPort);
  EXPECT_EQ(refused(40), 2) << "and then none goes there";
  EXPECT_EQ(ejections(lb::Ejection::consecutive_5xx), 1U);
  mesh.pass(seconds(31));
  EXPECT_EQ(refused(40), 1) << "its probe";
  EXPECT_EQ(ejections(lb::Ejection::probe), 1U);
  mesh.outside.engine.listen(endpoint_address(1), kMeshPort, 0);
  mesh.pass(seconds(61));
  EXPECT_EQ(refused(20), 0);
  EXPECT_EQ(protections.outliers.ejected(1), 0U);
}

TEST_F(HttpOutlier, SplitFailuresCountApart) {
  watch({.split_local_origin = true, .consecutive_5xx = 2, .consecutive_local = 3, .max_ejection_percent = 100},
        {1, 2});
  mesh.outside.engine.stop_listening(endpoint_address(1), kMeshPort);
  load(10, 200);
  EXPECT_EQ(ejections(lb::Ejection::consecutive_5xx), 0U);
  EXPECT_EQ(ejections(lb::Ejection::consecutive_local), 1U);
}

TEST_F(HttpOutlier, AnAttemptWithoutAnAnswerInTimeCounts) {
  HttpRule rule{.backend_timeout = milliseconds(100)};
  rule.backends.push_back(backend(1));
  mesh.publish({asking(http_service("default/web", 1, {1}, {lb::AppProtocol::http, route_table({{"/", rule}})}),
                       {.outlier = {.enabled = true, .consecutive_5xx = 0, .consecutive_gateway = 2}})});
  for (int i = 0; i < 2; ++i) {
    const auto client = ask();
    mesh.pass(milliseconds(150));
    EXPECT_EQ(first_line_of(client), "HTTP/1.1 504 Gateway Timeout");
  }
  EXPECT_EQ(ejections(lb::Ejection::consecutive_gateway), 1U);
  EXPECT_EQ(detail_of_last(), "ejected:consecutive_gateway");
}

TEST_F(HttpOutlier, IfAllAreEjectedThereIsNobodyUnlessPanicIsAllowed) {
  watch({.consecutive_5xx = 1, .max_ejection_percent = 100}, {1});
  load(1, 500);
  EXPECT_EQ(first_line_of(ask()), "HTTP/1.1 503 Service Unavailable");
  EXPECT_EQ(flags_of_last(), "UH");
  EXPECT_EQ(detail_of_last(), "all_ejected");
  watch({.consecutive_5xx = 1, .max_ejection_percent = 100, .min_health_percent = 50}, {1});
  served.clear();
  load(5, 200);
  EXPECT_EQ(served[1], 5) << "balanced over all of them";
}

TEST_F(HttpOutlier, PanicGoesToNobodyWhomTheRegistryDoesNotWant) {
  lb::OutlierPolicy policy{
      .enabled = true, .consecutive_5xx = 1, .max_ejection_percent = 100, .min_health_percent = 100};
  watch(policy, {1, 2, 3});
  load(6, 500);
  EXPECT_GT(protections.outliers.ejected(1), 0U);
  watch(policy, {2, 3});  // 1 has left, or is not ready
  served.clear();
  load(20, 500);
  EXPECT_EQ(served[1], 0);
  protections.look_after(*mesh.snapshot, time::to_millis(mesh.now));
  EXPECT_EQ(protections.outliers.ejected(1), 0U);
}

TEST_F(HttpOutlier, AProbeThatItsClientLeavesIsNotTheLast) {
  watch({.consecutive_5xx = 1, .max_ejection_percent = 100}, {1});
  load(1, 500);
  mesh.pass(seconds(31));
  const auto client = ask();
  EXPECT_EQ(state().phase, lb::OutlierBoard::State::Phase::on_trial);
  mesh.heard();
  mesh.reset(client);
  EXPECT_EQ(state().phase, lb::OutlierBoard::State::Phase::ejected);
  served.clear();
  load(1, 200);
  EXPECT_EQ(served[1], 1);
  EXPECT_EQ(state().phase, lb::OutlierBoard::State::Phase::in_service);
}

TEST_F(HttpOutlier, EveryAlgorithmPassesOver) {
  for (const auto balancing : {lb::Balancing::least_request, lb::Balancing::round_robin, lb::Balancing::random,
                               lb::Balancing::consistent_hash}) {
    protections.outliers.forget(1);
    served.clear();
    watch({.consecutive_5xx = 1}, {1, 2, 3, 4, 5}, balancing);
    const bool hashes = balancing == lb::Balancing::consistent_hash;  // of the client's address: always one of them
    for (uint32_t endpoint = 1; endpoint <= 5 && hashes; ++endpoint) {
      load(1, 200);
    }
    const uint32_t owner = hashes ? served.begin()->first : 1;
    EXPECT_TRUE(!hashes || served.size() == 1);
    served.clear();
    for (int i = 0; i < 60; ++i) {
      const auto client = ask();
      serve([&](uint32_t number) { return number == owner ? 500 : 200; });
      mesh.reset(client);
    }
    EXPECT_EQ(served[owner], 1) << static_cast<int>(balancing);
    EXPECT_EQ(served.size(), hashes ? 2U : 5U) << static_cast<int>(balancing) << ": a hash has one place to go to";
    protections.outliers.forget(owner);
  }
}

class HttpRetryBudget : public HttpProtected {};

TEST_F(HttpRetryBudget, IsThreeAtLeast) {
  publish({1, 2, 3, 4, 5, 6}, {}, HttpRetry{.attempts = 1, .codes = {503}});
  for (int i = 0; i < 4; ++i) {
    ask();
  }
  for (const auto& heard : mesh.heard()) {
    mesh.say(heard.id, response(503));
  }
  EXPECT_EQ(mesh.books().retries, 3U);
  EXPECT_EQ(flags_of_last(), "UO");
  EXPECT_EQ(detail_of_last(), "retry_budget");
  EXPECT_EQ(mesh.records.back().status, 503);
  EXPECT_EQ(protections.counters[0][1].retries_refused.get(), 1U);
  EXPECT_EQ(protections.breakers.retries(1), 3U);
  for (const auto& heard : mesh.heard()) {
    mesh.say(heard.id, kOk);
  }
  expect_nothing_in_use();
}

TEST_F(HttpRetryBudget, OrWhatMaxRetriesSays) {
  publish({1, 2}, {.retry_budget = {.at_least = 1, .is_fixed = true}}, HttpRetry{.attempts = 1, .codes = {503}});
  ask();
  ask();
  for (const auto& heard : mesh.heard()) {
    mesh.say(heard.id, response(503));
  }
  EXPECT_EQ(mesh.books().retries, 1U);
  EXPECT_EQ(detail_of_last(), "max_retries");
}

/// No storm: whatever rules and clients wish, a service that fails gets a fifth more requests than were meant for it.
TEST_F(HttpRetryBudget, AFailingServiceGetsAFifthMoreAtMost) {
  for (const milliseconds backoff : {milliseconds(0), milliseconds(25)}) {
    publish({1, 2, 3, 4, 5}, {}, HttpRetry{.attempts = 10, .codes = {503}, .backoff = backoff});
    constexpr int kClients = 50;
    served.clear();
    int asked = 0;
    std::vector<tcp::ConnectionId> clients;
    for (int i = 0; i < kClients; ++i) {
      clients.push_back(ask());
      ++asked;
    }
    const uint64_t before = mesh.books().retries;
    for (int round = 0; round < 200; ++round) {
      serve([](uint32_t) { return 503; });
      mesh.pass(milliseconds(5));
      for (const auto client : clients) {
        if (!mesh.hear_client(client).empty()) {
          mesh.say(client, kGet);
          ++asked;
        }
      }
    }
    serve([](uint32_t) { return 503; });
    int got = 0;
    for (const auto& [number, count] : served) {
      got += count;
    }
    EXPECT_GT(asked, 1000);
    EXPECT_LE(got, asked * 12 / 10);
    EXPECT_GT(mesh.books().retries - before, static_cast<uint64_t>(asked) / (backoff.count() == 0 ? 20 : 200))
        << "and it is used";
    for (const auto client : clients) {
      mesh.reset(client);
    }
    mesh.pass(seconds(1));
  }
  expect_nothing_in_use();
}

TEST_F(HttpRetryBudget, AttemptsGoToEndpointsThatWereNotTried) {
  for (const auto balancing : {lb::Balancing::least_request, lb::Balancing::round_robin, lb::Balancing::random,
                               lb::Balancing::consistent_hash}) {
    publish({1, 2, 3, 4, 5, 6}, {.balancing = balancing}, HttpRetry{.attempts = 5, .codes = {503}});
    for (int i = 0; i < 20; ++i) {
      const auto client = ask();
      std::set<uint32_t> tried;
      for (int attempt = 0; attempt < 6; ++attempt) {
        const auto heard = only_heard();
        EXPECT_TRUE(tried.insert(number_of(heard.endpoint)).second) << static_cast<int>(balancing);
        mesh.say(heard.id, response(503));
      }
      EXPECT_EQ(first_line_of(client), "HTTP/1.1 503 Said");
      mesh.reset(client);
    }
  }
}

/// Up to the base, twice it, four times, and no more than ten times; by chance.
TEST_F(HttpRetryBudget, BackoffGrowsAndIsSpread) {
  publish({1, 2}, {}, HttpRetry{.attempts = 6, .codes = {503}, .backoff = milliseconds(200)});
  std::vector<std::vector<int64_t>> waited(6);
  for (int i = 0; i < 40; ++i) {
    const auto client = ask();
    auto heard = only_heard();
    for (auto& waits : waited) {
      mesh.say(heard.id, response(503));
      const auto start = mesh.now;
      std::vector<HttpMesh::Heard> again;
      while ((again = mesh.heard()).empty() && mesh.now < start + seconds(10)) {
        mesh.pass(milliseconds(5));
      }
      ASSERT_EQ(again.size(), 1U);
      heard = again[0];
      waits.push_back(std::chrono::duration_cast<milliseconds>(mesh.now - start).count());
    }
    mesh.say(heard.id, kOk);
    mesh.reset(client);
  }
  const std::vector<int64_t> most = {200, 400, 800, 1600, 2000, 2000};
  for (size_t i = 0; i < waited.size(); ++i) {
    const auto [shortest, longest] = std::minmax_element(waited[i].begin(), waited[i].end());
    EXPECT_LE(*longest, most[i] + 10) << i;
    EXPECT_GT(*longest, most[i] / 2) << i;
    EXPECT_LT(*shortest, most[i] / 2) << i;
  }
}

}  // namespace
}  // namespace weft::proxy
