// SPDX-License-Identifier: Apache-2.0
/// @file What one TCP engine costs, without a wire: a connection's open and close, a request of 300 bytes and its reply
/// of 500, a segment of 1,448 relayed; beside 1,000, 100,000 and a million connections, of which each has its turn; and
/// what a million idle ones cost by themselves.
///
/// The engine that is measured talks to another one of the same kind. Only its own calls are timed, in turns of a batch
/// of segments; what carries segments between both is not. Cycles are TSC cycles.
#include <benchmark/benchmark.h>
#include <x86intrin.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstring>
#include <stdexcept>
#include <vector>

#include "buffer/heap.h"
#include "tcp/engine.h"

namespace {

using namespace weft;
using namespace weft::tcp;

constexpr uint32_t kBatch = 32;
/// Enough for what waits 40 ms for its acknowledgment at a million exchanges a second.
constexpr uint32_t kBuffers = 1 << 16;
constexpr uint32_t kBufferBytes = 2176;
constexpr uint16_t kHeadroom = 128;
const lb::Address kServer{lb::address_from_host(0x0a600001)};
const lb::Address kEndpoint{lb::address_from_host(0x0a020001)};
const lb::Port kPort = lb::port_from_host(80);

struct Host {
  Host(uint32_t connections, uint8_t key, Config::Duration keepalive)
      : buffers(kBuffers, kBufferBytes),
        engine(
            [&] {
              Config config;
              config.connections = connections;
              config.half_open = 4096;
              config.time_waits = 1 << 16;
              config.time_wait = std::chrono::milliseconds(1);
              config.pieces = kBuffers;
              config.keepalive_idle = keepalive;
              return config;
            }(),
            Secret{{key}}, time::Time{}) {}

  buffer::HeapBuffers buffers;
  Engine engine;
  Output output;
  uint64_t cycles = 0;  ///< of what is timed
};

/// Two hosts, and time that passes.
class World {
 public:
  /// @param keepalive of the one that is measured; 0: none
  explicit World(uint32_t connections, Config::Duration keepalive = {})
      : one(connections + kBatch, 1, keepalive), other(connections + kBatch, 2, {}) {}

  /// The n-th client, of as many addresses as it takes.
  static SocketPair pair_of(uint32_t n, const lb::Address& to) {
    constexpr uint32_t kPorts = 50'000;
    return {lb::Address(lb::address_from_host(0x0b000000 + n / kPorts)), to,
            lb::port_from_host(static_cast<uint16_t>(1024 + n % kPorts)), kPort};
  }
  /// What `from` has to say goes to `to`. @returns segments
  size_t carry(Host& from, Host& to, bool time_from, bool time_to) {
    timed(from, time_from, [&] { from.engine.flush(now, from.output); });
    segments_.clear();
    for (const Transmission& out : from.output.segments) {
      Segment& in = segments_.emplace_back();
      in.pair = {out.pair.remote, out.pair.local, out.pair.remote_port, out.pair.local_port};
      in.sequence = out.sequence;
      in.acknowledgment = out.acknowledgment;
      in.window = out.window;
      in.flags = out.flags;
      in.options = out.options.data();
      in.options_length = out.options_length;
      if (out.payload_length > 0) {  // the bytes do not matter, where they lie does
        in.payload = slice(to, out.payload_length);
      }
    }
    const size_t count = segments_.size();
    from.output.slices.clear();
    timed(to, time_to, [&] { to.engine.input(segments_, now, to.output); });
    from.output.segments.clear();
    return count;
  }
  static buffer::Slice slice(Host& host, uint16_t bytes) {
    buffer::Buffer* taken = host.buffers.pool().take();
    if (taken == nullptr) {
      throw std::runtime_error("no buffer is left");
    }
    return {taken, kHeadroom, bytes};
  }
  template <typename Do>
  static void timed(Host& host, bool is_timed, Do what) {
    const uint64_t start = __rdtsc();
    what();
    host.cycles += is_timed ? __rdtsc() - start : 0;
  }
  void settle() {
    while (carry(one, other, false, false) + carry(other, one, false, false) > 0) {
    }
  }
  static void read_all(Host& host) {
    for (const Event& event : host.output.events) {
      if ((event.what & event::readable) != 0) {
        host.engine.consume(event.id, SIZE_MAX);
      }
    }
    host.output.events.clear();
  }
  void tick() {
    now += std::chrono::milliseconds(1);
    one.engine.advance(now, one.output);
    other.engine.advance(now, other.output);
  }
  /// Opens clients from..to of `other` towards `one`, and forgets the events.
  void open(uint32_t from, uint32_t to) {
    for (uint32_t n = from; n < to; ++n) {
      const auto id = other.engine.connect(pair_of(n, kServer), n, now);
      if (!id) {
        throw std::runtime_error("no connection");
      }
      clients.push_back(*id);
      if (n % kBatch == kBatch - 1 || n + 1 == to) {
        settle();
        for (const Event& event : one.output.events) {
          if ((event.what & event::accepted) != 0) {
            servers.push_back(event.id);
          }
        }
        one.output.events.clear();
        other.output.events.clear();
        tick();
      }
    }
  }

