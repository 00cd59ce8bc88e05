// SPDX-License-Identifier: Apache-2.0
/// @file Messages as they go from hop to hop (RFC 9110, RFC 9112): what frames them, what is for one hop alone, and how
/// connections go on afterwards.
#include "http_proxied.h"

namespace weft::proxy {
namespace {

using std::chrono::milliseconds;
using testing::AllOf;
using testing::EndsWith;
using testing::Not;
using testing::StartsWith;
namespace event = tcp::event;

class HttpMessages : public HttpProxied {};

struct ResponseRow {
  const char* what;
  std::string asked;
  std::string_view answer;
  std::string_view heard;
  bool client_stays;
  bool endpoint_stays;
};

/// The answer comes whole, and the endpoint does not close.
TEST_F(HttpMessages, ResponsesEndWhereTheirHeadsSay) {
  const std::string get(kGet);
  const std::string head = request("/a", "", "HEAD");
  const std::vector<ResponseRow> rows = {
      {"a length", get, "HTTP/1.1 200 OK\r\nDate: d\r\nContent-Length: 2\r\n\r\nhi",
       "HTTP/1.1 200 OK\r\nDate: d\r\ncontent-length: 2\r\n\r\nhi", true, true},
      {"chunks with trailers", get,
       "HTTP/1.1 200 OK\r\nDate: d\r\nTrailer: X\r\nTransfer-Encoding: chunked\r\n\r\n2;a=b\r\nhi\r\n0\r\nX: y\r\n\r\n",
       "HTTP/1.1 200 OK\r\nDate: d\r\nTrailer: X\r\ntransfer-encoding: chunked\r\n\r\n2;a=b\r\nhi\r\n0\r\nX: y\r\n\r\n",
       true, true},
      {"HEAD has a length and no body", head, "HTTP/1.1 200 OK\r\nDate: d\r\nContent-Length: 500\r\n\r\n",
       "HTTP/1.1 200 OK\r\nDate: d\r\nContent-Length: 500\r\n\r\n", true, true},
      {"HEAD of chunks", head, "HTTP/1.1 200 OK\r\nDate: d\r\nTransfer-Encoding: chunked\r\n\r\n",
       "HTTP/1.1 200 OK\r\nDate: d\r\n\r\n", true, true},
      {"204 has none", get, "HTTP/1.1 204 No Content\r\nDate: d\r\n\r\n", "HTTP/1.1 204 No Content\r\nDate: d\r\n\r\n",
       true, true},
      {"nor a length", get, "HTTP/1.1 204 No Content\r\nDate: d\r\nContent-Length: 0\r\n\r\n",
       "HTTP/1.1 204 No Content\r\nDate: d\r\n\r\n", true, true},
      {"304 has a length and no body", get, "HTTP/1.1 304 Not Modified\r\nDate: d\r\nContent-Length: 500\r\n\r\n",
       "HTTP/1.1 304 Not Modified\r\nDate: d\r\nContent-Length: 500\r\n\r\n", true, true},
      {"the endpoint closes, the client need not", get,
       "HTTP/1.1 200 OK\r\nDate: d\r\nConnection: close\r\nContent-Length: 2\r\n\r\nhi",
       "HTTP/1.1 200 OK\r\nDate: d\r\ncontent-length: 2\r\n\r\nhi", true, false},
      {"nor of HTTP/1.0", get, "HTTP/1.0 200 OK\r\nDate: d\r\nContent-Length: 2\r\n\r\nhi",
       "HTTP/1.1 200 OK\r\nDate: d\r\ncontent-length: 2\r\n\r\nhi", true, false},
      {"HTTP/1.0 that stays", get,
       "HTTP/1.0 200 OK\r\nDate: d\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\nhi",
       "HTTP/1.1 200 OK\r\nDate: d\r\ncontent-length: 2\r\n\r\nhi", true, true},
      {"the client closes", request("/a", "Connection: close\r\n"),
       "HTTP/1.1 200 OK\r\nDate: d\r\nContent-Length: 2\r\n\r\nhi",
       "HTTP/1.1 200 OK\r\nDate: d\r\ncontent-length: 2\r\nconnection: close\r\n\r\nhi", false, true},
      {"a client of HTTP/1.0", "GET /a HTTP/1.0\r\nHost: web\r\n\r\n",
       "HTTP/1.1 200 OK\r\nDate: d\r\nContent-Length: 2\r\n\r\nhi",
       "HTTP/1.1 200 OK\r\nDate: d\r\ncontent-length: 2\r\nconnection: close\r\n\r\nhi", false, true},
      {"one that stays", "GET /a HTTP/1.0\r\nHost: web\r\nConnection: keep-alive\r\n\r\n",
       "HTTP/1.1 200 OK\r\nDate: d\r\nContent-Length: 2\r\n\r\nhi",
       "HTTP/1.1 200 OK\r\nDate: d\r\ncontent-length: 2\r\nconnection: keep-alive\r\n\r\nhi", true, true},
      {"one that can't, as it knows no chunks", "GET /a HTTP/1.0\r\nHost: web\r\nConnection: keep-alive\r\n\r\n",
       "HTTP/1.1 200 OK\r\nDate: d\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n",
       "HTTP/1.1 200 OK\r\nDate: d\r\nconnection: close\r\n\r\nhi", false, true},
      {"a head without a date gets one", get, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
       "HTTP/1.1 200 OK\r\ndate: Thu, 01 Jan 1970 00:00:05 GMT\r\ncontent-length: 0\r\n\r\n", true, true},
  };
  for (const ResponseRow& row : rows) {
    const auto client = mesh.connect();
    const uint32_t parked = mesh.books().parked;
    EXPECT_EQ(exchange(client, row.asked, row.answer).client, row.heard) << row.what;
    EXPECT_EQ((mesh.told(client) & event::peer_closed) == 0, row.client_stays) << row.what;
    EXPECT_EQ(mesh.books().parked, row.endpoint_stays ? std::max(parked, 1U) : 0U) << row.what;
    EXPECT_EQ(flags_of_last(), "-") << row.what;
  }
}

/// What only the end of the endpoint's connection ends goes on in chunks: the client's connection stays.
TEST_F(HttpMessages, WhatItsConnectionEndsGoesOnInChunks) {
  const auto client = mesh.connect();
  mesh.say(client, kGet);
  auto heard = only_heard();
  mesh.say(heard.id, "HTTP/1.1 200 OK\r\nDate: d\r\n\r\nhello");
  EXPECT_EQ(mesh.hear_client(client), "HTTP/1.1 200 OK\r\nDate: d\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello");
  mesh.say(heard.id, std::string(1400, 'x'));
  EXPECT_EQ(mesh.hear_client(client), "\r\n578\r\n" + std::string(1400, 'x'));
  mesh.finish(heard.id);
  EXPECT_EQ(mesh.hear_client(client), "\r\n0\r\n\r\n");
  EXPECT_EQ(mesh.records.back().response_bytes, 1405U);
  EXPECT_EQ(flags_of_last(), "-");
  EXPECT_EQ(exchange(client, kGet).client, kOkHeard);

  // Nothing at all, and what is cut off by a reset.
  mesh.say(client, kGet);
  heard = only_heard();
  mesh.say(heard.id, "HTTP/1.0 200 OK\r\nDate: d\r\n\r\n");
  mesh.finish(heard.id);
  EXPECT_THAT(mesh.hear_client(client), EndsWith("\r\n\r\n0\r\n\r\n"));
  mesh.say(client, kGet);
  heard = only_heard();
  mesh.say(heard.id, "HTTP/1.1 200 OK\r\nDate: d\r\n\r\nhello");
  mesh.reset(heard.id);
  EXPECT_TRUE(mesh.told(client) & event::reset);

  // A client of HTTP/1.0 knows no chunks.
  const auto old = mesh.connect();
  mesh.say(old, "GET /a HTTP/1.0\r\nHost: web\r\n\r\n");
  heard = only_heard();
  mesh.say(heard.id, "HTTP/1.1 200 OK\r\nDate: d\r\n\r\nhello");
  mesh.finish(heard.id);
  EXPECT_EQ(mesh.hear_client(old), "HTTP/1.1 200 OK\r\nDate: d\r\nconnection: close\r\n\r\nhello");
  EXPECT_TRUE(mesh.told(old) & event::peer_closed);
  expect_all_given_back();
}

TEST_F(HttpMessages, ALongOneGoesOnInChunksToASlowClient) {
  const auto client = mesh.connect();
  mesh.say(client, kGet);
  const auto heard = only_heard();
  mesh.say(heard.id, "HTTP/1.1 200 OK\r\nDate: d\r\n\r\n");
  std::string body;
  std::string got;
  for (int round = 0; round < 40; ++round) {
    const std::string part(100'000, static_cast<char>('a' + round % 26));
    body += part.substr(0, mesh.offer(heard.id, part));
    if (round % 8 == 7) {
      got += mesh.hear_client(client);
      mesh.settle();
    }
  }
  mesh.finish(heard.id);
  for (int i = 0; i < 100; ++i) {
    mesh.pass(milliseconds(5));
    got += mesh.hear_client(client);
  }
  EXPECT_GT(body.size(), 1U << 20);
  std::string plain;
  for (size_t at = got.find("\r\n\r\n") + 4; at < got.size();) {
    size_t end = 0;
    const size_t size = std::stoul(got.substr(at, 16), &end, 16);
    plain += got.substr(at + end + 2, size);
    at += end + 2 + size + 2;
  }
  EXPECT_EQ(plain, body);
  EXPECT_THAT(got, EndsWith("\r\n0\r\n\r\n"));
}

struct RequestRow {
  const char* what;
  std::string_view came;
  std::string_view goes_on;
};

TEST_F(HttpMessages, RequestsGoOnInOriginForm) {
  const std::vector<RequestRow> rows = {
      {"origin form", "GET /a?b HTTP/1.1\r\nHost: web\r\n\r\n", "GET /a?b HTTP/1.1\r\nhost: web\r\n\r\n"},
      {"absolute form", "GET http://shop.example/a?b HTTP/1.1\r\nHost: web\r\n\r\n",
       "GET /a?b HTTP/1.1\r\nhost: shop.example\r\n\r\n"},
      {"absolute form, no path", "GET http://shop.example HTTP/1.1\r\nHost: web\r\n\r\n",
       "GET / HTTP/1.1\r\nhost: shop.example\r\n\r\n"},
      {"absolute form with a port", "GET http://shop.example:8080/ HTTP/1.1\r\nHost: web\r\n\r\n",
       "GET / HTTP/1.1\r\nhost: shop.example:8080\r\n\r\n"},
      {"asterisk form", "OPTIONS * HTTP/1.1\r\nHost: web\r\n\r\n", "OPTIONS * HTTP/1.1\r\nhost: web\r\n\r\n"},
      {"the host as it came", "GET /a HTTP/1.1\r\nHost: WEB:80\r\n\r\n", "GET /a HTTP/1.1\r\nhost: WEB:80\r\n\r\n"},
      {"HTTP/1.0 without a host", "GET /a HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
       "GET /a HTTP/1.1\r\nhost: 10.96.0.1\r\n\r\n"},
      {"a method of its own", "brew /a HTTP/1.1\r\nHost: web\r\n\r\n", "brew /a HTTP/1.1\r\nhost: web\r\n\r\n"},
      {"a path that is not normal", "GET /a/./b/../c%41 HTTP/1.1\r\nHost: web\r\n\r\n",
       "GET /a/cA HTTP/1.1\r\nhost: web\r\n\r\n"},
      {"an empty line in front", "\r\nGET /a HTTP/1.1\r\nHost: web\r\n\r\n", "GET /a HTTP/1.1\r\nhost: web\r\n\r\n"},
      {"fields for this hop",  // RFC 9110, section 7.6.1
       "GET /a HTTP/1.1\r\nHost: web\r\nConnection: keep-alive, X-Mine\r\nX-Mine: 1\r\nX-Yours: 2\r\nKeep-Alive: "
       "timeout=5\r\n"
       "Proxy-Connection: keep-alive\r\nTE: trailers\r\n\r\n",
       "GET /a HTTP/1.1\r\nhost: web\r\nX-Yours: 2\r\n\r\n"},
      {"what nobody may take away",
       "POST /a HTTP/1.1\r\nHost: web\r\nConnection: host, content-length\r\n"
       "Content-Length: 0\r\n\r\n",
       "POST /a HTTP/1.1\r\nhost: web\r\ncontent-length: 0\r\n\r\n"},
      {"fields in their order and case", "GET /a HTTP/1.1\r\nB: 1\r\nHost: web\r\nA: 2\r\nb:   3  \r\nC:\r\n\r\n",
       "GET /a HTTP/1.1\r\nhost: web\r\nB: 1\r\nA: 2\r\nb: 3\r\nC: \r\n\r\n"},
      {"an upgrade to HTTP/2, which would be requests that no rule sees",
       "GET /a HTTP/1.1\r\nHost: web\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: "
       "x\r\n\r\n",
       "GET /a HTTP/1.1\r\nhost: web\r\n\r\n"},
  };
  const auto client = mesh.connect();
  for (const RequestRow& row : rows) {
    EXPECT_EQ(unmarked(exchange(client, row.came).endpoint), row.goes_on) << row.what;
  }
  EXPECT_EQ(mesh.accepted.size(), 1U);
}

TEST_F(HttpMessages, ResponsesAreWithoutWhatWasForThisHop) {
  const Told told =
      exchange_once(kGet, response(200,
                                   "Connection: X-Mine\r\nX-Mine: 1\r\nX-Yours: 2\r\nKeep-Alive: timeout=5\r\n"
                                   "Upgrade: h2c\r\nTE: x\r\n"));
  EXPECT_EQ(told.client, "HTTP/1.1 200 Said\r\nDate: today\r\nX-Yours: 2\r\ncontent-length: 0\r\n\r\n");
}

TEST_F(HttpMessages, InterimResponsesGoThrough) {
  const auto client = mesh.connect();
  mesh.say(client, kGet);
  const auto heard = only_heard();
  mesh.say(heard.id,
           "HTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\nConnection: x\r\nX: 1\r\n\r\n" +
               std::string(kOk));
  EXPECT_EQ(mesh.hear_client(client),
            "HTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" + std::string(kOkHeard));
  const auto old = mesh.connect();  // RFC 9110, section 15.2: HTTP/1.0 knows none
  EXPECT_THAT(
      exchange(old, "GET /a HTTP/1.0\r\nHost: web\r\n\r\n", "HTTP/1.1 102 Processing\r\n\r\n" + std::string(kOk))
          .client,
      StartsWith("HTTP/1.1 200 "));
}

TEST_F(HttpMessages, ExpectationsAreTheEndpoints) {
  const auto client = mesh.connect();
  mesh.say(client, request("/a", "Expect: 100-continue\r\nContent-Length: 5\r\n", "PUT"));
  auto heard = only_heard();
  EXPECT_EQ(value_of(heard.text, "expect"), "100-continue");
  mesh.say(heard.id, response(417));  // it does not want the body, which may come none the less
  EXPECT_THAT(mesh.hear_client(client), StartsWith("HTTP/1.1 417 "));
  mesh.say(client, "hello");
  EXPECT_TRUE(mesh.heard().empty());
  EXPECT_TRUE(mesh.told(client) & event::peer_closed);
}

TEST_F(HttpMessages, AResponseMayComeBeforeTheRequestIsOver) {
  const auto client = mesh.connect();
  mesh.say(client, request("/a", "Content-Length: 10\r\n", "POST") + "hello");
  const auto heard = only_heard();
  mesh.say(heard.id, response(413, "", "too much"));
  EXPECT_THAT(mesh.hear_client(client), AllOf(StartsWith("HTTP/1.1 413 "), EndsWith("too much")));
  EXPECT_TRUE(mesh.told(client) & event::peer_closed);
  EXPECT_EQ(mesh.books().parked, 0U);  // half a request is no place for another
  EXPECT_TRUE(mesh.is_idle());
}

TEST_F(HttpMessages, AClientMayHaveSaidAllThatItWill) {
  const auto client = mesh.connect();
  mesh.say(client, std::string(kGet) + std::string(kGet));
  mesh.finish(client);
  for (int i = 0; i < 2; ++i) {
    mesh.say(only_heard().id, kOk);
    EXPECT_EQ(mesh.hear_client(client), kOkHeard);
  }
  EXPECT_TRUE(mesh.told(client) & event::peer_closed);
  EXPECT_FALSE(mesh.told(client) & event::reset);
  EXPECT_EQ(mesh.books().clients, 0U);
}

/// What came of the request came with the client's end: it is not waited for more.
TEST_F(HttpMessages, AClientThatEndsWithinItsHeadIsToldAtOnce) {
  for (const std::string_view begun : {"G", "GET /a HTTP/1.1\r\nHost: web\r\n", "\r"}) {
    const auto client = mesh.connect();
    mesh.outside.engine.write(client, mesh.outside.slice_of(begun));
    mesh.outside.engine.shutdown(client);
    mesh.settle();
    EXPECT_EQ(first_line(mesh.hear_client(client)), "HTTP/1.1 400 Bad Request") << begun;
    EXPECT_EQ(flags_of_last(), "DC") << begun;
    EXPECT_EQ(mesh.books().clients, 0U) << begun;
  }
}

TEST_F(HttpMessages, WhenWeftDrainsItsClientsAreTold) {
  const auto client = mesh.connect();
  exchange(client, kGet);
  mesh.proxy().http().drain(true);
  const Told told = exchange(client, kGet);
  EXPECT_EQ(value_of(told.client, "connection"), "close");
  EXPECT_EQ(body_of(told.client), "hello");
  EXPECT_TRUE(mesh.told(client) & event::peer_closed);
}

TEST_F(HttpMessages, WeftsOwnAnswersSayWho) {
  mesh.publish({http_service("default/web", 1, {})});
  const auto client = mesh.connect();
  const std::string text = "weft: the service has no endpoint that is ready\n";
  EXPECT_EQ(exchange(client, kGet).client,
            "HTTP/1.1 503 Service Unavailable\r\nserver: weft\r\ndate: Thu, 01 Jan 1970 00:00:05 GMT\r\n"
            "content-type: text/plain; charset=utf-8\r\ncontent-length: " +
                std::to_string(text.size()) + "\r\n\r\n" + text);
  const Told head = exchange(client, request("/a", "", "HEAD"));
  EXPECT_EQ(value_of(head.client, "content-length"), std::to_string(text.size()));
  EXPECT_EQ(body_of(head.client), "");
}

}  // namespace
}  // namespace weft::proxy
