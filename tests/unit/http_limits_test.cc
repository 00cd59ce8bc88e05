// SPDX-License-Identifier: Apache-2.0
/// @file Bad input at the wire: answered rightly, counted by its kind, and never more than a message's worth of harm.
/// Which heads are refused, one by one, is http_request_test's.
#include "http_proxied.h"

namespace weft::proxy {
namespace {

using http::Defect;
using testing::StartsWith;
namespace event = tcp::event;

class HttpLimits : public HttpProxied {
 protected:
  explicit HttpLimits(HttpConfig http = {}) : HttpProxied(http) {}

  /// The beginning of a head, in segments that are not small, which TCP would put together.
  const std::string kPieces = "GET /a HTTP/1.1\r\nX: " + std::string(3000, 'x');
};

struct LimitRow {
  const char* what;
  std::string said;
  int status;
  Defect defect;
};

std::vector<LimitRow> bad_requests() {
  const auto fields = [](int count) {
    std::string lines;
    for (int i = 0; i < count; ++i) {
      lines += "X" + std::to_string(i) + ": 1\r\n";
    }
    return lines;
  };
  const std::string chunked = request("/a", "Transfer-Encoding: chunked\r\n", "POST");
  return {
      {"a head without an end", request("/a", "X: " + std::string(17 << 10, 'x') + "\r\n"), 431, Defect::head_too_long},
      {"a target without an end", "GET /" + std::string(17 << 10, 'x'), 414, Defect::target_too_long},
      {"a target that is too long", request("/" + std::string(9 << 10, 'x')), 414, Defect::target_too_long},
      {"a target that is too long, in a head that is too",
       request("/" + std::string(9 << 10, 'x'), "X: " + std::string(9 << 10, 'x') + "\r\n"), 414,
       Defect::target_too_long},
      {"too many fields", request("/a", fields(100)), 431, Defect::too_many_fields},
      {"a TLS hello, which is no request as far as it has come", std::string("\x16\x03\x01\x02\x00\x01", 6), 400,
       Defect::request_line},
      {"no HTTP", "hello\r\n\r\n", 400, Defect::request_line},
      {"two empty lines in front", "\r\n\r\n" + std::string(kGet), 400, Defect::request_line},
      {"HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505, Defect::version},
      {"no host", "GET /a HTTP/1.1\r\n\r\n", 400, Defect::host},
      {"two lengths", request("/a", "Content-Length: 1\r\nContent-Length: 1\r\n") + "x", 400, Defect::content_length},
      {"a length that overflows", request("/a", "Content-Length: 18446744073709551617\r\n") + "x", 400,
       Defect::content_length},
      {"a length and chunks", request("/a", "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n") + "x", 400,
       Defect::ambiguous_length},
      {"an unknown coding", request("/a", "Transfer-Encoding: gzip, chunked\r\n") + "x", 501, Defect::transfer_coding},
      {"chunked is not the last", request("/a", "Transfer-Encoding: chunked, gzip\r\n") + "x", 400,
       Defect::transfer_encoding},
      {"a folded field", request("/a", "X: 1\r\n 2\r\n"), 400, Defect::folded},
      {"options without an end", request("/a", "Connection: " + std::string(1000, ',') + "\r\n"), 400,
       Defect::connection},
      {"a bare LF", "GET /a HTTP/1.1\nHost: web\n\n", 400, Defect::line_end},
      {"white space before a colon", request("/a", "X : 1\r\n"), 400, Defect::field_name},
      {"a chunk's size is no number", chunked + "hello\r\n", 400, Defect::chunk_size},
      {"a chunk's size that overflows", chunked + "10000000000000000\r\n", 400, Defect::chunk_size},
      {"a chunk's size that is negative to some", chunked + "ffffffffffffffff\r\n", 400, Defect::chunk_size},
      {"a chunk longer than its size", chunked + "2\r\nhello\r\n", 400, Defect::chunk_end},
      {"a chunk's extension without an end", chunked + "2;" + std::string(300, 'x'), 400, Defect::chunk_extension},
      {"a trailer that frames", chunked + "0\r\nContent-Length: 5\r\n\r\n", 400, Defect::trailer},
  };
}

TEST_F(HttpLimits, BadRequestsAreAnsweredAndCounted) {
  for (const LimitRow& row : bad_requests()) {
    for (const size_t piece : {size_t{1400}, size_t{97}, size_t{1}}) {
      if (piece == 1 && row.said.size() > 2000) {
        continue;
      }
      const auto client = mesh.connect();
      const uint64_t before = mesh.books().defects[static_cast<size_t>(row.defect)];
      for (size_t at = 0; at < row.said.size(); at += piece) {
        mesh.say(client, row.said.substr(at, piece));
      }
      const std::string answer = mesh.hear_client(client);
      EXPECT_THAT(answer, StartsWith("HTTP/1.1 " + std::to_string(row.status) + " ")) << row.what << piece;
      EXPECT_EQ(value_of(answer, "server"), "weft") << row.what;
      EXPECT_EQ(value_of(answer, "connection"), "close") << row.what;
      EXPECT_EQ(body_of(answer), "weft: " + std::string(to_string(row.defect)) + "\n") << row.what;
      EXPECT_EQ(mesh.books().defects[static_cast<size_t>(row.defect)], before + 1) << row.what << piece;
      EXPECT_EQ(flags_of_last(), "DPE") << row.what;
      EXPECT_TRUE(mesh.told(client) & event::peer_closed) << row.what;
      EXPECT_FALSE(mesh.told(client) & event::reset) << row.what;
      mesh.heard();
      mesh.finish(client);
      EXPECT_EQ(mesh.books().clients, 0U) << row.what;
    }
  }
  expect_all_given_back();
}

TEST_F(HttpLimits, BadResponsesAreNotPassedOn) {
  const std::vector<std::pair<const char*, std::string>> rows = {
      {"no HTTP", "220 mail.example\r\n\r\n"},
      {"a head without an end", "HTTP/1.1 200 OK\r\nX: " + std::string(17 << 10, 'x')},
      {"two lengths", "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nx"},
      {"a length and chunks", "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\nx"},
      {"a folded field", "HTTP/1.1 200 OK\r\nX: 1\r\n 2\r\n\r\n"},
      {"a bare LF", "HTTP/1.1 200 OK\n\n"},
      {"a status that is none", "HTTP/1.1 2000 OK\r\n\r\n"},
      {"options without an end", "HTTP/1.1 200 OK\r\nConnection: " + std::string(1000, ',') + "\r\n\r\n"},
  };
  for (const auto& [what, answer] : rows) {
    const uint64_t before = mesh.books().bad_responses;
    const auto client = mesh.connect();
    EXPECT_THAT(exchange(client, kGet, answer).client, StartsWith("HTTP/1.1 502 ")) << what;
    EXPECT_EQ(flags_of_last(), "UPE") << what;
    EXPECT_EQ(mesh.books().bad_responses, before + 1) << what;
    EXPECT_EQ(mesh.books().upstreams, 0U) << what;
    EXPECT_EQ(exchange(client, kGet).client, kOkHeard) << what;
    mesh.reset(mesh.accepted.back().first);
  }
  // Once the head has gone on, all that is left is to say that this is not the whole.
  for (const std::string_view body :
       {"x\r\n", "10000000000000000\r\n", "2\r\nhello", "0\r\nContent-Length: 1\r\n\r\n"}) {
    const auto client = mesh.connect();
    exchange(client, kGet, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + std::string(body));
    EXPECT_TRUE(mesh.told(client) & event::reset) << body;
    EXPECT_EQ(flags_of_last(), "UPE") << body;
  }
  expect_all_given_back();
}

TEST_F(HttpLimits, WhatAnEndpointSaysUnaskedIsNobodysAnswer) {
  const auto client = mesh.connect();
  exchange(client, kGet, std::string(kOk) + "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil");
  EXPECT_EQ(mesh.books().parked, 0U);
  EXPECT_EQ(exchange(client, kGet).client, kOkHeard);
  mesh.say(mesh.accepted.back().first, "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil");  // while it waits
  EXPECT_EQ(mesh.books().parked, 0U);
  EXPECT_EQ(exchange(client, kGet).client, kOkHeard);
}

/// Who pipelines a thousand requests has them answered in their order, with others served between.
TEST_F(HttpLimits, AFloodOfRequestsWaitsItsTurn) {
  mesh.publish({http_service("default/web", 1, {})});  // all answered by weft at once
  const auto flood = mesh.connect();
  std::string all;
  for (int i = 0; i < 1000; ++i) {
    all += request("/" + std::to_string(i));
  }
  mesh.say(flood, all);
  std::string answers;
  for (std::string some = mesh.hear_client(flood); !some.empty(); some = mesh.hear_client(flood)) {
    answers += some;
    mesh.settle();
  }
  size_t count = 0;
  for (size_t at = answers.find("HTTP/1.1 503 "); at != std::string::npos; at = answers.find("HTTP/1.1 503 ", at + 1)) {
    ++count;
  }
  EXPECT_EQ(count, 1000U);
  ASSERT_EQ(mesh.records.size(), 1000U);
  for (size_t i = 0; i < 1000; ++i) {
    EXPECT_EQ(mesh.records[i].path.view(), "/" + std::to_string(i));
  }
}

/// It has sent requests for more answers than its connection holds, and reads none: it waits, and others do not.
TEST_F(HttpLimits, AFloodThatReadsNoAnswersWaits) {
  mesh.publish({http_service("default/web", 1, {})});
  const auto flood = mesh.connect();
  std::string some;
  while (some.size() < 1400) {
    some += kGet;
  }
  size_t offered = 0;
  for (int i = 0; i < 4000; ++i) {
    offered += mesh.offer(flood, some);
  }
  EXPECT_LT(mesh.records.size(), offered / kGet.size());
  EXPECT_THAT(exchange(mesh.connect(), kGet).client, StartsWith("HTTP/1.1 503 "));
  size_t answers = 0;
  for (std::string got = mesh.hear_client(flood); !got.empty(); got = mesh.hear_client(flood)) {
    for (size_t at = got.find("HTTP/1.1"); at != std::string::npos; at = got.find("HTTP/1.1", at + 1)) {
      ++answers;
    }
    mesh.settle();
    mesh.pass(std::chrono::milliseconds(5));
  }
  EXPECT_EQ(answers, offered / kGet.size());
  mesh.reset(flood);
  expect_all_given_back();
}

class HttpBounds : public HttpLimits {
 protected:
  HttpBounds() : HttpLimits({.clients = 4, .exchanges = 2, .upstreams = 1}) {}
};

TEST_F(HttpBounds, WhatIsBeyondThemIsRefusedAndCounted) {
  std::vector<tcp::ConnectionId> clients;
  for (int i = 0; i < 4; ++i) {
    clients.push_back(mesh.connect());
  }
  EXPECT_TRUE(mesh.told(mesh.connect()) & event::reset);
  EXPECT_EQ(mesh.books().overflows, 1U);

  mesh.say(clients[0], kGet);
  const auto heard = only_heard();
  mesh.say(clients[1], kGet);  // no connection to an endpoint is left
  EXPECT_THAT(mesh.hear_client(clients[1]), StartsWith("HTTP/1.1 503 "));
  EXPECT_EQ(flags_of_last(), "UO");
  EXPECT_EQ(mesh.books().overflows, 2U);

  mesh.say(heard.id, kOk);
  EXPECT_EQ(mesh.hear_client(clients[0]), kOkHeard);
  EXPECT_EQ(exchange(clients[1], kGet).client, kOkHeard);
}

/// Three of the mesh's four heads that may be put together at a time are clients', the last is endpoints'.
TEST_F(HttpLimits, TheOldestHeadThatComesInPiecesGivesWay) {
  std::vector<tcp::ConnectionId> slow;
  const auto begin = [&] {
    slow.push_back(mesh.connect());
    mesh.say(slow.back(), kPieces);
  };
  for (int i = 0; i < 3; ++i) {
    begin();
  }
  EXPECT_EQ(mesh.books().overflows, 0U);
  begin();
  EXPECT_EQ(mesh.books().overflows, 1U);
  EXPECT_THAT(mesh.hear_client(slow[0]), StartsWith("HTTP/1.1 408 "));
  EXPECT_EQ(flags_of_last(), "UO");
  EXPECT_TRUE(mesh.told(slow[0]) & event::peer_closed);
  for (const auto client : {slow[1], slow[2], slow[3]}) {
    EXPECT_EQ(exchange(client, "\r\nHost: web\r\n\r\n").client, kOkHeard);
  }
  for (const auto client : slow) {
    mesh.reset(client);
  }
  expect_all_given_back();
}

TEST_F(HttpLimits, ResponsesHeadsThatComeInPiecesHaveRoomOfTheirOwn) {
  const auto client = mesh.connect();
  mesh.say(client, kGet);
  const auto endpoint = only_heard().id;
  for (int i = 0; i < 6; ++i) {
    const auto slow = mesh.connect();
    mesh.say(slow, kPieces);
  }
  mesh.say(endpoint, response(200, "X: " + std::string(3000, 'x') + "\r\n"));
  EXPECT_THAT(mesh.hear_client(client), StartsWith("HTTP/1.1 200 "));
}

/// Connections that wait for requests give way to those that are needed, the one that has waited longest first.
TEST_F(HttpBounds, ConnectionsThatWaitAreInNobodysWay) {
  route({{"/two", {.backends = {backend(2)}}}, {"/", {.backends = {backend(3)}}}});
  const auto client = mesh.connect();
  for (const uint32_t to : {2U, 3U, 2U}) {
    const Told told = exchange(client, request(to == 2 ? "/two" : "/"));
    EXPECT_EQ(told.client, kOkHeard);
    EXPECT_EQ(told.to, to);
    EXPECT_EQ(mesh.books().parked, 1U);
  }
  EXPECT_EQ(mesh.accepted.size(), 3U);
  EXPECT_EQ(mesh.books().overflows, 0U);
}

class HttpThreeUpstreams : public HttpLimits {
 protected:
  HttpThreeUpstreams() : HttpLimits({.upstreams = 3}) {}
};

TEST_F(HttpThreeUpstreams, TheOldestGivesWay) {
  route({{"/2", {.backends = {backend(2)}}},
         {"/3", {.backends = {backend(3)}}},
         {"/4", {.backends = {backend(4)}}},
         {"/5", {.backends = {backend(5)}}}});
  const auto client = mesh.connect();
  for (const char* path : {"/2", "/3", "/4", "/2", "/5"}) {
    EXPECT_EQ(exchange(client, request(path)).client, kOkHeard) << path;
  }
  EXPECT_EQ(mesh.books().connections, 4U);
  for (const char* path : {"/2", "/4", "/5"}) {
    EXPECT_EQ(exchange(client, request(path)).client, kOkHeard) << path;
  }
  EXPECT_EQ(mesh.books().connections, 4U);
  exchange(client, request("/3"));
  EXPECT_EQ(mesh.books().connections, 5U);
}

/// Of clients whose next requests wait, as many are served in a turn as it has time for, in their order.
TEST_F(HttpLimits, RequestsThatWaitAreServedAShareATurn) {
  constexpr uint32_t kClients = 50;
  for (uint32_t i = 0; i < kClients; ++i) {
    mesh.say(mesh.connect(), std::string(kGet) + request("/" + std::to_string(i)));
  }
  for (const auto& each : mesh.heard()) {
    mesh.outside.engine.write(each.id, mesh.outside.slice_of(kOk));
  }
  carry(mesh.outside, mesh.middle, mesh.now);
  mesh.proxy().act(mesh.middle.events, *mesh.snapshot, mesh.now);
  mesh.middle.events.clear();
  ASSERT_EQ(mesh.books().requests, kClients);
  mesh.proxy().act({}, *mesh.snapshot, mesh.now);
  EXPECT_EQ(mesh.books().requests, kClients + 32);
  EXPECT_TRUE(mesh.proxy().has_more());
  mesh.settle();
  EXPECT_EQ(mesh.books().requests, 2 * kClients);
  for (const auto& each : mesh.heard()) {
    mesh.say(each.id, kOk);
  }
  EXPECT_EQ(mesh.records.size(), 2 * kClients);
}

TEST_F(HttpLimits, RepliesForWhichNoBufferIsLeftAreCounted) {
  const auto client = mesh.connect();
  std::vector<buffer::Slice> held;
  while (mesh.middle.buffers.pool().size() > 1) {
    held.emplace_back(mesh.middle.buffers.pool().take(), uint16_t{0}, uint16_t{0});
  }
  mesh.say(client, "what?\r\n\r\n");
  EXPECT_TRUE(mesh.told(client) & event::reset);
  EXPECT_EQ(mesh.books().overflows, 1U);
}

class HttpOneExchange : public HttpLimits {
 protected:
  HttpOneExchange() : HttpLimits({.exchanges = 1}) {}
};

TEST_F(HttpOneExchange, AnotherIsToldThatThereIsNoRoom) {
  const auto first = mesh.connect();
  mesh.say(first, kGet);
  const auto heard = only_heard();
  const auto second = mesh.connect();
  mesh.say(second, kGet);
  const std::string answer = mesh.hear_client(second);
  EXPECT_THAT(answer, StartsWith("HTTP/1.1 503 "));
  EXPECT_EQ(value_of(answer, "connection"), "close");
  EXPECT_TRUE(mesh.told(second) & event::peer_closed);
  EXPECT_FALSE(mesh.told(second) & event::reset);
  EXPECT_EQ(mesh.books().overflows, 1U);
  mesh.say(heard.id, kOk);
  EXPECT_EQ(mesh.hear_client(first), kOkHeard);
  expect_all_given_back();
}

}  // namespace
}  // namespace weft::proxy
