// SPDX-License-Identifier: Apache-2.0
/// @file The worker on in-memory ports: packets in and out of real rings and pools, its books, its life beside others.
///
/// Needs neither root nor huge pages. Most tests call poll() with a time of their own; a few let the worker run.
#include "runtime/worker.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rte_ethdev.h>
#include <rte_mbuf.h>
#include <sched.h>

#include <thread>

#include "pipeline_bed.h"
#include "runtime/eal.h"
#include "snapshots.h"
#include "wire.h"

namespace weft::test {
namespace {

using l4::Verdict;
using lb::Protocol;
using runtime::Books;
using std::chrono::milliseconds;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr const char* kClient = "10.1.0.1:1024";
constexpr const char* kWeb = "10.96.0.1:80";
constexpr const char* kWebEndpoint = "10.2.0.1:8080";
constexpr const char* kOtherEndpoint = "10.2.0.2:8080";
constexpr const char* kEmpty = "10.96.0.3:80";
constexpr uint32_t kBuffers = 1023;

runtime::Eal* eal = nullptr;  // main() owns it

std::shared_ptr<const lb::Snapshot> mesh(uint64_t epoch, const Socket& endpoint, uint32_t slot) {
  return make_snapshot(
      {make_service(kWeb, Protocol::tcp, 0, {{endpoint, slot}}),
       make_service(kWeb, Protocol::udp, 1, {{endpoint, slot}}), make_service(kEmpty, Protocol::udp, 2, {})},
      epoch);
}

/// Polls a condition until it holds.
template <typename Condition>
testing::AssertionResult eventually(Condition condition) {
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  while (!condition()) {
    if (std::chrono::steady_clock::now() > deadline) {
      return testing::AssertionFailure() << "not within the deadline";
    }
    std::this_thread::yield();
  }
  return testing::AssertionSuccess();
}

class WorkerTest : public ::testing::Test {
 protected:
  static inline int count = 0;  // names of pools and rings are unique in a process

  static runtime::BufferPool make_pool() {
    auto made = runtime::BufferPool::make("pool" + std::to_string(++count), kBuffers);
    EXPECT_TRUE(made) << made.error();
    return std::move(*made);
  }
  std::unique_ptr<runtime::Worker> make_worker(runtime::Intake intake = {}, uint16_t vlan = 0) {
    runtime::WorkerConfig config;
    config.pipeline = {.seed = kSeed, .max_endpoints = 16, .max_services = 16, .flows = 512, .flows6 = 256};
    config.ports = {{.device = pods.port(), .intake = intake}, {.device = uplink.port(), .vlan = vlan}};
    return std::make_unique<runtime::Worker>(config, publisher, *crossings, clock);
  }

  /// Turns until there is nothing to do, and one more: then the books are published.
  void poll() {
    while (worker->poll(now)) {
      now += std::chrono::microseconds(5);
    }
    now += milliseconds(1);
    worker->poll(now);
  }
  uint64_t count_of(Verdict verdict) { return worker->books().verdicts[static_cast<size_t>(verdict)]; }

  void TearDown() override {
    const Books books = worker->books();
    EXPECT_TRUE(books.balanced());
    uint64_t received = 0;
    uint64_t sent = 0;
    for (const runtime::PortBooks& port : books.ports) {
      received += port.received;
      sent += port.sent;
    }
    EXPECT_EQ(received, books.received);
    EXPECT_EQ(sent, books.sum(l4::Outcome::transmitted) + books.sum(l4::Outcome::passed));
    pods.take();
    uplink.take();
    EXPECT_EQ(buffers.available(), kBuffers) << "every buffer is back";
  }

