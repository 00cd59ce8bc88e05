// SPDX-License-Identifier: Apache-2.0
/// @file Faults that are injected on purpose, as clients, endpoints and protections meet them.
#include "http_proxied.h"
#include "lb/fault_board.h"

namespace weft::proxy {
namespace {

using std::chrono::milliseconds;
using testing::EndsWith;
using testing::StartsWith;

lb::FaultBoard& board() {
  static lb::FaultBoard the_one(1);
  return the_one;
}

class HttpFaulted : public HttpProxied {
 protected:
  HttpFaulted() : HttpProxied({.faults = &board()}) {}

  static lb::Service having(lb::Service service, lb::Faults faults) {
    static uint64_t id = 0;
    for (lb::Fault& fault : faults) {
      fault.id = ++id;
      fault.number = static_cast<uint32_t>(id % lb::Fault::kMost);
    }
    service.faults = std::make_shared<const lb::Faults>(std::move(faults));
    return service;
  }
  void inject(lb::Fault fault) {
    fault.name = "default/rehearsal";
    service = having(http_service("default/web", 1, {1}), {fault});
    mesh.publish({service});
  }
  uint64_t counted(lb::Injected what) const { return board().sum(service.faults->front(), what); }
  const AccessRecord& last() const { return mesh.records.back(); }

