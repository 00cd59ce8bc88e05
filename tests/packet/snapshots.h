// SPDX-License-Identifier: Apache-2.0
/// @file Snapshots for tests, from lists of addresses; registry-sync builds production's.
#pragma once

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "lb/authorization.h"
#include "lb/snapshot.h"
#include "packet_builder.h"

namespace weft::test {

constexpr uint64_t kSeed = 7;

struct Backend {
  Socket at;
  uint32_t slot = 0;
  lb::EndpointState state = lb::EndpointState::ready;
  uint32_t weight = 1;
  bool last_resort = false;  ///< it drains, and gets new flows all the same, as nobody is ready

  bool is_open() const { return (state == lb::EndpointState::ready && weight > 0) || last_resort; }
};

/// A service of these backends; its table, of the smallest size, holds those that are open to new flows.
inline lb::Service make_service(const Socket& vip, lb::Protocol protocol, uint32_t slot,
                                const std::vector<Backend>& backends) {
  lb::Service service{.name = "default/test",
                      .address = vip.address,
                      .port = lb::port_from_host(vip.port),
                      .protocol = protocol,
                      .slot = slot};
  std::vector<lb::MaglevMember> members;
  std::vector<uint32_t> open;
  for (const Backend& backend : backends) {
    service.endpoints.push_back({.address = backend.at.address,
                                 .port = lb::port_from_host(backend.at.port),
                                 .weight = backend.weight,
                                 .state = backend.state,
                                 .slot = backend.slot});
    if (backend.is_open()) {
      members.push_back({.identity = service.endpoints.back().identity()});
      open.push_back(backend.slot);
    }
  }
  std::sort(service.endpoints.begin(), service.endpoints.end(),
            [](const lb::Endpoint& a, const lb::Endpoint& b) { return a.identity() < b.identity(); });
  service.table = std::make_shared<lb::MaglevTable>(members, 251, kSeed);
  for (const lb::Endpoint& endpoint : service.endpoints) {  // members are sorted by identity too
    if (std::find(open.begin(), open.end(), endpoint.slot) != open.end()) {
      service.targets.push_back({.address = endpoint.address, .port = endpoint.port, .slot = endpoint.slot});
    }
  }
  return service;
}

/// A policy that denies all of these, "10.1.0.7/32, ...", or is tried alone.
inline std::shared_ptr<const lb::Authorization> denying(const std::vector<std::string>& clients, bool dry_run = false) {
  lb::AuthorizationSource source;
  for (const std::string& each : clients) {
    source.ip_blocks.is.push_back(lb::parse_prefix(each).value());
  }
  lb::AuthorizationRules policy{.name = "default/deny", .deny = true, .dry_run = dry_run};
  policy.rules = {{.from = {source}, .to = {}, .when = {}}};
  static uint64_t id = 0;
  return std::make_shared<const lb::Authorization>(++id, std::vector{policy}, lb::Address(), lb::Port{});
}

inline std::shared_ptr<const lb::Snapshot> make_snapshot(std::vector<lb::Service> services, uint64_t epoch = 1) {
  return std::make_shared<lb::Snapshot>(epoch, kSeed, std::move(services));
}

}  // namespace weft::test
