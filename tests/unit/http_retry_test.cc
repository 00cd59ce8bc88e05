// SPDX-License-Identifier: Apache-2.0
/// @file Another attempt (GEP-1731), and only while it is safe: nothing of a response has gone to the client, all that
/// was sent of the request can be sent once more, and the rule or the method lets it be done twice.
#include "http_proxied.h"

namespace weft::proxy {
namespace {

using lb::HttpRetry;
using lb::HttpRule;
using std::chrono::milliseconds;
using testing::EndsWith;
using testing::StartsWith;
namespace event = tcp::event;

class HttpRetried : public HttpProxied {
 protected:
  void retry(HttpRetry how) { route(HttpRule{.backends = {backend(2)}, .retry = std::move(how)}); }
  /// An endpoint's connection that waits for the next request.
  void park(tcp::ConnectionId client) { EXPECT_EQ(exchange(client, kGet).client, kOkHeard); }
};

TEST_F(HttpRetried, ByTheResponsesStatus) {
  struct Row {
    const char* what;
    HttpRetry how;
    std::vector<int> answers;
    int client_gets;
    const char* flags;
  };
  const std::vector<Row> rows = {
      {"none asked for", {}, {503}, 503, "-"},
      {"not that code", {.attempts = 2, .codes = {500}}, {503}, 503, "-"},
      {"the first will do", {.attempts = 2, .codes = {503}}, {200}, 200, "-"},
      {"the second will do", {.attempts = 2, .codes = {503}}, {503, 200}, 200, "-"},
      {"either code", {.attempts = 2, .codes = {500, 503}}, {503, 500, 200}, 200, "-"},
      {"no more attempts", {.attempts = 2, .codes = {503}}, {503, 503, 503}, 503, "URX"},
      {"another status ends it", {.attempts = 2, .codes = {503}}, {503, 404}, 404, "-"},
      {"codes of 4xx", {.attempts = 1, .codes = {429}}, {429, 200}, 200, "-"},
  };
  for (const std::string& asked : {std::string(kGet), post("/a", "hello"), post("/a", std::string(60'000, 'x')),
                                   request("/a", "Transfer-Encoding: chunked\r\n", "POST") + "2\r\nhi\r\n0\r\n\r\n"}) {
    for (const Row& row : rows) {
      retry(row.how);
      const auto client = mesh.connect();
      mesh.say(client, asked);
      for (const int status : row.answers) {
        const auto heard = only_heard();
        EXPECT_EQ(body_of(heard.text), body_of(asked)) << row.what;
        mesh.say(heard.id, response(status, "", "answer"));
      }
      EXPECT_EQ(first_line(mesh.hear_client(client)), "HTTP/1.1 " + std::to_string(row.client_gets) + " Said")
          << row.what;
      EXPECT_EQ(flags_of_last(), row.flags) << row.what;
      EXPECT_EQ(mesh.records.back().attempts, row.answers.size()) << row.what;
      EXPECT_TRUE(mesh.heard().empty()) << row.what;
    }
  }
  expect_all_given_back();
}

/// What the rule says is the least; by chance it is up to as much again.
TEST_F(HttpRetried, AfterItsBackoff) {
  retry({.attempts = 1, .codes = {503}, .backoff = milliseconds(500), .least_backoff = milliseconds(500)});
  const auto client = mesh.connect();
  mesh.say(client, kGet);
  mesh.say(only_heard().id, response(503));
  mesh.pass(milliseconds(450));
  EXPECT_TRUE(mesh.heard().empty());
  mesh.pass(milliseconds(600));
  mesh.say(only_heard().id, kOk);
  EXPECT_EQ(mesh.hear_client(client), kOkHeard);
}

TEST_F(HttpRetried, AClientThatGoesDuringTheBackoffIsForgotten) {
  retry({.attempts = 1, .codes = {503}, .backoff = milliseconds(500), .least_backoff = milliseconds(500)});
  const auto client = mesh.connect();
  mesh.say(client, kGet);
  mesh.say(only_heard().id, response(503));
  mesh.reset(client);
  mesh.pass(milliseconds(1100));
  EXPECT_TRUE(mesh.heard().empty());
  EXPECT_TRUE(mesh.is_idle());
}

TEST_F(HttpRetried, ByTheEndpointsFailure) {
  for (const bool resets : {true, false}) {
    for (const std::string& asked : {std::string(kGet), post("/a", "hello")}) {
      retry({.attempts = 1});
      const auto client = mesh.connect();
      mesh.say(client, asked);
      const auto first = only_heard();
      resets ? mesh.reset(first.id) : mesh.finish(first.id);
      const auto second = only_heard();
      EXPECT_EQ(unmarked(second.text), unmarked(first.text));
      resets ? mesh.reset(second.id) : mesh.finish(second.id);
      EXPECT_EQ(first_line(mesh.hear_client(client)), "HTTP/1.1 502 Bad Gateway");
      EXPECT_EQ(flags_of_last(), resets ? "URX,UR" : "URX,UC");
    }
  }
}

TEST_F(HttpRetried, ByTheAttemptsTimeout) {
  route(HttpRule{.backends = {backend(2)}, .backend_timeout = milliseconds(1000), .retry = HttpRetry{.attempts = 1}});
  const auto client = mesh.connect();
  mesh.say(client, kGet);
  only_heard();
  mesh.pass(milliseconds(1050));
  mesh.say(only_heard().id, kOk);
  EXPECT_EQ(mesh.hear_client(client), kOkHeard);
}

TEST_F(HttpRetried, WithoutARuleWhenNoConnectionComesAbout) {
  // Nobody has seen the request: any method, and another endpoint if there is one.
  mesh.publish({http_service("default/web", 1, {1, 2})});
  mesh.outside.engine.stop_listening(endpoint_address(1), kMeshPort);
  for (int i = 0; i < 10; ++i) {
    const Told told = exchange_once(post("/a", "hello"));
    EXPECT_EQ(told.to, 2U);
    EXPECT_THAT(told.endpoint, EndsWith("hello"));
    EXPECT_EQ(told.client, kOkHeard);
  }
  mesh.outside.engine.stop_listening(endpoint_address(2), kMeshPort);
  for (const auto& [id, endpoint] : mesh.accepted) {
    mesh.reset(id);
  }
  EXPECT_EQ(first_line(exchange_once(kGet).client), "HTTP/1.1 503 Service Unavailable");
  EXPECT_EQ(flags_of_last(), "UF,URX");
  EXPECT_EQ(mesh.records.back().attempts, 3);
}

/// RFC 9112, section 9.3.1: a connection that waits may be closed at any time.
TEST_F(HttpRetried, OnAStaleConnectionIfTheMethodLetsIt) {
  struct Row {
    const char* method;
    bool again;
  };
  for (const Row& row : std::vector<Row>{{"GET", true},
                                         {"HEAD", true},
                                         {"PUT", true},
                                         {"DELETE", true},
                                         {"OPTIONS", true},
                                         {"POST", false},
                                         {"PATCH", false},
                                         {"BREW", false}}) {
    for (const bool resets : {true, false}) {
      const auto client = mesh.connect();
      park(client);
      mesh.say(client, request("/b", "Content-Length: 2\r\n", row.method) + "hi");
      const auto stale = only_heard();
      resets ? mesh.reset(stale.id) : mesh.finish(stale.id);
      if (row.again) {
        const auto again = only_heard();
        EXPECT_EQ(unmarked(again.text), unmarked(stale.text)) << row.method;
        mesh.say(again.id, std::string_view(row.method) == "HEAD" ? "HTTP/1.1 200 OK\r\n\r\n" : kOk);
        EXPECT_THAT(mesh.hear_client(client), StartsWith("HTTP/1.1 200 OK\r\n")) << row.method;
      } else {
        EXPECT_TRUE(mesh.heard().empty()) << row.method;
        EXPECT_THAT(mesh.hear_client(client), StartsWith("HTTP/1.1 502 ")) << row.method;
      }
      mesh.reset(client);
    }
  }
}

TEST_F(HttpRetried, AFreshConnectionThatFailsIsNotTriedAgainWithoutARule) {
  const auto client = mesh.connect();
  mesh.say(client, kGet);
  mesh.reset(only_heard().id);
  EXPECT_TRUE(mesh.heard().empty());
  EXPECT_EQ(first_line(mesh.hear_client(client)), "HTTP/1.1 502 Bad Gateway");
  EXPECT_EQ(flags_of_last(), "UR");
}

TEST_F(HttpRetried, NotOnceAByteOfTheResponseHasCome) {
  retry({.attempts = 3, .codes = {503}});
  for (const std::string_view begun : {"HTTP/1.1 200 OK\r\nX", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhel",
                                       "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhel"}) {
    const auto client = mesh.connect();
    mesh.say(client, kGet);
    const auto heard = only_heard();
    mesh.say(heard.id, begun);
    mesh.reset(heard.id);
    EXPECT_TRUE(mesh.heard().empty()) << begun;
    const bool was_told = begun.find("\r\n\r\n") != std::string_view::npos;
    EXPECT_EQ((mesh.told(client) & event::reset) != 0, was_told) << begun;
    EXPECT_EQ(flags_of_last(), "UR") << begun;
  }
}

TEST_F(HttpRetried, NotIfTheBodyWasNotKept) {
  retry({.attempts = 3, .codes = {503}});
  const auto client = mesh.connect();
  mesh.say(client, post("/a", std::string(70'000, 'x')));
  const auto heard = only_heard();
  mesh.say(heard.id, response(503));
  EXPECT_TRUE(mesh.heard().empty());
  EXPECT_EQ(first_line(mesh.hear_client(client)), "HTTP/1.1 503 Said");
}

TEST_F(HttpRetried, WithABodyThatIsStillComing) {
  retry({.attempts = 1});
  const auto client = mesh.connect();
  mesh.say(client, request("/a", "Content-Length: 10\r\n", "POST") + "hello");
  mesh.reset(only_heard().id);
  const auto again = only_heard();
  EXPECT_EQ(body_of(again.text), "hello");
  mesh.say(client, "world");
  EXPECT_EQ(only_heard().text, "world");
  mesh.say(again.id, kOk);
  EXPECT_EQ(mesh.hear_client(client), kOkHeard);
}

/// By the rules of then.
TEST_F(HttpRetried, IsRoutedAnew) {
  retry({.attempts = 1, .codes = {503}, .backoff = milliseconds(100)});
  const auto client = mesh.connect();
  mesh.say(client, kGet);
  mesh.say(only_heard().id, response(503));
  route(HttpRule{.filters = {.request = {.set = {{"x-new", "1"}}}}, .backends = {backend(3)}});
  mesh.pass(milliseconds(150));
  const auto again = only_heard();
  EXPECT_EQ(number_of(again.endpoint), 3U);
  EXPECT_EQ(value_of(again.text, "x-new"), "1");
}

TEST_F(HttpRetried, AnInterimResponseMayHaveComeBut100AloneIsNone) {
  retry({.attempts = 1, .codes = {503}});
  const auto client = mesh.connect();
  mesh.say(client, request("/a", "Expect: 100-continue\r\nContent-Length: 2\r\n", "POST"));
  auto heard = only_heard();
  mesh.say(heard.id, "HTTP/1.1 100 Continue\r\n\r\n");
  mesh.say(client, "hi");
  mesh.say(heard.id, response(503));
  heard = mesh.heard().back();
  EXPECT_THAT(heard.text, EndsWith("\r\n\r\nhi"));
  mesh.say(heard.id, kOk);
  EXPECT_THAT(mesh.hear_client(client), EndsWith("hello"));

  mesh.say(client, kGet);
  heard = only_heard();
  mesh.say(heard.id, "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n");
  mesh.say(heard.id, response(503));
  EXPECT_TRUE(mesh.heard().empty());
  EXPECT_THAT(mesh.hear_client(client), testing::HasSubstr("HTTP/1.1 503 Said"));
}

TEST_F(HttpRetried, ByStatusGoesToAnotherEndpoint) {
  const HttpRule rule{.backends = {backend(2)}, .retry = HttpRetry{.attempts = 1, .codes = {503}}};
  mesh.publish({http_service("default/web", 1, {1}, {lb::AppProtocol::http, route_table({{"/", rule}})}),
                http_service("default/s2", 2, {2, 3})});
  const auto client = mesh.connect();
  for (int i = 0; i < 20; ++i) {
    mesh.say(client, kGet);
    const auto first = only_heard();
    mesh.say(first.id, response(503));
    const auto second = only_heard();
    EXPECT_NE(second.endpoint, first.endpoint) << i;
    mesh.say(second.id, kOk);
    EXPECT_EQ(mesh.hear_client(client), kOkHeard);
  }
}

}  // namespace
}  // namespace weft::proxy
