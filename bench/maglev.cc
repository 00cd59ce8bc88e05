// SPDX-License-Identifier: Apache-2.0
/// @file How long a Maglev table takes to build, and a look-up in it. The paper builds 65537 slots for 1,000 backends
/// in 1.8 ms (section 5.3).
#include "lb/maglev.h"

#include <benchmark/benchmark.h>
#include <x86intrin.h>

#include <string>

#include "lb/flow_key.h"

namespace {

using weft::lb::MaglevMember;
using weft::lb::MaglevTable;

std::vector<MaglevMember> members(int64_t count) {
  std::vector<MaglevMember> members;
  for (int64_t i = 0; i < count; ++i) {
    members.push_back({.identity = "10." + std::to_string(i / 65536) + "." + std::to_string(i / 256 % 256) + "." +
                                   std::to_string(i % 256) + ":8080"});
  }
  return members;
}

void build(benchmark::State& state, uint32_t size) {
  const std::vector<MaglevMember> all = members(state.range(0));
  for (auto _ : state) {
    benchmark::DoNotOptimize(MaglevTable(all, size, 1));
  }
  state.counters["milliseconds"] = benchmark::Counter(static_cast<double>(state.iterations()) / 1e3,
                                                      benchmark::Counter::kIsRate | benchmark::Counter::kInvert);
}

/// Hash and pick for the packets of many flows, one after the other.
void look_up(benchmark::State& state, uint32_t size) {
  const MaglevTable table(members(state.range(0)), size, 1);
  weft::lb::FlowKey4 key;
  uint32_t source = 0;
  uint64_t picked = 0;
  const uint64_t start = __rdtsc();
  for (auto _ : state) {
    key.source = weft::lb::Ipv4Address{++source};
    picked += table.pick(hash_of(key, 1));
  }
  benchmark::DoNotOptimize(picked);
  state.counters["cycles_per_lookup"] =
      static_cast<double>(__rdtsc() - start) / static_cast<double>(state.iterations());
}

}  // namespace

int main(int argc, char** argv) {
  for (const uint32_t size : {16381U, 65537U, 655373U}) {
    const std::string slots = "/slots:" + std::to_string(size);
    benchmark::RegisterBenchmark(("maglev/build" + slots).c_str(), build, size)
        ->ArgName("endpoints")
        ->Arg(10)
        ->Arg(100)
        ->Arg(1000)
        ->Unit(benchmark::kMillisecond);
    benchmark::RegisterBenchmark(("maglev/look-up" + slots).c_str(), look_up, size)->ArgName("endpoints")->Arg(1000);
  }
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) {
    return 1;
  }
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}
