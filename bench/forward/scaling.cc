// SPDX-License-Identifier: Apache-2.0
#include "scaling.h"

#include <benchmark/benchmark.h>
#include <rte_launch.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <ctime>
#include <memory>
#include <thread>

#include "bed.h"
#include "packet/headers.h"

namespace weft::bench {
namespace {

constexpr uint32_t kWorkers = 2;

/// A worker with a number of flows that it forwards packets of, again and again.
struct Lane {
  Lane(Node& node, const Workload& workload, uint32_t worker, uint32_t count)
      : bed(node, worker, count), frame(workload, packet::tcp_flag::ack), flows(count) {
    for (uint32_t i = 0; i < count; ++i) {
      flows[i] = i * kWorkers + worker;
    }
  }

  /// @returns packets
  uint64_t run(const std::atomic<bool>& stop) {
    uint64_t packets = 0;
    for (size_t at = 0; !stop.load(std::memory_order_relaxed); at = (at + Bed::kBurst) % flows.size()) {
      bed.requests(frame, std::span(flows).subspan(at, Bed::kBurst));
      packets += Bed::kBurst;
    }
    return packets;
  }

  Bed bed;
  Frame frame;
  std::vector<uint32_t> flows;
};

struct alignas(64) Turn {
  Lane* lane = nullptr;
  const std::atomic<bool>* stop = nullptr;
  double packets_per_second = 0;
};

/// Of the thread, so that what other processes took of a core does not count.
double processor_seconds() {
  timespec time{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) / 1e9;
}

int take_turn(void* turn) {
  auto& its = *static_cast<Turn*>(turn);
  const double start = processor_seconds();
  const auto packets = static_cast<double>(its.lane->run(*its.stop));
  its.packets_per_second = packets / (processor_seconds() - start);
  return 0;
}

/// Packets a second of processor time, of those lanes together.
double rate_of(std::vector<std::unique_ptr<Lane>>& lanes, std::initializer_list<uint32_t> which) {
  constexpr auto kTurn = std::chrono::milliseconds(50);
  std::atomic<bool> stop{false};
  std::array<Turn, kWorkers> turns;
  for (const uint32_t i : which) {
    turns[i] = {.lane = lanes[i].get(), .stop = &stop};
    rte_eal_remote_launch(take_turn, &turns[i], i + 1);
  }
  std::this_thread::sleep_for(kTurn);
  stop = true;
  rte_eal_mp_wait_lcore();
  double sum = 0;
  for (const Turn& turn : turns) {
    sum += turn.packets_per_second;
  }
  return sum;
}

double median(std::vector<double> values) {
  std::nth_element(values.begin(), values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2), values.end());
  return values[values.size() / 2];
}

/// Each round takes the lanes alone and together, one right after the other: what else runs on the machine, and takes
/// its part of the caches, does not change as fast.
void scaling(benchmark::State& state, const Workload& workload) {
  Node node(workload, kWorkers);
  std::vector<std::unique_ptr<Lane>> lanes;
  for (uint32_t i = 0; i < kWorkers; ++i) {
    lanes.push_back(std::make_unique<Lane>(node, workload, i, static_cast<uint32_t>(state.range(0))));
  }
  std::vector<double> together;
  std::vector<double> ratios;
  for (auto _ : state) {
    const double alone = rate_of(lanes, {0}) + rate_of(lanes, {1});
    together.push_back(rate_of(lanes, {0, 1}));
    ratios.push_back(together.back() / alone);
  }
  state.counters["packets_per_second"] = median(together);
  state.counters["ratio_to_linear"] = median(ratios);
}

}  // namespace

void register_scaling() {
  for (const lb::Family family : {lb::Family::ipv4, lb::Family::ipv6}) {
    const Workload workload{.family = family};
    benchmark::RegisterBenchmark(("scaling/" + workload.name() + "/workers:2").c_str(), scaling, workload)
        ->ArgName("flows")
        ->Arg(1024)
        ->Arg(131072)
        ->Iterations(21);
  }
}

}  // namespace weft::bench
