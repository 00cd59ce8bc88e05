// SPDX-License-Identifier: Apache-2.0
/// @file The proxy between clients and endpoints, all of them on one other engine: what a client says, what an endpoint
/// hears and answers, and a clock that stands still until it is told.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "lb/authorization.h"
#include "lb/http_policy.h"
#include "proxy/proxy.h"
#include "tcp_host.h"

namespace weft::proxy {

constexpr uint64_t kMeshSeed = 7;
inline const lb::Address kMeshClient{lb::address_from_host(0x0a010001)};
inline const lb::Address kMeshVip{lb::address_from_host(0x0a600001)};
inline const lb::Address kMeshOwn{lb::address_from_host(0x0a090001)};
inline const lb::Port kMeshPort = lb::port_from_host(80);

/// The n-th endpoint of a mesh's services.
inline lb::Address endpoint_address(uint32_t n) {
  return lb::Address(lb::address_from_host(0x0a010064 + n));
}

/// A service at 10.96.0.<number>, whose endpoints are the n-th ones, as n is named, at slots of the same numbers.
inline lb::Service http_service(const std::string& name, uint32_t number, const std::vector<uint32_t>& endpoints,
                                lb::Http http = {.protocol = lb::AppProtocol::http}) {
  lb::Service service{.name = name,
                      .address = lb::address_from_host(0x0a600000 + number),
                      .port = kMeshPort,
                      .protocol = lb::Protocol::tcp,
                      .slot = number};
  service.policy.mode = lb::Mode::proxy;
  service.http = std::make_shared<const lb::Http>(std::move(http));
  std::vector<lb::MaglevMember> members;
  for (const uint32_t n : endpoints) {
    service.endpoints.push_back(
        {.name = "pod-" + std::to_string(n), .address = endpoint_address(n), .port = kMeshPort, .slot = n});
    members.push_back({.identity = service.endpoints.back().identity()});
    service.targets.push_back({.address = endpoint_address(n), .port = kMeshPort, .slot = n});
  }
  service.table = std::make_shared<lb::MaglevTable>(members, 251, kMeshSeed);
  return service;
}

/// The same service, whose requests are balanced and connected as its owner says.
inline lb::Service asking(lb::Service service, lb::RequestPolicy policy) {
  service.requests = std::make_shared<const lb::RequestPolicy>(std::move(policy));
  return service;
}

/// The same service, with these policies of access.
inline lb::Service judging(lb::Service service, std::vector<lb::AuthorizationRules> policies) {
  static uint64_t id = 0;
  service.authorization =
      std::make_shared<const lb::Authorization>(++id, std::move(policies), service.address, service.port);
  return service;
}

/// A rule's backend: the service of this number, as http_service() makes it.
inline lb::HttpBackend backend(uint32_t number, uint32_t weight = 1, lb::HttpFilters filters = {}) {
  return {.port = {.service = "default/s" + std::to_string(number),
                   .port = kMeshPort,
                   .slots = {number, lb::BackendPort::kNone}},
          .weight = weight,
          .filters = std::move(filters)};
}

/// A match of paths under a prefix, and what it leads to.
struct RuleUnder {
  std::string prefix;
  lb::HttpRule rule;
};
inline std::shared_ptr<const lb::RouteTable> route_table(const std::vector<RuleUnder>& rules) {
  lb::HttpRoute route{.key = "default/route", .hostnames = {}};
  for (const RuleUnder& each : rules) {
    auto rule = std::make_shared<lb::HttpRule>(each.rule);
    rule->route = route.key;
    route.rules.push_back({{{.path = {lb::MatchType::prefix, each.prefix}}}, std::move(rule)});
  }
  return std::make_shared<const lb::RouteTable>(std::vector<lb::HttpRoute>{std::move(route)});
}

class HttpMesh {
 public:
  /// @param their the TCP of clients and endpoints @param our and weft's
  explicit HttpMesh(HttpConfig http = {}, const tcp::Config& their = {}, const tcp::Config& our = {})
      : outside(1, their),
        middle(2, our),
        proxy_(middle.engine, middle.buffers.pool(),
               {.relay = {.sessions = 16, .protections = http.protections, .faults = http.faults},
                .http =
                    [&] {
                      http.clients = http.clients == 0 ? 128 : http.clients;
                      http.exchanges = http.exchanges == 0 ? 64 : http.exchanges;
                      http.upstreams = http.upstreams == 0 ? 64 : http.upstreams;
                      http.service_slots = 64;
                      http.endpoint_slots = 256;
                      http.gathered_heads = 4;
                      http.seed = 1;
                      return http;
                    }()},
               now) {
    for (uint32_t n = 0; n < 32; ++n) {
      outside.engine.listen(endpoint_address(n), kMeshPort, 0);
    }
  }

