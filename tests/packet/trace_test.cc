// SPDX-License-Identifier: Apache-2.0
/// @file Traces and captures of two workers on in-memory ports: what is recorded, put together and told of each packet.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sched.h>

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

using l4::Verdict;
using lb::Protocol;
using Found = l4::Passage::Found;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr const char* kClient = "10.1.0.1:1024";  // its flows are worker 0's
constexpr const char* kOther = "10.1.0.1:1025";   // worker 1's
constexpr const char* kWeb = "10.96.0.1:80";
constexpr const char* kWebEndpoint = "10.2.0.1:8080";
constexpr const char* kEmpty = "10.96.0.3:80";
constexpr const char* kDirect = "10.96.0.4:80";
constexpr uint32_t kBuffers = 1023;

std::shared_ptr<const lb::Snapshot> mesh() {
  lb::Service direct = make_service(kDirect, Protocol::tcp, 3, {{"10.2.0.2:80", 1}});
  direct.policy.mode = lb::Mode::dsr;
  return make_snapshot({make_service(kWeb, Protocol::tcp, 0, {{kWebEndpoint, 0}}),
                        make_service(kWeb, Protocol::udp, 1, {{kWebEndpoint, 0}}),
                        make_service(kEmpty, Protocol::udp, 2, {}), direct});
}

/// Even ports are worker 0's, odd ones worker 1's.
uint32_t by_port(const lb::Address&, lb::Port port, Protocol) {
  return to_host(port);
}

class TraceTest : public ::testing::Test {
 protected:
  static inline int count = 0;  // names of pools and rings are unique in a process

  static runtime::BufferPool make_pool() {
    auto made = runtime::BufferPool::make("pool" + std::to_string(++count), kBuffers);
    EXPECT_TRUE(made) << made.error();
    return std::move(*made);
  }
  /// Worker 0 has the ports' only queues.
  std::unique_ptr<runtime::Worker> make_worker(uint32_t number) {
    runtime::WorkerConfig config;
    config.pipeline = {.worker = number, .workers = 2, .seed = kSeed, .max_endpoints = 16, .max_services = 16};
    config.pipeline.flows = 512;
    config.pipeline.flows6 = 256;
    config.pipeline.tunnel_sources = {lb::parse_prefix("10.9.0.0/16").value()};
    config.ports = {{.device = pods.port(), .receives = number == 0},
                    {.device = uplink.port(), .receives = number == 0}};
    return std::make_unique<runtime::Worker>(config, publisher, *crossings, clock);
  }

  /// Turns of both until there is nothing to do.
  void poll() {
    for (bool worked = true; worked;) {
      now += std::chrono::microseconds(5);
      worked = workers[0]->poll(now);
      worked |= workers[1]->poll(now);
    }
  }
  std::shared_ptr<runtime::Trace> trace(uint32_t packets, const std::string& filter = "") {
    auto made = std::make_shared<runtime::Trace>(2, packets, runtime::PacketFilter::compile(filter).value());
    EXPECT_TRUE(watchers.add(made));
    return made;
  }
  std::shared_ptr<runtime::Capture> capture(runtime::CaptureConfig config) {
    auto made = std::make_shared<runtime::Capture>(2, std::move(config));
    EXPECT_TRUE(watchers.add(made));
    return made;
  }
  static std::vector<ops::Journey> journeys_of(runtime::Trace& trace) {
    ops::Journeys journeys;
    runtime::TraceRecord record;
    for (uint32_t worker = 0; worker < 2; ++worker) {
      while (trace.take(worker, record)) {
        journeys.add(worker, record);
      }
    }
    return journeys.settle(UINT64_MAX);
  }
  std::string text_of(const ops::Journey& journey) {
    return ops::journey_text(
        ops::as_json(journey, 1, ops::WallClock::Moment{}, {"pods", "uplink"}, *publisher.current()));
  }
  /// What one packet's trace says.
  std::string told(const PacketBuilder& frame, bool from_uplink = false) {
    const auto traced = trace(1);
    (from_uplink ? uplink : pods).put(frame);
    poll();
    const auto journeys = journeys_of(*traced);
    watchers.remove(traced);
    return journeys.size() == 1 ? text_of(journeys[0]) : "not one journey";
  }

  void TearDown() override {
    pods.take();
    uplink.take();
    EXPECT_EQ(buffers.available(), kBuffers) << "every buffer is back";
  }

