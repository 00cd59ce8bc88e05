// SPDX-License-Identifier: Apache-2.0
/// @file Limits of the rate of requests, as clients meet them: 429, with when to come again.
#include "http_proxied.h"

namespace weft::proxy {
namespace {

using std::chrono::milliseconds;
using testing::EndsWith;
using testing::StartsWith;

constexpr uint64_t kASecond = 1'000'000'000;

lb::RequestLimit limit_of(uint32_t burst, uint64_t interval_ns, lb::RequestLimit::By by = lb::RequestLimit::By::all) {
  return {.name = "tenants", .by = by, .header = "x-tenant", .rate = {interval_ns, burst}, .id = 7};
}

class HttpLimited : public HttpProxied {
 protected:
  void limit(std::vector<lb::RequestLimit> limits) {
    mesh.publish({asking(http_service("default/web", 1, {1}), {.limits = std::move(limits)})});
  }
  static std::shared_ptr<const lb::RouteTable> routed() {
    lb::HttpRule rule{.retry = lb::HttpRetry{.attempts = 1, .codes = {503}}};
    rule.backends.push_back(backend(1));
    return route_table({{"/", rule}});
  }
  const AccessRecord& last() const { return mesh.records.back(); }
  std::string status_of(const std::string& request) { return exchange_once(request).client.substr(9, 3); }
};

TEST_F(HttpLimited, WhatComesTooFastIsToldWhenToComeAgain) {
  limit({limit_of(2, 3 * kASecond)});
  const auto client = mesh.connect();
  EXPECT_EQ(exchange(client, kGet).client, kOkHeard);
  EXPECT_EQ(exchange(client, kGet).client, kOkHeard);
  const Told told = exchange(client, kGet);
  EXPECT_THAT(told.client, StartsWith("HTTP/1.1 429 Too Many Requests\r\n"));
  EXPECT_THAT(told.client, EndsWith("weft: more requests came than a limit of the service allows\n"));
  EXPECT_EQ(value_of(told.client, "retry-after"), "3");
  EXPECT_EQ(told.endpoint, "") << "it goes nowhere";
  EXPECT_EQ(flags_of_last(), "RL");
  EXPECT_EQ(last().limit.view(), "tenants");
  EXPECT_EQ(last().decided_by, Protection::request_limit);
  EXPECT_EQ(mesh.books().limited, 1U);
  mesh.pass(milliseconds(2000));
  EXPECT_EQ(value_of(exchange(client, kGet).client, "retry-after"), "1");
  mesh.pass(milliseconds(1001));
  EXPECT_EQ(exchange(client, kGet).client, kOkHeard) << "on the same connection";
  EXPECT_EQ(last().limit.view(), "");
}

TEST_F(HttpLimited, EachValueOfAHeaderHasABucket) {
  limit({limit_of(1, kASecond, lb::RequestLimit::By::header)});
  EXPECT_EQ(status_of(request("/", "X-Tenant: a\r\n")), "200");
  EXPECT_EQ(status_of(request("/", "x-tenant: a\r\n")), "429");
  EXPECT_EQ(status_of(request("/", "X-Tenant: b\r\n")), "200");
  EXPECT_EQ(status_of(request("/")), "200") << "who says none share one";
  EXPECT_EQ(status_of(request("/x")), "429");
}

TEST_F(HttpLimited, ClientsOfAServiceShareItsBucket) {
  const auto caller = std::make_shared<const lb::Caller>(lb::Caller{{"shop"}, {"cluster.local/ns/shop/sa/cart"}});
  limit({limit_of(1, kASecond, lb::RequestLimit::By::service)});
  EXPECT_EQ(status_of(request("/")), "200") << "as nobody known";
  EXPECT_EQ(status_of(request("/")), "429");
  mesh.callers = lb::CallerTable().with({{kMeshClient, caller}});
  limit({limit_of(1, kASecond, lb::RequestLimit::By::service)});
  EXPECT_EQ(status_of(request("/")), "200") << "as the cart";
  EXPECT_EQ(status_of(request("/")), "429") << "a new snapshot gives no tokens back";
}

TEST_F(HttpLimited, AllLimitsHoldAndThoseOfARouteForItsRequestsAlone) {
  lb::RequestLimit of_route = limit_of(1, kASecond);
  of_route.name = "of-a-route";
  of_route.id = 8;
  for (const bool is_the_routes : {false, true}) {
    of_route.route = is_the_routes ? "default/route" : "default/another";
    mesh.publish({asking(http_service("default/web", 1, {1}, {lb::AppProtocol::http, routed()}),
                         {.limits = {limit_of(3, kASecond), of_route}})});
    EXPECT_EQ(status_of(request("/")), "200");
    EXPECT_EQ(status_of(request("/")), is_the_routes ? "429" : "200");
    EXPECT_EQ(last().limit.view(), is_the_routes ? "of-a-route" : "");
    EXPECT_EQ(status_of(request("/")), is_the_routes ? "429" : "200");
    EXPECT_EQ(status_of(request("/")), "429");
    EXPECT_EQ(last().limit.view(), "tenants");
    mesh.pass(milliseconds(5000));
  }
}

TEST_F(HttpLimited, AnotherAttemptIsNotAnotherRequest) {
  mesh.publish({asking(http_service("default/web", 1, {1, 2}, {lb::AppProtocol::http, routed()}),
                       {.limits = {limit_of(2, 100 * kASecond)}})});
  const auto client = mesh.connect();
  mesh.say(client, kGet);
  mesh.say(only_heard().id, response(503));
  mesh.pass(milliseconds(1000));
  mesh.say(only_heard().id, kOk);
  EXPECT_EQ(mesh.hear_client(client), kOkHeard);
  EXPECT_EQ(last().attempts, 2);
  EXPECT_EQ(exchange(client, kGet).client, kOkHeard) << "one of two tokens was left";
  EXPECT_EQ(first_line(exchange(client, kGet).client), "HTTP/1.1 429 Too Many Requests");
}

}  // namespace
}  // namespace weft::proxy
