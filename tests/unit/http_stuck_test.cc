// SPDX-License-Identifier: Apache-2.0
/// @file Who takes nothing: what the other side sends pins memory up to a mark and no further, and others go on.
#include "http_proxied.h"

namespace weft::proxy {
namespace {

using testing::StartsWith;

class HttpStuck : public HttpProxied {
 protected:
  size_t pinned() { return 4096 - mesh.middle.buffers.pool().size(); }

  /// A window that one side has granted, and the least that the other's queue takes, in segments of 1,400 bytes; and
  /// what is being said.
  static constexpr size_t kMark = ((1 << 20) + (64 << 10)) / 1400 + 16;
};

TEST_F(HttpStuck, AClientPinsItsWaterMark) {
  const auto stuck = mesh.connect();
  mesh.say(stuck, kGet);
  const auto heard = only_heard();
  mesh.say(heard.id, "HTTP/1.1 200 OK\r\nDate: d\r\nContent-Length: 100000000\r\n\r\n");
  const std::string some(140'000, 'x');
  for (int i = 0; i < 100; ++i) {
    mesh.offer(heard.id, some);
    mesh.pass(std::chrono::milliseconds(5));
    ASSERT_LE(pinned(), 2 * kMark) << i;
  }
  EXPECT_GT(pinned(), 100U);  // it is not that nothing came
  const size_t full = pinned();
  for (int i = 0; i < 20; ++i) {
    EXPECT_EQ(exchange_once(kGet).client, kOkHeard);
  }
  mesh.pass(std::chrono::milliseconds(50));  // the last acknowledgments
  EXPECT_LE(pinned(), full + 8);
  mesh.reset(stuck);
  mesh.pass(std::chrono::milliseconds(50));
  EXPECT_LE(pinned(), 8U);
}

TEST_F(HttpStuck, AnEndpointPinsItsWaterMark) {
  mesh.publish({http_service("default/web", 1, {1}), http_service("default/other", 2, {2})});
  const auto client = mesh.connect();
  mesh.say(client, request("/a", "Content-Length: 100000000\r\n", "POST"));
  const std::string some(140'000, 'x');
  for (int i = 0; i < 100; ++i) {
    mesh.offer(client, some);
    mesh.pass(std::chrono::milliseconds(5));
    ASSERT_LE(pinned(), 2 * kMark) << i;
  }
  EXPECT_GT(pinned(), 100U);
  const auto other = mesh.connect(lb::Address(lb::address_from_host(0x0a60'0002)));
  for (int i = 0; i < 20; ++i) {
    mesh.say(other, kGet);
    mesh.say(mesh.accepted.back().first, kOk);
    EXPECT_EQ(mesh.hear_client(other), kOkHeard);
  }
  mesh.reset(client);
  mesh.pass(std::chrono::milliseconds(50));
  EXPECT_LE(pinned(), 8U);
}

TEST_F(HttpStuck, ATunnelsSidePinsItsWaterMark) {
  const auto client = mesh.connect();
  mesh.say(client, request("/a", "Connection: upgrade\r\nUpgrade: x\r\n"));
  const auto endpoint = only_heard().id;
  mesh.say(endpoint, "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n");
  const std::string some(140'000, 'x');
  for (int i = 0; i < 50; ++i) {
    mesh.offer(client, some);
    mesh.offer(endpoint, some);
    mesh.pass(std::chrono::milliseconds(5));
    ASSERT_LE(pinned(), 4 * kMark) << i;
  }
  mesh.reset(client);
  mesh.pass(std::chrono::milliseconds(50));
  EXPECT_LE(pinned(), 8U);
}

/// What is kept for another attempt is bounded over all exchanges.
TEST_F(HttpStuck, KeptBodiesPinNoMoreThanTheirStore) {
  route(lb::HttpRule{.backends = {backend(2)}, .retry = lb::HttpRetry{.attempts = 1}});
  std::vector<tcp::ConnectionId> clients;
  for (int i = 0; i < 40; ++i) {
    clients.push_back(mesh.connect());
    mesh.say(clients.back(), post("/a", std::string(60'000, 'x')));
    mesh.heard();  // taken, and not answered
  }
  EXPECT_LE(pinned(), 4 * 64 + 2 * 40U);  // slices of the store, and a head a request and what it came in
  for (const auto client : clients) {
    mesh.reset(client);
  }
  mesh.pass(std::chrono::milliseconds(50));
  EXPECT_LE(pinned(), 8U);
}

/// A byte a segment, each of which pins a buffer.
TEST_F(HttpStuck, KeptBodiesPinNoMoreForComingInSmallPieces) {
  route(lb::HttpRule{.backends = {backend(2)}, .retry = lb::HttpRetry{.attempts = 1}});
  for (int i = 0; i < 2; ++i) {
    const auto client = mesh.connect();
    mesh.say(client, request("/a", "Content-Length: 60000\r\n", "POST"));
    for (int byte = 0; byte < 250; ++byte) {
      mesh.say(client, "x");
    }
    mesh.heard();
    EXPECT_LE(pinned(), 8U);  // too many pieces: none is kept
  }
  const auto client = mesh.connect();  // and others have room
  mesh.say(client, post("/a", "hello"));
  mesh.reset(only_heard().id);
  EXPECT_EQ(body_of(only_heard().text), "hello");
}

/// Of a request that can't be sent again, nothing is kept.
TEST_F(HttpStuck, WhatNobodyCanUseIsNotKept) {
  const auto client = mesh.connect();
  EXPECT_EQ(exchange(client, kGet).client, kOkHeard);
  const size_t before = pinned();
  mesh.say(client, post("/a", std::string(7000, 'x')));  // on a connection that has served before
  mesh.heard();
  mesh.pass(std::chrono::milliseconds(50));
  EXPECT_LE(pinned(), before + 3);  // its head
}

class HttpFewPieces : public HttpProxied {
 protected:
  HttpFewPieces() : HttpProxied({.exchanges = 1024}, {}, {.pieces = 2048}) {}
};

TEST_F(HttpFewPieces, KeptBodiesHaveAShareOfThem) {
  route(lb::HttpRule{.backends = {backend(2)}, .retry = lb::HttpRetry{.attempts = 1}});
  for (int i = 0; i < 60; ++i) {
    mesh.say(mesh.connect(), post("/a", std::string(20'000, 'x')));
    mesh.heard();
  }
  EXPECT_LE(2048 - mesh.middle.buffers.pool().size(), 2048 / 8 + 3 * 60U);
}

TEST_F(HttpStuck, AClientThatTakesNothingIsGivenUp) {
  const auto stuck = mesh.connect();
  mesh.say(stuck, kGet);
  const auto heard = only_heard();
  mesh.say(heard.id, "HTTP/1.1 200 OK\r\nDate: d\r\nContent-Length: 100000000\r\n\r\n");
  while (mesh.offer(heard.id, std::string(140'000, 'x')) > 0) {
    mesh.pass(std::chrono::milliseconds(5));
  }
  mesh.pass(std::chrono::seconds(299));
  EXPECT_FALSE(mesh.told(stuck) & tcp::event::reset);
  mesh.pass(std::chrono::seconds(2));
  EXPECT_TRUE(mesh.told(stuck) & tcp::event::reset);
  EXPECT_EQ(flags_of_last(), "SI");
}

/// Where a connection takes 8 KiB that nobody reads: half of them in its queue, half at its peer's.
class HttpNarrow : public HttpProxied {
 protected:
  HttpNarrow() : HttpProxied({}, {.receive_buffer = 4096}, {.send_buffer = 4096}) {}

  std::string hear_all(tcp::ConnectionId id) {
    std::string all;
    for (std::string some = mesh.outside.read(id); !some.empty(); some = mesh.outside.read(id)) {
      all += some;
      mesh.pass(std::chrono::milliseconds(50));  // the window opens, and that is told
    }
    return all;
  }
};

TEST_F(HttpNarrow, WhatTheClientDoesNotTakeIsNotCutByWhatFollows) {
  const auto client = mesh.connect();
  mesh.say(client, kGet);
  const auto heard = only_heard();
  std::string interims;
  for (int i = 0; i < 5; ++i) {
    interims += "HTTP/1.1 103 Early Hints\r\nLink: " + std::string(3000, static_cast<char>('a' + i)) + "\r\n\r\n";
  }
  for (const std::string& each : {interims, std::string(kOk)}) {
    for (size_t at = 0; at < each.size();) {
      const size_t taken = mesh.offer(heard.id, each.substr(at, 1000));
      at += taken;
      ASSERT_TRUE(taken > 0) << at;
    }
  }
  EXPECT_EQ(hear_all(client), interims + std::string(kOkHeard));
  EXPECT_EQ(exchange(client, kGet).client, kOkHeard);
}

/// An endpoint that answers before it has heard all gets no other request behind half of this one.
TEST_F(HttpNarrow, AConnectionWithHalfARequestIsNotUsedAgain) {
  route(lb::HttpRule{.backends = {backend(2)}, .retry = lb::HttpRetry{.attempts = 1, .codes = {503}}});
  const auto client = mesh.connect();
  const std::string asked = post("/a", std::string(20'000, 'x'));
  std::string got;
  for (size_t at = 0; at < asked.size();) {
    at += mesh.offer(client, asked.substr(at, 1000));
    if (!mesh.accepted.empty()) {
      got += hear_all(mesh.accepted[0].first);
    }
    mesh.pass(std::chrono::milliseconds(50));
  }
  got += hear_all(mesh.accepted[0].first);
  EXPECT_EQ(body_of(got).size(), 20'000U);
  mesh.say(mesh.accepted[0].first, response(503));
  ASSERT_EQ(mesh.accepted.size(), 2U);
  mesh.say(mesh.accepted[1].first, kOk);  // it has read nothing, and can have got 8 KiB at most
  EXPECT_EQ(mesh.hear_client(client), kOkHeard);
  EXPECT_EQ(mesh.books().parked, 0U);
  mesh.say(client, kGet);
  ASSERT_EQ(mesh.accepted.size(), 3U);
  EXPECT_THAT(mesh.outside.read(mesh.accepted[2].first), StartsWith("GET /a "));
}

}  // namespace
}  // namespace weft::proxy