  runtime::BufferPool buffers = make_pool();
  Wire pods{"pods" + std::to_string(count), buffers};
  Wire uplink{"uplink" + std::to_string(count), buffers, 64};
  runtime::SnapshotPublisher publisher{1, mesh(1, kWebEndpoint, 0),
                                       std::make_shared<const l4::Forwarding>(two_ports())};
  time::TscClock clock{runtime::Eal::tsc_hertz()};
  std::unique_ptr<runtime::Crossings> crossings = std::move(runtime::Crossings::make(1).value());
  std::unique_ptr<runtime::Worker> worker = make_worker();
  time::Time now = std::chrono::seconds(1000);
};

std::vector<std::string> shown(const std::vector<Bytes>& frames) {
  std::vector<std::string> texts;
  for (const Bytes& frame : frames) {
    texts.push_back(hex(frame));
  }
  return texts;
}
std::string shown(const PacketBuilder& frame) {
  return hex(frame.bytes());
}

TEST_F(WorkerTest, ForwardsBothWays) {
  pods.put(tcp(kClient, kWeb).flags(kSyn));
  poll();
  EXPECT_THAT(shown(uplink.take()),
              ElementsAre(shown(tcp(kClient, kWebEndpoint).flags(kSyn).ttl(63).addresses(kUplinkAddresses))));
  uplink.put(tcp(kWebEndpoint, kClient).flags(kSyn | kAck).payload("hello"));
  poll();
  EXPECT_THAT(
      shown(pods.take()),
      ElementsAre(shown(tcp(kWeb, kClient).flags(kSyn | kAck).payload("hello").ttl(63).addresses(kPodsAddresses))));
  const Books books = worker->books();
  EXPECT_EQ(books.received, 2U);
  EXPECT_EQ(books.ports[0].received, 1U);
  EXPECT_EQ(books.ports[0].received_bytes, 54U);
  EXPECT_EQ(books.ports[0].sent, 1U);
  EXPECT_EQ(books.ports[0].sent_bytes, 59U);
  EXPECT_EQ(books.ports[1].received_bytes, 59U);
  EXPECT_EQ(books.ports[1].sent_bytes, 54U);
  EXPECT_EQ(books.active_flows, 1U);
  EXPECT_EQ(books.epoch, 1U);
  EXPECT_EQ(books.burst_sizes[1], 2U);
}

TEST_F(WorkerTest, KeepsTheOrderOfMoreThanABurst) {
  std::vector<std::string> expected;
  for (uint16_t port = 1; port <= 60; ++port) {
    const Socket client(lb::address_from_host(0x0a010001), port);
    pods.put(tcp(client, kWeb).flags(kSyn));
    expected.push_back(shown(tcp(client, kWebEndpoint).flags(kSyn).ttl(63).addresses(kUplinkAddresses)));
  }
  poll();
  EXPECT_EQ(shown(uplink.take()), expected);
  EXPECT_EQ(worker->books().burst_sizes[32], 1U);
  EXPECT_EQ(worker->books().burst_sizes[28], 1U);
}

TEST_F(WorkerTest, CountsAndFreesWhatAPortDoesNotTake) {
  for (uint16_t port = 1; port <= 200; ++port) {
    pods.put(tcp({lb::address_from_host(0x0a010001), port}, kWeb).flags(kSyn));
  }
  poll();
  EXPECT_EQ(count_of(Verdict::request), 63U) << "the ring's depth";
  EXPECT_EQ(count_of(Verdict::transmit_full), 137U);
  EXPECT_EQ(worker->books().ports[1].sent, 63U);
  EXPECT_THAT(uplink.take(), SizeIs(63));
  EXPECT_EQ(buffers.available(), kBuffers);
  pods.put(tcp({lb::address_from_host(0x0a010001), 200}, kWeb).flags(kSyn));
  poll();
  EXPECT_THAT(uplink.take(), SizeIs(1)) << "there is room again";
}

TEST(WorkerAmongOthers, CountsAndFreesWhatAnotherDoesNotTake) {
  constexpr uint32_t kMany = 2047;
  auto many = runtime::BufferPool::make("many", kMany);
  ASSERT_TRUE(many) << many.error();
  {
    Wire queue("one-queue", *many);
    auto crossings = std::move(runtime::Crossings::make(2).value());
    const auto to_the_other = [](const lb::Address&, lb::Port, Protocol) { return uint32_t{1}; };
    runtime::SnapshotPublisher publisher{
        2, mesh(1, kWebEndpoint, 0),
        std::make_shared<const l4::Forwarding>(std::vector<l4::Port>{{.landing = l4::Landing::at(0, 2, to_the_other)}},
                                               std::vector<l4::NextHop>{{.mtu = kMtu}}, std::vector<l4::Route>{})};
    const time::TscClock clock{runtime::Eal::tsc_hertz()};
    runtime::WorkerConfig config;
    config.pipeline = {
        .worker = 0, .workers = 2, .seed = kSeed, .max_endpoints = 16, .max_services = 16, .flows = 512, .flows6 = 256};
    config.ports = {{.device = queue.port()}};
    runtime::Worker worker(config, publisher, *crossings, clock);
    uint64_t sent = 0;
    const auto count_of = [&](Verdict verdict) { return worker.books().verdicts[static_cast<size_t>(verdict)]; };
    time::Time now = std::chrono::seconds(1000);
    for (; count_of(Verdict::handover_full) == 0 && sent < kMany; sent += 32) {
      for (uint16_t i = 0; i < 32; ++i) {
        queue.put(tcp({lb::address_from_host(0x0a010001), static_cast<uint16_t>(1 + sent + i)}, kWeb).flags(kSyn));
      }
      while (worker.poll(now)) {
      }
      now += milliseconds(2);
      worker.poll(now);
    }
    EXPECT_GT(count_of(Verdict::handover_full), 0U);
    EXPECT_EQ(count_of(Verdict::handed_over) + count_of(Verdict::handover_full), sent);
    EXPECT_EQ(many->available(), kMany - count_of(Verdict::handed_over)) << "what was not taken is freed";
    EXPECT_TRUE(worker.books().balanced());
  }
  EXPECT_EQ(many->available(), kMany);
}

TEST_F(WorkerTest, CountsAndFreesEveryDrop) {
  const std::vector<std::pair<Verdict, PacketBuilder>> drops = {
      {Verdict::truncated, tcp(kClient, kWeb).cut_to(20)},
      {Verdict::bad_version, tcp(kClient, kWeb).version(6)},
      {Verdict::bad_checksum, tcp(kClient, kWeb).ip_checksum(1)},
      {Verdict::bad_source, udp("127.0.0.1:1", kWeb)},
      {Verdict::fragment, udp(kClient, kWeb).fragment(0x0010)},
      {Verdict::no_flow, tcp(kClient, kWeb).flags(kRst)},
      {Verdict::unanswerable, tcp(kClient, "10.96.0.1:81").flags(kRst)},
      {Verdict::ttl_expired, udp(kClient, kWeb).ttl(1)},
  };
  for (const auto& [verdict, frame] : drops) {
    pods.put(frame);
  }
  uplink.put(udp(kClient, "10.9.0.1:1"));
  poll();
  for (const auto& [verdict, frame] : drops) {
    EXPECT_EQ(count_of(verdict), 1U) << info(verdict).name;
  }
  EXPECT_EQ(count_of(Verdict::not_ours), 1U);
  EXPECT_EQ(worker->books().sum(l4::Outcome::dropped), drops.size() + 1);
  EXPECT_EQ(buffers.available(), kBuffers);
}

TEST_F(WorkerTest, PassesStrangersToTheKernelBehindTheirPort) {
  pods.put(udp(kClient, "10.9.0.1:53").payload("x"));
  poll();
  EXPECT_THAT(shown(pods.take()),
              ElementsAre(shown(udp(kClient, "10.9.0.1:53").payload("x").addresses(kPodsAddresses))));
  EXPECT_EQ(worker->books().sum(l4::Outcome::passed), 1U);
}

TEST_F(WorkerTest, AnswersInTheBufferThatItReceived) {
  const PacketBuilder datagram = udp(kClient, kEmpty).payload_of(100);
  pods.put(datagram);
  pods.put(icmp(kClient, kWeb).payload("ping"));
  poll();
  const Bytes quoted = datagram.bytes();
  EXPECT_THAT(
      shown(pods.take()),
      ElementsAre(
          shown(icmp(kEmpty, kClient).icmp(3, 3).payload(std::span(quoted).subspan(14)).addresses(kPodsAddresses)),
          shown(icmp(kWeb, kClient).icmp(0, 0).payload("ping").addresses(kPodsAddresses))));
}

TEST_F(WorkerTest, ASecondSegmentThatIsPartOfThePacketMakesItTruncated) {
  pods.put(tcp(kClient, kWeb).flags(kSyn).payload_of(2500).bytes(), 1000);
  poll();
  EXPECT_EQ(count_of(Verdict::truncated), 1U);
  EXPECT_EQ(buffers.available(), kBuffers) << "both segments";
}

TEST_F(WorkerTest, JoinsSegmentsWhereThePortsDeviceScattersThem) {
  worker.reset();
  worker = make_worker({.join = true});
  pods.put(tcp(kClient, kWeb).flags(kSyn).payload_of(1500).bytes(), 1000);
  pods.put(tcp(kClient, kWeb).flags(kSyn).payload_of(2500).bytes(), 1000);
  poll();
  EXPECT_THAT(uplink.take(), ElementsAre(SizeIs(14 + 20 + 20 + 1500)));
  EXPECT_EQ(count_of(Verdict::too_many_buffers), 1U);
  EXPECT_EQ(worker->books().ports[0].received, 2U);
}

TEST_F(WorkerTest, AnAnswerDropsASecondSegment) {
  const PacketBuilder datagram = udp(kClient, kEmpty).payload("abc");
  pods.put(PacketBuilder(datagram).padding(500).bytes(), datagram.bytes().size());
  poll();
  const Bytes quoted = datagram.bytes();
  EXPECT_THAT(shown(pods.take()),
              ElementsAre(shown(
                  icmp(kEmpty, kClient).icmp(3, 3).payload(std::span(quoted).subspan(14)).addresses(kPodsAddresses))));
  EXPECT_EQ(buffers.available(), kBuffers);
}

TEST_F(WorkerTest, SweepsFlowsPastTheirTime) {
  for (uint16_t port = 1; port <= 50; ++port) {
    pods.put(udp({lb::address_from_host(0x0a010001), port}, kWeb));
  }
  poll();
  EXPECT_EQ(worker->books().active_flows, 50U);
  now += flow::Timeouts{}.udp_request;
  for (int i = 0; i < 5000; ++i) {  // a pass over all records takes 4096 ms of turns
    now += milliseconds(1);
    worker->poll(now);
  }
  EXPECT_EQ(worker->books().active_flows, 0U);
  EXPECT_EQ(worker->slots().endpoint[0].active_flows.get(), 0U);
  EXPECT_EQ(worker->slots().endpoint[0].flows.get(), 50U);
}

TEST_F(WorkerTest, SaysHowManyFlowsItAdopted) {
  pods.put(tcp(kClient, kWeb));
  pods.put(tcp("10.1.0.1:1025", kWeb).flags(kSyn));
  poll();
  EXPECT_EQ(worker->books().adopted_flows, 1U);
  EXPECT_EQ(worker->books().active_flows, 2U);
}

/// With a tag behind the Ethernet addresses.
Bytes tagged(const PacketBuilder& frame, uint16_t type, uint16_t tag) {
  Bytes bytes = frame.bytes();
  const std::array<uint8_t, 4> header = {static_cast<uint8_t>(type >> 8), static_cast<uint8_t>(type),
                                         static_cast<uint8_t>(tag >> 8), static_cast<uint8_t>(tag)};
  const auto* begin = reinterpret_cast<const std::byte*>(header.data());
  bytes.insert(bytes.begin() + 12, begin, begin + header.size());
  return bytes;
}
constexpr uint16_t kVlan = 100;
constexpr uint16_t kVlanType = 0x8100;

TEST_F(WorkerTest, APortsTagIsTakenOffAndPutOn) {
  worker = make_worker({}, kVlan);
  pods.put(tcp(kClient, kWeb).flags(kSyn));
  poll();
  const PacketBuilder request = tcp(kClient, kWebEndpoint).flags(kSyn).ttl(63).addresses(kUplinkAddresses);
  EXPECT_THAT(shown(uplink.take()), ElementsAre(hex(tagged(request, kVlanType, kVlan))));
  constexpr uint16_t kPriority = 0xe000;
  uplink.put(tagged(tcp(kWebEndpoint, kClient).flags(kSyn | kAck), kVlanType, kVlan | kPriority));
  poll();
  EXPECT_THAT(shown(pods.take()),
              ElementsAre(shown(tcp(kWeb, kClient).flags(kSyn | kAck).ttl(63).addresses(kPodsAddresses))));
  EXPECT_EQ(worker->books().ports[1].sent_bytes, 58U) << "as on the wire";
}

TEST_F(WorkerTest, FramesWithoutThePortsTagAreDropped) {
  worker = make_worker({}, kVlan);
  const PacketBuilder good = tcp(kClient, kWeb).flags(kSyn);
  uplink.put(good);
  uplink.put(tagged(good, kVlanType, kVlan + 1));
  uplink.put(tagged(good, kVlanType, 0));
  uplink.put(tagged(good, 0x88a8, kVlan));  // a provider's tag (IEEE 802.1ad)
  uplink.put(PacketBuilder(good).cut_to(16).bytes());
  uplink.put(tagged(good, kVlanType, kVlan));
  poll();
  EXPECT_EQ(count_of(Verdict::wrong_vlan), 5U);
  EXPECT_EQ(count_of(Verdict::request), 1U) << "and the rest goes on";
}

TEST_F(WorkerTest, APortThatIsFullDropsTaggedFramesToo) {
  worker = make_worker({}, kVlan);
  for (uint16_t port = 1; port <= 100; ++port) {
    pods.put(tcp({lb::address_from_host(0x0a010001), port}, kWeb).flags(kSyn));
  }
  poll();
  EXPECT_EQ(count_of(Verdict::request), 63U);
  EXPECT_EQ(count_of(Verdict::transmit_full), 37U);
  EXPECT_EQ(worker->books().ports[1].sent_bytes, 63 * 58U);
}

TEST_F(WorkerTest, TellsTheSlowPathWhomItCouldNotSendTo) {
  publisher.publish(std::make_shared<const l4::Forwarding>(
      std::vector<l4::Port>(2), std::vector<l4::NextHop>{{.mtu = 0}}, std::vector<l4::Route>{}));
  pods.put(tcp(kClient, kWeb).flags(kSyn));
  poll();
  EXPECT_EQ(count_of(Verdict::no_next_hop), 1U);
  std::vector<lb::Address> addresses;
  worker->unresolved().take(addresses);
  EXPECT_THAT(addresses, ::testing::Contains(lb::parse_address("10.2.0.1").value()));
}

/// A worker on its own thread, on a real clock.
class RunningWorkerTest : public WorkerTest {
 protected:
  RunningWorkerTest() {
    EXPECT_TRUE(eal->launch(
        0,
        [](void* argument) {
          static_cast<runtime::Worker*>(argument)->run();
          return 0;
        },
        worker.get()));
  }
  ~RunningWorkerTest() override { stop(); }
  void stop() {
    worker->stop();
    eal->wait();
  }
  void TearDown() override {
    stop();
    WorkerTest::TearDown();
  }

