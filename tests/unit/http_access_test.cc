// SPDX-License-Identifier: Apache-2.0
/// @file Policies of access: each request is judged by those of now, and one under way ends when they forbid it.
#include "http_proxied.h"

namespace weft::proxy {
namespace {

using std::chrono::milliseconds;
using testing::EndsWith;
using testing::IsEmpty;
using testing::StartsWith;
using Pattern = lb::TextPattern;
namespace event = tcp::event;

lb::AuthorizationRule of_path(const std::string& path, Pattern::Kind kind = Pattern::Kind::exact) {
  lb::AuthorizationRule rule;
  rule.to.push_back({.hosts = {}, .ports = {}, .methods = {}, .paths = {.is = {{kind, path}}, .is_not = {}}});
  return rule;
}
lb::AuthorizationRule of_principal(const std::string& principal) {
  lb::AuthorizationRule rule;
  rule.from.push_back({.principals = {.is = {{Pattern::Kind::exact, principal}}, .is_not = {}}});
  return rule;
}
lb::AuthorizationRules deny(const std::string& name, std::vector<lb::AuthorizationRule> rules) {
  return {.name = name, .deny = true, .rules = std::move(rules)};
}
lb::AuthorizationRules allow(const std::string& name, std::vector<lb::AuthorizationRule> rules) {
  return {.name = name, .rules = std::move(rules)};
}
lb::AuthorizationRules dry_run(lb::AuthorizationRules policy) {
  policy.dry_run = true;
  return policy;
}

class HttpAccess : public HttpProxied {
 protected:
  explicit HttpAccess(HttpConfig http = {}) : HttpProxied(http) {}
  void enforce(std::vector<lb::AuthorizationRules> policies) {
    mesh.publish({judging(http_service("default/web", 1, {1}), std::move(policies))});
  }
  size_t changes(Change::What what) const {
    return static_cast<size_t>(std::count_if(mesh.changes.begin(), mesh.changes.end(),
                                             [&](const Change& change) { return change.what == what; }));
  }
  const AccessRecord& last() const { return mesh.records.back(); }
  static std::string upgrade() { return request("/ws", "Connection: Upgrade\r\nUpgrade: x\r\n"); }
  static constexpr std::string_view kSwitch =
      "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n";
};

TEST_F(HttpAccess, WhatIsDeniedIsAnsweredWith403AndGoesNowhere) {
  enforce({deny("default/no-admin", {of_path("/admin")})});
  const auto client = mesh.connect();
  const Told told = exchange(client, request("/admin"));
  EXPECT_THAT(told.client, StartsWith("HTTP/1.1 403 Forbidden\r\n"));
  EXPECT_THAT(told.client, EndsWith("weft: access denied by policy\n"));
  EXPECT_THAT(told.endpoint, IsEmpty());
  EXPECT_EQ(flags_of_last(), "RBAC");
  EXPECT_EQ(last().policy.view(), "default/no-admin");
  EXPECT_EQ(last().path.view(), "/admin");
  EXPECT_EQ(exchange(client, kGet).client, kOkHeard) << "the connection goes on";
  EXPECT_EQ(last().policy.view(), "");
  EXPECT_EQ(mesh.books().denied, 1U);
  EXPECT_EQ(mesh.books().authorized, 1U);
  EXPECT_EQ(changes(Change::What::denied), 1U);
}

TEST_F(HttpAccess, WhatNobodyAllowsIsDeniedByNone) {
  enforce({allow("default/a", {of_path("/a")})});
  EXPECT_EQ(exchange_once(kGet).client, kOkHeard);
  EXPECT_THAT(exchange_once(request("/b")).client, StartsWith("HTTP/1.1 403 "));
  EXPECT_EQ(last().policy.view(), "none");
}

TEST_F(HttpAccess, PathsAreJudgedInTheirNormalForm) {
  enforce({deny("default/no-admin", {of_path("/admin", Pattern::Kind::prefix)})});
  for (const char* path : {"/admin", "/admin/x?y", "/%61dmin", "/a/../admin", "/./admin", "/x/..//../admin"}) {
    EXPECT_THAT(exchange_once(request(path)).client, StartsWith("HTTP/1.1 403 ")) << path;
  }
  EXPECT_THAT(exchange_once(request("/a/..%2fadmin")).client, StartsWith("HTTP/1.1 400 ")) << "ambiguous";
  EXPECT_EQ(exchange_once(request("/administer")).client.substr(0, 12), "HTTP/1.1 403") << "a prefix of bytes";
  EXPECT_EQ(exchange_once(request("/Admin")).client, kOkHeard);
}

TEST_F(HttpAccess, ADryRunIsToldAndNotCarriedOut) {
  enforce({dry_run(deny("default/try", {of_path("/a")}))});
  EXPECT_EQ(exchange_once(kGet).client, kOkHeard);
  EXPECT_EQ(last().dry_run_policy.view(), "default/try");
  EXPECT_EQ(last().policy.view(), "");
  EXPECT_EQ(flags_of_last(), "-");
  EXPECT_EQ(exchange_once(request("/b")).client, kOkHeard);
  EXPECT_EQ(last().dry_run_policy.view(), "");
  EXPECT_EQ(mesh.books().dry_run_denied, 1U);
  EXPECT_EQ(mesh.books().authorized, 2U);
  EXPECT_EQ(mesh.books().denied, 0U);
  EXPECT_EQ(changes(Change::What::dry_run_denied), 1U);
}

TEST_F(HttpAccess, EachRequestIsJudgedByThePoliciesOfNow) {
  enforce({deny("default/no-b", {of_path("/b")})});
  const auto client = mesh.connect();
  EXPECT_EQ(exchange(client, kGet).client, kOkHeard);
  enforce({deny("default/no-a", {of_path("/a")})});
  EXPECT_THAT(exchange(client, kGet).client, StartsWith("HTTP/1.1 403 "));
  EXPECT_EQ(exchange(client, request("/b")).client, kOkHeard);
  mesh.publish({http_service("default/web", 1, {1})});
  EXPECT_EQ(exchange(client, kGet).client, kOkHeard);
  EXPECT_EQ(mesh.books().authorized, 2U) << "of a service without policies nobody asks";
}

TEST_F(HttpAccess, ClientsAreWhoTheRegistrySays) {
  const std::string principal = "cluster.local/ns/shop/sa/cart";
  mesh.callers =
      lb::CallerTable().with({{kMeshClient, std::make_shared<const lb::Caller>(lb::Caller{{"shop"}, {principal}})}});
  enforce({allow("default/cart", {of_principal(principal)})});
  const auto client = mesh.connect();
  EXPECT_EQ(exchange(client, kGet).client, kOkHeard);
  const auto policies = mesh.snapshot->services().shared()[0];
  mesh.callers = mesh.callers->with({{kMeshClient, nullptr}});
  mesh.publish({*policies});
  EXPECT_THAT(exchange(client, kGet).client, StartsWith("HTTP/1.1 403 ")) << "nobody is known there any more";
}

TEST_F(HttpAccess, ARouteIsNoWayAroundThePoliciesOfWhereItLeads) {
  lb::HttpRule rule{.backends = {backend(2)}};
  mesh.publish({http_service("default/web", 1, {1}, {lb::AppProtocol::http, route_table({{"/", rule}})}),
                judging(http_service("default/s2", 2, {2}), {deny("default/no-b", {of_path("/b")})})});
  EXPECT_EQ(exchange_once(kGet).client, kOkHeard);
  const Told told = exchange_once(request("/b"));
  EXPECT_THAT(told.client, StartsWith("HTTP/1.1 403 "));
  EXPECT_THAT(told.endpoint, IsEmpty());
  EXPECT_EQ(last().policy.view(), "default/no-b");
}

TEST_F(HttpAccess, MirrorsGoNowhereEither) {
  lb::HttpRule rule{.backends = {backend(2)}};
  rule.filters.mirrors.push_back({.backend = backend(3).port});
  mesh.publish({http_service("default/web", 1, {1}, {lb::AppProtocol::http, route_table({{"/", rule}})}),
                http_service("default/s2", 2, {2}),
                judging(http_service("default/s3", 3, {3}), {deny("default/no-a", {of_path("/a")})})});
  EXPECT_EQ(exchange_once(kGet).client, kOkHeard);
  EXPECT_EQ(mesh.books().mirrored, 0U);
  EXPECT_EQ(mesh.books().mirrors_left_out, 1U);
}

TEST_F(HttpAccess, AChangeEndsTheTunnelsThatItForbids) {
  enforce({deny("default/other", {of_path("/other")})});
  const auto client = mesh.connect();
  mesh.say(client, upgrade());
  const auto endpoint = only_heard().id;
  mesh.say(endpoint, kSwitch);
  ASSERT_THAT(mesh.hear_client(client), StartsWith("HTTP/1.1 101 "));
  enforce({deny("default/others", {of_path("/others")})});
  mesh.pass(milliseconds(50));
  mesh.say(client, "still here");
  EXPECT_EQ(only_heard().text, "still here") << "a change that does not forbid it is nothing to it";
  enforce({deny("default/no-ws", {of_path("/ws")})});
  mesh.pass(milliseconds(50));
  EXPECT_TRUE(mesh.told(client) & event::reset);
  EXPECT_TRUE(mesh.told(endpoint) & event::reset);
  EXPECT_EQ(flags_of_last(), "RBAC");
  EXPECT_EQ(last().policy.view(), "default/no-ws");
  EXPECT_EQ(mesh.books().denied, 1U);
  expect_all_given_back();
}

TEST_F(HttpAccess, AChangeEndsRequestsUnderWay) {
  enforce({deny("default/other", {of_path("/other")})});
  const auto uploading = mesh.connect();
  mesh.say(uploading, request("/up", "Content-Length: 100000\r\n", "POST") + "some");
  mesh.heard();
  const auto downloading = mesh.connect();
  mesh.say(downloading, request("/down"));
  mesh.say(only_heard().id, "HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\nsome");
  EXPECT_THAT(mesh.hear_client(downloading), StartsWith("HTTP/1.1 200 "));
  const auto allowed = mesh.connect();
  mesh.say(allowed, kGet);
  const auto answering = only_heard().id;
  enforce({deny("default/no", {of_path("/up"), of_path("/down")})});
  mesh.pass(milliseconds(50));
  EXPECT_THAT(mesh.hear_client(uploading), StartsWith("HTTP/1.1 403 ")) << "it was told nothing yet";
  EXPECT_TRUE(mesh.told(downloading) & event::reset) << "it has a part, and is not to take it for the whole";
  mesh.say(answering, kOk);
  EXPECT_EQ(mesh.hear_client(allowed), kOkHeard);
  EXPECT_EQ(mesh.books().denied, 2U);
}

/// Of service web, whose rules lead to s2: each has policies of its own.
class HttpAccessRewritten : public HttpAccess {
 protected:
  static lb::HttpFilters rewriting(lb::PathEdit path, const std::string& host = {}) {
    lb::HttpFilters filters;
    filters.rewrite = lb::Rewrite{.host = host, .path = std::move(path)};
    return filters;
  }
  static lb::HttpFilters prefix(const std::string& value) { return rewriting({lb::PathEdit::Kind::prefix, value}); }
  static lb::HttpRule to(lb::HttpBackend backend, lb::HttpFilters filters) {
    return {.filters = std::move(filters), .backends = {std::move(backend)}};
  }
  static lb::AuthorizationRule of_host(const std::string& host) {
    lb::AuthorizationRule rule;
    rule.to.push_back({.hosts = {.is = {{Pattern::Kind::exact, host}}, .is_not = {}}});
    return rule;
  }
  static lb::AuthorizationRule of_header(const std::string& name, const std::string& value) {
    lb::AuthorizationRule rule;
    rule.when.push_back({.key = lb::AuthorizationWhen::Key::header,
                         .header = name,
                         .texts = {.is = {{Pattern::Kind::exact, value}}, .is_not = {}}});
    return rule;
  }
  void lead(const std::vector<RuleUnder>& rules, std::vector<lb::AuthorizationRules> of_backend,
            std::vector<lb::AuthorizationRules> of_front = {}) {
    lb::Service front = http_service("default/web", 1, {1}, {lb::AppProtocol::http, route_table(rules)});
    lb::Service behind = http_service("default/s2", 2, {2});
    mesh.publish({of_front.empty() ? std::move(front) : judging(std::move(front), std::move(of_front)),
                  of_backend.empty() ? std::move(behind) : judging(std::move(behind), std::move(of_backend))});
  }
  void expect_denied(std::string_view asked, std::string_view by) {
    const Told told = exchange_once(asked);
    EXPECT_THAT(told.client, StartsWith("HTTP/1.1 403 ")) << asked;
    EXPECT_THAT(told.endpoint, IsEmpty()) << asked;
    EXPECT_EQ(last().policy.view(), by) << asked;
  }
  void expect_allowed(std::string_view asked, std::string_view line) {
    const Told told = exchange_once(asked);
    EXPECT_EQ(told.client, kOkHeard) << asked;
    EXPECT_THAT(told.endpoint, StartsWith(std::string(line) + " HTTP/1.1\r\n")) << asked;
  }
  const lb::AuthorizationRules no_admin = deny("default/no-admin", {of_path("/admin", Pattern::Kind::prefix)});
};

TEST_F(HttpAccessRewritten, ABackendJudgesThePathThatItGets) {
  lead({{"/api", to(backend(2), prefix("/"))}}, {no_admin});
  expect_denied(request("/api/admin"), "default/no-admin");
  expect_denied(request("/api/admin/x?y=1"), "default/no-admin");
  expect_denied(request("/api/%61dmin"), "default/no-admin");
  expect_allowed(request("/api/a?y=1"), "GET /a?y=1");
  EXPECT_EQ(mesh.books().denied, 3U);
  lead({{"/", to(backend(2), rewriting({lb::PathEdit::Kind::full, "/admin"}))}}, {no_admin});
  expect_denied(kGet, "default/no-admin");
  lead({{"/", to(backend(2), rewriting({lb::PathEdit::Kind::full, "/x/%2e%2e/%61dmin"}))}}, {no_admin});
  expect_denied(kGet, "default/no-admin");
  lead({{"/", to(backend(2), rewriting({lb::PathEdit::Kind::full, "/x/..%2fadmin"}))}}, {no_admin});
  EXPECT_THAT(exchange_once(kGet).client, StartsWith("HTTP/1.1 500 ")) << "nobody can tell what it is to an endpoint";
}

TEST_F(HttpAccessRewritten, ARewriteOfTheBackendIsTheOneThatCounts) {
  lead({{"/api", to(backend(2, 1, prefix("/admin")), prefix("/open"))}}, {no_admin});
  expect_denied(request("/api/x"), "default/no-admin");
  lead({{"/api", to(backend(2, 1, prefix("/open")), prefix("/admin"))}}, {no_admin});
  expect_allowed(request("/api/x"), "GET /open/x");
}

TEST_F(HttpAccessRewritten, WhatTheClientSentIsNothingToTheBackend) {
  lead({{"/api", to(backend(2), prefix("/items"))}},
       {allow("default/items", {of_path("/items", Pattern::Kind::prefix)})});
  expect_allowed(request("/api/1"), "GET /items/1");
  lead({{"/admin", to(backend(2), prefix("/open"))}}, {no_admin});
  expect_allowed(request("/admin/x"), "GET /open/x");
}

TEST_F(HttpAccessRewritten, TheServiceAskedJudgesWhatTheClientSent) {
  lead({{"/", to(backend(2), rewriting({lb::PathEdit::Kind::full, "/open"}))}}, {}, {no_admin});
  expect_denied(request("/admin"), "default/no-admin");
  expect_allowed(kGet, "GET /open");
}

TEST_F(HttpAccessRewritten, ARouteBackToTheServiceAskedIsJudgedInBothForms) {
  lead({{"/api", to(backend(1), prefix("/"))}}, {}, {no_admin});
  expect_denied(request("/api/admin"), "default/no-admin");
  expect_denied(request("/admin"), "default/no-admin");
  expect_allowed(request("/api/x"), "GET /x");
  EXPECT_EQ(mesh.books().authorized, 2U) << "once a request, which the service asked lets in";
  EXPECT_EQ(mesh.books().denied, 2U);
  lead({{"/api", to(backend(1), {})}}, {}, {allow("default/api", {of_path("/api", Pattern::Kind::prefix)})});
  expect_allowed(request("/api/x"), "GET /api/x");
}

TEST_F(HttpAccessRewritten, HostsAndHeadersToo) {
  lead({{"/", to(backend(2), rewriting({}, "inner.example"))}}, {deny("default/no-inner", {of_host("inner.example")})});
  expect_denied(kGet, "default/no-inner");
  lead({{"/", to(backend(2), rewriting({}, "inner.example"))}}, {allow("default/inner", {of_host("inner.example")})});
  expect_allowed(kGet, "GET /a");
  lb::HttpFilters filters;
  filters.request.set = {{"X-Role", "guest"}};
  filters.request.remove = {"x-debug"};
  lb::HttpFilters more;
  more.request.add = {{"x-tier", "two"}};
  const auto ask = [&](lb::AuthorizationRules policy, std::string_view fields) {
    lead({{"/", to(backend(2, 1, more), filters)}}, {std::move(policy)});
    return exchange_once(request("/a", fields)).client.substr(9, 3);
  };
  EXPECT_EQ(ask(deny("default/p", {of_header("x-role", "guest")}), "x-role: chief\r\n"), "403") << "set";
  EXPECT_EQ(ask(allow("default/p", {of_header("x-role", "chief")}), "x-role: chief\r\n"), "403") << "set";
  EXPECT_EQ(ask(deny("default/p", {of_header("x-debug", "1")}), "x-debug: 1\r\n"), "200") << "removed";
  EXPECT_EQ(ask(allow("default/p", {of_header("x-tier", "one, two")}), "x-tier: one\r\n"), "200") << "added";
}

TEST_F(HttpAccessRewritten, AMirrorIsJudgedAsItGoes) {
  lb::HttpRule rule = to(backend(3, 1, prefix("/main")), prefix("/admin"));
  rule.filters.mirrors.push_back({.backend = backend(2).port});
  const auto publish = [&](const std::string& path) {
    mesh.publish({http_service("default/web", 1, {1}, {lb::AppProtocol::http, route_table({{"/api", rule}})}),
                  judging(http_service("default/s2", 2, {2}), {deny("default/p", {of_path(path)})}),
                  http_service("default/s3", 3, {3})});
  };
  publish("/admin/x");  // mirrors get what the rule makes of it
  EXPECT_THAT(exchange_once(request("/api/x")).endpoint, StartsWith("GET /main/x "));
  EXPECT_EQ(mesh.books().mirrored, 0U);
  EXPECT_EQ(mesh.books().mirrors_left_out, 1U);
  publish("/api/x");
  exchange_once(request("/api/x"));
  EXPECT_EQ(mesh.books().mirrored, 1U);
}

TEST_F(HttpAccessRewritten, AnotherAttemptIsJudgedAsItGoesThere) {
  lb::HttpRule rule{.backends = {backend(2, 1, prefix("/open"))}};
  rule.retry = lb::HttpRetry{.attempts = 1, .codes = {503}};
  lead({{"/api", rule}}, {no_admin});
  const auto client = mesh.connect();
  mesh.say(client, request("/api/x"));
  const auto first = only_heard();
  EXPECT_THAT(first.text, StartsWith("GET /open/x "));
  rule.backends = {backend(3, 1, prefix("/admin"))};
  mesh.publish({http_service("default/web", 1, {1}, {lb::AppProtocol::http, route_table({{"/api", rule}})}),
                http_service("default/s2", 2, {2}), judging(http_service("default/s3", 3, {3}), {no_admin})});
  mesh.say(first.id, response(503));
  mesh.pass(milliseconds(50));
  EXPECT_THAT(mesh.heard(), IsEmpty());
  EXPECT_THAT(mesh.hear_client(client), StartsWith("HTTP/1.1 403 "));
  EXPECT_EQ(last().policy.view(), "default/no-admin");
}

TEST_F(HttpAccessRewritten, AChangeEndsTheTunnelsThatItForbidsByWhatTheirEndpointGot) {
  const auto begin = [&] {
    const auto client = mesh.connect();
    mesh.say(client, request("/api/ws", "Connection: Upgrade\r\nUpgrade: x\r\n"));
    mesh.say(only_heard().id, kSwitch);
    EXPECT_THAT(mesh.hear_client(client), StartsWith("HTTP/1.1 101 "));
    return client;
  };
  const std::vector<RuleUnder> rules = {{"/api", to(backend(2), prefix("/"))}};
  const auto is_reset = [&](tcp::ConnectionId client) {
    mesh.pass(milliseconds(50));
    return (mesh.told(client) & event::reset) != 0;
  };
  lead(rules, {allow("default/ws", {of_path("/ws")})});
  auto client = begin();
  lead(rules, {allow("default/ws", {of_path("/ws")}), deny("default/p", {of_path("/api/ws")})});
  EXPECT_FALSE(is_reset(client)) << "the form that the client sent is nothing to the backend";
  lead(rules, {deny("default/no-ws", {of_path("/ws")})});
  EXPECT_TRUE(is_reset(client));
  EXPECT_EQ(last().policy.view(), "default/no-ws");

  lead(rules, {no_admin});
  client = begin();
  lead({{"/api", to(backend(2), prefix("/other"))}}, {no_admin});
  EXPECT_TRUE(is_reset(client)) << "its endpoint got what the route makes of nothing any more";
  EXPECT_EQ(last().policy.view(), "none");

  lead(rules, {});
  client = begin();
  lead(rules, {deny("default/no-ws", {of_path("/ws")})});
  EXPECT_TRUE(is_reset(client)) << "of a service that had no policies then";

  lead({{"/api", to(backend(1), prefix("/"))}}, {}, {no_admin});
  client = begin();
  lead({{"/api", to(backend(1), prefix("/"))}}, {}, {deny("default/no-ws", {of_path("/ws")})});
  EXPECT_TRUE(is_reset(client)) << "of the service asked";
  expect_all_given_back();
}

class HttpAccessOfMany : public HttpAccess {
 protected:
  HttpAccessOfMany() : HttpAccess({.exchanges = 256}) {}
};

/// However often policies change, each exchange has its turn.
TEST_F(HttpAccessOfMany, ChangesThatFollowEachOtherKeepNobodyFromBeingJudged) {
  enforce({deny("default/other", {of_path("/other")})});
  const auto client = mesh.connect();
  mesh.say(client, upgrade());
  mesh.say(only_heard().id, kSwitch);
  ASSERT_THAT(mesh.hear_client(client), StartsWith("HTTP/1.1 101 "));
  for (int change = 0; change < 8; ++change) {
    enforce({deny("default/no-ws", {of_path("/ws")})});
    mesh.pass(milliseconds(5));  // 64 are looked at
  }
  EXPECT_TRUE(mesh.told(client) & event::reset);
}

/// Of a port that does not say what it carries: whoever speaks no HTTP is judged as a connection.
TEST_F(HttpAccess, WhatTurnsOutToBeOpaqueIsJudgedAsAConnection) {
  const auto with = [&](std::vector<lb::AuthorizationRules> policies) {
    mesh.publish(
        {judging(http_service("default/web", 1, {1}, {.protocol = lb::AppProtocol::detect}), std::move(policies))});
  };
  with({deny("default/no-a", {of_path("/a")})});
  auto client = mesh.connect();
  EXPECT_EQ(exchange(client, request("/b")).client, kOkHeard);
  client = mesh.connect();
  mesh.say(client, "\x16\x03\x01 no HTTP");
  EXPECT_TRUE(mesh.told(client) & event::reset) << "of a DENY rule without ports only its source counts, all of them";
  with({dry_run(deny("default/all", {{}}))});
  client = mesh.connect();
  mesh.say(client, "\x16\x03\x01 no HTTP");
  EXPECT_EQ(only_heard().text, "\x16\x03\x01 no HTTP");
  EXPECT_EQ(changes(Change::What::dry_run_denied), 1U);
  with({deny("default/all", {{}})});
  mesh.pass(milliseconds(50));
  EXPECT_TRUE(mesh.told(client) & event::reset) << "a change ends what it forbids";
  EXPECT_EQ(changes(Change::What::denied), 2U);
}

}  // namespace
}  // namespace weft::proxy
