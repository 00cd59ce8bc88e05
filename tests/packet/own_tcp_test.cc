// SPDX-License-Identifier: Apache-2.0
/// @file What weft's own TCP sends and keeps, as operators see it, and what becomes of it when the worker leaves: a
/// relayed connection over a worker on in-memory ports.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <thread>

#include "ops/journey.h"
#include "ops/journey_report.h"
#include "pipeline_bed.h"
#include "runtime/eal.h"
#include "runtime/watch.h"
#include "runtime/worker.h"
#include "snapshots.h"
#include "wire.h"

namespace weft::test {
namespace {

using lb::Protocol;
using ::testing::AllOf;
using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;

constexpr const char* kClient = "10.1.0.1:1024";
constexpr const char* kWeb = "10.96.0.1:80";
constexpr const char* kEndpoint = "10.2.0.1:8080";
constexpr uint32_t kBuffers = 1023;
constexpr size_t kTcp = 34;  ///< where its header begins

uint32_t number_at(const Bytes& frame, size_t at) {
  uint32_t number = 0;
  std::memcpy(&number, &frame.at(at), sizeof number);
  return __builtin_bswap32(number);
}
uint32_t sequence_of(const Bytes& frame) {
  return number_at(frame, kTcp + 4);
}
uint8_t flags_of(const Bytes& frame) {
  return static_cast<uint8_t>(frame.at(kTcp + 13));
}
uint16_t source_port_of(const Bytes& frame) {
  return static_cast<uint16_t>(number_at(frame, kTcp) >> 16);
}

class OwnTcp : public ::testing::Test {
 protected:
  static inline int count = 0;  // names of pools and rings are unique in a process

  OwnTcp() {
    lb::Service web = make_service(kWeb, Protocol::tcp, 3, {{kEndpoint, 5}});
    web.policy.mode = lb::Mode::proxy;
    publisher.publish(make_snapshot({web}, 2));
    runtime::WorkerConfig config;
    config.pipeline = {.seed = kSeed, .max_endpoints = 16, .max_services = 16, .flows = 512, .flows6 = 256};
    config.pipeline.own_addresses = {lb::parse_address("10.9.0.1").value()};
    config.pipeline.proxies = true;
    config.ports = {{.device = pods.port()}, {.device = uplink.port()}};
    config.terminator.tcp = {.connections = 4, .half_open = 8, .time_waits = 8, .pieces = 64, .listeners = 16};
    config.terminator.proxy.relay.sessions = 3;
    config.terminator.buffers = buffers.get();
    worker.emplace(config, publisher, *crossings, clock);
    watchers.emplace(std::vector<runtime::WatchPoint*>{&worker->watch_point()}, without_readers);
  }
  void TearDown() override {
    EXPECT_TRUE(worker->books().balanced());
    watchers.reset();
    worker.reset();
    pods.take();
    uplink.take();
    EXPECT_EQ(buffers.available(), kBuffers) << "every buffer is back";
  }

  /// Turns until there is nothing to do, and one more: then the books are published.
  void poll() {
    while (worker->poll(now)) {
      now += std::chrono::microseconds(5);
    }
    now += std::chrono::milliseconds(1);
    worker->poll(now);
  }
  static Bytes last(Wire& wire) {
    const std::vector<Bytes> sent = wire.take();
    return sent.empty() ? Bytes() : sent.back();
  }
  /// A client's handshake. @returns weft's first sequence number
  uint32_t shake(const Socket& client) {
    pods.put(tcp(client, kWeb).flags(kSyn).sequence(100));
    poll();
    const uint32_t ours = sequence_of(last(pods));
    pods.put(tcp(client, kWeb).sequence(101).acknowledgment(ours + 1));
    poll();
    return ours;
  }
  /// A session, with connections at both ends.
  void open() {
    at_client = shake(kClient);
    const Bytes syn = last(uplink);
    own = Socket(lb::parse_address("10.9.0.1").value(), source_port_of(syn));
    at_endpoint = sequence_of(syn);
    uplink.put(tcp(kEndpoint, own).flags(kSyn | kAck).sequence(500).acknowledgment(at_endpoint + 1));
    poll();
    uplink.take();
  }
  PacketBuilder request(std::string_view text) {
    return tcp(kClient, kWeb).flags(kAck | kPsh).sequence(101).acknowledgment(at_client + 1).payload(text);
  }
  std::vector<std::string> told(runtime::Trace& trace) {
    ops::Journeys journeys;
    runtime::TraceRecord record;
    while (trace.take(0, record)) {
      journeys.add(0, record);
    }
    std::vector<std::string> texts;
    for (const ops::Journey& journey : journeys.settle(UINT64_MAX)) {
      texts.push_back(ops::journey_text(
          ops::as_json(journey, texts.size() + 1, ops::WallClock::Moment{}, {"pods", "uplink"}, *publisher.current())));
    }
    return texts;
  }
  std::shared_ptr<runtime::Trace> trace(const std::string& filter) {
    auto made = std::make_shared<runtime::Trace>(1, 100, runtime::PacketFilter::compile(filter).value());
    EXPECT_TRUE(watchers->add(made));
    return made;
  }
  std::vector<flow::FlowInfo> flows(const runtime::FlowInquiry::Question& question) {
    std::atomic<bool> stop = false;
    std::optional<runtime::FlowInquiry::Answer> answer;
    std::thread asker([&] {
      answer = worker->inquiry().ask(question, std::chrono::seconds(20));
      stop = true;
    });
    while (!stop) {
      worker->poll(now);
    }
    asker.join();
    return answer ? answer->flows : std::vector<flow::FlowInfo>();
  }

