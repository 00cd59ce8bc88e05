// SPDX-License-Identifier: Apache-2.0
/// @file How fast the engine is on bad paths, as a table that is kept: a change of loss recovery or congestion control
/// shows as a change of the table. And whether flows that share a bottleneck share it fairly.
///
///   WEFT_WRITE=1 test-tcp-goodput    writes tcp_goodput.txt anew
#include <gtest/gtest.h>

#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <numeric>
#include <sstream>

#include "tcp_bulk.h"
#include "tcp_world.h"

namespace weft::simulation {
namespace {

constexpr double kLosses[] = {0, 0.001, 0.01, 0.02, 0.05, 0.1, 0.2, 0.3};
constexpr uint32_t kWindows[] = {64 << 10, 256 << 10, 1 << 20};
constexpr Time kMeasured = 30s;
constexpr double kChancy = 0.1;  ///< from such a loss on, timeouts decide: more runs, of which each is short
constexpr int kRuns = 2;         ///< of each, the average
constexpr int kChancyRuns = 20;
constexpr uint64_t kBitsPerSecond = 50'000'000;
constexpr Time kDelay = 20ms;

HostConfig bulk_host(uint32_t window, uint8_t key) {
  HostConfig host;
  host.tcp.connections = host.tcp.half_open = host.tcp.time_waits = 16;
  host.tcp.receive_buffer = window;
  host.tcp.send_buffer = 4 << 20;
  host.secret.key.fill(key);
  host.clock = 1h;
  host.poll_every = 50us;
  host.buffers = 4096;
  host.send_buffers = 8192;
  return host;
}

PathConfig path(double loss, uint64_t bits_per_second, uint32_t queue_bytes, Time delay) {
  PathConfig path;
  path.loss = loss;
  path.bits_per_second = bits_per_second;
  path.queue_bytes = queue_bytes;
  path.delay = delay;
  return path;
}

/// Kilobytes a second that arrive. Loss both ways.
uint64_t goodput(double loss, uint32_t window, uint64_t seed) {
  Trace trace;
  World world(trace);
  Host& sender = world.add(bulk_host(window, 1), seed);
  Host& receiver = world.add(bulk_host(window, 2), seed + 1);
  const PathConfig both_ways = path(loss, kBitsPerSecond, 250'000, kDelay);
  world.join(sender, receiver, both_ways, seed + 2);
  world.join(receiver, sender, both_ways, seed + 3);
  BulkWriter writer(sender, receiver.address(lb::Family::ipv4), 0s);
  BulkReader reader(receiver);
  world.run_application(sender, writer);
  world.run_application(receiver, reader);
  world.run_until(kMeasured);
  return reader.read() / 1000 / static_cast<uint64_t>(kMeasured / 1s);
}

std::string table() {
  std::ostringstream table;
  table << "# Kilobytes a second over 50 Mbit/s, 40 ms there and back, a queue of 250 kB, loss both ways.\n"
        << "# loss %   64 KiB  256 KiB    1 MiB   (the receiver's window)\n";
  uint64_t seed = 1;
  for (const double loss : kLosses) {
    char line[80];
    std::snprintf(line, sizeof line, "%8.1f", loss * 100);
    table << line;
    for (const uint32_t window : kWindows) {
      const int runs = loss < kChancy ? kRuns : kChancyRuns;
      uint64_t sum = 0;
      for (int run = 0; run < runs; ++run, seed += 10) {
        sum += goodput(loss, window, seed);
      }
      std::snprintf(line, sizeof line, " %8lu", sum / static_cast<uint64_t>(runs));
      table << line;
    }
    table << "\n";
  }
  return table.str();
}

TEST(TcpGoodput, IsWhatTheTableSays) {
  const std::string measured = table();
  std::printf("%s", measured.c_str());
  if (std::getenv("WEFT_WRITE") != nullptr) {
    std::ofstream(GOODPUT_TABLE) << measured;
    return;
  }
  std::ifstream file(GOODPUT_TABLE);
  std::stringstream kept;
  kept << file.rdbuf();
  EXPECT_EQ(measured, kept.str()) << "if that is for the better: WEFT_WRITE=1, and commit the table";
}

/// Jain's index: 1 if all get the same, 1 / n if one gets all.
double fairness(const std::vector<double>& shares) {
  const double sum = std::accumulate(shares.begin(), shares.end(), 0.0);
  double squares = 0;
  for (const double share : shares) {
    squares += share * share;
  }
  return sum * sum / (static_cast<double>(shares.size()) * squares);
}

class TcpFairness : public ::testing::TestWithParam<uint32_t> {};

TEST_P(TcpFairness, FlowsShareABottleneck) {
  const uint32_t flows = GetParam();
  Trace trace;
  World world(trace);
  std::vector<std::unique_ptr<BulkWriter>> writers;
  std::vector<std::unique_ptr<BulkReader>> readers;
  Host* first_sender = nullptr;
  Host* first_receiver = nullptr;
  for (uint32_t i = 0; i < flows; ++i) {
    Host& sender = world.add(bulk_host(1 << 20, static_cast<uint8_t>(2 * i)), 100 + 2 * i);
    Host& receiver = world.add(bulk_host(1 << 20, static_cast<uint8_t>(2 * i + 1)), 101 + 2 * i);
    if (i == 0) {
      first_sender = &sender;
      first_receiver = &receiver;
      world.join(sender, receiver, path(0, 20'000'000, 100'000, kDelay), 7);
    } else {
      world.join_by(sender, receiver, *first_sender, *first_receiver);
    }
    world.join(receiver, sender, path(0, 0, 0, kDelay), 8 + i);
    writers.push_back(
        std::make_unique<BulkWriter>(sender, receiver.address(lb::Family::ipv4), static_cast<int64_t>(i) * 100ms));
    readers.push_back(std::make_unique<BulkReader>(receiver));
    world.run_application(sender, *writers.back());
    world.run_application(receiver, *readers.back());
  }
  world.run_until(20s);  // until all have found their place
  std::vector<double> before;
  for (const auto& reader : readers) {
    before.push_back(static_cast<double>(reader->read()));
  }
  world.run_until(80s);
  std::vector<double> shares;
  double sum = 0;
  for (uint32_t i = 0; i < flows; ++i) {
    shares.push_back(static_cast<double>(readers[i]->read()) - before[i]);
    sum += shares.back();
  }
  std::printf("%u flows: Jain's index %.3f, %.1f of 20 Mbit/s\n", flows, fairness(shares), sum * 8 / 60 / 1e6);
  EXPECT_GE(fairness(shares), 0.9);
  EXPECT_GE(sum * 8 / 60, 0.85 * 20e6) << "and they use it";
}

INSTANTIATE_TEST_SUITE_P(Flows, TcpFairness, ::testing::Values(4, 8, 16));

}  // namespace
}  // namespace weft::simulation
