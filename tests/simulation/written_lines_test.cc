// SPDX-License-Identifier: Apache-2.0
/// @file No cache line is written by two workers, as long as no packet crosses from one to the other.
///
/// A line that two cores write goes to and fro between them: the most common reason why a second core adds less than
/// the first. Two real workers work in turn on one thread, each with packets of its own flows (new ones of all modes,
/// hits of both directions, refusals, drops, upkeep), and every store is noted (store_watch.h).
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "pipeline_bed.h"
#include "runtime/crossings.h"
#include "runtime/eal.h"
#include "runtime/publisher.h"
#include "runtime/worker.h"
#include "snapshots.h"
#include "store_watch.h"
#include "wire.h"

namespace weft::test {
namespace {

using lb::Protocol;

constexpr uint32_t kWorkers = kMaxWriters;
constexpr int kRounds = 8;

alignas(64) volatile uint64_t shared[kWorkers];  ///< one line, which both write: it has to be found

/// Flows go by their client's port: an even one is the first worker's.
uint32_t owner_of(const lb::Address& /*client*/, lb::Port port, Protocol /*protocol*/) {
  return to_host(port);
}

std::shared_ptr<const lb::Snapshot> mesh() {
  lb::Service fullnat = make_service("10.96.0.2:80", Protocol::udp, 1, {{"10.2.0.2:80", 1}});
  fullnat.policy.mode = lb::Mode::fullnat;
  lb::Service dsr = make_service("10.96.0.3:80", Protocol::udp, 2, {{"10.2.0.3:80", 2}});
  dsr.policy.mode = lb::Mode::dsr;
  lb::Service bounded = make_service("10.96.0.4:80", Protocol::udp, 3, {{"10.2.0.4:80", 3}});
  bounded.policy.affinity_s = 0;
  bounded.policy.new_flows = {.per_second = 2, .burst = 2};
  bounded.policy.new_flows_by_source = {.per_second = 1, .burst = 1};
  return make_snapshot({make_service("10.96.0.1:80", Protocol::tcp, 0, {{"10.2.0.1:8080", 0}}), fullnat, dsr, bounded,
                        make_service("10.96.0.5:80", Protocol::udp, 4, {})},
                       1);
}

struct Lane {
  Lane(uint32_t number, runtime::SnapshotPublisher& publisher, runtime::Crossings& crossings,
       const time::TscClock& clock)
      : buffers(std::move(runtime::BufferPool::make("buffers" + std::to_string(number), 1023).value())),
        wire("wire" + std::to_string(number), buffers, 64) {
    runtime::WorkerConfig config;
    config.pipeline = {.worker = number,
                       .workers = kWorkers,
                       .seed = kSeed,
                       .max_endpoints = 16,
                       .max_services = 16,
                       .flows = 64,
                       .flows6 = 16,
                       .remembered_clients = 16,
                       .remembered_sources = 16,
                       .remembered_fragments = 16,
                       .own_addresses = {lb::parse_address("10.9.0.1").value()},
                       .tunnel_sources = {lb::parse_prefix("10.8.0.0/24").value()}};
    config.ports = {{.device = wire.port(), .transmitter = number}};
    worker = std::make_unique<runtime::Worker>(config, publisher, crossings, clock);
  }

  runtime::BufferPool buffers;
  Wire wire;
  std::unique_ptr<runtime::Worker> worker;
};

/// What one worker gets in one round.
void put_packets(Lane& lane, uint32_t number, int round) {
  const auto port = static_cast<uint16_t>(2000 + 2 * round + static_cast<int>(number));
  const auto flow = static_cast<uint16_t>(1000 + number);
  const lb::Address client = lb::parse_address("10.1.0.1").value();
  lane.wire.put(tcp({client, flow}, "10.96.0.1:80").flags(round == 0 ? kSyn : kAck));
  lane.wire.put(tcp("10.2.0.1:8080", {client, flow}).flags(kAck));
  for (const char* service : {"10.96.0.2:80", "10.96.0.3:80", "10.96.0.4:80", "10.96.0.5:80", "10.96.0.9:80"}) {
    lane.wire.put(udp({client, port}, service));
  }
}

TEST(Workers, WriteNoCacheLineOfAnother) {
  runtime::SnapshotPublisher publisher(
      kWorkers, mesh(),
      std::make_shared<const l4::Forwarding>(
          std::vector<l4::Port>{{.landing = l4::Landing::by_client(kWorkers, owner_of)}}, std::vector<l4::NextHop>(1),
          std::vector<l4::Route>{}));
  const time::TscClock clock(runtime::Eal::tsc_hertz());
  const auto crossings = std::move(runtime::Crossings::make(kWorkers).value());
  std::vector<std::unique_ptr<Lane>> lanes;
  for (uint32_t number = 0; number < kWorkers; ++number) {
    lanes.push_back(std::make_unique<Lane>(number, publisher, *crossings, clock));
  }
  time::Time now = std::chrono::seconds(1000);
  for (int round = 0; round < kRounds; ++round) {
    now += std::chrono::milliseconds(round * 100);
    for (uint32_t number = 0; number < kWorkers; ++number) {
      Lane& lane = *lanes[number];
      put_packets(lane, number, round);
      write_as(static_cast<int>(number));
      lane.worker->poll(now);
      lane.worker->poll(now + std::chrono::milliseconds(2));
      shared[number] = 1;
      write_as(kNobody);
      lane.wire.take();
    }
  }
  for (const auto& lane : lanes) {
    const runtime::Books books = lane->worker->books();
    EXPECT_EQ(books.received, uint64_t{kRounds} * 7);
    EXPECT_GT(books.sum(l4::Outcome::transmitted), uint64_t{kRounds} * 3);
    EXPECT_EQ(books.sum(l4::Outcome::handed_over), 0U);
  }
  EXPECT_GT(lines_written_by(0), 50U);
  EXPECT_GT(lines_written_by(1), 50U);
  EXPECT_THAT(lines_written_by_several(), ::testing::ElementsAre(reinterpret_cast<uintptr_t>(&shared)));
}

}  // namespace
}  // namespace weft::test

int main(int argc, char** argv) {
  ::testing::InitGoogleTest(&argc, argv);
  auto eal = weft::runtime::Eal::start({.memory_mib = 16, .worker_cores = {}});
  if (!eal) {
    std::fprintf(stderr, "%s\n", eal.error().c_str());
    return EXIT_FAILURE;
  }
  return RUN_ALL_TESTS();
}
