// SPDX-License-Identifier: Apache-2.0
/// @file Who takes nothing: what the other side sends pins memory up to a mark and no further, and others go on.
#include "http_proxied.h"

namespace weft::proxy {
namespace {

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

}  // namespace
}  // namespace weft::proxy
