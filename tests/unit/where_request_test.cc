// SPDX-License-Identifier: Apache-2.0
#include "ops/where_request.h"

#include <gtest/gtest.h>

#include <sstream>

#include "lb/authorization.h"
#include "lb/fault.h"
#include "lb/http_policy.h"
#include "lb/inspection.h"
#include "lb/request_balancer.h"
#include "ops/inspection_report.h"

namespace weft::ops {
namespace {

constexpr lb::SessionKey kKey{1, 2, 3};
constexpr uint32_t kNow = 1'800'000'000;

lb::Address address(const std::string& text) {
  return *lb::parse_address(text);
}

lb::Service service(const std::string& name, const std::string& vip, uint32_t slot, uint32_t endpoints,
                    std::optional<lb::Http> http = lb::Http{.protocol = lb::AppProtocol::http}) {
  lb::Service service{.name = name,
                      .address = address(vip),
                      .port = lb::port_from_host(80),
                      .protocol = lb::Protocol::tcp,
                      .slot = slot};
  if (http) {
    service.http = std::make_shared<const lb::Http>(std::move(*http));
  }
  std::vector<lb::MaglevMember> members;
  for (uint32_t i = 0; i < endpoints; ++i) {
    const lb::Address at = address("10.1.0." + std::to_string(10 * slot + i));
    const uint32_t endpoint = 10 * slot + i;
    service.endpoints.push_back(
        {.name = "pod-" + std::to_string(endpoint), .address = at, .port = lb::port_from_host(8080), .slot = endpoint});
    members.push_back({.identity = service.endpoints.back().identity()});
    service.targets.push_back({.address = at, .port = lb::port_from_host(8080), .slot = endpoint});
  }
  service.table = std::make_shared<lb::MaglevTable>(members, 251, 7);
  return service;
}

lb::HttpBackend backend(const std::string& name, uint32_t slot, uint32_t weight = 1) {
  lb::HttpBackend backend{.weight = weight};
  backend.port.service = name;
  backend.port.port = lb::port_from_host(80);
  backend.port.slots[0] = slot;
  return backend;
}

lb::MatchedRule rule(uint32_t number, std::vector<lb::HttpMatch> matches, lb::HttpRule what) {
  what.route = "shop/split";
  what.number = number;
  return {.matches = std::move(matches), .rule = std::make_shared<const lb::HttpRule>(std::move(what))};
}

lb::HttpMatch prefix(const std::string& path) {
  return {.path = {.type = lb::MatchType::prefix, .value = path}};
}

lb::Http routed(std::vector<lb::MatchedRule> rules) {
  std::vector<lb::HttpRoute> routes{{.key = "shop/split", .rules = std::move(rules)}};
  return {.protocol = lb::AppProtocol::http, .routes = std::make_shared<const lb::RouteTable>(std::move(routes))};
}

/// Services of `shop`: web is asked, and what it is routed to stands at slots 2 and 3.
class WhereRequest : public testing::Test {
 protected:
  void publish(lb::Http http, const lb::RequestPolicy& v1 = {}, std::vector<lb::AuthorizationRules> web = {},
               std::vector<lb::AuthorizationRules> of_v2 = {}) {
    const auto judging = [](lb::Service& service, std::vector<lb::AuthorizationRules> policies) {
      if (!policies.empty()) {
        service.authorization =
            std::make_shared<const lb::Authorization>(1, std::move(policies), service.address, service.port);
      }
    };
    std::vector<lb::Service> services;
    services.push_back(service("shop/web", "10.96.0.1", 1, 2, std::move(http)));
    judging(services.back(), std::move(web));
    services.back().inspection = web_inspection_;
    services.push_back(service("shop/v1", "10.96.0.2", 2, 3));
    services.back().requests = std::make_shared<const lb::RequestPolicy>(v1);
    services.back().faults = v1_faults_;
    services.back().inspection = v1_inspection_;
    services.push_back(service("shop/v2", "10.96.0.3", 3, 1));
    judging(services.back(), std::move(of_v2));
    services.push_back(service("shop/empty", "10.96.0.4", 4, 0));
    services.push_back(service("shop/packets", "10.96.0.5", 5, 1, std::nullopt));
    snapshot_.emplace(1, 7, std::move(services));
  }