  /// What one frame in comes out as.
  std::vector<std::string> through(Wire& in, const PacketBuilder& frame, Wire& out) {
    in.put(frame);
    std::vector<Bytes> taken;
    EXPECT_TRUE(eventually([&] {
      taken = out.take();
      return !taken.empty();
    }));
    return shown(taken);
  }
};

TEST_F(RunningWorkerTest, PublishesItsBooksAndGoesToSleep) {
  through(pods, tcp(kClient, kWeb).flags(kSyn), uplink);
  EXPECT_TRUE(eventually([&] { return worker->books().received == 1 && worker->books().balanced(); }));
  EXPECT_TRUE(eventually([&] { return worker->books().sleeps > 3; }));
  EXPECT_GT(worker->books().busy_cycles, 0U);
  EXPECT_GT(worker->books().idle_cycles, 0U);
  EXPECT_GT(worker->books().longest_loop_cycles, 0U);
}

TEST_F(RunningWorkerTest, TakesNewSnapshotsAndKeepsEstablishedFlows) {
  const auto to = [](const char* endpoint, const char* client, uint8_t flags) {
    return shown(tcp(client, endpoint).flags(flags).ttl(63).addresses(kUplinkAddresses));
  };
  EXPECT_THAT(through(pods, tcp(kClient, kWeb).flags(kSyn), uplink), ElementsAre(to(kWebEndpoint, kClient, kSyn)));
  through(uplink, tcp(kWebEndpoint, kClient).flags(kSyn | kAck), pods);
  const std::weak_ptr<const lb::Snapshot> first = publisher.current();
  publisher.publish(mesh(2, kOtherEndpoint, 1));
  EXPECT_TRUE(first.expired()) << "publish() returns when the old one is gone";
  EXPECT_THAT(through(pods, tcp(kClient, kWeb), uplink), ElementsAre(to(kWebEndpoint, kClient, kAck)));
  EXPECT_THAT(through(pods, tcp("10.1.0.9:9", kWeb).flags(kSyn), uplink),
              ElementsAre(to(kOtherEndpoint, "10.1.0.9:9", kSyn)));
  EXPECT_TRUE(eventually([&] { return worker->books().epoch == 2; }));
}

TEST_F(RunningWorkerTest, TakesANewForwarding) {
  EXPECT_THAT(through(pods, tcp(kClient, kWeb).flags(kSyn), uplink), SizeIs(1));
  const std::weak_ptr<const l4::Forwarding> first = publisher.forwarding();
  publisher.publish(std::make_shared<const l4::Forwarding>(
      std::vector<l4::Port>(2),
      std::vector<l4::NextHop>{{.addresses = kPodsAddresses, .port = 1}, {.addresses = kPodsAddresses, .port = 1}},
      std::vector<l4::Route>{}));
  EXPECT_TRUE(first.expired()) << "publish() returns when the old one is gone";
  EXPECT_THAT(through(pods, tcp(kClient, kWeb), uplink),
              ElementsAre(shown(tcp(kClient, kWebEndpoint).ttl(63).addresses(kPodsAddresses))));
}

TEST_F(RunningWorkerTest, ForwardsWhileSnapshotsChange) {
  std::thread publishing([this] {
    for (uint64_t epoch = 2; epoch <= 200; ++epoch) {
      publisher.publish(mesh(epoch, epoch % 2 == 0 ? kOtherEndpoint : kWebEndpoint, epoch % 2));
    }
  });
  for (uint16_t port = 1; port <= 200; ++port) {
    EXPECT_THAT(through(pods, udp({lb::address_from_host(0x0a010001), port}, kWeb), uplink), SizeIs(1));
  }
  publishing.join();
  EXPECT_TRUE(eventually([&] { return worker->books().epoch == 200; }));
  EXPECT_EQ(worker->books().verdicts[static_cast<size_t>(Verdict::request)], 200U);
}

TEST_F(RunningWorkerTest, AnswersAQuestionAboutItsFlows) {
  for (uint16_t port = 1; port <= 20; ++port) {
    through(pods, udp({lb::address_from_host(0x0a010001), port}, kWeb), uplink);
  }
  const auto all = worker->inquiry().ask({.key = {}, .service_slots = {}}, std::chrono::seconds(20));
  ASSERT_TRUE(all);
  EXPECT_THAT(all->flows, SizeIs(20));
  const lb::FlowKey4 reply = key_of(kWebEndpoint, "10.1.0.1:7", Protocol::udp);
  const auto one = worker->inquiry().ask({.key = lb::Tuple(reply), .service_slots = {}}, std::chrono::seconds(20));
  ASSERT_TRUE(one);
  ASSERT_THAT(one->flows, SizeIs(1));
  EXPECT_EQ(one->flows[0].request, lb::Tuple(key_of("10.1.0.1:7", kWeb, Protocol::udp)));
}

TEST_F(RunningWorkerTest, LetsPublishReturnAfterItStopped) {
  stop();
  publisher.publish(mesh(2, kOtherEndpoint, 1));
  EXPECT_EQ(publisher.current()->epoch(), 2U);
}

TEST(PortTest, SaysWhatIsWrongWithADevice) {
  auto pool = runtime::BufferPool::make("port-test", 511);
  ASSERT_TRUE(pool);
  const auto port = runtime::Port::open({.name = "uplink", .device = "net_no_such_driver0"}, {&*pool});
  ASSERT_FALSE(port);
  EXPECT_THAT(port.error(), ::testing::HasSubstr("port uplink: cannot open device net_no_such_driver0"));
}

/// A device of as many queues as workers, and one of a single queue that the second worker polls.
TEST(PortTest, FillsEachQueueFromTheBuffersOfItsWorker) {
  auto first = runtime::BufferPool::make("first", 511);
  auto second = runtime::BufferPool::make("second", 511);
  ASSERT_TRUE(first && second);
  for (const bool many : {true, false}) {
    const std::string device = many ? "net_null0" : "net_null1";
    const auto port = runtime::Port::open(
        {.name = "uplink", .device = device, .queues = static_cast<uint16_t>(many ? 2 : 1), .poller = 1},
        {&*first, &*second});
    ASSERT_TRUE(port) << port.error();
    ASSERT_EQ((*port)->queues(), many ? 2 : 1);
    for (uint16_t queue = 0; queue < (*port)->queues(); ++queue) {
      rte_mbuf* packet = nullptr;
      ASSERT_EQ(rte_eth_rx_burst((*port)->id(), queue, &packet, 1), 1);
      EXPECT_EQ(packet->pool, many && queue == 0 ? first->get() : second->get()) << device << " queue " << queue;
      rte_pktmbuf_free(packet);
    }
  }
}

TEST(BufferPoolTest, SaysThatThereIsTooLittleMemory) {
  const auto pool = runtime::BufferPool::make("too-large", 1U << 22);
  ASSERT_FALSE(pool);
  EXPECT_THAT(pool.error(), ::testing::HasSubstr("no memory for 4194304 packet buffers"));
}

}  // namespace

void set_eal(runtime::Eal* started) {
  eal = started;
}

}  // namespace weft::test

int main(int argc, char** argv) {
  ::testing::InitGoogleTest(&argc, argv);
  auto started = weft::runtime::Eal::start({.memory_mib = 64, .worker_cores = {static_cast<uint32_t>(sched_getcpu())}});
  if (!started) {
    std::fprintf(stderr, "%s\n", started.error().c_str());
    return 1;
  }
  weft::test::set_eal(started->get());
  return RUN_ALL_TESTS();
}