  /// @param resets slots of endpoints that have left, and whose time is over
  void publish(std::vector<lb::Service> services, std::vector<uint32_t> resets = {}) {
    lb::ServiceList::Shared shared;
    for (lb::Service& service : services) {
      middle.engine.listen(service.address, service.port, service.slot);
      shared.push_back(std::make_shared<const lb::Service>(std::move(service)));
    }
    const lb::Snapshot empty(0, kMeshSeed, {});
    snapshot.emplace(empty, ++epoch_, lb::ServiceList(std::move(shared)), std::move(resets), nullptr, callers);
  }

  /// All that is to be said is said.
  void settle() {
    for (size_t carried = 1; carried > 0;) {
      carried = carry(outside, middle, now);
      proxy_.act(middle.events, *snapshot, now);
      middle.events.clear();
      proxy_.work_off_calls(*snapshot, now, [&](const Call& call) -> std::optional<tcp::SocketPair> {
        return tcp::SocketPair{kMeshOwn, call.endpoint, lb::port_from_host(next_port_++), call.port};
      });
      proxy_.work_off_changes([&](const Change& change) { changes.push_back(change); });
      for (const AccessRecord& record : proxy_.http().records()) {
        records.push_back(record);
      }
      proxy_.http().records().clear();
      carried += carry(middle, outside, now, silent);
      carried += middle.events.size() + (proxy_.has_more() ? 1 : 0);
      hear();
    }
  }
  void pass(std::chrono::milliseconds time) {
    constexpr std::chrono::milliseconds kStep{5};
    for (std::chrono::milliseconds passed{0}; passed < time; passed += kStep) {
      now += kStep;
      outside.engine.advance(now, outside.output);
      middle.engine.advance(now, middle.output);
      proxy_.advance(*snapshot, now);
      settle();
    }
  }

  tcp::ConnectionId connect(const lb::Address& vip = kMeshVip, const lb::Address& from = kMeshClient) {
    const auto id = *outside.engine.connect({from, vip, lb::port_from_host(next_client_++), kMeshPort}, 1, now);
    settle();
    return id;
  }
  void say(tcp::ConnectionId id, std::string_view text) {
    for (size_t at = 0; at < text.size(); at += 1400) {
      outside.engine.write(id, outside.slice_of(text.substr(at, 1400)));
      settle();
    }
  }
  /// What the connection takes of it before it says that there is no more room. @returns bytes
  size_t offer(tcp::ConnectionId id, std::string_view text) {
    size_t at = 0;
    for (; at < text.size(); at += std::min<size_t>(1400, text.size() - at)) {
      if (!outside.engine.write(id, outside.slice_of(text.substr(at, 1400)))) {
        break;
      }
      settle();
    }
    return at;
  }
  /// Nothing more will be said by it.
  void finish(tcp::ConnectionId id) {
    outside.engine.shutdown(id);
    settle();
  }
  void reset(tcp::ConnectionId id) {
    outside.engine.abort(id);
    settle();
  }
  std::string hear_client(tcp::ConnectionId id) { return outside.read(id); }
  /// What came to endpoints' connections and nobody has looked at, by the order of the connections.
  struct Heard {
    tcp::ConnectionId id;
    lb::Address endpoint;
    std::string text;
  };
  std::vector<Heard> heard() {
    std::vector<Heard> all;
    for (const auto& [id, endpoint] : accepted) {
      if (std::string text = outside.read(id); !text.empty()) {
        all.push_back({id, endpoint, std::move(text)});
      }
    }
    settle();
    return all;
  }
  uint16_t told(tcp::ConnectionId id) const {
    uint16_t what = 0;
    for (const tcp::Event& each : outside_events) {
      what |= each.id == id ? each.what : uint16_t{0};
    }
    return what;
  }
  bool is_idle() const {
    const HttpBooks books = proxy_.http().books();
    return books.exchanges == 0;
  }

  Proxy& proxy() { return proxy_; }
  HttpBooks books() const { return proxy_.http().books(); }

  time::Time now{std::chrono::seconds(5)};
  lb::Address silent;  ///< whose segments are lost on their way
  tcp::Host outside;
  tcp::Host middle;
  std::optional<lb::Snapshot> snapshot;
  std::shared_ptr<const lb::CallerTable> callers;  ///< of the next snapshot; null: nobody is known
  std::vector<Change> changes;
  std::vector<AccessRecord> records;
  std::vector<std::pair<tcp::ConnectionId, lb::Address>> accepted;  ///< endpoints' connections, in their order
  std::vector<tcp::Event> outside_events;

 private:
  void hear() {
    for (const tcp::Event& event : outside.events) {
      outside_events.push_back(event);
      if ((event.what & tcp::event::accepted) != 0) {
        if (const tcp::SocketPair* pair = outside.engine.pair(event.id)) {
          accepted.emplace_back(event.id, pair->local);
        }
      }
    }
    outside.events.clear();
  }

  Proxy proxy_;
  uint64_t epoch_ = 0;
  uint16_t next_port_ = 1024;
  uint16_t next_client_ = 41000;
};

}  // namespace weft::proxy