  time::Time now{std::chrono::seconds(1)};
  Host one;    ///< measured
  Host other;  ///< its peer
  std::vector<ConnectionId> clients;
  std::vector<ConnectionId> servers;

 private:
  std::vector<Segment> segments_;
};

void report(benchmark::State& state, const World& world, const char* name, uint64_t done) {
  state.counters[name] = static_cast<double>(world.one.cycles) / static_cast<double>(done);
  state.counters["bytes_per_connection"] =
      static_cast<double>(world.one.engine.memory_bytes() - kBuffers * 32) / static_cast<double>(state.range(0));
}

void exchange(benchmark::State& state) {
  constexpr uint16_t kRequest = 300;
  constexpr uint16_t kReply = 500;
  const auto connections = static_cast<uint32_t>(state.range(0));
  World world(connections);
  world.one.engine.listen(kServer, kPort, 0);
  world.open(0, connections);
  uint32_t at = 0;
  uint64_t done = 0;
  for (auto _ : state) {
    for (uint32_t i = 0; i < kBatch; ++i) {
      const ConnectionId client = world.clients[(at + i) % connections];
      world.other.engine.write(client, World::slice(world.other, kRequest));
    }
    world.carry(world.other, world.one, false, true);
    World::timed(world.one, true, [&] {
      for (const Event& event : world.one.output.events) {
        world.one.engine.consume(event.id, kRequest);
        world.one.engine.write(event.id, World::slice(world.one, kReply));
      }
      world.one.output.events.clear();
    });
    world.carry(world.one, world.other, true, false);
    World::read_all(world.other);
    at = (at + kBatch) % connections;
    done += kBatch;
    if (done % 1024 == 0) {
      world.tick();
    }
  }
  const uint64_t predicted = world.one.engine.counters().predicted;
  if (world.one.engine.counters().retransmitted > 0) {
    state.SkipWithError("something was retransmitted");
  }
  state.counters["predicted_percent"] = 100.0 * static_cast<double>(predicted) / static_cast<double>(done);
  report(state, world, "cycles_per_exchange", done);
}

void open_close(benchmark::State& state) {
  const auto connections = static_cast<uint32_t>(state.range(0));
  World world(connections);
  world.one.engine.listen(kServer, kPort, 0);
  world.open(0, connections);
  uint64_t done = 0;
  uint32_t next = connections;
  for (auto _ : state) {
    std::vector<ConnectionId> opened;
    for (uint32_t i = 0; i < kBatch; ++i) {
      const auto id = world.other.engine.connect(World::pair_of(next++ % 60'000'000, kServer), 0, world.now);
      opened.push_back(*id);
    }
    bool closing = false;
    for (int turn = 0; turn < 8; ++turn) {
      size_t moved = world.carry(world.other, world.one, false, true);
      World::timed(world.one, true, [&] {
        for (const Event& event : world.one.output.events) {
          if ((event.what & event::peer_closed) != 0 && (event.what & event::closed) == 0) {
            world.one.engine.close(event.id);
          }
        }
        world.one.output.events.clear();
      });
      moved += world.carry(world.one, world.other, true, false);
      world.other.output.events.clear();
      if (moved == 0 && !closing) {
        closing = true;
        for (const ConnectionId id : opened) {
          world.other.engine.close(id);
        }
      } else if (moved == 0) {
        break;
      }
    }
    done += kBatch;
    world.tick();
  }
  if (world.one.engine.connections() > connections) {
    state.SkipWithError("connections are left");
  }
  report(state, world, "cycles_per_connection", done);
}

void relay(benchmark::State& state) {
  constexpr uint16_t kSegment = 1448;
  const auto connections = static_cast<uint32_t>(state.range(0));
  // Half of them come from clients, half lead to the endpoint: the peer is both.
  World world(connections);
  world.one.engine.listen(kServer, kPort, 0);
  world.other.engine.listen(kEndpoint, kPort, 0);
  const uint32_t sessions = connections / 2;
  world.open(0, sessions);
  std::vector<ConnectionId> to_endpoint;
  std::vector<ConnectionId> at_endpoint;
  for (uint32_t n = 0; n < sessions; ++n) {
    to_endpoint.push_back(*world.one.engine.connect(World::pair_of(n, kEndpoint), n, world.now));
    if (n % kBatch == kBatch - 1 || n + 1 == sessions) {
      world.settle();
      for (const Event& event : world.other.output.events) {
        at_endpoint.push_back(event.id);
      }
      world.one.output.events.clear();
      world.other.output.events.clear();
      world.tick();
    }
  }
  std::vector<uint32_t> session_of(2 * size_t{connections} + 4 * kBatch, 0);
  for (uint32_t n = 0; n < sessions; ++n) {
    session_of[world.servers[n].index] = n;
  }
  uint32_t at = 0;
  uint64_t done = 0;
  for (auto _ : state) {
    for (uint32_t i = 0; i < kBatch / 2; ++i) {  // two segments a session, as a sender's bursts are
      const ConnectionId client = world.clients[(at + i) % sessions];
      world.other.engine.write(client, World::slice(world.other, kSegment));
      world.other.engine.write(client, World::slice(world.other, kSegment));
    }
    world.carry(world.other, world.one, false, true);
    World::timed(world.one, true, [&] {
      for (const Event& event : world.one.output.events) {  // as proxy::Relay does
        world.one.engine.prefetch(to_endpoint[session_of[event.id.index]]);
      }
      for (const Event& event : world.one.output.events) {
        if ((event.what & event::readable) != 0) {
          world.one.engine.relay(event.id, to_endpoint[session_of[event.id.index]], SIZE_MAX);
        }
      }
      world.one.output.events.clear();
    });
    world.carry(world.one, world.other, true, false);
    World::read_all(world.other);
    at = (at + kBatch / 2) % sessions;
    done += kBatch;
    if (done % 1024 == 0) {
      world.tick();
    }
  }
  if (world.one.engine.counters().retransmitted > 0) {
    state.SkipWithError("something was retransmitted");
  }
  report(state, world, "cycles_per_segment", done);
}

/// All are asked for a sign of life once in a minute (which the relay does not do, RFC 9293, section 3.8.4): a timer
/// that fires, a segment and its answer.
void idle(benchmark::State& state) {
  const auto connections = static_cast<uint32_t>(state.range(0));
  World world(connections, std::chrono::minutes(1));
  world.one.engine.listen(kServer, kPort, 0);
  world.open(0, connections);
  const auto milliseconds = [&](int count) {
    for (int i = 0; i < count; ++i) {
      world.now += std::chrono::milliseconds(1);
      World::timed(world.one, true, [&] { world.one.engine.advance(world.now, world.one.output); });
      world.carry(world.one, world.other, true, false);
      world.carry(world.other, world.one, false, true);
    }
  };
  milliseconds(60'000);  // until the first were asked
  const uint64_t before = world.one.engine.counters().keepalives;
  world.one.cycles = 0;
  uint64_t done = 0;
  const uint64_t begin = __rdtsc();
  const auto clock = std::chrono::steady_clock::now();
  for (auto _ : state) {
    milliseconds(1000);
    ++done;
  }
  const std::chrono::duration<double> elapsed = std::chrono::steady_clock::now() - clock;
  const double cycles_per_second = static_cast<double>(__rdtsc() - begin) / elapsed.count();
  state.counters["asked_per_second"] =
      static_cast<double>(world.one.engine.counters().keepalives - before) / static_cast<double>(done);
  report(state, world, "cycles_per_second", done);
  state.counters["percent_of_core"] = 100 * state.counters["cycles_per_second"] / cycles_per_second;
}

struct Case {
  const char* name;
  void (*run)(benchmark::State&);
};
constexpr Case kCases[] = {{"tcp/open-close", open_close}, {"tcp/exchange", exchange}, {"tcp/relay", relay}};

}  // namespace

int main(int argc, char** argv) {
  for (const auto& [name, run] : kCases) {
    auto* registered = benchmark::RegisterBenchmark(name, run)->ArgName("conns");
    for (const int64_t connections : {1'000, 100'000, 1'000'000}) {
      registered->Arg(connections);
    }
  }
  benchmark::RegisterBenchmark("tcp/idle", idle)->ArgName("conns")->Arg(1'000'000)->Iterations(60);
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) {
    return 1;
  }
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}
