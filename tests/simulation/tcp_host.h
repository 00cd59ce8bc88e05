// SPDX-License-Identifier: Apache-2.0
/// @file One end of the simulated network: an engine, the memory of its payloads, its own clock, and its applications.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include "buffer/heap.h"
#include "tcp/engine.h"
#include "tcp_random.h"

namespace weft::simulation {

using Time = time::Time;
using namespace std::chrono_literals;  // NOLINT: every time of the simulation is written with them

constexpr Time kNever = Time::max();

/// What must hold did not.
struct Violation : std::runtime_error {
  using std::runtime_error::runtime_error;
};

struct HostConfig {
  tcp::Config tcp;
  tcp::Secret secret;
  Time clock{};                  ///< what the host's own clock shows when the simulation begins
  Time poll_every{};             ///< what arrives waits up to so long, and comes in one batch
  uint32_t batch = 32;           ///< segments, at most
  uint32_t budget = UINT32_MAX;  ///< of advance()
  uint32_t buffers = 4096;       ///< for what arrives
  uint32_t buffer_bytes = 2048;
  uint32_t send_buffers = 1024;  ///< for what applications write
  uint32_t send_buffer_bytes = 2048;
  bool real_bytes = false;  ///< through the data plane's code for packets
  unsigned forgeries = 0;   ///< per cent of segments that a forged one follows
  unsigned refusals = 0;    ///< per cent of payloads that find no buffer
};

class Host;

/// What a host does with its connections.
class Application {
 public:
  Application() = default;
  Application(const Application&) = delete;
  Application& operator=(const Application&) = delete;
  virtual ~Application() = default;

  virtual void handle(const tcp::Event& event, Time now) = 0;
  /// Does what is due.
  virtual void act(Time now) = 0;
  /// When act() is next wanted; kNever.
  virtual Time due() const = 0;
};

class Host {
 public:
  Host(uint32_t number, const HostConfig& host_config, uint64_t seed)
      : config(host_config),
        index(number),
        received(host_config.buffers, host_config.buffer_bytes),
        written(host_config.send_buffers, host_config.send_buffer_bytes),
        engine(host_config.tcp, host_config.secret, host_config.clock),
        random(seed) {}

  /// The engine's time.
  Time local(Time now) const { return now + config.clock; }
  lb::Address address(lb::Family family) const { return address_of(index, family); }
  static lb::Address address_of(uint32_t host, lb::Family family) {
    if (family == lb::Family::ipv4) {
      return lb::address_from_host(0x0a000001 + host);
    }
    return lb::Ipv6Address{{0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, static_cast<uint8_t>(1 + host)}};
  }

  /// A slice for an application to write; empty: no buffer is left.
  buffer::Slice slice(uint16_t bytes) {
    buffer::Buffer* const taken = written.pool().take();
    if (taken == nullptr) {
      return {};
    }
    const uint32_t most = std::min<uint32_t>(bytes, taken->capacity);
    const auto headroom = static_cast<uint16_t>(random.below(std::min<uint64_t>(taken->capacity - most, 128) + 1));
    return {taken, headroom, static_cast<uint16_t>(most)};
  }

  /// So that what must hold is checked of it until it is gone.
  void watch(tcp::ConnectionId id) { watched.push_back(id); }

  const HostConfig config;
  const uint32_t index;
  buffer::HeapBuffers received;  // before the engine: its slices go back there
  buffer::HeapBuffers written;
  tcp::Engine engine;
  Random random;
  std::vector<tcp::ConnectionId> watched;
};

}  // namespace weft::simulation
