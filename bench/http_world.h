// SPDX-License-Identifier: Apache-2.0
/// @file The proxy between clients and endpoints without a wire: its engine talks to another one, which is all clients
/// and all endpoints. Only the proxy's own work is timed: the engine's input, what the proxy makes of its events, and
/// the engine's flush, in turns of a batch. Bytes are copied between both outside of that. Cycles are TSC cycles.
#pragma once

#include <x86intrin.h>

#include <algorithm>
#include <chrono>
#include <cstring>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "buffer/heap.h"
#include "lb/http_policy.h"
#include "proxy/proxy.h"
#include "tcp/engine.h"

namespace weft::bench {

using namespace weft::tcp;

inline constexpr uint32_t kBatch = 32;
inline constexpr uint32_t kClients = 1024;
inline constexpr uint32_t kEndpoints = 16;
inline constexpr uint32_t kBuffers = 1 << 15;
inline constexpr uint32_t kBufferBytes = 2176;
inline constexpr uint64_t kSeed = 7;
inline const lb::Address kVip{lb::address_from_host(0x0a600001)};
inline const lb::Address kOwn{lb::address_from_host(0x0a090001)};
inline const lb::Port kPort = lb::port_from_host(80);

inline std::string request(uint32_t route) {
  std::string text = "GET /service-" + std::to_string(route) +
                     "/items/4711?full=true HTTP/1.1\r\n"
                     "Host: shop.example.com\r\n"
                     "User-Agent: Mozilla/5.0 (X11; Linux x86_64)\r\n"
                     "Accept: application/json, text/plain, */*\r\n"
                     "Accept-Encoding: gzip, deflate, br\r\n"
                     "Accept-Language: en\r\n"
                     "Authorization: Bearer 0123456789abcdef\r\n"
                     "Cookie: ";
  const std::string end = "\r\n\r\n";
  return text + std::string(300 - text.size() - end.size(), 'c') + end;
}

inline std::string response() {
  const std::string body(280, 'b');
  std::string head =
      "HTTP/1.1 200 OK\r\nServer: nginx/1.22.1\r\nDate: Mon, 30 Nov 2026 08:00:00 GMT\r\n"
      "Content-Type: application/json\r\nContent-Length: 280\r\nCache-Control: no-cache\r\nX-Fill: ";
  const std::string end = "\r\n\r\n";
  return head + std::string(500 - head.size() - end.size() - body.size(), 'f') + end + body;
}

/// One route a service path; every tenth of many is by a regular expression.
inline std::shared_ptr<const lb::RouteTable> routes(uint32_t count) {
  std::vector<lb::HttpRoute> routes;
  for (uint32_t i = 0; i < count; ++i) {
    auto rule = std::make_shared<lb::HttpRule>();
    rule->route = "default/route-" + std::to_string(i);
    rule->backends.push_back(
        {.port = {.service = "default/shop", .port = kPort, .slots = {1, lb::BackendPort::kNone}}});
    lb::HttpMatch match;
    const bool by_expression = count > 100 && i % 10 == 9;
    match.path = by_expression
                     ? lb::PathMatch{lb::MatchType::regular_expression, "/v[0-9]+/thing-" + std::to_string(i) + "/.*"}
                     : lb::PathMatch{lb::MatchType::prefix, "/service-" + std::to_string(i)};
    routes.push_back({.key = rule->route, .hostnames = {"shop.example.com"}, .rules = {{{match}, rule}}});
  }
  return std::make_shared<const lb::RouteTable>(std::move(routes));
}

inline lb::Service service(uint32_t route_count) {
  lb::Service service{.name = "default/shop", .address = kVip, .port = kPort, .protocol = lb::Protocol::tcp, .slot = 1};
  service.policy.mode = lb::Mode::proxy;
  service.http = std::make_shared<const lb::Http>(
      lb::Http{.protocol = lb::AppProtocol::http, .routes = route_count == 0 ? nullptr : routes(route_count)});
  std::vector<lb::MaglevMember> members;
  for (uint32_t n = 1; n <= kEndpoints; ++n) {
    const lb::Address address(lb::address_from_host(0x0a010000 + n));
    service.endpoints.push_back({.name = "pod", .address = address, .port = kPort, .slot = n});
    service.targets.push_back({.address = address, .port = kPort, .slot = n});
    members.push_back({.identity = service.endpoints.back().identity()});
  }
  std::sort(members.begin(), members.end(), [](const auto& a, const auto& b) { return a.identity < b.identity; });
  std::sort(service.endpoints.begin(), service.endpoints.end(),
            [](const auto& a, const auto& b) { return a.identity() < b.identity(); });
  for (uint32_t n = 0; n < kEndpoints; ++n) {
    service.targets[n] = {.address = service.endpoints[n].address, .port = kPort, .slot = service.endpoints[n].slot};
  }
  service.table = std::make_shared<lb::MaglevTable>(members, 251, kSeed);
  return service;
}

struct Host {
  explicit Host(uint8_t key)
      : buffers(kBuffers, kBufferBytes),
        engine(
            [] {
              Config config;
              config.connections = 1 << 16;
              config.half_open = 4096;
              config.time_waits = 1 << 16;
              config.time_wait = std::chrono::milliseconds(1);
              config.pieces = kBuffers;
              return config;
            }(),
            Secret{{key}}, time::Time{}) {}