  lb::Service service;
};

TEST_F(HttpFaulted, ARequestIsDelayedAndThenAnsweredAsEver) {
  inject({.delay = lb::FaultDelay{300, 300}});
  const auto client = mesh.connect();
  mesh.say(client, kGet);
  EXPECT_TRUE(mesh.heard().empty());
  mesh.pass(milliseconds(280));
  EXPECT_TRUE(mesh.heard().empty()) << "not yet";
  mesh.pass(milliseconds(40));
  mesh.say(only_heard().id, kOk);
  EXPECT_EQ(mesh.hear_client(client), kOkHeard);
  EXPECT_EQ(flags_of_last(), "DI");
  EXPECT_EQ(last().fault.view(), "default/rehearsal");
  EXPECT_EQ(last().attempts, 1);
  EXPECT_EQ(counted(lb::Injected::delayed), 1U);
  mesh.reset(client);
  expect_all_given_back();
}

TEST_F(HttpFaulted, ABodyWaitsWithItsRequest) {
  inject({.delay = lb::FaultDelay{100, 100}});
  const auto client = mesh.connect();
  mesh.say(client, post("/", "0123456789"));
  mesh.pass(milliseconds(120));
  const auto heard = only_heard();
  EXPECT_THAT(heard.text, EndsWith("\r\n\r\n0123456789"));
}

TEST_F(HttpFaulted, ManyWaitWithoutHoldingAnythingOfTheServices) {
  inject({.delay = lb::FaultDelay{1'000, 1'000}});
  std::vector<tcp::ConnectionId> clients;
  for (int i = 0; i < 40; ++i) {
    clients.push_back(mesh.connect());
    mesh.say(clients.back(), kGet);
  }
  EXPECT_EQ(mesh.books().upstreams, 0U);
  mesh.reset(clients[0]);
  mesh.pass(milliseconds(1'010));
  EXPECT_EQ(mesh.heard().size(), 39U) << "one has left";
}

TEST_F(HttpFaulted, ARequestIsAbortedByAStatusAndItsConnectionGoesOn) {
  inject({.abort_status = 418});
  const auto client = mesh.connect();
  const Told told = exchange(client, kGet);
  EXPECT_THAT(told.client, StartsWith("HTTP/1.1 418 "));
  EXPECT_THAT(told.client, EndsWith("weft: a fault is injected\n"));
  EXPECT_EQ(told.endpoint, "");
  EXPECT_EQ(flags_of_last(), "FI");
  EXPECT_EQ(last().attempts, 0);
  EXPECT_THAT(exchange(client, kGet).client, StartsWith("HTTP/1.1 418 "));
  EXPECT_EQ(counted(lb::Injected::aborted), 2U);
}

TEST_F(HttpFaulted, AnAbortedResponseWithoutABodyHasNone) {
  inject({.abort_status = 204});
  EXPECT_THAT(exchange_once(kGet).client, EndsWith("\r\n\r\n"));
}

TEST_F(HttpFaulted, DelayComesBeforeAbort) {
  inject({.delay = lb::FaultDelay{200, 200}, .abort_status = 503});
  const auto client = mesh.connect();
  mesh.say(client, kGet);
  EXPECT_EQ(mesh.hear_client(client), "");
  mesh.pass(milliseconds(210));
  EXPECT_EQ(first_line(mesh.hear_client(client)), "HTTP/1.1 503 Service Unavailable");
  EXPECT_EQ(flags_of_last(), "DI,FI");
}

TEST_F(HttpFaulted, AClientIsReset) {
  inject({.resets = true});
  const auto client = mesh.connect();
  mesh.say(client, kGet);
  EXPECT_EQ(mesh.hear_client(client), "");
  EXPECT_NE(mesh.told(client) & tcp::event::reset, 0);
  EXPECT_EQ(flags_of_last(), "FI");
  EXPECT_EQ(last().status, 0);
  EXPECT_EQ(counted(lb::Injected::reset), 1U);
  expect_all_given_back();
}

TEST_F(HttpFaulted, OnlyWhomItIsAboutMeetsIt) {
  lb::Fault fault{.headers = {{"x-test", {{{lb::TextPattern::Kind::exact, "yes"}}, {}}}}, .abort_status = 503};
  inject(fault);
  EXPECT_EQ(exchange_once(kGet).client, kOkHeard);
  EXPECT_EQ(exchange_once(request("/", "X-Test: no\r\n")).client, kOkHeard);
  EXPECT_THAT(exchange_once(request("/", "X-Test: yes\r\n")).client, StartsWith("HTTP/1.1 503 "));
  fault = {.from = {{.namespaces = {{{lb::TextPattern::Kind::exact, "shop"}}, {}}}}, .abort_status = 503};
  inject(fault);
  EXPECT_EQ(exchange_once(kGet).client, kOkHeard) << "nobody is known there";
  mesh.callers = lb::CallerTable().with({{kMeshClient, std::make_shared<const lb::Caller>(lb::Caller{{"shop"}, {}})}});
  inject(fault);
  EXPECT_THAT(exchange_once(kGet).client, StartsWith("HTTP/1.1 503 "));
}

TEST_F(HttpFaulted, OfARouteAndOfWhereItLeads) {
  lb::HttpRule rule;
  rule.backends.push_back(backend(2));
  const auto publish = [&](lb::Faults of_listener, lb::Faults of_backend) {
    lb::Service web = http_service("default/web", 1, {1}, {lb::AppProtocol::http, route_table({{"/", rule}})});
    mesh.publish({having(std::move(web), std::move(of_listener)),
                  having(http_service("default/s2", 2, {2}), std::move(of_backend))});
  };
  publish({{.route = "default/route", .abort_status = 501}}, {});
  EXPECT_THAT(exchange_once(kGet).client, StartsWith("HTTP/1.1 501 "));
  publish({{.route = "default/another", .abort_status = 501}}, {{.abort_status = 502}});
  EXPECT_THAT(exchange_once(kGet).client, StartsWith("HTTP/1.1 502 ")) << "of where it leads";
}

TEST_F(HttpFaulted, ItEndsByTheWorkersOwnTime) {
  inject({.until_ns = static_cast<uint64_t>((mesh.now + milliseconds(500)).count()), .abort_status = 503});
  EXPECT_THAT(exchange_once(kGet).client, StartsWith("HTTP/1.1 503 "));
  mesh.pass(milliseconds(505));  // no other snapshot comes
  EXPECT_EQ(exchange_once(kGet).client, kOkHeard);
  EXPECT_EQ(flags_of_last(), "-");
}

TEST_F(HttpFaulted, NobodyWaitsPastItsEndAndNothingIsAbortedThen) {
  inject({.until_ns = static_cast<uint64_t>((mesh.now + milliseconds(1'500)).count()),
          .delay = lb::FaultDelay{600'000, 600'000},
          .abort_status = 503});
  const auto client = mesh.connect();
  mesh.say(client, kGet);
  mesh.pass(milliseconds(1'450));
  EXPECT_TRUE(mesh.heard().empty());
  mesh.pass(milliseconds(60));
  mesh.say(only_heard().id, kOk);
  EXPECT_EQ(mesh.hear_client(client), kOkHeard);
  EXPECT_EQ(flags_of_last(), "DI");
  EXPECT_EQ(counted(lb::Injected::aborted), 0U);
  mesh.reset(client);
  expect_all_given_back();
}

TEST_F(HttpFaulted, OneThatIsStoppedLetsThoseGoThatWaitWithinASecond) {
  inject({.delay = lb::FaultDelay{60'000, 60'000}, .abort_status = 503});
  const auto client = mesh.connect();
  mesh.say(client, kGet);
  mesh.pass(milliseconds(2'500));
  EXPECT_TRUE(mesh.heard().empty());
  EXPECT_EQ(mesh.hear_client(client), "");
  mesh.publish({http_service("default/web", 1, {1})});
  mesh.pass(milliseconds(1'010));
  mesh.say(only_heard().id, kOk);
  EXPECT_EQ(mesh.hear_client(client), kOkHeard);
}

TEST_F(HttpFaulted, WhoLeavesBeforeItsAbortWasNotAborted) {
  inject({.delay = lb::FaultDelay{200, 200}, .abort_status = 503});
  const auto client = mesh.connect();
  mesh.say(client, kGet);
  mesh.reset(client);
  mesh.pass(milliseconds(300));
  EXPECT_EQ(counted(lb::Injected::delayed), 1U);
  EXPECT_EQ(counted(lb::Injected::aborted), 0U);
  expect_all_given_back();
}

TEST_F(HttpFaulted, AnAttemptThatABreakerRefusesWasNotDead) {
  lb::RequestPolicy policy;
  policy.breaker.max_pending_requests = 1;
  service = having(asking(http_service("default/web", 1, {1}), policy), {{.name = "f", .kills = true}});
  mesh.publish({service});
  const auto first = mesh.connect();
  mesh.say(first, kGet);
  EXPECT_THAT(exchange_once(kGet).client, StartsWith("HTTP/1.1 503 "));
  EXPECT_EQ(flags_of_last(), "UO");
  EXPECT_EQ(counted(lb::Injected::dead), 1U) << "the first one's";
}

TEST_F(HttpFaulted, AnAbortIsNoFailureToOutlierDetection) {
  lb::RequestPolicy policy;
  policy.outlier = {.enabled = true, .consecutive_5xx = 1};
  service = having(asking(http_service("default/web", 1, {1}), policy), {{.name = "f", .abort_status = 503}});
  mesh.publish({service});
  for (int i = 0; i < 5; ++i) {
    EXPECT_THAT(exchange_once(kGet).client, StartsWith("HTTP/1.1 503 "));
  }
  mesh.publish({asking(http_service("default/web", 1, {1}), policy)});
  EXPECT_EQ(exchange_once(kGet).client, kOkHeard) << "it was not ejected";
}

TEST_F(HttpFaulted, AbortsAreNotTriedAgain) {
  lb::HttpRule rule{.retry = lb::HttpRetry{.attempts = 3, .codes = {503}}};
  rule.backends.push_back(backend(1));
  mesh.publish({having(http_service("default/web", 1, {1}, {lb::AppProtocol::http, route_table({{"/", rule}})}),
                       {{.name = "f", .abort_status = 503}})});
  const auto client = mesh.connect();
  EXPECT_THAT(exchange(client, kGet).client, StartsWith("HTTP/1.1 503 ")) << "at once, as with Envoy";
}

TEST_F(HttpFaulted, TheRulesTimeGoesOnWhileARequestIsDelayed) {
  lb::HttpRule rule{.request_timeout = milliseconds(200)};
  rule.backends.push_back(backend(1));
  mesh.publish({having(http_service("default/web", 1, {1}, {lb::AppProtocol::http, route_table({{"/", rule}})}),
                       {{.name = "f", .delay = lb::FaultDelay{5'000, 5'000}}})});
  const auto client = mesh.connect();
  mesh.say(client, kGet);
  mesh.pass(milliseconds(210));
  EXPECT_THAT(mesh.hear_client(client), StartsWith("HTTP/1.1 504 "));
  EXPECT_EQ(flags_of_last(), "UT,DI");
}

TEST_F(HttpFaulted, ADeadEndpointIsEjectedAndOthersAnswer) {
  lb::RequestPolicy policy;
  policy.balancing = lb::Balancing::round_robin;
  policy.connect_timeout = milliseconds(100);
  policy.outlier = {.enabled = true, .consecutive_5xx = 2, .max_ejection_percent = 100};
  service = having(asking(http_service("default/web", 1, {1, 2}), policy),
                   {{.name = "f", .kills = true, .killed = endpoint_address(1)}});
  mesh.publish({service});
  int waited = 0;
  for (int i = 0; i < 12; ++i) {
    const auto client = mesh.connect();
    mesh.say(client, kGet);
    auto heard = mesh.heard();
    if (heard.empty()) {
      ++waited;
      mesh.pass(milliseconds(110));
      heard = mesh.heard();
    }
    ASSERT_EQ(heard.size(), 1U);
    EXPECT_EQ(number_of(heard[0].endpoint), 2U);
    mesh.say(heard[0].id, kOk);
    EXPECT_EQ(mesh.hear_client(client), kOkHeard);
    mesh.reset(client);
  }
  EXPECT_EQ(waited, 2) << "until it was ejected";
  EXPECT_EQ(counted(lb::Injected::dead), 2U);
}

TEST_F(HttpFaulted, ADeadServiceAnswersAsOneWhoseConnectionsDoNotComeAbout) {
  lb::RequestPolicy policy;
  policy.connect_timeout = milliseconds(100);
  service = having(asking(http_service("default/web", 1, {1}), policy), {{.name = "f", .kills = true}});
  mesh.publish({asking(http_service("default/web", 1, {1}), policy)});
  const auto client = mesh.connect();
  EXPECT_EQ(exchange(client, kGet).client, kOkHeard) << "and its connection is kept";
  mesh.publish({service});
  mesh.say(client, kGet);
  mesh.pass(milliseconds(400));
  EXPECT_THAT(mesh.hear_client(client), StartsWith("HTTP/1.1 503 "));
  EXPECT_EQ(flags_of_last(), "UF,URX");
  EXPECT_EQ(last().fault.view(), "f");
  mesh.publish({asking(http_service("default/web", 1, {1}), policy)});
  EXPECT_EQ(exchange(client, kGet).client, kOkHeard);
  mesh.reset(client);
  expect_all_given_back();
}

class RelayFaulted : public HttpFaulted {
 protected:
  void publish(lb::Fault fault) {
    fault.name = "f";
    lb::RequestPolicy policy;
    policy.connect_timeout = milliseconds(100);
    service = having(asking(http_service("default/web", 1, {1}, {lb::AppProtocol::opaque}), policy), {fault});
    mesh.publish({service});
  }
};

TEST_F(RelayFaulted, AConnectionIsReset) {
  publish({.resets = true});
  const auto client = mesh.connect();
  EXPECT_NE(mesh.told(client) & tcp::event::reset, 0);
  EXPECT_EQ(counted(lb::Injected::reset), 1U);
  EXPECT_EQ(mesh.proxy().relay().size(), 0U);
}

TEST_F(RelayFaulted, AConnectionGoesOnLater) {
  publish({.delay = lb::FaultDelay{200, 200}});
  const auto client = mesh.connect();
  mesh.say(client, "hello");
  mesh.pass(milliseconds(180));
  EXPECT_TRUE(mesh.heard().empty());
  mesh.pass(milliseconds(40));
  EXPECT_EQ(only_heard().text, "hello");
  EXPECT_EQ(counted(lb::Injected::delayed), 1U);
}

TEST_F(RelayFaulted, NoneWaitsPastItsEndAndIsResetThen) {
  publish({.until_ns = static_cast<uint64_t>((mesh.now + milliseconds(1'500)).count()),
           .delay = lb::FaultDelay{600'000, 600'000},
           .resets = true});
  const auto client = mesh.connect();
  mesh.say(client, "hello");
  mesh.pass(milliseconds(1'450));
  EXPECT_TRUE(mesh.heard().empty());
  mesh.pass(milliseconds(60));
  EXPECT_EQ(only_heard().text, "hello");
  EXPECT_EQ(counted(lb::Injected::reset), 0U);
}

TEST_F(RelayFaulted, OneThatIsStoppedLetsThoseGoThatWaitWithinASecond) {
  publish({.delay = lb::FaultDelay{60'000, 60'000}, .resets = true});
  const auto client = mesh.connect();
  mesh.say(client, "hello");
  mesh.pass(milliseconds(2'500));
  EXPECT_TRUE(mesh.heard().empty());
  mesh.publish({http_service("default/web", 1, {1}, {lb::AppProtocol::opaque})});
  mesh.pass(milliseconds(1'010));
  EXPECT_EQ(only_heard().text, "hello");
}

TEST_F(RelayFaulted, DelayComesBeforeReset) {
  publish({.delay = lb::FaultDelay{200, 200}, .resets = true});
  const auto leaves = mesh.connect();
  mesh.reset(leaves);
  const auto client = mesh.connect();
  mesh.pass(milliseconds(180));
  EXPECT_EQ(mesh.told(client) & tcp::event::reset, 0);
  EXPECT_EQ(counted(lb::Injected::reset), 0U);
  mesh.pass(milliseconds(40));
  EXPECT_NE(mesh.told(client) & tcp::event::reset, 0);
  EXPECT_EQ(counted(lb::Injected::reset), 1U) << "who left before was not reset";
}

TEST_F(RelayFaulted, DelayComesBeforeDeath) {
  publish({.delay = lb::FaultDelay{200, 200}, .kills = true});
  const auto client = mesh.connect();
  mesh.pass(milliseconds(180));
  EXPECT_EQ(counted(lb::Injected::dead), 0U);
  mesh.pass(milliseconds(110));
  EXPECT_EQ(mesh.told(client) & tcp::event::reset, 0);
  EXPECT_EQ(counted(lb::Injected::dead), 1U);
  mesh.pass(milliseconds(20));
  EXPECT_NE(mesh.told(client) & tcp::event::reset, 0);
  EXPECT_EQ(mesh.proxy().relay().size(), 0U);
}

TEST_F(RelayFaulted, OneThatIsResetAtOnceHoldsNoBreakersPlace) {
  lb::RequestPolicy policy;
  policy.breaker.max_connections = 0;
  service = having(asking(http_service("default/web", 1, {1}, {lb::AppProtocol::opaque}), policy),
                   {{.name = "f", .resets = true}});
  mesh.publish({service});
  EXPECT_NE(mesh.told(mesh.connect()) & tcp::event::reset, 0);
  EXPECT_EQ(counted(lb::Injected::reset), 1U) << "by the fault, which is asked first";
}

TEST_F(RelayFaulted, AClientThatLeavesWhileItWaitsLeavesNothing) {
  publish({.delay = lb::FaultDelay{200, 200}});
  mesh.reset(mesh.connect());
  EXPECT_EQ(mesh.proxy().relay().size(), 0U);
  mesh.pass(milliseconds(300));
  EXPECT_TRUE(mesh.heard().empty());
}

TEST_F(RelayFaulted, ADeadEndpointDoesNotAnswerAndTheClientIsReset) {
  publish({.kills = true});
  const auto client = mesh.connect();
  mesh.say(client, "hello");
  mesh.pass(milliseconds(90));
  EXPECT_EQ(mesh.told(client) & tcp::event::reset, 0);
  mesh.pass(milliseconds(20));
  EXPECT_NE(mesh.told(client) & tcp::event::reset, 0);
  EXPECT_EQ(counted(lb::Injected::dead), 1U);
  EXPECT_EQ(mesh.proxy().relay().size(), 0U);
}

TEST_F(RelayFaulted, AStatusIsForRequestsAlone) {
  publish({.abort_status = 503});
  const auto client = mesh.connect();
  mesh.say(client, "hello");
  EXPECT_EQ(only_heard().text, "hello");
}

}  // namespace
}  // namespace weft::proxy
