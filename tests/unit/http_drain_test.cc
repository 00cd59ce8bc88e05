// SPDX-License-Identifier: Apache-2.0
/// @file How clients are sent away when weft drains.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "http_proxied.h"

namespace weft::proxy {
namespace {

using std::chrono::milliseconds;
using testing::EndsWith;
using testing::HasSubstr;
using testing::Not;
namespace event = tcp::event;

class HttpDrained : public ::testing::Test {
 protected:
  void SetUp() override { mesh.publish({http_service("default/web", 1, {1})}); }
  HttpProxy& http() { return mesh.proxy().http(); }
  /// The client asks, and is answered.
  std::string exchange(tcp::ConnectionId client) {
    mesh.say(client, kGet);
    auto heard = mesh.heard();
    EXPECT_EQ(heard.size(), 1U);
    mesh.say(heard.at(0).id, kOk);
    return mesh.hear_client(client);
  }

  HttpMesh mesh;
};

TEST_F(HttpDrained, TheNextResponseSaysThatTheConnectionCloses) {
  const auto client = mesh.connect();
  EXPECT_THAT(exchange(client), Not(HasSubstr("connection: close")));
  http().drain(true);
  const std::string last = exchange(client);
  EXPECT_THAT(last, HasSubstr("connection: close\r\n"));
  EXPECT_THAT(last, EndsWith("hello"));
  EXPECT_NE(mesh.told(client) & event::peer_closed, 0);
}

TEST_F(HttpDrained, OneThatAsksWithinASecondIsServed) {
  const auto client = mesh.connect();
  http().drain(true);
  mesh.pass(milliseconds(900));
  EXPECT_EQ(mesh.told(client) & event::peer_closed, 0);
  EXPECT_THAT(exchange(client), HasSubstr("connection: close\r\n"));
}

TEST_F(HttpDrained, OneThatSaysNothingIsClosed) {
  const auto idle = mesh.connect();
  exchange(idle);
  const auto silent = mesh.connect();
  http().drain(true);
  mesh.pass(milliseconds(1200));
  for (const auto client : {idle, silent}) {
    EXPECT_NE(mesh.told(client) & event::peer_closed, 0);
    EXPECT_EQ(mesh.told(client) & event::reset, 0);
  }
}

TEST_F(HttpDrained, ARequestUnderWayIsAnsweredHoweverLongItTakes) {
  const auto client = mesh.connect();
  mesh.say(client, kGet);
  const auto heard = mesh.heard();
  http().drain(true);
  mesh.pass(milliseconds(5000));
  mesh.say(heard.at(0).id, kOk);
  EXPECT_THAT(mesh.hear_client(client), HasSubstr("connection: close\r\n"));
}

TEST_F(HttpDrained, NotAnyMore) {
  const auto client = mesh.connect();
  http().drain(true);
  http().drain(false);
  EXPECT_THAT(exchange(client), Not(HasSubstr("connection: close")));
  mesh.pass(milliseconds(5000));
  EXPECT_EQ(mesh.told(client) & event::peer_closed, 0);
}

/// An endpoint that has left the mesh, and whose grace time is over.
class HttpRemoved : public HttpProxied {
 protected:
  void remove() {
    mesh.publish({http_service("default/web", 1, {2})}, {1});
    mesh.pass(milliseconds(50));
  }
};

TEST_F(HttpRemoved, ItsExchangesEnd) {
  const auto asking = mesh.connect();
  mesh.say(asking, kGet);
  const auto responding = mesh.connect();
  mesh.say(responding, kGet);
  const auto heard = mesh.heard();
  ASSERT_EQ(heard.size(), 2U);
  mesh.say(heard[1].id, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhello");
  remove();
  EXPECT_EQ(first_line(mesh.hear_client(asking)), "HTTP/1.1 502 Bad Gateway");
  EXPECT_TRUE(mesh.told(responding) & event::reset);
  for (const auto& each : heard) {
    EXPECT_TRUE(mesh.told(each.id) & event::reset);
  }
  ASSERT_EQ(mesh.records.size(), 2U);
  for (const AccessRecord& record : mesh.records) {
    EXPECT_EQ(to_string(record.flags), "UR");
  }
  EXPECT_EQ(exchange(asking, kGet).to, 2U);
}

TEST_F(HttpRemoved, ItsTunnelsEnd) {
  const auto client = mesh.connect();
  mesh.say(client, request("/ws", "Connection: Upgrade\r\nUpgrade: x\r\n"));
  const auto endpoint = only_heard().id;
  mesh.say(endpoint, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n");
  remove();
  EXPECT_TRUE(mesh.told(client) & event::reset);
  EXPECT_TRUE(mesh.told(endpoint) & event::reset);
  EXPECT_EQ(flags_of_last(), "UR");
}

}  // namespace
}  // namespace weft::proxy
