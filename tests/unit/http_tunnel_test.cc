// SPDX-License-Identifier: Apache-2.0
/// @file Connections that turn into tunnels: Upgrade (RFC 9110, section 7.8) and CONNECT (section 9.3.6).
#include "http_proxied.h"

namespace weft::proxy {
namespace {

using std::chrono::seconds;
using testing::EndsWith;
using testing::StartsWith;
namespace event = tcp::event;

class HttpTunnel : public HttpProxied {
 protected:
  static constexpr std::string_view kSwitch =
      "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n";

  static std::string upgrade() { return request("/ws", "Connection: Upgrade\r\nUpgrade: x\r\n"); }
  /// @returns both ends: the client's, and the endpoint's
  std::pair<tcp::ConnectionId, tcp::ConnectionId> begin() {
    const auto client = mesh.connect();
    mesh.say(client, upgrade());
    const auto endpoint = only_heard().id;
    mesh.say(endpoint, kSwitch);
    EXPECT_THAT(mesh.hear_client(client), StartsWith("HTTP/1.1 101 "));
    return {client, endpoint};
  }
};

TEST_F(HttpTunnel, AllBytesGoThroughAsTheyAre) {
  const auto [client, endpoint] = begin();
  std::string bytes(100'000, '\0');
  for (size_t i = 0; i < bytes.size(); ++i) {
    bytes[i] = static_cast<char>(i * 7 >> 3);
  }
  std::string up;
  std::string down;
  for (size_t at = 0; at < bytes.size(); at += 10'000) {
    mesh.say(client, bytes.substr(at, 10'000));
    mesh.say(endpoint, bytes.substr(at, 10'000));
    up += only_heard().text;
    down += mesh.hear_client(client);
    mesh.settle();
  }
  EXPECT_EQ(up, bytes);
  EXPECT_EQ(down, bytes);
  EXPECT_EQ(mesh.books().tunnels, 1U);
}

TEST_F(HttpTunnel, WhatComesBeforeTheAnswerIsTheEndpointsToo) {
  const auto client = mesh.connect();
  mesh.say(client, upgrade() + "early");
  const auto heard = only_heard();
  EXPECT_THAT(heard.text, EndsWith("\r\n\r\n"));  // it is not known yet to whom these bytes belong
  mesh.say(heard.id, kSwitch);
  EXPECT_EQ(only_heard().text, "early");
}

TEST_F(HttpTunnel, EachSideEndsByItself) {
  for (const bool client_first : {true, false}) {
    const auto [at_client, endpoint] = begin();
    const auto client = at_client;  // clang 14 lets no lambda capture a structured binding
    const auto first = client_first ? client : endpoint;
    const auto second = client_first ? endpoint : client;
    const auto hear = [&](tcp::ConnectionId id) { return id == client ? mesh.hear_client(client) : only_heard().text; };
    mesh.say(first, "last words");
    mesh.finish(first);
    EXPECT_EQ(hear(second), "last words");
    mesh.settle();
    EXPECT_TRUE(mesh.told(second) & event::peer_closed);
    mesh.say(second, "still here");
    EXPECT_EQ(hear(first), "still here");
    mesh.finish(second);
    EXPECT_TRUE(mesh.is_idle());
    EXPECT_EQ(flags_of_last(), "-");
  }
}

TEST_F(HttpTunnel, OneThatBreaksBreaksTheOther) {
  for (const bool client_first : {true, false}) {
    const auto [client, endpoint] = begin();
    mesh.reset(client_first ? client : endpoint);
    EXPECT_EQ(mesh.told(client_first ? endpoint : client) & (event::reset | event::peer_closed), event::reset);
    EXPECT_TRUE(mesh.is_idle());
    EXPECT_EQ(flags_of_last(), client_first ? "DC" : "UR");
  }
  mesh.pass(seconds(3));
  EXPECT_EQ(mesh.books().upstreams, 0U);
}

TEST_F(HttpTunnel, AnEndpointMayDecline) {
  const auto client = mesh.connect();
  mesh.say(client, upgrade());
  mesh.say(only_heard().id, kOk);
  EXPECT_EQ(mesh.hear_client(client), kOkHeard);
  EXPECT_EQ(exchange(client, kGet).client, kOkHeard);  // and both connections go on
  EXPECT_EQ(mesh.accepted.size(), 1U);
}

TEST_F(HttpTunnel, NobodySwitchesUnasked) {
  const auto client = mesh.connect();
  EXPECT_THAT(exchange(client, kGet, kSwitch).client, StartsWith("HTTP/1.1 502 "));
  EXPECT_EQ(flags_of_last(), "UPE");
  EXPECT_EQ(mesh.books().bad_responses, 1U);
}

TEST_F(HttpTunnel, RulesTimeoutsEndWhereItBegins) {
  route(lb::HttpRule{.backends = {backend(2)}, .request_timeout = seconds(2), .backend_timeout = seconds(1)});
  const auto [client, endpoint] = begin();
  mesh.pass(seconds(600));
  mesh.say(client, "still here");
  EXPECT_EQ(only_heard().text, "still here");
}

TEST_F(HttpTunnel, AnIdleOneEnds) {
  const auto [client, endpoint] = begin();
  mesh.pass(seconds(3599));
  EXPECT_FALSE(mesh.told(client) & event::reset);
  mesh.pass(seconds(2));
  EXPECT_TRUE(mesh.told(client) & event::reset);
  EXPECT_EQ(mesh.told(endpoint) & (event::reset | event::peer_closed), event::reset);
  EXPECT_EQ(flags_of_last(), "SI");
}

TEST_F(HttpTunnel, ByConnect) {
  const auto client = mesh.connect();
  mesh.say(client, "CONNECT db.example:5432 HTTP/1.1\r\nHost: db.example:5432\r\n\r\n");
  const auto heard = only_heard();
  EXPECT_THAT(heard.text, StartsWith("CONNECT db.example:5432 HTTP/1.1\r\nhost: db.example:5432\r\n"));
  mesh.say(heard.id, "HTTP/1.1 200 Connection established\r\nContent-Length: 5\r\n\r\nhello");  // no length counts
  EXPECT_EQ(mesh.hear_client(client), "HTTP/1.1 200 Connection established\r\n\r\nhello");
  mesh.say(client, "query");
  EXPECT_EQ(only_heard().text, "query");
}

TEST_F(HttpTunnel, AConnectMayBeRefused) {
  const auto client = mesh.connect();
  EXPECT_THAT(exchange(client, "CONNECT db:1 HTTP/1.1\r\nHost: db:1\r\n\r\n", response(403, "", "no")).client,
              EndsWith("\r\n\r\nno"));
  EXPECT_EQ(exchange(client, kGet).client, kOkHeard);
}

TEST_F(HttpTunnel, ALongOnesTimeIsTold) {
  const auto [client, endpoint] = begin();
  mesh.now += seconds(7200);  // beyond 2^32 microseconds
  mesh.reset(client);
  ASSERT_EQ(mesh.records.size(), 1U);
  EXPECT_EQ(mesh.records[0].duration_us, uint64_t{7'200'000'000});
}

}  // namespace
}  // namespace weft::proxy
