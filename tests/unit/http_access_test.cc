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