  runtime::BufferPool buffers = make_pool();
  Wire pods{"pods" + std::to_string(count), buffers};
  Wire uplink{"uplink" + std::to_string(count), buffers, 64};
  const std::shared_ptr<const l4::Forwarding> forwarding = std::make_shared<const l4::Forwarding>(
      two_ports({l4::Landing::at(0, 2, by_port), l4::Landing::at(0, 2, by_port)}));
  runtime::SnapshotPublisher publisher{2, mesh(), forwarding};
  time::TscClock clock{runtime::Eal::tsc_hertz()};
  std::unique_ptr<runtime::Crossings> crossings = std::move(runtime::Crossings::make(2).value());
  std::array<std::unique_ptr<runtime::Worker>, 2> workers = {make_worker(0), make_worker(1)};
  /// The workers take their turns on this thread: whoever changes what they see has nobody to wait for.
  runtime::SnapshotPublisher without_readers{2, mesh(), forwarding};
  runtime::Watchers watchers{{&workers[0]->watch_point(), &workers[1]->watch_point()}, without_readers};
  time::Time now = std::chrono::seconds(1000);
};

std::string hash_of(const char* source, const char* destination) {
  return fmt::format("{:016x}", lb::hash_of(key_of(source, destination, Protocol::tcp), kSeed));
}

TEST_F(TraceTest, TellsOfANewFlowAndOfItsReply) {
  EXPECT_EQ(told(tcp(kClient, kWeb).flags(kSyn)),
            "packet 1  1970-01-01T00:00:00.000000Z\n"
            "  received  IPv4 tcp 10.1.0.1:1024 > 10.96.0.1:80 SYN, ttl 64, 54 bytes, 02:00:00:00:00:bb > "
            "02:00:00:00:00:aa\n"
            "  worker 0  from port pods\n"
            "    flow    made request, nat, opening: 10.1.0.1:1024 > 10.96.0.1:80 at 10.2.0.1:8080 (default/test/); "
            "hash " +
                hash_of(kClient, kWeb) +
                "\n"
                "    rule    consistent hash, service default/test\n"
                "    verdict transmitted, request: translated, to its endpoint\n"
                "  sent      IPv4 tcp 10.1.0.1:1024 > 10.2.0.1:8080 SYN, ttl 63, 54 bytes, 02:02:00:00:00:02 > "
                "02:02:00:00:00:01, by port uplink\n");
  EXPECT_EQ(told(tcp(kWebEndpoint, kClient).flags(kSyn | kAck), true),
            "packet 1  1970-01-01T00:00:00.000000Z\n"
            "  received  IPv4 tcp 10.2.0.1:8080 > 10.1.0.1:1024 SYN,ACK, ttl 64, 54 bytes, 02:00:00:00:00:bb > "
            "02:00:00:00:00:aa\n"
            "  worker 0  from port uplink\n"
            "    flow    known reply, nat, opened: 10.1.0.1:1024 > 10.96.0.1:80 at 10.2.0.1:8080 (default/test/); "
            "hash " +
                hash_of(kWebEndpoint, kClient) +
                "\n"
                "    verdict transmitted, reply: translated, to its client\n"
                "  sent      IPv4 tcp 10.96.0.1:80 > 10.1.0.1:1024 SYN,ACK, ttl 63, 54 bytes, 02:01:00:00:00:02 > "
                "02:01:00:00:00:01, by port pods\n");
}

TEST_F(TraceTest, TheFirstOfABurstMakesTheFlow) {
  const auto traced = trace(10);
  pods.put(tcp(kClient, kWeb).flags(kSyn));
  pods.put(tcp(kClient, kWeb));
  poll();
  const auto journeys = journeys_of(*traced);
  ASSERT_THAT(journeys, SizeIs(2));
  EXPECT_EQ(journeys[0].stages[0].passage.found, Found::made);
  EXPECT_EQ(journeys[1].stages[0].passage.found, Found::known);
}

TEST_F(TraceTest, TellsOfARefusalAndWhatWasAnswered) {
  const std::string text = told(udp(kClient, kEmpty).payload("hello"));
  EXPECT_THAT(text, HasSubstr("flow    none; hash "));
  EXPECT_THAT(text, HasSubstr("rule    no ready endpoint, service default/test\n"));
  EXPECT_THAT(text, HasSubstr("verdict transmitted, refused_no_endpoint: no ready endpoint: reset or port unreachable "
                              "sent\n"));
  EXPECT_THAT(text, HasSubstr("sent      IPv4 icmp 10.96.0.3 > 10.1.0.1 type 3 code 3, ttl 64"));
}