  buffer::HeapBuffers buffers;
  Engine engine;
  Output output;
};

class World {
 public:
  explicit World(uint32_t route_count) : World(service(route_count)) {}
  /// @param callers who clients are; null: nobody is known
  explicit World(lb::Service asked, std::shared_ptr<const lb::CallerTable> callers = nullptr)
      : proxy_(one.engine, one.buffers.pool(),
               {.relay = {.sessions = 16},
                .http = {.clients = 8192,
                         .exchanges = 4096,
                         .upstreams = 4096,
                         .service_slots = 4,
                         .endpoint_slots = 64,
                         .seed = 1}},
               now),
        snapshot_(make_snapshot(std::move(asked), std::move(callers))),
        response_(response()) {
    one.engine.listen(kVip, kPort, 0);
    for (uint32_t n = 1; n <= kEndpoints; ++n) {
      other.engine.listen(lb::Address(lb::address_from_host(0x0a010000 + n)), kPort, 0);
    }
  }
  static lb::Snapshot make_snapshot(lb::Service asked, std::shared_ptr<const lb::CallerTable> callers) {
    const lb::Snapshot empty(0, kSeed, {});
    return {empty, 1,       lb::ServiceList({std::make_shared<const lb::Service>(std::move(asked))}),
            {},    nullptr, std::move(callers)};
  }

  /// @param clients addresses that they come from, in turn
  ConnectionId connect(uint32_t n, uint32_t clients = 1) {
    constexpr uint32_t kPorts = 50'000;
    const auto id = other.engine.connect({client_address(n % clients + n / kPorts), kVip,
                                          lb::port_from_host(static_cast<uint16_t>(1024 + n % kPorts)), kPort},
                                         kClient, now);
    if (!id) {
      throw std::runtime_error("no connection");
    }
    return *id;
  }
  static lb::Address client_address(uint32_t n) { return lb::address_from_host(0x0b000000 + n); }
  void write(ConnectionId id, std::string_view text) {
    buffer::Buffer* taken = other.buffers.pool().take();
    if (taken == nullptr) {
      throw std::runtime_error("no buffer is left");
    }
    buffer::Slice slice(taken, 192, static_cast<uint16_t>(text.size()));
    std::memcpy(slice.writable().data(), text.data(), text.size());
    other.engine.write(id, std::move(slice));
  }
  /// One turn of the proxy, and of all others.
  void turn() {
    carry(other, one);
    const uint64_t start = __rdtsc();
    one.engine.input(segments_, now, one.output);
    for (int round = 0; round < 3 && (round == 0 || !one.output.events.empty()); ++round) {
      proxy_.act(one.output.events, snapshot_, now);
      one.output.events.clear();
      proxy_.work_off_calls(snapshot_, now, [&](const proxy::Call& call) { return pair_for(call); });
      proxy_.work_off_changes([&](const proxy::Change&) {});
      one.engine.flush(now, one.output);
    }
    cycles += __rdtsc() - start;
    carry(one, other);
    other.engine.input(segments_, now, other.output);
    play();
  }
  /// Endpoints answer, clients read.
  void play() {
    for (const Event& event : other.output.events) {
      if ((event.what & event::accepted) != 0) {
        other.engine.set_user(event.id, kEndpoint);
      }
      if ((event.what & event::readable) == 0) {
        if ((event.what & event::peer_closed) != 0) {
          other.engine.close(event.id);
        }
        continue;
      }
      other.engine.consume(event.id, SIZE_MAX);
      if (event.user == kClient) {
        ++answered;
        answered_ids.push_back(event.id);
      } else {
        write(event.id, response_);
      }
      if ((event.what & event::peer_closed) != 0) {
        other.engine.close(event.id);
      }
    }
    other.output.events.clear();
  }
  void tick() {
    now += std::chrono::milliseconds(1);
    one.engine.advance(now, one.output);
    other.engine.advance(now, other.output);
    proxy_.advance(snapshot_, now);
  }

