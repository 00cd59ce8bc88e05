// SPDX-License-Identifier: Apache-2.0
/// @file Persistent sessions (GEP-1619): what a client brings along of an earlier response leads it to the same
/// endpoint. What a token is made of is session_token_test's.
#include "http_proxied.h"

namespace weft::proxy {
namespace {

using lb::SessionPersistence;
using Kind = SessionPersistence::Kind;
using std::chrono::seconds;

class HttpSession : public HttpProxied {
 protected:
  /// default/web leads to default/s2, which has three endpoints.
  void persist(SessionPersistence session, const std::vector<uint32_t>& endpoints = {2, 3, 4}) {
    lb::HttpRule rule{.backends = {backend(2)}, .session = std::move(session)};
    mesh.publish({http_service("default/web", 1, {1}, {lb::AppProtocol::http, route_table({{"/", rule}})}),
                  http_service("default/s2", 2, endpoints)});
  }
  /// A client's first request, and what it brings from then on.
  struct Begun {
    uint32_t endpoint = 0;
    std::string brought;  ///< a field
    std::string set;      ///< as it was told
  };
  Begun begin(const SessionPersistence& session) {
    const Told told = exchange_once(kGet);
    if (session.kind == Kind::header) {
      const std::string value = value_of(told.client, session.name);
      return {told.to, session.name + ": " + value + "\r\n", value};
    }
    const std::string set = value_of(told.client, "set-cookie");
    return {told.to, "Cookie: theme=dark; " + set.substr(0, set.find(';')) + "\r\n", set};
  }
  /// The endpoints that so many requests of the client come to.
  std::set<uint32_t> endpoints_of(const std::string& brought, int requests = 12) {
    std::set<uint32_t> endpoints;
    for (int i = 0; i < requests; ++i) {
      endpoints.insert(exchange_once(request("/a", brought)).to);
    }
    return endpoints;
  }
};

TEST_F(HttpSession, LeadsToTheSameEndpoint) {
  for (const SessionPersistence& session : {SessionPersistence{.kind = Kind::cookie, .name = "s"},
                                            SessionPersistence{.kind = Kind::header, .name = "x-s"}}) {
    persist(session);
    EXPECT_GT(endpoints_of("").size(), 1U);
    for (int client = 0; client < 4; ++client) {
      const Begun begun = begin(session);
      EXPECT_EQ(endpoints_of(begun.brought), (std::set<uint32_t>{begun.endpoint}));
    }
  }
}

TEST_F(HttpSession, ACookieLastsAsItsRuleSays) {
  struct Row {
    SessionPersistence session;
    const char* attributes;
  };
  const std::vector<Row> rows = {
      {{.name = "s"}, "; Path=/; HttpOnly; SameSite=Lax"},
      {{.name = "s", .absolute_timeout = seconds(100)}, "; Path=/; HttpOnly; SameSite=Lax"},
      {{.name = "s", .permanent = true, .absolute_timeout = seconds(100)},
       "; Path=/; HttpOnly; SameSite=Lax; Max-Age=100"},
  };
  for (const Row& row : rows) {
    persist(row.session);
    const Begun begun = begin(row.session);
    EXPECT_THAT(begun.set, testing::MatchesRegex("s=[A-Za-z0-9_-]{46}" + std::string(row.attributes)));
  }
  // Later responses do not make it longer.
  persist(rows[2].session);
  const Begun begun = begin(rows[2].session);
  mesh.pass(seconds(40));
  EXPECT_THAT(value_of(exchange_once(request("/a", begun.brought)).client, "set-cookie"),
              testing::EndsWith("; Max-Age=60"));
}

TEST_F(HttpSession, EndsByEitherTimeout) {
  const SessionPersistence absolute{.kind = Kind::header, .name = "x-s", .absolute_timeout = seconds(100)};
  persist(absolute);
  Begun begun = begin(absolute);
  mesh.pass(seconds(90));
  EXPECT_EQ(endpoints_of(begun.brought).size(), 1U);
  mesh.pass(seconds(11));
  EXPECT_GT(endpoints_of(begun.brought, 30).size(), 1U);

  const SessionPersistence idle{.kind = Kind::header, .name = "x-s", .idle_timeout = seconds(50)};
  persist(idle);
  begun = begin(idle);
  for (int i = 0; i < 3; ++i) {  // used, it goes on
    mesh.pass(seconds(40));
    const Told told = exchange_once(request("/a", begun.brought));
    EXPECT_EQ(told.to, begun.endpoint);
    begun.brought = "x-s: " + value_of(told.client, "x-s") + "\r\n";
  }
  mesh.pass(seconds(51));
  EXPECT_GT(endpoints_of(begun.brought, 30).size(), 1U);
}

TEST_F(HttpSession, BeginsAnewWhenItsEndpointIsGone) {
  const SessionPersistence session{.kind = Kind::header, .name = "x-s"};
  persist(session);
  const Begun begun = begin(session);
  std::vector<uint32_t> others = {2, 3, 4};
  std::erase(others, begun.endpoint);
  persist(session, others);
  const Told told = exchange_once(request("/a", begun.brought));
  EXPECT_NE(told.to, begun.endpoint);
  EXPECT_EQ(endpoints_of("x-s: " + value_of(told.client, "x-s") + "\r\n"), (std::set<uint32_t>{told.to}));
}

TEST_F(HttpSession, BeginsAnewWhenItsEndpointCanNotBeReached) {
  const SessionPersistence session{.kind = Kind::header, .name = "x-s"};
  persist(session);
  const Begun begun = begin(session);
  mesh.outside.engine.stop_listening(endpoint_address(begun.endpoint), kMeshPort);
  for (const auto& [id, endpoint] : mesh.accepted) {
    mesh.reset(id);
  }
  const Told told = exchange_once(request("/a", begun.brought));
  EXPECT_NE(told.to, begun.endpoint);
  EXPECT_EQ(first_line(told.client), "HTTP/1.1 200 OK");
}

TEST_F(HttpSession, WhatWeftHasNotSealedIsNothing) {
  const SessionPersistence session{.kind = Kind::cookie, .name = "s"};
  persist(session);
  std::string forged = begin(session).brought;
  forged[forged.size() - 5] = forged[forged.size() - 5] == 'A' ? 'B' : 'A';
  for (const std::string& brought : {std::string("Cookie: s=\r\n"), std::string("Cookie: s=x\r\n"), forged}) {
    EXPECT_GT(endpoints_of(brought, 30).size(), 1U) << brought;
  }
}

/// GEP-1619: a session stays with its backend when the weights change, even to none.
TEST_F(HttpSession, StaysWithItsBackendWhateverTheWeights) {
  const SessionPersistence session{.kind = Kind::header, .name = "x-s"};
  const auto weigh = [&](uint32_t two, uint32_t three) {
    const lb::HttpRule rule{.backends = {backend(2, two), backend(3, three)}, .session = session};
    mesh.publish({http_service("default/web", 1, {1}, {lb::AppProtocol::http, route_table({{"/", rule}})}),
                  http_service("default/s2", 2, {2, 3}), http_service("default/s3", 3, {4, 5})});
  };
  weigh(1, 1);
  std::set<uint32_t> all;
  for (int client = 0; client < 8; ++client) {
    const Begun begun = begin(session);
    weigh(begun.endpoint < 4 ? 0 : 1, begun.endpoint < 4 ? 1 : 0);
    EXPECT_EQ(endpoints_of(begun.brought), (std::set<uint32_t>{begun.endpoint}));
    weigh(1, 1);
    EXPECT_EQ(endpoints_of(begun.brought), (std::set<uint32_t>{begun.endpoint}));
    all.insert(begun.endpoint < 4 ? 2 : 3);
  }
  EXPECT_EQ(all.size(), 2U);
}

}  // namespace
}  // namespace weft::proxy
