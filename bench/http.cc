// SPDX-License-Identifier: Apache-2.0
/// @file What a proxied request costs without a wire: 300 bytes of request, 500 of response, through routes of which a
/// thousandth part is this service's; on connections that stay, and on one for each request.
/// What is timed: http_world.h.
#include <benchmark/benchmark.h>

#include "http_world.h"

namespace {

using namespace weft;
using namespace weft::bench;

void keep_alive(benchmark::State& state) {
  World world(static_cast<uint32_t>(state.range(0)));
  KeptAlive clients(world, request(7));
  std::vector<uint64_t> costs;
  for (auto _ : state) {
    costs.push_back(clients.ask());
    clients.tick();
  }
  if (world.proxy().http().books().local_responses > 0) {
    state.SkipWithError("a request was not proxied");
  }
  state.counters["cycles_per_request"] = median_of(costs) / kBatch;
}

/// The client's connection ends with each request; those to the endpoints stay.
void close_each(benchmark::State& state) {
  World world(static_cast<uint32_t>(state.range(0)));
  std::vector<uint64_t> costs;
  std::string text = request(7);
  text.replace(text.find("Accept-Language: en"), 19, "Connection: close\r\nA: b");
  uint32_t at = 0;
  for (auto _ : state) {
    world.cycles = 0;
    const uint64_t before = world.answered;
    std::vector<ConnectionId> clients;
    for (uint32_t i = 0; i < kBatch; ++i) {
      clients.push_back(world.connect(at++ % 5'000'000));
    }
    world.turn();
    for (const ConnectionId client : clients) {
      world.write(client, text);
    }
    for (int turns = 0; world.answered < before + kBatch; ++turns) {
      if (turns > 20) {
        throw std::runtime_error("a request was not answered");
      }
      world.turn();
    }
    for (const ConnectionId client : clients) {
      world.other.engine.close(client);
    }
    world.turn();
    world.turn();
    costs.push_back(world.cycles);
    world.tick();
  }
  if (world.proxy().http().books().local_responses > 0) {
    state.SkipWithError("a request was not proxied");
  }
  state.counters["cycles_per_request"] = median_of(costs) / kBatch;
}

BENCHMARK(keep_alive)
    ->Name("http/keepalive")
    ->ArgName("routes")
    ->Arg(0)
    ->Arg(20)
    ->Arg(10'000)
    ->Unit(benchmark::kMillisecond);
BENCHMARK(close_each)->Name("http/close")->ArgName("routes")->Arg(20)->Unit(benchmark::kMillisecond);

}  // namespace

BENCHMARK_MAIN();
