// SPDX-License-Identifier: Apache-2.0
/// @file Two engines with a perfect wire between them: what applications see.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <string>

#include "buffer/heap.h"
#include "tcp/engine.h"

namespace weft::tcp {
namespace {

using std::chrono::milliseconds;

/// An engine with buffers, and what it said.
struct Host {
  explicit Host(uint8_t key, const Config& config = {}) : engine(config, Secret{{key}}, time::Time{}) {}

  buffer::Slice slice_of(std::string_view text) {
    buffer::Slice slice(buffers.pool().take(), 0, static_cast<uint16_t>(text.size()));
    std::memcpy(slice.writable().data(), text.data(), text.size());
    return slice;
  }
  std::string read(ConnectionId id) {
    std::string text;
    while (const buffer::Slice* front = engine.front(id)) {
      text.append(reinterpret_cast<const char*>(front->data()), front->size());
      engine.consume(id, front->size());
    }
    return text;
  }

  buffer::HeapBuffers buffers{4096, 2048};
  Engine engine;
  Output output;
  std::vector<Event> events;
};

class TwoHosts : public ::testing::Test {
 protected:
  static constexpr lb::Address kClient{lb::Ipv4Address{0x0100000a}};
  static constexpr lb::Address kServer{lb::Ipv4Address{0x0200000a}};

  TwoHosts() { server.engine.listen(kServer, lb::port_from_host(80), 7); }

  void carry(Host& from, Host& to) {
    from.engine.flush(now, from.output);
    std::vector<Segment> segments;
    for (const Transmission& out : from.output.segments) {
      Segment& in = segments.emplace_back();
      in.pair = {out.pair.remote, out.pair.local, out.pair.remote_port, out.pair.local_port};
      in.sequence = out.sequence;
      in.acknowledgment = out.acknowledgment;
      in.window = out.window;
      in.flags = out.flags;
      in.options = out.options.data();
      in.options_length = out.options_length;
      if (out.payload_length > 0) {
        in.payload = buffer::Slice(to.buffers.pool().take(), 0, out.payload_length);
        size_t at = 0;
        for (uint32_t i = 0; i < out.slice_count; ++i) {
          const auto bytes = from.output.slices[out.first_slice + i].bytes();
          std::memcpy(&in.payload.writable()[at], bytes.data(), bytes.size());
          at += bytes.size();
        }
      }
    }
    to.engine.input(segments, now, to.output);
    carried += segments.size();
    from.output.segments.clear();
    from.output.slices.clear();
    for (Host* host : {&from, &to}) {
      host->events.insert(host->events.end(), host->output.events.begin(), host->output.events.end());
      host->output.events.clear();
    }
  }
  /// Until neither has anything to say.
  void settle() {
    for (size_t before = carried - 1; before != carried;) {
      before = carried;
      carry(client, server);
      carry(server, client);
    }
  }
  void pass(milliseconds time) {
    for (milliseconds passed{0}; passed < time; ++passed) {
      now += milliseconds(1);
      client.engine.advance(now, client.output);
      server.engine.advance(now, server.output);
      settle();
    }
  }
  void open() {
    const auto id =
        client.engine.connect({kClient, kServer, lb::port_from_host(40000), lb::port_from_host(80)}, 1, now);
    ASSERT_TRUE(id);
    at_client = *id;
    settle();
    ASSERT_EQ(server.events.size(), 1);
    EXPECT_EQ(server.events[0].what, event::accepted);
    EXPECT_EQ(server.events[0].user, 7);
    at_server = server.events[0].id;
    ASSERT_EQ(client.events.size(), 1);
    EXPECT_EQ(client.events[0].what, event::connected);
  }

  time::Time now{std::chrono::seconds(5)};
  Host client{1};
  Host server{2};
  ConnectionId at_client;
  ConnectionId at_server;
  size_t carried = 0;
};

TEST_F(TwoHosts, OpenExchangeAndClose) {
  open();
  EXPECT_TRUE(client.engine.write(at_client, client.slice_of("question")));
  settle();
  EXPECT_EQ(server.read(at_server), "question");
  EXPECT_TRUE(server.engine.write(at_server, server.slice_of("answer")));
  server.engine.shutdown(at_server);
  settle();
  EXPECT_EQ(client.read(at_client), "answer");
  EXPECT_TRUE(client.engine.is_at_end(at_client));
  client.engine.close(at_client);
  settle();
  pass(milliseconds(50));
  EXPECT_EQ(client.engine.connections(), 0);
  EXPECT_EQ(server.engine.connections(), 0);
  EXPECT_EQ(server.engine.time_waits(), 1);
  EXPECT_EQ(server.events.back().what & event::closed, event::closed);
  EXPECT_EQ(client.engine.pieces() + server.engine.pieces(), 0);
  EXPECT_TRUE(client.buffers.is_whole());
  EXPECT_TRUE(server.buffers.is_whole());
  pass(milliseconds(61'000));
  EXPECT_EQ(server.engine.time_waits(), 0);
  EXPECT_EQ(server.engine.next_deadline(now), std::nullopt);
}

TEST_F(TwoHosts, CarryMuch) {
  open();
  std::string sent;
  std::string got;
  for (int i = 0; i < 2000; ++i) {
    const std::string some(1 + i % 2000, static_cast<char>('a' + i % 26));
    while (!client.engine.write(at_client, client.slice_of(some))) {
      settle();
      pass(milliseconds(1));
      got += server.read(at_server);
    }
    sent += some;
  }
  settle();
  pass(milliseconds(50));
  got += server.read(at_server);
  EXPECT_EQ(got.size(), sent.size());
  EXPECT_EQ(got, sent);
  EXPECT_EQ(client.engine.counters().retransmitted, 0);
  EXPECT_GT(server.engine.counters().predicted, 1000);
}

}  // namespace
}  // namespace weft::tcp
