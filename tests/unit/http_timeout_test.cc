// SPDX-License-Identifier: Apache-2.0
/// @file What takes too long, whoever it is that takes it: rules' timeouts (GEP-1742) and weft's own.
#include "http_proxied.h"

namespace weft::proxy {
namespace {

using lb::HttpRule;
using std::chrono::milliseconds;
using std::chrono::seconds;
namespace event = tcp::event;

class HttpTimed : public HttpProxied {
 protected:
  explicit HttpTimed(HttpConfig http = {}, const tcp::Config& their = {}) : HttpProxied(http, their) {}
  /// Until just before, and just after.
  void expect_answer_after(milliseconds time, tcp::ConnectionId client, std::string_view line, std::string_view flags) {
    mesh.pass(time - milliseconds(50));
    EXPECT_EQ(mesh.hear_client(client), "");
    mesh.pass(milliseconds(100));
    EXPECT_EQ(first_line(mesh.hear_client(client)), line);
    EXPECT_EQ(flags_of_last(), flags);
  }
};

TEST_F(HttpTimed, ARequestHasItsTime) {
  struct Row {
    HttpRule rule;
    milliseconds time;
  };
  const std::vector<Row> rows = {
      {{.backends = {backend(2)}, .request_timeout = seconds(2)}, seconds(2)},
      {{.backends = {backend(2)}, .backend_timeout = seconds(1)}, seconds(1)},
      {{.backends = {backend(2)}, .request_timeout = seconds(2), .backend_timeout = seconds(1)}, seconds(1)},
      {{.backends = {backend(2)}, .request_timeout = seconds(1), .backend_timeout = seconds(1)}, seconds(1)},
      {{.backends = {backend(2)}, .request_timeout = seconds(2), .backend_timeout = HttpRule::kNoTimeout}, seconds(2)},
  };
  for (const Row& row : rows) {
    route(row.rule);
    const auto client = mesh.connect();
    mesh.say(client, kGet);
    const auto heard = only_heard();
    expect_answer_after(row.time, client, "HTTP/1.1 504 Gateway Timeout", "UT");
    EXPECT_TRUE(mesh.told(heard.id) & event::reset);  // it need not go on
    route(HttpRule{.backends = {backend(2)}});
    EXPECT_EQ(exchange(client, kGet).client, kOkHeard);  // the client's connection stays
  }
}

TEST_F(HttpTimed, ZeroIsNoTimeout) {
  for (const HttpRule& rule : {HttpRule{.backends = {backend(2)}, .request_timeout = HttpRule::kNoTimeout},
                               HttpRule{.backends = {backend(2)}, .backend_timeout = HttpRule::kNoTimeout}}) {
    route(rule);
    const auto client = mesh.connect();
    mesh.say(client, kGet);
    const auto heard = only_heard();
    mesh.pass(seconds(200));
    mesh.say(heard.id, kOk);
    EXPECT_EQ(mesh.hear_client(client), kOkHeard);
  }
}

/// Both cover the response to its end; what has begun can only be cut off.
TEST_F(HttpTimed, TheResponsesBodyIsWithinIt) {
  for (const HttpRule& rule : {HttpRule{.backends = {backend(2)}, .request_timeout = seconds(2)},
                               HttpRule{.backends = {backend(2)}, .backend_timeout = seconds(2)}}) {
    route(rule);
    const auto client = mesh.connect();
    mesh.say(client, kGet);
    const auto heard = only_heard();
    mesh.pass(milliseconds(1500));
    mesh.say(heard.id, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhello");
    mesh.pass(milliseconds(450));
    EXPECT_FALSE(mesh.told(client) & event::reset);
    mesh.pass(milliseconds(100));
    EXPECT_TRUE(mesh.told(client) & event::reset);
    EXPECT_TRUE(mesh.told(heard.id) & event::reset);
    EXPECT_EQ(flags_of_last(), "UT");
    EXPECT_EQ(mesh.records.back().status, 200);
  }
}

TEST_F(HttpTimed, TheRequestsBodyIsWithinIt) {
  route(HttpRule{.backends = {backend(2)}, .request_timeout = seconds(2)});
  const auto client = mesh.connect();
  mesh.say(client, "POST /a HTTP/1.1\r\nHost: web\r\nContent-Length: 100\r\n\r\nhello");
  expect_answer_after(seconds(2), client, "HTTP/1.1 504 Gateway Timeout", "UT");
  EXPECT_TRUE(mesh.told(client) & event::peer_closed);
}

TEST_F(HttpTimed, AllAttemptsAreWithinTheRequestsTime) {
  route(HttpRule{.backends = {backend(2)},
                 .request_timeout = seconds(5),
                 .backend_timeout = seconds(2),
                 .retry = lb::HttpRetry{.attempts = 10}});
  const auto client = mesh.connect();
  mesh.say(client, kGet);
  expect_answer_after(seconds(5), client, "HTTP/1.1 504 Gateway Timeout", "UT");
  EXPECT_EQ(mesh.records.back().attempts, 3);
}

TEST_F(HttpTimed, AConnectionHasItsTime) {
  mesh.silent = endpoint_address(1);
  mesh.publish({asking(http_service("default/web", 1, {1}), {.connect_timeout = milliseconds(1000)})});
  const auto client = mesh.connect();
  mesh.say(client, kGet);
  // Three attempts: nobody has seen the request.
  expect_answer_after(seconds(3), client, "HTTP/1.1 503 Service Unavailable", "UF,URX");
}

TEST_F(HttpTimed, AClientHasTimeForItsHead) {
  for (const std::string_view begun : {"G", "GET /a HTT", "GET /a HTTP/1.1\r\nHost: web\r\nX: "}) {
    const auto client = mesh.connect();
    mesh.pass(seconds(30));  // idle as long as it likes
    mesh.say(client, begun);
    expect_answer_after(seconds(10), client, "HTTP/1.1 408 Request Timeout", "DT");
    EXPECT_TRUE(mesh.told(client) & event::peer_closed);
  }
  EXPECT_EQ(mesh.books().head_timeouts, 3U);
}

TEST_F(HttpTimed, ASlowHeadIsNotHelpedByItsBytes) {
  const auto client = mesh.connect();
  const std::string head = "GET /a HTTP/1.1\r\nHost: web\r\nX: " + std::string(5000, 'x');
  std::string answer;
  size_t said = 0;
  for (; said < head.size() && answer.empty(); ++said) {
    mesh.say(client, head.substr(said, 1));
    mesh.pass(milliseconds(50));
    answer = mesh.hear_client(client);
  }
  EXPECT_NEAR(static_cast<double>(said), 200, 2);
  EXPECT_EQ(first_line(answer), "HTTP/1.1 408 Request Timeout");
}

TEST_F(HttpTimed, ABodyThatStopsIsGivenUp) {
  for (const std::string& begun : {request("/a", "Content-Length: 100\r\n", "POST") + "hello",
                                   request("/a", "Transfer-Encoding: chunked\r\n", "POST") + "5\r\nhel"}) {
    const auto client = mesh.connect();
    mesh.say(client, begun);
    const auto heard = only_heard();
    mesh.pass(seconds(20));
    mesh.say(client, "l");  // it moves
    expect_answer_after(seconds(30), client, "HTTP/1.1 408 Request Timeout", "DT");
    EXPECT_TRUE(mesh.told(client) & event::peer_closed);
    EXPECT_TRUE(mesh.told(heard.id) & event::reset);
  }
  EXPECT_EQ(mesh.books().body_timeouts, 2U);
}

TEST_F(HttpTimed, AnIdleClientIsLetGoWithoutAWord) {
  const auto fresh = mesh.connect();
  const auto used = mesh.connect();
  exchange(used, kGet);
  mesh.pass(milliseconds(59'900));
  EXPECT_FALSE(mesh.told(fresh) & event::peer_closed);
  mesh.pass(milliseconds(200));
  for (const auto client : {fresh, used}) {
    EXPECT_TRUE(mesh.told(client) & event::peer_closed);
    EXPECT_FALSE(mesh.told(client) & event::reset);
    EXPECT_EQ(mesh.hear_client(client), "");
  }
  EXPECT_EQ(mesh.records.size(), 1U);
}

TEST_F(HttpTimed, AResponseThatStopsIsGivenUp) {
  const auto client = mesh.connect();
  mesh.say(client, kGet);
  expect_answer_after(seconds(300), client, "HTTP/1.1 504 Gateway Timeout", "SI");
  mesh.say(client, kGet);
  const auto heard = mesh.heard().back();
  mesh.say(heard.id, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhello");
  mesh.hear_client(client);
  mesh.pass(seconds(299));
  EXPECT_FALSE(mesh.told(client) & event::reset);
  mesh.pass(seconds(2));
  EXPECT_TRUE(mesh.told(client) & event::reset);
  EXPECT_EQ(flags_of_last(), "SI");
}

TEST_F(HttpTimed, WhoLingersIsLetGo) {
  const auto client = mesh.connect();
  mesh.say(client, "what?\r\n\r\n");
  EXPECT_EQ(first_line(mesh.hear_client(client)), "HTTP/1.1 400 Bad Request");
  mesh.say(client, "more");  // is read, lest the answer be lost by a reset
  EXPECT_FALSE(mesh.told(client) & event::reset);
  mesh.pass(milliseconds(2300));
  EXPECT_TRUE(mesh.told(client) & event::reset);
  EXPECT_EQ(mesh.books().clients, 0U);
}

/// Whose window takes 4 KiB.
class HttpTimedSlow : public HttpTimed {
 protected:
  HttpTimedSlow() : HttpTimed({}, {.receive_buffer = 4096}) {}

  static constexpr size_t kLength = 30'000;
  tcp::ConnectionId ask_for_long() {
    const auto client = mesh.connect();
    mesh.say(client, request("/a", "Connection: close\r\n"));
    const auto heard = only_heard();
    const std::string all = response(200, "", std::string(kLength, 'x'));
    for (size_t at = 0; at < all.size();) {
      at += mesh.offer(heard.id, all.substr(at, 1000));
      mesh.pass(milliseconds(5));
    }
    EXPECT_EQ(mesh.records.size(), 1U);  // weft has nothing more to do with it
    return client;
  }
};

TEST_F(HttpTimedSlow, WhoTakesAClosedResponseSlowlyGetsAllOfIt) {
  const auto client = ask_for_long();
  std::string got;
  for (int i = 0; i < 200; ++i) {
    got += mesh.hear_client(client);
    mesh.pass(seconds(1));
  }
  EXPECT_EQ(body_of(got).size(), kLength);
  EXPECT_EQ(mesh.books().clients, 0U);
}

TEST_F(HttpTimedSlow, WhoTakesNothingOfAClosedResponseIsGivenUp) {
  const auto client = ask_for_long();
  mesh.pass(seconds(298));
  EXPECT_FALSE(mesh.told(client) & event::reset);
  mesh.pass(seconds(4));
  EXPECT_TRUE(mesh.told(client) & event::reset);
  EXPECT_EQ(mesh.books().clients, 0U);
}

TEST_F(HttpTimed, LongTimesDoNotTurnShort) {
  const std::chrono::hours long_time(720);  // beyond 2^31 milliseconds
  mesh.publish(
      {asking(http_service("default/web", 1, {1}), {.connect_timeout = long_time, .idle_timeout = long_time})});
  const auto client = mesh.connect();
  EXPECT_EQ(exchange(client, kGet).client, kOkHeard);
  mesh.pass(seconds(5));
  EXPECT_EQ(mesh.books().parked, 1U);
  mesh.publish({http_service("default/other", 2, {2})});
  mesh.silent = endpoint_address(2);
  const auto waiting = mesh.connect(lb::Address(lb::address_from_host(0x0a600002)));
  mesh.say(waiting, kGet);
  mesh.pass(seconds(5));
  EXPECT_EQ(mesh.hear_client(waiting), "");
  EXPECT_EQ(mesh.books().connections, 2U);
}

/// Who waits for 100 (Continue) is not the one that takes long.
TEST_F(HttpTimed, AClientThatIsToWaitIsNotBlamed) {
  const auto client = mesh.connect();
  mesh.say(client, request("/a", "Expect: 100-continue\r\nContent-Length: 100\r\n", "POST"));
  const auto heard = only_heard();
  mesh.pass(seconds(40));
  EXPECT_EQ(mesh.hear_client(client), "");
  mesh.say(heard.id, "HTTP/1.1 100 Continue\r\n\r\n");
  EXPECT_EQ(mesh.hear_client(client), "HTTP/1.1 100 Continue\r\n\r\n");
  expect_answer_after(seconds(30), client, "HTTP/1.1 408 Request Timeout", "DT");

  const auto bold = mesh.connect();  // it sends some without having been told to
  mesh.say(bold, request("/a", "Expect: 100-continue\r\nContent-Length: 100\r\n", "POST") + "hello");
  expect_answer_after(seconds(30), bold, "HTTP/1.1 408 Request Timeout", "DT");

  const auto waiting = mesh.connect();
  mesh.say(waiting, request("/a", "Expect: 100-continue\r\nContent-Length: 100\r\n", "POST"));
  expect_answer_after(seconds(300), waiting, "HTTP/1.1 504 Gateway Timeout", "SI");
}

}  // namespace
}  // namespace weft::proxy