  runtime::BufferPool buffers = std::move(runtime::BufferPool::make("own" + std::to_string(++count), kBuffers).value());
  Wire pods{"own-pods" + std::to_string(count), buffers};
  Wire uplink{"own-uplink" + std::to_string(count), buffers};
  const std::shared_ptr<const l4::Forwarding> forwarding = std::make_shared<const l4::Forwarding>(two_ports());
  runtime::SnapshotPublisher publisher{1, make_snapshot({}), forwarding};
  /// The worker takes its turns on this thread: whoever changes what it sees has nobody to wait for.
  runtime::SnapshotPublisher without_readers{1, make_snapshot({}), forwarding};
  time::TscClock clock{runtime::Eal::tsc_hertz()};
  std::unique_ptr<runtime::Crossings> crossings = std::move(runtime::Crossings::make(1).value());
  std::optional<runtime::Worker> worker;
  std::optional<runtime::Watchers> watchers;
  time::Time now = std::chrono::seconds(1000);
  Socket own = "10.9.0.1:0";
  uint32_t at_client = 0;
  uint32_t at_endpoint = 0;
};

TEST_F(OwnTcp, IsTracedAsItSends) {
  const auto all = trace("tcp");
  open();
  const std::vector<std::string> opening = told(*all);
  ASSERT_THAT(opening, SizeIs(6)) << "SYN, SYN-ACK, ACK; SYN, SYN-ACK, ACK";
  EXPECT_THAT(opening[0], AllOf(HasSubstr("received  IPv4 tcp 10.1.0.1:1024 > 10.96.0.1:80 SYN"),
                                HasSubstr("verdict delivered: to weft's own TCP\n"), Not(HasSubstr("sent"))));
  EXPECT_THAT(opening[1], AllOf(HasSubstr("worker 0  weft's own TCP\n"), Not(HasSubstr("received")),
                                HasSubstr("verdict transmitted, segment: sent by weft's own TCP\n"),
                                HasSubstr("sent      IPv4 tcp 10.96.0.1:80 > 10.1.0.1:1024 SYN,ACK")));
  EXPECT_THAT(opening[3], AllOf(HasSubstr("flow    known request, proxy, opening: 10.1.0.1:1024 > 10.96.0.1:80 at "
                                          "10.2.0.1:8080 (default/test/)"),
                                HasSubstr("> 10.2.0.1:8080 SYN, ttl 64"), HasSubstr(", by port uplink")));
  EXPECT_THAT(opening[4], AllOf(HasSubstr("received  IPv4 tcp 10.2.0.1:8080 > 10.9.0.1:"),
                                HasSubstr("flow    known reply, proxy, opening: 10.1.0.1:1024 > 10.96.0.1:80 at "),
                                Not(HasSubstr("rule "))));
  pods.put(request("hello"));
  poll();
  const std::vector<std::string> moving = told(*all);
  ASSERT_THAT(moving, SizeIs(2)) << "the acknowledgment waits";
  EXPECT_THAT(moving[0], HasSubstr("flow    known request, proxy, established: 10.1.0.1:1024 > 10.96.0.1:80 at "
                                   "10.2.0.1:8080"));
  EXPECT_THAT(moving[1], HasSubstr("flow    known request, proxy, established: 10.1.0.1:1024 > 10.96.0.1:80 at "
                                   "10.2.0.1:8080"));
}

TEST_F(OwnTcp, IsCapturedAsItSendsByTheFilter) {
  const auto capture = [&](runtime::CaptureConfig config) {
    auto made = std::make_shared<runtime::Capture>(1, std::move(config));
    EXPECT_TRUE(watchers->add(made));
    return made;
  };
  const auto sent = capture({.filter = {}, .received = false});
  const auto received = capture({.filter = {}, .sent = false});
  const auto filtered = capture({.filter = runtime::PacketFilter::compile("dst port 8080").value()});
  const auto copies_in = [](runtime::Capture& from) {
    std::vector<std::string> copies;
    from.look(1000, [&](const runtime::Capture::Copy& copy) {
      copies.push_back(hex(copy.bytes));
      return true;
    });
    return copies;
  };
  open();
  pods.put(request("hello"));
  poll();
  const Bytes data = last(uplink);
  const std::vector<std::string> out = copies_in(*sent);
  ASSERT_THAT(out, SizeIs(4)) << "SYN-ACK; SYN, ACK, data";
  EXPECT_EQ(out.back(), hex(data));
  EXPECT_THAT(copies_in(*filtered), ElementsAre(out[1], out[2], out[3]));
  EXPECT_THAT(copies_in(*received), SizeIs(4)) << "SYN, ACK, data; SYN-ACK";
}

TEST_F(OwnTcp, IsAmongTheFlowsThatAreAskedFor) {
  open();
  pods.put(request("hello"));
  poll();
  const auto all = flows({.key = {}, .service_slots = {3}});
  ASSERT_THAT(all, SizeIs(1));
  EXPECT_EQ(all[0].kind, flow::Kind::proxy);
  EXPECT_EQ(all[0].state, flow::State::tcp_established);
  EXPECT_EQ(all[0].request, lb::Tuple(key_of(kClient, kWeb, Protocol::tcp)));
  EXPECT_EQ(all[0].reply, lb::Tuple(key_of(kEndpoint, own, Protocol::tcp)));
  EXPECT_EQ(all[0].endpoint_slot, 5U);
  EXPECT_THAT(all[0].bytes, ElementsAre(5, 0));
  EXPECT_THAT(flows({.key = {}, .service_slots = {4}}), IsEmpty());
  EXPECT_THAT(flows({.key = lb::Tuple(key_of(kClient, kWeb, Protocol::tcp)), .service_slots = {}}), SizeIs(1));
  EXPECT_THAT(flows({.key = lb::Tuple(key_of(kEndpoint, own, Protocol::tcp)), .service_slots = {}}), SizeIs(1));
  EXPECT_THAT(flows({.key = lb::Tuple(key_of("10.1.0.1:1025", kWeb, Protocol::tcp)), .service_slots = {}}), IsEmpty());
}

TEST_F(OwnTcp, ResetsBothEndsWhenItLeaves) {
  open();
  EXPECT_FALSE(worker->has_left());
  worker->leave();
  poll();
  poll();
  EXPECT_TRUE(worker->has_left());
  const Bytes to_client = last(pods);
  const Bytes to_endpoint = last(uplink);
  EXPECT_TRUE(flags_of(to_client) & kRst);
  EXPECT_EQ(sequence_of(to_client), at_client + 1);
  EXPECT_TRUE(flags_of(to_endpoint) & kRst);
  EXPECT_EQ(sequence_of(to_endpoint), at_endpoint + 1);
  EXPECT_EQ(worker->books().tcp.connections, 0U);
}

/// What an earlier run had: nobody knows it any more, and its peers are not to wait.
TEST_F(OwnTcp, ResetsWhatItDoesNotKnow) {
  const auto all = trace("tcp");
  pods.put(tcp(kClient, kWeb).payload("more"));
  uplink.put(tcp(kEndpoint, "10.9.0.1:2000").acknowledgment(7).payload("more"));
  poll();
  EXPECT_THAT(told(*all)[1], AllOf(HasSubstr("flow    none; hash "), HasSubstr("rule    an address of weft's own\n"),
                                   HasSubstr("verdict delivered: to weft's own TCP\n")));
  EXPECT_EQ(flags_of(last(pods)), kRst);
  const Bytes to_endpoint = last(uplink);
  EXPECT_EQ(flags_of(to_endpoint), kRst);
  EXPECT_EQ(sequence_of(to_endpoint), 7U);
}

TEST_F(OwnTcp, ResetsAndCountsHandshakesBeyondItsConnections) {
  std::vector<std::string> refused;
  for (uint16_t port = 1; port <= 4; ++port) {
    shake({lb::parse_address("10.1.0.1").value(), port});
  }
  const auto sent = pods.take();
  EXPECT_EQ(worker->books().tcp.connections, 4U) << "two sessions' two";
  EXPECT_EQ(worker->slots().service[3].refused.get(), 2U);
  EXPECT_EQ(worker->books().tcp.counters.resets_sent, 2U);
}

}  // namespace
}  // namespace weft::test
