// SPDX-License-Identifier: Apache-2.0
/// @file Relayed sessions from begin to end: one engine is the client and the endpoint, the relay's lies between.
#include "proxy/relay.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <optional>
#include <set>

#include "lb/http_policy.h"
#include "tcp_host.h"

namespace weft::proxy {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using tcp::ConnectionId;
using tcp::Host;
namespace event = tcp::event;

constexpr uint64_t kSeed = 7;
constexpr uint32_t kEndpointSlot = 3;
const lb::Address kClient{lb::address_from_host(0x0a010001)};
const lb::Address kVip{lb::address_from_host(0x0a600001)};
const lb::Address kOwn{lb::address_from_host(0x0a090001)};
const lb::Address kEndpoint{lb::address_from_host(0x0a01000a)};
const lb::Port kPort = lb::port_from_host(80);

lb::Service service(bool tells_client, bool has_endpoint) {
  lb::Service service{.name = "default/web", .address = kVip, .port = kPort, .protocol = lb::Protocol::tcp};
  service.policy.mode = lb::Mode::proxy;
  service.policy.proxy_protocol = tells_client;
  std::vector<lb::MaglevMember> members;
  if (has_endpoint) {
    service.endpoints.push_back({.name = "pod", .address = kEndpoint, .port = kPort, .slot = kEndpointSlot});
    service.targets.push_back({.address = kEndpoint, .port = kPort, .slot = kEndpointSlot});
    members.push_back({.identity = service.endpoints.back().identity()});
  }
  service.table = std::make_shared<lb::MaglevTable>(members, 251, kSeed);
  return service;
}

class Relayed : public ::testing::Test {
 protected:
  void use(bool tells_client, bool has_endpoint = true, const std::vector<uint32_t>& resets = {}) {
    publish(lb::ServiceList({std::make_shared<lb::Service>(service(tells_client, has_endpoint))}), resets);
  }
  void publish(lb::ServiceList services, const std::vector<uint32_t>& resets = {}) {
    const lb::Snapshot empty(0, kSeed, {});
    snapshot.emplace(empty, ++epoch, std::move(services), resets);
  }
  void SetUp() override {
    use(false);
    middle.engine.listen(kVip, kPort, 0);
    outside.engine.listen(kEndpoint, kPort, 0);
  }

  /// All that is to be said is said, and done.
  void settle() {
    for (size_t carried = 1; carried > 0;) {
      carried = carry(outside, middle, now);
      for (const tcp::Event& each : middle.events) {
        if ((each.what & event::accepted) != 0) {
          relay.begin(each.id, *snapshot, now);
        }
      }
      relay.act(middle.events, time::to_millis(now));
      middle.events.clear();
      for (const Call& call : relay.calls()) {
        if (!relay.awaits(call)) {
          continue;
        }
        relay.connect(call, {kOwn, call.endpoint, lb::port_from_host(next_port++), call.port}, now, call.path);
      }
      relay.calls().clear();
      changes.insert(changes.end(), relay.changes().begin(), relay.changes().end());
      relay.changes().clear();
      carried += carry(middle, outside, now);
      carried += middle.events.size();
    }
  }
  void pass(milliseconds time) {
    for (milliseconds passed{0}; passed < time; passed += milliseconds(10)) {
      now += milliseconds(10);
      outside.engine.advance(now, outside.output);
      middle.engine.advance(now, middle.output);
      relay.sweep(*snapshot, now);
      settle();
    }
  }
  /// A client's connection, and the one it became.
  void open() {
    client = *outside.engine.connect({kClient, kVip, lb::port_from_host(40000), kPort}, 1, now);
    settle();
    for (const tcp::Event& each : outside.events) {
      endpoint = (each.what & event::accepted) != 0 ? each.id : endpoint;
    }
  }
  void write(ConnectionId id, std::string_view text) {
    ASSERT_TRUE(outside.engine.write(id, outside.slice_of(text)));
    settle();
  }
  uint16_t told(ConnectionId id) const {
    uint16_t what = 0;
    for (const tcp::Event& each : outside.events) {
      what |= each.id == id ? each.what : uint16_t{0};
    }
    return what;
  }
  void expect_nothing_left() {
    EXPECT_EQ(relay.size(), 0);
    EXPECT_EQ(middle.engine.connections(), 0);
    EXPECT_EQ(middle.engine.pieces(), 0);
    EXPECT_TRUE(middle.buffers.is_whole());
  }