  static constexpr uint32_t kClient = 1;
  static constexpr uint32_t kEndpoint = 2;
  time::Time now{std::chrono::seconds(1)};
  Host one{1};    ///< the proxy's
  Host other{2};  ///< everybody else's
  uint64_t cycles = 0;
  uint64_t answered = 0;
  std::vector<ConnectionId> answered_ids;

  const proxy::Proxy& proxy() const { return proxy_; }

 private:
  std::optional<SocketPair> pair_for(const proxy::Call& call) {
    next_port_ = next_port_ == UINT16_MAX ? uint16_t{1024} : static_cast<uint16_t>(next_port_ + 1);
    return SocketPair{kOwn, call.endpoint, lb::port_from_host(next_port_), call.port};
  }
  /// What `from` has to say, in segments_ as they come to `to`.
  void carry(Host& from, Host& to) {
    if (&from == &other) {
      from.engine.flush(now, from.output);
    }
    segments_.clear();
    for (const Transmission& out : from.output.segments) {
      Segment& in = segments_.emplace_back();
      in.pair = {out.pair.remote, out.pair.local, out.pair.remote_port, out.pair.local_port};
      in.sequence = out.sequence;
      in.acknowledgment = out.acknowledgment;
      in.window = out.window;
      in.flags = out.flags;
      in.options_length = out.options_length;
      options_.resize(std::max(options_.size(), segments_.size()));
      options_[segments_.size() - 1] = out.options;
      if (out.payload_length > 0) {
        buffer::Buffer* taken = to.buffers.pool().take();
        if (taken == nullptr) {
          throw std::runtime_error("no buffer is left");
        }
        in.payload = buffer::Slice(taken, 192, out.payload_length);
        size_t at = 0;
        for (uint32_t i = 0; i < out.slice_count; ++i) {
          const auto bytes = from.output.slices[out.first_slice + i].bytes();
          std::memcpy(&in.payload.writable()[at], bytes.data(), bytes.size());
          at += bytes.size();
        }
      }
    }
    for (size_t i = 0; i < segments_.size(); ++i) {
      segments_[i].options = options_[i].data();
    }
    from.output.slices.clear();
    from.output.segments.clear();
  }

  proxy::Proxy proxy_;
  lb::Snapshot snapshot_;
  std::string response_;
  std::vector<Segment> segments_;
  std::vector<decltype(Transmission::options)> options_;
  uint16_t next_port_ = 1024;
};

/// So that time which the core gave to others drops out.
inline double median_of(std::vector<uint64_t>& costs) {
  std::nth_element(costs.begin(), costs.begin() + static_cast<std::ptrdiff_t>(costs.size() / 2), costs.end());
  return static_cast<double>(costs[costs.size() / 2]);
}

/// Connections of both sides stay, and each client has its turn, none again before all others.
/// @returns cycles of each batch of kBatch requests, one a call
class KeptAlive {
 public:
  KeptAlive(World& world, std::string text, uint32_t addresses = 1) : world_(world), text_(std::move(text)) {
    for (uint32_t n = 0; n < kClients; ++n) {
      clients_.push_back(world_.connect(n, addresses));
      world_.turn();
    }
    for (uint32_t warm = 0; warm < kClients; warm += kBatch) {
      ask();
      world_.tick();
    }
  }
  uint64_t ask() {
    world_.cycles = 0;
    const uint64_t before = world_.answered;
    for (uint32_t i = 0; i < kBatch; ++i) {
      world_.write(clients_[(at_ + i) % kClients], text_);
    }
    for (int turns = 0; world_.answered < before + kBatch; ++turns) {
      if (turns > 20) {
        throw std::runtime_error("a request was not answered");
      }
      world_.turn();
    }
    at_ = (at_ + kBatch) % kClients;
    return world_.cycles;
  }
  /// What time brings, now and then.
  void tick() {
    if (at_ == 0) {
      world_.tick();
    }
  }

 private:
  World& world_;
  std::string text_;
  std::vector<ConnectionId> clients_;
  uint32_t at_ = 0;
};

}  // namespace weft::bench
