// SPDX-License-Identifier: Apache-2.0
/// @file What weft's own work costs a packet, in TSC cycles between receive and transmit: frames without payload, one
/// service with 100 endpoints. Medians over bursts of 32, so that time given to other processes drops out.
///
/// Before each burst the frames are written afresh, in a random order of flows, so that no flow is met again before all
/// others.
#include <benchmark/benchmark.h>

#include <algorithm>
#include <cstdio>
#include <numeric>
#include <random>

#include "bed.h"
#include "packet/headers.h"
#include "scaling.h"

namespace {

using namespace weft;
using bench::Bed;
using bench::Frame;
using bench::Workload;
namespace tcp_flag = packet::tcp_flag;

std::vector<uint32_t> shuffled(uint32_t flows) {
  std::vector<uint32_t> order(std::max(flows, Bed::kBurst));
  for (uint32_t i = 0; i < order.size(); ++i) {
    order[i] = i % flows;
  }
  std::shuffle(order.begin(), order.end(), std::mt19937(1));
  return order;
}

double median(std::vector<double>& values) {
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

/// Packets of flows that the table has.
void hit(benchmark::State& state, const Workload& workload) {
  const auto flows = static_cast<uint32_t>(state.range(0));
  bench::Node node(workload, 1);
  Bed bed(node, 0, flows);
  const Frame first(workload, tcp_flag::syn);
  const Frame later(workload, tcp_flag::ack);
  const std::vector<uint32_t> order = shuffled(flows);
  const std::span<const uint32_t> all(order);
  for (size_t at = 0; at + Bed::kBurst <= order.size(); at += Bed::kBurst) {
    bed.requests(first, all.subspan(at, Bed::kBurst));
  }
  std::vector<double> cycles;
  size_t at = 0;
  for (auto _ : state) {
    cycles.push_back(static_cast<double>(bed.requests(later, all.subspan(at, Bed::kBurst))) / Bed::kBurst);
    at = at + 2 * Bed::kBurst <= order.size() ? at + Bed::kBurst : 0;
  }
  state.counters["cycles_per_packet"] = median(cycles);
}

/// Packets that begin a flow, in a table that fills from empty to `flows`.
void first(benchmark::State& state, const Workload& workload) {
  const auto flows = static_cast<uint32_t>(state.range(0));
  const uint32_t burst = std::min(flows, Bed::kBurst);
  const Frame frame(workload, tcp_flag::syn);
  const std::vector<uint32_t> order = shuffled(flows);
  std::vector<double> cycles;
  bench::Node node(workload, 1);
  std::unique_ptr<Bed> bed;
  size_t at = flows;
  for (auto _ : state) {
    if (at + burst > flows) {
      state.PauseTiming();
      bed.reset();
      bed = std::make_unique<Bed>(node, 0, flows);
      at = 0;
      state.ResumeTiming();
    }
    cycles.push_back(static_cast<double>(bed->requests(frame, std::span(order).subspan(at, burst))) / burst);
    at += burst;
  }
  state.counters["cycles_per_packet"] = median(cycles);
}

/// Whole TCP connections, of eight segments each: SYN, SYN and ACK, ACK, a request and its answer, FIN from both ends,
/// the last ACK. They come at 400,000 a second of the worker's time to a table of weftd's default size, which must
/// forget as fast: the sweep is in the figure too. Of a tunnel only the client's segments come this way.
void connection(benchmark::State& state, const Workload& workload) {
  constexpr std::chrono::microseconds kPause(80 - 8);  // a burst of connections every 80 us; each burst takes one
  bench::Node node(workload, 1);
  Bed bed(node, 0, 1 << 18);
  constexpr std::array<std::pair<bool, uint8_t>, 8> kSegments = {{{true, tcp_flag::syn},
                                                                  {false, tcp_flag::syn | tcp_flag::ack},
                                                                  {true, tcp_flag::ack},
                                                                  {true, tcp_flag::ack},
                                                                  {false, tcp_flag::ack},
                                                                  {true, tcp_flag::fin | tcp_flag::ack},
                                                                  {false, tcp_flag::fin | tcp_flag::ack},
                                                                  {true, tcp_flag::ack}}};
  std::vector<Frame> frames;
  for (const auto& segment : kSegments) {
    frames.emplace_back(workload, segment.second);
  }
  std::vector<double> cycles;
  std::array<uint32_t, Bed::kBurst> flows;
  uint32_t next = 0;
  for (auto _ : state) {
    uint64_t sum = 0;
    for (uint32_t& flow : flows) {
      flow = next++ % (1U << 24);
    }
    for (size_t i = 0; i < kSegments.size(); ++i) {
      if (kSegments[i].first) {
        sum += bed.requests(frames[i], flows);
      } else if (workload.mode != lb::Mode::dsr) {
        sum += bed.replies(frames[i]);
      }
    }
    bed.pass(kPause);
    sum += bed.rest();
    cycles.push_back(static_cast<double>(sum) / Bed::kBurst);
  }
  const double each = std::accumulate(cycles.begin(), cycles.end(), 0.0) / static_cast<double>(cycles.size());
  state.counters["cycles_per_connection"] = median(cycles);
  state.counters["mean_cycles_per_connection"] = each;
  state.counters["connections_per_second"] = static_cast<double>(runtime::Eal::tsc_hertz()) / each;
}

void register_all() {
  using lb::Encapsulation;
  using lb::Family;
  using lb::Mode;
  using lb::Protocol;
  std::vector<Workload> workloads;
  for (const Family family : {Family::ipv4, Family::ipv6}) {
    for (const Protocol protocol : {Protocol::udp, Protocol::tcp}) {
      workloads.push_back({family, protocol, Mode::nat, {}});
    }
    workloads.push_back({family, Protocol::udp, Mode::fullnat, {}});
    workloads.push_back({family, Protocol::udp, Mode::dsr, Encapsulation::ipip});
    workloads.push_back({family, Protocol::udp, Mode::dsr, Encapsulation::gue});
  }
  for (const Workload& workload : workloads) {
    const std::string name = "forward/" + workload.name();
    benchmark::RegisterBenchmark((name + "/hit").c_str(), hit, workload)
        ->ArgName("flows")
        ->Arg(1)
        ->Arg(1024)
        ->Arg(131072)
        ->Arg(1048576);
    benchmark::RegisterBenchmark((name + "/first").c_str(), first, workload)
        ->ArgName("flows")
        ->Arg(131072)
        ->Arg(1048576);
  }
  for (const Workload& workload : {Workload{Family::ipv4, Protocol::tcp, Mode::nat, {}},
                                   Workload{Family::ipv4, Protocol::tcp, Mode::dsr, Encapsulation::ipip}}) {
    benchmark::RegisterBenchmark(("forward/" + workload.name() + "/connection").c_str(), connection, workload)
        ->Iterations(60'000);
  }
  bench::register_scaling();
}

}  // namespace

int main(int argc, char** argv) {
  auto eal = runtime::Eal::start({.memory_mib = 64, .worker_cores = {0, 1}});
  if (!eal) {
    std::fprintf(stderr, "%s\n", eal.error().c_str());
    return 1;
  }
  register_all();
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) {
    return 1;
  }
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}