TEST_F(TraceTest, TellsOfADropByName) {
  const std::string text = told(tcp(kClient, kWeb).ip_checksum(1));
  EXPECT_THAT(text, HasSubstr("received  malformed: bad checksum, 54 bytes"));
  EXPECT_THAT(text, HasSubstr("verdict dropped, bad_checksum: "));
  EXPECT_THAT(text, ::testing::Not(HasSubstr("sent ")));
  EXPECT_THAT(told(udp(kClient, kWeb).fragment(0x0010)), HasSubstr("fragment at 128, the last, ttl 64"));
  EXPECT_THAT(told(PacketBuilder(tcp(kClient, kWeb)).cut_to(9)), HasSubstr("received  malformed: truncated, 9 bytes"));
  EXPECT_THAT(told(PacketBuilder(tcp(kClient, kWeb)).ethernet_type(0x0806)), HasSubstr("Ethernet type 0x0806, 54 b"));
}

TEST_F(TraceTest, TellsOfATunnelByItsOuterHeaders) {
  const std::string text = told(tcp(kClient, kDirect).flags(kSyn));
  EXPECT_THAT(text, HasSubstr("flow    made request, ipip, opening: 10.1.0.1:1024 > 10.96.0.4:80 at 10.2.0.2:80"));
  EXPECT_THAT(text, HasSubstr("verdict transmitted, tunneled: in a tunnel, to its endpoint\n"));
  EXPECT_THAT(text,
              ::testing::ContainsRegex("sent      IPv4 ipip 10\\.9\\.[0-9.]+ > 10\\.2\\.0\\.2, ttl 64, 74 bytes"));
}

TEST_F(TraceTest, FollowsAPacketToTheWorkerThatHasItsFlow) {
  const auto traced = trace(1);
  pods.put(tcp(kOther, kWeb).flags(kSyn));
  poll();
  const auto journeys = journeys_of(*traced);
  ASSERT_THAT(journeys, SizeIs(1));
  ASSERT_THAT(journeys[0].stages, SizeIs(2));
  EXPECT_EQ(journeys[0].stages[0].passage.verdict, Verdict::handed_over);
  EXPECT_EQ(journeys[0].stages[1].worker, 1U);
  EXPECT_EQ(journeys[0].stages[1].passage.verdict, Verdict::request);
  EXPECT_EQ(journeys[0].stages[1].passage.found, Found::made);
  const std::string text = text_of(journeys[0]);
  EXPECT_THAT(text, HasSubstr("verdict handed over: to the worker that has its flow; to worker 1\n"
                              "  worker 1  from worker 0\n"
                              "    flow    made request"));
}

TEST_F(TraceTest, AReplyForAnotherWorkersFlowSaysWhoHasIt) {
  pods.put(tcp(kOther, kWeb).flags(kSyn));
  poll();
  const std::string text = told(tcp(kWebEndpoint, kOther).flags(kSyn | kAck), true);
  EXPECT_THAT(text, HasSubstr("flow    worker 1 has it; hash "));
  EXPECT_THAT(text, HasSubstr("  worker 1  from worker 0\n    flow    known reply, nat, opened"));
}

TEST_F(TraceTest, AnIcmpErrorIsToldWithTheFlowThatItIsAbout) {
  told(tcp(kClient, kWeb).flags(kSyn));
  const Bytes sent = tcp(kClient, kWebEndpoint).flags(kSyn).ttl(63).ip();
  const std::string text = told(icmp("10.2.0.9", "10.1.0.1").icmp(3, 4).payload(sent), true);
  EXPECT_THAT(text, HasSubstr("icmp 10.2.0.9 > 10.1.0.1 type 3 code 4"));
  EXPECT_THAT(text, HasSubstr("flow    known reply, nat, opening: 10.1.0.1:1024 > 10.96.0.1:80"));
  EXPECT_THAT(text, HasSubstr("verdict transmitted, icmp_error: "));
}

TEST_F(TraceTest, WhatAPortDidNotTakeIsToldAsLost) {
  const auto traced = trace(100);
  for (uint16_t port = 2; port <= 160; port = static_cast<uint16_t>(port + 2)) {
    pods.put(tcp({lb::address_from_host(0x0a010001), port}, kWeb).flags(kSyn));
  }
  poll();
  const auto journeys = journeys_of(*traced);
  ASSERT_THAT(journeys, SizeIs(80));
  uint32_t lost = 0;
  for (const ops::Journey& journey : journeys) {
    lost += journey.stages[0].lost_by == Verdict::transmit_full ? 1 : 0;
  }
  EXPECT_EQ(lost, 17U) << "the ring holds 63";
  EXPECT_THAT(text_of(journeys.back()), HasSubstr("verdict dropped, transmit_full: the port took no more packets\n"));
}

