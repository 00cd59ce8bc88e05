// SPDX-License-Identifier: Apache-2.0
/// @file What summing a payload costs that lies in the first-level cache (up to 9,000 bytes), or in the second: a
/// vector register at a time, and by the scalar twin.
#include <benchmark/benchmark.h>
#include <x86intrin.h>

#include <cstdint>
#include <string>
#include <vector>

#include "packet/checksum.h"
#include "packet/sum.h"

namespace {

using Sum = uint64_t (*)(std::span<const std::byte>, uint64_t);

constexpr size_t kOffset = 54;  // where the payload of TCP over IPv4 begins: no vector is aligned

template <Sum kSum>
void sum(benchmark::State& state) {
  const auto length = static_cast<size_t>(state.range(0));
  const std::vector<std::byte> frame(kOffset + length, std::byte{0xa5});
  const std::byte* payload = frame.data() + kOffset;
  const uint64_t start = __rdtsc();
  for (auto _ : state) {
    benchmark::DoNotOptimize(payload);
    benchmark::DoNotOptimize(weft::packet::fold(kSum({payload, length}, 0)));
  }
  state.counters["cycles_per_byte"] =
      static_cast<double>(__rdtsc() - start) / static_cast<double>(state.iterations() * state.range(0));
}

struct Twin {
  const char* name;
  void (*run)(benchmark::State&);
};
constexpr Twin kTwins[] = {{"checksum/simd", sum<weft::packet::sum_of_payload>},
                           {"checksum/scalar", sum<weft::packet::sum_of>}};

}  // namespace

int main(int argc, char** argv) {
  for (const auto& [name, run] : kTwins) {
    auto* registered = benchmark::RegisterBenchmark(name, run)->ArgName("bytes");
    for (const int64_t length : {64, 300, 1460, 9000, 65536}) {
      registered->Arg(length);
    }
  }
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) {
    return 1;
  }
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}