  Answer ask(const std::string& line) {
    std::istringstream stream(line);
    Words words;
    for (std::string word; stream >> word;) {
      words.push_back(word);
    }
    const auto question = parse_request_question(words);
    if (!question) {
      return tl::unexpected(question.error());
    }
    return answer_request({.snapshot = *snapshot_,
                           .limits = {},
                           .session_key = kKey,
                           .now_s = kNow,
                           .outliers = &outliers_,
                           .millis = 1000},
                          *question);
  }
  std::string error_of(const std::string& line) {
    const Answer answer = ask(line);
    return answer ? "no error: " + answer->dump() : answer.error();
  }

  std::optional<lb::Snapshot> snapshot_;
  std::shared_ptr<const lb::Faults> v1_faults_;
  std::shared_ptr<const lb::Inspection> web_inspection_;
  std::shared_ptr<const lb::Inspection> v1_inspection_;
  lb::OutlierBoard outliers_{16, 256, 1};
};

TEST_F(WhereRequest, TheRuleThatWonAndWhatHeld) {
  lb::HttpMatch canary = prefix("/cart");
  canary.method = "GET";
  canary.headers = {{"x-canary", lb::MatchType::exact, "al ways"}};
  canary.query = {{"v", lb::MatchType::regular_expression, "[0-9]"}};
  publish(routed(
      {rule(0, {prefix("/")}, {.backends = {backend("shop/v1", 2)}}),
       rule(1, {prefix("/other"), canary},
            {.name = "canary",
             .backends = {backend("shop/v2", 3)},
             .request_timeout = std::chrono::milliseconds(1500),
             .retry = lb::HttpRetry{.attempts = 2, .codes = {500, 503}, .backoff = std::chrono::milliseconds(25)}})}));
  const Answer answer =
      ask("GET http://web.shop/cart/../cart?v=1 from 10.0.0.5 header X-Canary: al ways header accept: */*");
  ASSERT_TRUE(answer) << answer.error();
  EXPECT_EQ((*answer)["service"], "shop/web");
  EXPECT_EQ((*answer)["address"], "10.96.0.1:80");
  EXPECT_EQ((*answer)["host"], "web.shop");
  EXPECT_EQ((*answer)["path"], "/cart") << "in its normal form";
  EXPECT_EQ((*answer)["route"], "shop/split");
  EXPECT_EQ((*answer)["rule"], "1 (canary)");
  EXPECT_EQ((*answer)["match"], 1);
  EXPECT_EQ((*answer)["because"],
            "path begins with /cart; method is GET; header x-canary is al ways; parameter v matches [0-9]");
  EXPECT_EQ((*answer)["request_timeout"], "1.5s");
  EXPECT_EQ((*answer)["backend_timeout"], nullptr);
  EXPECT_EQ((*answer)["retries"],
            "2 more, if the connection fails or for 500 or 503, after up to 25ms, later ten times that");
  ASSERT_EQ((*answer)["backends"].size(), 1U);
  EXPECT_EQ((*answer)["backends"][0]["endpoint"], "10.1.0.30:8080");
  EXPECT_EQ((*answer)["backends"][0]["endpoint_name"], "shop/v2/pod-30");
  EXPECT_EQ((*answer)["backends"][0]["chosen_by"], "being the only one");
  EXPECT_FALSE(answer->contains("answered_by"));
  EXPECT_EQ((*ask("POST http://web.shop/cart?v=1 header x-canary: al ways"))["rule"], "0");
  EXPECT_EQ((*ask("GET http://web.shop/cart?v=a header x-canary: al ways"))["rule"], "0");
}

TEST_F(WhereRequest, TheFaultsThatItWouldMeet) {
  lb::Fault slow{.name = "shop/slow", .share = 1'000, .delay = lb::FaultDelay{100, 100}};
  lb::Fault of_others{.name = "shop/other", .route = "shop/other", .abort_status = 503};
  lb::Fault of_some{.name = "try", .is_live = true, .until_ns = 1, .kills = true};
  of_some.headers = {{"x-try", {{{lb::TextPattern::Kind::any, ""}}, {}}}};
  v1_faults_ = std::make_shared<const lb::Faults>(lb::Faults{slow, of_others, of_some});
  publish(routed({rule(0, {prefix("/")}, {.backends = {backend("shop/v1", 2), backend("shop/v2", 3)}})}));
  const auto faults = [&](const std::string& line) { return (*ask(line))["backends"][0]["faults"]; };
  EXPECT_EQ(faults("GET http://web.shop/"), "shop/slow (delay 100ms, of 10%)");
  EXPECT_EQ(faults("GET http://web.shop/ header x-try: 1"), "shop/slow (delay 100ms, of 10%); try (dead, of 100%)");
  EXPECT_EQ((*ask("GET http://web.shop/"))["backends"][1]["faults"], nullptr);
}

TEST_F(WhereRequest, AConsumersRoutesAreItsClientsAlone) {
  lb::Http http = routed({rule(0, {prefix("/")}, {.backends = {backend("shop/v1", 2)}})});
  http.consumers = {{.name_space = "books",
                     .routes = routed({rule(0, {prefix("/")}, {.backends = {backend("shop/v2", 3)}})}).routes}};
  http.clients = std::make_shared<const lb::ClientNamespaces>(
      lb::ClientNamespaces{{*lb::parse_address("10.0.0.5"), http.consumers[0].number}});
  publish(http);
  EXPECT_EQ((*ask("GET http://web.shop/ from 10.0.0.5"))["routes_of"], "books");
  EXPECT_EQ((*ask("GET http://web.shop/ from 10.0.0.5"))["backends"][0]["backend"], "shop/v2:80");
  EXPECT_EQ((*ask("GET http://web.shop/ from 10.0.0.6"))["backends"][0]["backend"], "shop/v1:80");
  EXPECT_EQ((*ask("GET http://web.shop/ from 10.0.0.6"))["routes_of"],
            "the service: the client is of no namespace with routes of its own");
  EXPECT_EQ((*ask("GET http://web.shop/"))["backends"][0]["backend"], "shop/v1:80");
  EXPECT_EQ((*ask("GET http://web.shop/"))["routes_of"], "the service, but for some clients: say from <address>");
}

lb::AuthorizationRules policy(const std::string& name, bool deny, const std::string& path) {
  lb::AuthorizationRule rule;
  rule.to.push_back({.paths = {.is = {{lb::TextPattern::Kind::prefix, path}}, .is_not = {}}});
  return {.name = name, .deny = deny, .rules = {rule}};
}

TEST_F(WhereRequest, ThePolicyThatDecides) {
  lb::AuthorizationRules tried = policy("shop/try", true, "/a");
  tried.dry_run = true;
  publish(routed({rule(0, {prefix("/")}, {.backends = {backend("shop/v2", 3)}})}), {},
          {policy("shop/no-admin", true, "/admin"), policy("shop/all", false, "/a"), tried},
          {policy("shop/no-ab", true, "/ab")});
  const Answer denied = ask("GET http://web.shop/x/../admin from 10.0.0.5");
  ASSERT_TRUE(denied) << denied.error();
  EXPECT_EQ((*denied)["status"], 403);
  EXPECT_EQ((*denied)["flags"], "RBAC");
  EXPECT_EQ((*denied)["access"], "denied by shop/no-admin, rule 0");
  EXPECT_EQ((*denied)["caller"], "nobody is known at its address");
  EXPECT_FALSE(denied->contains("backends"));
  const Answer closed = ask("GET http://web.shop/b");
  EXPECT_EQ((*closed)["access"], "denied: no ALLOW policy matches");
  EXPECT_EQ((*closed)["caller"], "nobody: say from <address>");
  const Answer allowed = ask("GET http://web.shop/a from 10.0.0.5");
  EXPECT_EQ((*allowed)["access"], "allowed by shop/all, rule 0");
  EXPECT_EQ((*allowed)["access_dry_run"], "would be denied by shop/try, rule 0");
  EXPECT_FALSE(allowed->contains("status"));
  const Answer beyond = ask("GET http://web.shop/ab from 10.0.0.5");
  EXPECT_EQ((*beyond)["status"], 403) << "by a policy of where the route leads";
  EXPECT_EQ((*beyond)["backends"][0]["chosen_by"], "nothing: denied by shop/no-ab, rule 0");
  publish({.protocol = lb::AppProtocol::http}, {}, {policy("shop/no-admin", true, "/admin")});
  EXPECT_EQ((*ask("GET http://web.shop/a"))["access"], "allowed: no policy denies it, and there is no ALLOW policy");
  publish({.protocol = lb::AppProtocol::http});
  EXPECT_FALSE(ask("GET http://web.shop/a")->contains("access"));
}

TEST_F(WhereRequest, ABackendsPoliciesJudgeWhatItsEndpointGets) {
  const auto rewriting = [](const std::string& value, const lb::HttpBackend& to) {
    lb::HttpRule made{.backends = {to}};
    made.filters.rewrite = lb::Rewrite{.host = "", .path = {lb::PathEdit::Kind::prefix, value}};
    return routed({rule(0, {prefix("/api")}, made)});
  };
  publish(rewriting("/", backend("shop/v2", 3)), {}, {}, {policy("shop/no-admin", true, "/admin")});
  const Answer denied = ask("GET http://web.shop/api/admin from 10.0.0.5");
  ASSERT_TRUE(denied) << denied.error();
  EXPECT_EQ((*denied)["status"], 403);
  EXPECT_EQ((*denied)["backends"][0]["chosen_by"], "nothing: denied by shop/no-admin, rule 0");
  EXPECT_FALSE(ask("GET http://web.shop/api/a from 10.0.0.5")->contains("status"));
  publish(rewriting("/open", backend("shop/v2", 3)), {}, {}, {policy("shop/no-api", true, "/api")});
  EXPECT_FALSE(ask("GET http://web.shop/api/a from 10.0.0.5")->contains("status"));
  publish(rewriting("/", backend("shop/web", 1)), {}, {policy("shop/no-admin", true, "/admin")});
  EXPECT_EQ((*ask("GET http://web.shop/api/admin from 10.0.0.5"))["status"], 403) << "back to the service asked";
  publish(rewriting("/x/..%5c", backend("shop/v2", 3)), {}, {}, {policy("shop/no-admin", true, "/admin")});
  const Answer ambiguous = ask("GET http://web.shop/api/admin from 10.0.0.5");
  EXPECT_EQ((*ambiguous)["status"], 500);
  EXPECT_EQ((*ambiguous)["reason"], "the rewritten path is ambiguous or too long to be judged");
}

TEST_F(WhereRequest, BackendsByTheirShares) {
  publish(routed(
      {rule(0, {prefix("/")},
            {.backends = {backend("shop/v1", 2, 3), backend("shop/v2", 3, 1), backend("shop/gone", UINT32_MAX, 0)}})}));
  const Answer answer = ask("GET http://10.96.0.1/");
  ASSERT_TRUE(answer) << answer.error();
  const Json& rows = (*answer)["backends"];
  ASSERT_EQ(rows.size(), 3U);
  EXPECT_EQ(rows[0]["backend"], "shop/v1:80");
  EXPECT_EQ(rows[0]["share_percent"], 75.0);
  EXPECT_EQ(rows[0]["endpoint"], nullptr) << "it depends on load";
  EXPECT_EQ(rows[0]["chosen_by"], "load: of two by chance and weight, the one with fewer requests of the worker's");
  EXPECT_EQ(rows[1]["share_percent"], 25.0);
  EXPECT_EQ(rows[2]["status"], 500);
  const Json& endpoints = (*answer)["endpoints"];
  ASSERT_EQ(endpoints.size(), 4U);
  EXPECT_EQ(endpoints[0]["endpoint_name"], "shop/v1/pod-20");
  EXPECT_NEAR(endpoints[0]["share_percent"].get<double>(), 33.3, 0.1);
  EXPECT_FALSE(answer->contains("answered_by"));
}

TEST_F(WhereRequest, WhoIsEjectedIsPassedOverAsAWorkerDoes) {
  lb::RequestPolicy hashed{.balancing = lb::Balancing::consistent_hash,
                           .hash = {.kind = lb::HashOn::Kind::header, .name = "x-user"},
                           .outlier = {.enabled = true, .consecutive_5xx = 1, .max_ejection_percent = 100}};
  publish(routed({rule(0, {prefix("/")}, {.backends = {backend("shop/v1", 2)}})}), hashed);
  const lb::Service& v1 = *snapshot_->service_at(2);
  const auto eject = [&](uint32_t slot) { outliers_.report(0, 2, 3, slot, hashed.outlier, {.status = 500}, 0); };
  eject(21);
  lb::RequestBalancer worker(16, 256, 99, &outliers_);
  int passed_over = 0;
  for (int i = 0; i < 20; ++i) {
    const std::string user = std::to_string(i);
    const lb::HttpField field{"x-user", user};
    const lb::HttpRequest request{.fields = std::span(&field, 1)};
    const lb::Target* const taken = worker.pick(v1, {.request = &request, .now = 1000});
    const Json answer = *ask("GET http://web.shop/ header x-user: " + user);
    EXPECT_EQ(answer["backends"][0]["endpoint"], lb::to_string(taken->address, taken->port));
    passed_over += answer["backends"][0]["chosen_by"].get<std::string>().ends_with(
        "; passed over 10.1.0.21:8080, which is ejected");
    EXPECT_EQ(answer["endpoints"][0]["passed_over"], "");
    EXPECT_EQ(answer["endpoints"][1]["passed_over"], "ejected for another 29 s: consecutive_5xx");
  }
  EXPECT_GT(passed_over, 0);
  EXPECT_LT(passed_over, 20);
  eject(20);
  eject(22);
  const Json answer = *ask("GET http://web.shop/ header x-user: 1");
  EXPECT_EQ(answer["status"], 503);
  EXPECT_EQ(answer["flags"], "UH");
  EXPECT_EQ(answer["reason"], "all endpoints of the service are ejected");
}

TEST_F(WhereRequest, AHashNamesTheEndpointThatAWorkerTakes) {
  lb::RequestPolicy hashed{.balancing = lb::Balancing::consistent_hash,
                           .hash = {.kind = lb::HashOn::Kind::header, .name = "x-user"}};
  publish(routed({rule(0, {prefix("/")}, {.backends = {backend("shop/v1", 2)}})}), hashed);
  const lb::Service& v1 = *snapshot_->service_at(2);
  lb::RequestBalancer worker(16, 256, 99);
  for (const std::string user : {"a", "b", "c", "d", "e"}) {
    const lb::HttpField field{"x-user", user};
    const lb::HttpRequest request{.fields = std::span(&field, 1)};
    const lb::Target* const taken = worker.pick(v1, {.request = &request});
    const Json row = (*ask("GET http://web.shop/ header x-user: " + user))["backends"][0];
    EXPECT_EQ(row["endpoint"], lb::to_string(taken->address, taken->port));
    EXPECT_TRUE(row["chosen_by"].get<std::string>().starts_with("consistent hash of the header x-user, ")) << row;
  }
  const Json row = (*ask("GET http://web.shop/"))["backends"][0];
  EXPECT_EQ(row["endpoint"], nullptr);
  EXPECT_EQ(row["chosen_by"], "chance and weight: the request has not the header x-user");

  hashed.hash = {.kind = lb::HashOn::Kind::source};
  publish(routed({rule(0, {prefix("/")}, {.backends = {backend("shop/v1", 2)}})}), hashed);
  EXPECT_EQ((*ask("GET http://web.shop/"))["backends"][0]["chosen_by"],
            "consistent hash of the client's address: say from <address>");
  EXPECT_NE((*ask("GET http://web.shop/ from 10.0.0.5"))["backends"][0]["endpoint"], nullptr);
}

TEST_F(WhereRequest, ASessionNamesItsEndpoint) {
  const lb::SessionPersistence session{.kind = lb::SessionPersistence::Kind::cookie, .name = "s"};
  publish(routed({rule(0, {prefix("/")}, {.backends = {backend("shop/v1", 2)}, .session = session})}));
  std::array<char, lb::kSessionTokenLength> room;
  const lb::SessionToken token{
      .address = address("10.1.0.21"), .port = lb::port_from_host(8080), .begun_s = kNow - 9, .used_s = kNow - 9};
  const std::string sealed(lb::seal(token, "shop/v1", kKey, room));
  const Json kept = (*ask("GET http://web.shop/ header Cookie: a=b; s=" + sealed))["backends"][0];
  EXPECT_EQ(kept["endpoint"], "10.1.0.21:8080");
  EXPECT_EQ(kept["chosen_by"], "the session that the request brings in s");
  const Json begun = (*ask("GET http://web.shop/ header cookie: s=" + sealed.substr(1) + "x"))["backends"][0];
  EXPECT_EQ(begun["endpoint"], nullptr);
  EXPECT_TRUE(begun["chosen_by"].get<std::string>().ends_with("; it begins a session")) << begun;
}

TEST_F(WhereRequest, FiltersSayWhatTheyMakeOfTheRequest) {
  lb::HttpRule edits{.backends = {backend("shop/v2", 3)}};
  edits.filters.request = {.set = {{"x-a", "1"}}, .add = {}, .remove = {"x-b"}};
  edits.filters.rewrite = lb::Rewrite{.host = "inner", .path = {lb::PathEdit::Kind::prefix, "/new"}};
  edits.filters.mirrors = {{.backend = backend("shop/v1", 2).port, .fraction = {1, 4}}};
  edits.backends[0].filters.response = {.set = {}, .add = {{"x-c", "2"}}, .remove = {}};
  lb::HttpRule away;
  away.filters.redirect = lb::Redirect{.scheme = "https", .host = "shop.example.com", .status = 301};
  publish(routed({rule(0, {prefix("/old")}, edits), rule(1, {prefix("/away")}, away)}));
  EXPECT_EQ(as_text((*ask("GET http://web.shop/old/x?y=z"))["filters"]),
            "OF          FILTER                  DOES\n"
            "rule        RequestHeaderModifier   set x-a: 1\n"
            "rule        RequestHeaderModifier   remove x-b\n"
            "rule        RequestMirror           1 of 4 to shop/v1, port 80\n"
            "rule        URLRewrite              /new/x?y=z, host: inner\n"
            "shop/v2:80  ResponseHeaderModifier  add x-c: 2\n");
  const Json redirected = *ask("GET http://web.shop/away?q");
  EXPECT_EQ(redirected["answered_by"], "weft");
  EXPECT_EQ(redirected["status"], 301);
  EXPECT_EQ(redirected["filters"][0]["does"], "301, location: https://shop.example.com/away?q");
  EXPECT_FALSE(redirected.contains("backends"));
}

TEST_F(WhereRequest, ABackendsRewriteTakesThePlaceOfTheRules) {
  lb::HttpRule both{.backends = {backend("shop/v1", 2), backend("shop/v2", 3)}};
  both.filters.rewrite = lb::Rewrite{.host = "", .path = {lb::PathEdit::Kind::prefix, "/rule"}};
  both.backends[1].filters.rewrite = lb::Rewrite{.host = "", .path = {lb::PathEdit::Kind::prefix, "/backend"}};
  publish(routed({rule(0, {prefix("/old")}, both)}));
  EXPECT_EQ(as_text((*ask("GET http://web.shop/old/x"))["filters"]),
            "OF          FILTER      DOES\n"
            "rule        URLRewrite  /rule/x\n"
            "shop/v2:80  URLRewrite  /backend/x\n");
  both.backends.erase(both.backends.begin());
  publish(routed({rule(0, {prefix("/old")}, both)}));
  EXPECT_EQ(as_text((*ask("GET http://web.shop/old/x"))["filters"]),
            "OF          FILTER      DOES\n"
            "shop/v2:80  URLRewrite  /backend/x\n")
      << "no backend is left that the rule's is for";
}

TEST_F(WhereRequest, ARewriteTooLongIsAnsweredAsAWorkerDoes) {
  lb::HttpRule longer{.backends = {backend("shop/v1", 2), backend("shop/v2", 3)}};
  longer.backends[0].filters.rewrite =
      lb::Rewrite{.host = "", .path = {lb::PathEdit::Kind::prefix, "/" + std::string(64 << 10, 'a')}};
  publish(routed({rule(0, {prefix("/old")}, longer)}));
  const Json some = *ask("GET http://web.shop/old/x");
  EXPECT_EQ(some["backends"][0]["status"], 414);
  EXPECT_EQ(some["backends"][0]["endpoint"], nullptr);
  EXPECT_EQ(some["backends"][1]["status"], nullptr);
  EXPECT_FALSE(some.contains("answered_by"));
  longer.backends.pop_back();
  publish(routed({rule(0, {prefix("/old")}, longer)}));
  const Json all = *ask("GET http://web.shop/old/x");
  EXPECT_EQ(all["status"], 414);
  EXPECT_EQ(all["flags"], "DPE");
  EXPECT_EQ(all["reason"], "the rewritten target is too long");
}

TEST_F(WhereRequest, BackendsThatFailInWaysOfTheirOwnAreToldApart) {
  publish(routed({rule(0, {prefix("/")}, {.backends = {backend("shop/empty", 4), backend("shop/gone", UINT32_MAX)}})}));
  const Json answer = *ask("GET http://web.shop/");
  EXPECT_EQ(answer["backends"][0]["status"], 503);
  EXPECT_EQ(answer["backends"][1]["status"], 500);
  EXPECT_EQ(answer["answered_by"], "weft");
  EXPECT_EQ(answer["status"], nullptr);
  EXPECT_EQ(answer["reason"], "each backend's share has an answer of its own: see backends");
}

TEST_F(WhereRequest, WhatWeftAnswersItself) {
  publish(routed({rule(0, {prefix("/gone")}, {.backends = {backend("shop/gone", UINT32_MAX)}}),
                  rule(1, {prefix("/empty")}, {.backends = {backend("shop/empty", 4)}}),
                  rule(2, {prefix("/none")}, {.backends = {backend("shop/v1", 2, 0)}})}));
  const auto said = [&](const std::string& line) {
    const Answer answer = ask(line);
    return !answer ? answer.error()
           : !answer->contains("answered_by")
               ? "an endpoint"
               : (*answer)["status"].dump() + " " + (*answer)["flags"].get<std::string>() + " " +
                     (*answer)["reason"].get<std::string>();
  };
  EXPECT_EQ(said("GET http://web.shop/elsewhere"), "404 NR no route matches the request");
  EXPECT_EQ(said("GET http://web.shop/gone"), "500 NR the route leads to no service that takes its requests");
  EXPECT_EQ(said("GET http://web.shop/none"), "500 NR the route leads to no service that takes its requests");
  EXPECT_EQ(said("GET http://web.shop/empty"), "503 UH the service has no endpoint that is ready");
  EXPECT_EQ(said("GET http://web.shop/a/..%2fb"), "400 DPE the path is ambiguous");
  EXPECT_EQ(said("GET http://web.shop/ header bad name: x"), "400 DPE malformed field name");
  EXPECT_EQ(said("GET http://web.shop/ header content-length: 1 header transfer-encoding: chunked"),
            "400 DPE both Content-Length and Transfer-Encoding");
  EXPECT_EQ(said("GET http://v1.shop/"), "an endpoint");
  EXPECT_EQ(said("GET http://empty.shop/"), "503 UH the service has no endpoint that is ready");
}

TEST_F(WhereRequest, WhoIsAskedAndWhoIsNot) {
  publish(routed({rule(0, {prefix("/")}, {.backends = {backend("shop/v2", 3)}})}));
  for (const std::string host :
       {"web.shop", "web.shop.svc", "web.shop.svc.cluster.local", "web.shop:80", "10.96.0.1", "10.96.0.1:80"}) {
    EXPECT_EQ((*ask("GET http://" + host))["service"], "shop/web") << host;
  }
  EXPECT_EQ((*ask("GET http://10.96.0.1/ header Host: other.example.com:8080"))["host"], "other.example.com");
  EXPECT_EQ(error_of("GET http://web/"), "no service \"default/web\"");
  EXPECT_EQ(error_of("GET http://web.shop:81/"), "service shop/web has no TCP port 81, but 80");
  EXPECT_EQ(error_of("GET http://10.96.0.9/"), "no service has TCP at 10.96.0.9:80; \"show services\" lists them");
  EXPECT_EQ(
      error_of("GET http://packets.shop/"),
      "nobody reads requests to shop/packets at 10.96.0.5:80: its connections are forwarded packet by packet; ask "
      "where tcp");
  EXPECT_EQ(
      error_of("GET http://www.shop.example.com/"),
      "\"www.shop.example.com\" is no service's name: ask http://<service>.<namespace>/, or the virtual address with "
      "\"header host: www.shop.example.com\"");
}

TEST_F(WhereRequest, BadWordsAreNamed) {
  publish(routed({}));
  EXPECT_EQ(error_of("GET"), "") << "the usage";
  EXPECT_EQ(error_of("GET http://web.shop/ please"), "");
  EXPECT_EQ(error_of("GET https://web.shop/"), "weft does not read what is encrypted: ask for http://");
  for (const std::string url : {"ftp://web.shop/", "http://", "http://:80/", "http://web.shop:0/", "http://web.shop:x/",
                                "http://[10.0.0.1]/", "http://fd00::1/", "http://[fd00::1/"}) {
    EXPECT_TRUE(error_of("GET " + url).starts_with("expected a URL such as http://web.shop/cart or "))
        << error_of("GET " + url);
  }
  EXPECT_EQ(error_of("GET http://web.shop/ from nowhere"),
            "from: expected an address such as 10.0.0.5, got \"nowhere\"");
  EXPECT_EQ(error_of("GET http://web.shop/ from"), "from: expected an address such as 10.0.0.5, got \"\"");
  EXPECT_EQ(error_of("GET http://web.shop/ header"), "header: expected <name>: <value>, got \"\"");
  EXPECT_EQ(error_of("GET http://web.shop/ header x header y: z"), "header: expected <name>: <value>, got \"x\"");
}

std::shared_ptr<const lb::Inspection> looking_for(const std::string& policy, const std::string& text,
                                                  lb::Signature::Action action, bool dry_run = false) {
  lb::InspectionRules rules{.policy = policy, .dry_run = dry_run, .signatures = {}};
  rules.signatures.push_back(
      {.name = "s", .part = lb::Signature::Part::target, .text = text, .header = {}, .action = action});
  rules.signatures.push_back(
      {.name = "agent", .part = lb::Signature::Part::header, .text = "nikto", .header = "user-agent"});
  return std::make_shared<const lb::Inspection>(std::vector{std::move(rules)}, 1);
}

TEST_F(WhereRequest, SignaturesInTheHeadAreToldAndDeny) {
  web_inspection_ = looking_for("shop/own", "note", lb::Signature::Action::log);
  publish({.protocol = lb::AppProtocol::http});
  const Answer clean = ask("GET http://web.shop/");
  ASSERT_TRUE(clean) << clean.error();
  EXPECT_EQ((*clean)["inspected_by"], "shop/own (Enforce)");
  EXPECT_FALSE(clean->contains("signatures"));
  const Answer noted = ask("GET http://web.shop/%6eote");
  EXPECT_EQ((*noted)["signatures"], Json::parse(R"([{"signature": "shop/own s", "of": "shop/web", "part": "Target",
      "action": "Log", "outcome": "noted in the access record"}])"));
  EXPECT_FALSE(noted->contains("status")) << "it goes on";
  const Answer denied = ask("GET http://web.shop/ header user-agent: nikto/2");
  EXPECT_EQ((*denied)["status"], 403);
  EXPECT_EQ((*denied)["flags"], "SIG");
  EXPECT_EQ((*denied)["signatures"][0]["outcome"], "denied with 403");
  EXPECT_EQ(web_inspection_->found(0) + web_inspection_->found(1), 0U) << "a question is no request";
}

TEST_F(WhereRequest, ADryRunAndTheSignaturesOfABackend) {
  web_inspection_ = looking_for("shop/dry", "note", lb::Signature::Action::deny, true);
  v1_inspection_ = looking_for("shop/v1", "secret", lb::Signature::Action::deny);
  publish(routed({rule(0, {prefix("/")}, {.backends = {backend("shop/v1", 2)}})}));
  const Answer dry = ask("GET http://web.shop/note");
  ASSERT_TRUE(dry) << dry.error();
  EXPECT_EQ((*dry)["inspected_by"], "shop/dry (DryRun); of shop/v1:80: shop/v1 (Enforce)");
  EXPECT_EQ((*dry)["signatures"][0]["outcome"], "would be denied, but for the dry run");
  EXPECT_TRUE((*dry)["backends"][0]["status"].is_null());
  const Answer denied = ask("GET http://web.shop/secret");
  EXPECT_EQ((*denied)["status"], 403);
  EXPECT_EQ((*denied)["flags"], "SIG");
  EXPECT_EQ((*denied)["backends"][0]["chosen_by"], "nothing: denied by signature shop/v1 s");
  EXPECT_EQ((*denied)["signatures"][0]["of"], "shop/v1:80");
}

TEST_F(WhereRequest, HitsAreToldByTheirCountAndMetricsSumSets) {
  web_inspection_ = looking_for("shop/own", "note", lb::Signature::Action::log);
  v1_inspection_ = looking_for("shop/own", "note", lb::Signature::Action::log);
  publish({.protocol = lb::AppProtocol::http});
  EXPECT_EQ(hits_of(*web_inspection_).most, "");
  const auto find = [](const lb::Inspection& inspection, std::string_view target) {
    lb::Finding finding;
    inspection.begin(0);
    inspection.scan_target(0, target, finding);
    inspection.scan_fields(0, lb::Signature::Message::request, "User-Agent: nikto", finding);
  };
  find(*web_inspection_, "/note");
  find(*web_inspection_, "/");
  find(*v1_inspection_, "/note");
  const SignatureHits hits = hits_of(*web_inspection_);
  EXPECT_EQ(hits.sum, 3U);
  EXPECT_EQ(hits.most, "shop/own agent 2, shop/own s 1");
  Metrics metrics;
  add_inspection_metrics(*snapshot_, metrics);
  EXPECT_NE(metrics.text().find("weft_signatures_found_total{policy=\"shop/own\",signature=\"s\",action=\"Log\","
                                "dry_run=\"0\"} 2\n"),
            std::string::npos)
      << metrics.text();
  EXPECT_NE(metrics.text().find("weft_inspection_sets 2\n"), std::string::npos);
}

}  // namespace
}  // namespace weft::ops