  time::Time now{seconds(5)};
  Host outside{1};
  Host middle{2};
  uint64_t epoch = 0;
  std::optional<lb::Snapshot> snapshot;
  Relay relay{middle.engine, middle.buffers.pool(), {.sessions = 4, .idle = 60'000, .half_closed = 10'000}};
  std::vector<Change> changes;
  ConnectionId client;
  ConnectionId endpoint;
  uint16_t next_port = 1024;
  uint16_t next_client = 41000;
};

TEST_F(Relayed, MovesBytesBothWaysAndCountsThem) {
  open();
  write(client, "question");
  EXPECT_EQ(outside.read(endpoint), "question");
  write(endpoint, "an answer");
  EXPECT_EQ(outside.read(client), "an answer");
  EXPECT_EQ(relay.size(), 1);
  outside.engine.close(client);
  settle();
  outside.engine.close(endpoint);
  settle();
  pass(milliseconds(200));
  ASSERT_EQ(changes.size(), 2);
  EXPECT_EQ(changes[1].what, Change::What::ended);
  EXPECT_EQ(changes[1].requested, 8);
  EXPECT_EQ(changes[1].replied, 9);
  EXPECT_EQ(changes[1].endpoint_slot, kEndpointSlot);
  EXPECT_TRUE(changes[1].called);
  expect_nothing_left();
}

TEST_F(Relayed, AreShownAsTheyAre) {
  const auto shown = [&] {
    std::vector<SessionInfo> all;
    for (uint32_t at = 0, calls = 0; calls == 0 || at != 0; ++calls) {
      at = relay.visit(at, 1, [&](const SessionInfo& info) { all.push_back(info); });
      EXPECT_LT(calls, 4U) << "sessions";
    }
    return all;
  };
  EXPECT_TRUE(shown().empty());
  open();
  write(client, "question");
  pass(milliseconds(100));  // what was moved is told, and counts none the less
  write(endpoint, "an answer");
  ASSERT_EQ(shown().size(), 1);
  SessionInfo info = shown().front();
  EXPECT_EQ(info.client, (tcp::SocketPair{kVip, kClient, kPort, lb::port_from_host(40000)}));
  EXPECT_EQ(info.endpoint, (tcp::SocketPair{kOwn, kEndpoint, lb::port_from_host(1024), kPort}));
  EXPECT_EQ(info.endpoint_slot, kEndpointSlot);
  EXPECT_EQ(info.requested, 8);
  EXPECT_EQ(info.replied, 9);
  EXPECT_TRUE(info.connected);
  EXPECT_LT(info.began_at, info.moved_at);
  outside.engine.shutdown(client);
  settle();
  info = shown().front();
  EXPECT_TRUE(info.client_closed);
  EXPECT_FALSE(info.endpoint_closed);

  const auto at_client = middle.engine.connection_of(info.client);
  const auto at_endpoint = middle.engine.connection_of(info.endpoint);
  ASSERT_TRUE(at_client && at_endpoint);
  EXPECT_TRUE(relay.find(*at_client)->is_client);
  EXPECT_FALSE(relay.find(*at_endpoint)->is_client);
  EXPECT_EQ(relay.find(*at_endpoint)->session.client, info.client);
  outside.engine.abort(client);
  settle();
  EXPECT_TRUE(shown().empty());
  EXPECT_FALSE(relay.find(*at_endpoint)) << "it is over";
}

TEST_F(Relayed, CountBytesWhileTheyLast) {
  open();
  write(client, "question");
  pass(milliseconds(100));
  ASSERT_EQ(changes.size(), 2);
  EXPECT_EQ(changes[1].what, Change::What::moved);
  EXPECT_EQ(changes[1].requested, 8);
  write(endpoint, "an answer");
  outside.engine.abort(client);
  settle();
  ASSERT_EQ(changes.size(), 3);
  EXPECT_EQ(changes[2].what, Change::What::ended);
  EXPECT_EQ(changes[2].requested, 0) << "told before";
  EXPECT_EQ(changes[2].replied, 9);
}

TEST_F(Relayed, KeepTheWayBackOpenWhenOneSideHasClosed) {
  open();
  write(client, "all there is");
  outside.engine.shutdown(client);
  settle();
  EXPECT_EQ(outside.read(endpoint), "all there is");
  EXPECT_TRUE(outside.engine.is_at_end(endpoint));
  write(endpoint, "late");
  EXPECT_EQ(outside.read(client), "late");
  EXPECT_FALSE(outside.engine.is_at_end(client));
  outside.engine.shutdown(endpoint);
  settle();
  EXPECT_TRUE(outside.engine.is_at_end(client));
  pass(milliseconds(200));
  expect_nothing_left();
}

TEST_F(Relayed, EndWithAResetWhenEitherSideResets) {
  open();
  outside.engine.abort(client);
  settle();
  EXPECT_TRUE(told(endpoint) & event::reset);
  expect_nothing_left();

  outside.events.clear();
  open();
  outside.engine.abort(endpoint);
  settle();
  EXPECT_TRUE(told(client) & event::reset);
  expect_nothing_left();
}

TEST_F(Relayed, AreResetWhereNobodyCanTakeThem) {
  use(false, false);
  open();
  EXPECT_TRUE(told(client) & event::reset) << "no endpoint";
  EXPECT_THAT(relay.refused(), ::testing::ElementsAre(0)) << "the service's slot";
  use(false);
  outside.engine.stop_listening(kEndpoint, kPort);
  outside.events.clear();
  open();
  EXPECT_TRUE(told(client) & event::reset) << "nobody listens at the endpoint";
  expect_nothing_left();
}

TEST_F(Relayed, AreAsManyAsThereIsRoomFor) {
  std::vector<ConnectionId> clients;
  for (uint16_t n = 0; n < 5; ++n) {
    clients.push_back(*outside.engine.connect({kClient, kVip, lb::port_from_host(40000 + n), kPort}, 1, now));
    settle();
  }
  EXPECT_EQ(relay.size(), 4);
  EXPECT_FALSE(told(clients[3]) & event::reset);
  EXPECT_TRUE(told(clients[4]) & event::reset);
  EXPECT_THAT(relay.refused(), ::testing::ElementsAre(0));
}

TEST_F(Relayed, HoldBackWhoSendsToOneThatDoesNotRead) {
  open();
  const std::string kilobyte(1024, 'x');
  size_t written = 0;
  while (outside.engine.write(client, outside.slice_of(kilobyte)) && written < 64 << 20) {
    written += kilobyte.size();
    settle();
    now += milliseconds(1);
  }
  const tcp::Config defaults;
  EXPECT_LE(written, 2 * (defaults.receive_buffer + defaults.send_buffer));
  const size_t held = written;
  size_t read = 0;
  for (int i = 0; i < 1000 && read < held; ++i) {
    read += outside.read(endpoint).size();
    pass(milliseconds(10));
  }
  EXPECT_EQ(read, held);
}

TEST_F(Relayed, TellTheEndpointFirstWhoTheClientIs) {
  use(true);
  client = *outside.engine.connect({kClient, kVip, lb::port_from_host(40000), kPort}, 1, now);
  ASSERT_TRUE(outside.engine.write(client, outside.slice_of("hello")));
  settle();
  for (const tcp::Event& each : outside.events) {
    endpoint = (each.what & event::accepted) != 0 ? each.id : endpoint;
  }
  const std::string got = outside.read(endpoint);
  ASSERT_EQ(got.size(), 28 + 5);
  EXPECT_EQ(got.substr(0, 12), std::string("\r\n\r\n\0\r\nQUIT\n", 12));
  EXPECT_EQ(got.substr(16, 4), std::string("\x0a\x01\x00\x01", 4));
  EXPECT_EQ(got.substr(28), "hello");
}

TEST_F(Relayed, TellTheEndpointLateIfThereIsNoBufferYet) {
  use(true);
  std::vector<buffer::Buffer*> taken;
  while (buffer::Buffer* buffer = middle.buffers.pool().take()) {
    taken.push_back(buffer);
  }
  client = *outside.engine.connect({kClient, kVip, lb::port_from_host(40000), kPort}, 1, now);
  settle();
  for (const tcp::Event& each : outside.events) {
    endpoint = (each.what & event::accepted) != 0 ? each.id : endpoint;
  }
  pass(milliseconds(50));
  EXPECT_EQ(outside.read(endpoint), "");
  EXPECT_EQ(relay.size(), 1);
  for (buffer::Buffer* buffer : taken) {
    middle.buffers.pool().give_back(buffer);
  }
  pass(milliseconds(50));
  EXPECT_EQ(outside.read(endpoint).size(), 28);
  EXPECT_FALSE(told(client) & event::reset);
}

TEST_F(Relayed, GoToOneEndpointForAllOfAClientsIfTheServiceAsks) {
  auto two = std::make_shared<lb::Service>(service(false, true));
  const lb::Address other(lb::address_from_host(0x0a01000b));
  two->endpoints.push_back({.name = "pod2", .address = other, .port = kPort, .slot = kEndpointSlot + 1});
  two->targets.push_back({.address = other, .port = kPort, .slot = kEndpointSlot + 1});
  const std::vector<lb::MaglevMember> members = {{.identity = two->endpoints[0].identity()},
                                                 {.identity = two->endpoints[1].identity()}};
  two->table = std::make_shared<lb::MaglevTable>(members, 251, kSeed);
  const auto chosen = [&](uint32_t affinity_s) {
    two->policy.affinity_s = affinity_s;
    publish(lb::ServiceList({std::make_shared<lb::Service>(*two)}));
    std::set<uint32_t> slots;
    for (uint16_t n = 0; n < 16; ++n) {
      client = *outside.engine.connect({kClient, kVip, lb::port_from_host(next_client++), kPort}, 1, now);
      settle();
      slots.insert(changes.back().endpoint_slot);
      outside.engine.abort(client);
      settle();
    }
    return slots.size();
  };
  outside.engine.listen(other, kPort, 0);
  EXPECT_EQ(chosen(0), 2);
  EXPECT_EQ(chosen(10'800), 1);
}

/// There is nobody to tell.
TEST_F(Relayed, AreNotWatchedWithoutProtections) {
  lb::Service watched = service(false, true);
  watched.requests = std::make_shared<lb::RequestPolicy>(lb::RequestPolicy{.outlier = {.enabled = true}});
  publish(lb::ServiceList({std::make_shared<lb::Service>(std::move(watched))}));
  open();
  write(client, "question");
  EXPECT_EQ(outside.read(endpoint), "question");
  pass(milliseconds(20));
  outside.engine.abort(client);
  settle();
  pass(milliseconds(20));
  expect_nothing_left();
}

TEST_F(Relayed, EndWhenNothingMovesForTooLong) {
  open();
  pass(seconds(50));
  write(endpoint, "still here");
  pass(seconds(50));
  EXPECT_EQ(relay.size(), 1);
  EXPECT_EQ(relay.idled(), 0);
  pass(seconds(11));
  EXPECT_EQ(relay.idled(), 1);
  EXPECT_TRUE(told(client) & event::reset);
  EXPECT_TRUE(told(endpoint) & event::reset);
  expect_nothing_left();
}

TEST_F(Relayed, EndSoonerWhenOneSideHasClosed) {
  open();
  outside.engine.shutdown(client);
  settle();
  pass(seconds(9));
  EXPECT_EQ(relay.idled(), 0);
  pass(seconds(2));
  EXPECT_EQ(relay.idled(), 1);
  EXPECT_TRUE(told(endpoint) & event::reset);
  expect_nothing_left();
}

TEST_F(Relayed, EndWhenTheirServiceIsNotRelayedAnyMore) {
  open();
  use(false);
  pass(milliseconds(100));
  EXPECT_EQ(relay.size(), 1) << "another epoch, with the service";
  publish(lb::ServiceList(std::vector<std::shared_ptr<const lb::Service>>{}));
  pass(milliseconds(100));
  EXPECT_TRUE(told(client) & event::reset) << "it is gone";
  EXPECT_TRUE(told(endpoint) & event::reset);
  expect_nothing_left();

  use(false);
  outside.events.clear();
  open();
  auto other = std::make_shared<lb::Service>(service(false, true));
  other->policy.mode = lb::Mode::nat;
  publish(lb::ServiceList({other}));
  pass(milliseconds(100));
  EXPECT_TRUE(told(client) & event::reset) << "its packets go another way";
  EXPECT_TRUE(told(endpoint) & event::reset);
  expect_nothing_left();
}

TEST_F(Relayed, EndWithTheirEndpointIfItIsToReset) {
  open();
  use(false, false, {kEndpointSlot});
  pass(milliseconds(100));
  EXPECT_TRUE(told(client) & event::reset);
  EXPECT_TRUE(told(endpoint) & event::reset);
  EXPECT_EQ(relay.idled(), 0);
  expect_nothing_left();
}

}  // namespace
}  // namespace weft::proxy