TEST_F(TraceTest, RecordsWhatTheFilterLetsThroughBeforeOrAfter) {
  const auto before = trace(10, "dst host 10.96.0.1");
  const auto after = trace(10, "dst port 8080");
  const auto neither = trace(10, "icmp");
  pods.put(tcp(kClient, kWeb).flags(kSyn));
  pods.put(udp(kClient, kEmpty));
  poll();
  EXPECT_THAT(journeys_of(*before), SizeIs(1));
  EXPECT_THAT(journeys_of(*after), SizeIs(1));
  EXPECT_THAT(journeys_of(*neither), SizeIs(1)) << "the answer";
}

TEST_F(TraceTest, RecordsAsManyAsWereAskedForAndNoneAfterItsEnd) {
  const auto traced = trace(3);
  const auto removed = trace(3);
  watchers.remove(removed);
  for (int i = 0; i < 40; ++i) {
    pods.put(tcp(kClient, kWeb).flags(kSyn));
  }
  poll();
  EXPECT_THAT(journeys_of(*traced), SizeIs(3));
  EXPECT_THAT(journeys_of(*removed), IsEmpty());
}

std::vector<std::string> copies_in(runtime::Capture& capture) {
  std::vector<std::string> copies;
  capture.look(1000, [&](const runtime::Capture::Copy& copy) {
    copies.push_back(hex(copy.bytes));
    return true;
  });
  return copies;
}

TEST_F(TraceTest, CapturesWhatComesInAndWhatGoesOut) {
  const auto both = capture({});
  const auto in = capture({.filter = {}, .sent = false});
  const auto out = capture({.filter = {}, .received = false});
  const auto filtered = capture({.filter = runtime::PacketFilter::compile("dst port 8080").value()});
  const PacketBuilder syn = tcp(kClient, kWeb).flags(kSyn);
  const PacketBuilder elsewhere = tcp(kOther, kWeb).flags(kSyn);  // is handed over
  const PacketBuilder dropped = tcp("10.1.0.1:2", kWeb).flags(kRst);
  const auto sent = [](const char* from) {
    return hex(tcp(from, kWebEndpoint).flags(kSyn).ttl(63).addresses(kUplinkAddresses).bytes());
  };
  for (const PacketBuilder& frame : {syn, elsewhere, dropped}) {
    pods.put(frame);
  }
  poll();
  EXPECT_THAT(copies_in(*both),
              ElementsAre(hex(syn.bytes()), hex(elsewhere.bytes()), hex(dropped.bytes()), sent(kClient), sent(kOther)));
  EXPECT_THAT(copies_in(*in), ElementsAre(hex(syn.bytes()), hex(elsewhere.bytes()), hex(dropped.bytes())));
  EXPECT_THAT(copies_in(*out), ElementsAre(sent(kClient), sent(kOther)));
  EXPECT_THAT(copies_in(*filtered), ElementsAre(sent(kClient), sent(kOther)));
  EXPECT_EQ(both->missed(), 0U);
}

TEST_F(TraceTest, CountsWhatACaptureHasNoRoomFor) {
  const auto small = capture({.filter = {}, .sent = false, .snap_bytes = 20, .ring_bytes = 1});
  for (int i = 0; i < 50; ++i) {
    pods.put(tcp(kClient, kWeb).flags(kSyn));
  }
  poll();
  uint32_t copies = 0;
  small->look(1000, [&](const runtime::Capture::Copy& copy) {
    EXPECT_EQ(copy.bytes.size(), 20U);
    EXPECT_EQ(copy.length, 54U);
    ++copies;
    return true;
  });
  EXPECT_EQ(copies, 32U);
  EXPECT_EQ(small->missed(), 18U);
}

TEST_F(TraceTest, MoreThanAFewAreRefused) {
  std::vector<std::shared_ptr<runtime::Capture>> captures;
  for (size_t i = 0; i < runtime::Watchers::kMost; ++i) {
    captures.push_back(capture({}));
  }
  const auto refused = watchers.add(std::make_shared<runtime::Capture>(2, runtime::CaptureConfig{}));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error(), "4 run already: end one of them first");
  EXPECT_TRUE(watchers.has(captures[0]));
  EXPECT_EQ(watchers.remove_captures(), 4U);
  EXPECT_FALSE(watchers.has(captures[0]));
}

}  // namespace
}  // namespace weft::test

int main(int argc, char** argv) {
  ::testing::InitGoogleTest(&argc, argv);
  auto started = weft::runtime::Eal::start({.memory_mib = 64, .worker_cores = {static_cast<uint32_t>(sched_getcpu())}});
  if (!started) {
    std::fprintf(stderr, "%s\n", started.error().c_str());
    return 1;
  }
  return RUN_ALL_TESTS();
}
