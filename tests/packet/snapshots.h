// SPDX-License-Identifier: Apache-2.0
/// @file Snapshots for tests, from lists of addresses; registry-sync builds production's.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "lb/snapshot.h"
#include "packet_builder.h"

namespace weft::test {

constexpr uint64_t kSeed = 7;

struct Backend {
  Socket at;
  uint32_t slot = 0;
};

/// A service whose table holds the backends; the smallest table, which is all that a few need.
inline lb::Service make_service(const Socket& vip, lb::Protocol protocol, uint32_t slot,
                                const std::vector<Backend>& ready) {
  lb::Service service{.name = "default/test",
                      .address = vip.address,
                      .port = lb::port_from_host(vip.port),
                      .protocol = protocol,
                      .slot = slot};
  std::vector<lb::MaglevMember> members;
  for (const Backend& backend : ready) {
    members.push_back({.identity = to_string(backend.at.address, lb::port_from_host(backend.at.port))});
  }
  service.table = std::make_shared<lb::MaglevTable>(members, 251, kSeed);
  for (const lb::MaglevMember& member : service.table->members()) {
    for (const Backend& backend : ready) {
      if (member.identity == to_string(backend.at.address, lb::port_from_host(backend.at.port))) {
        service.targets.push_back(
            {.address = backend.at.address, .port = lb::port_from_host(backend.at.port), .slot = backend.slot});
      }
    }
  }
  return service;
}

inline std::shared_ptr<const lb::Snapshot> make_snapshot(std::vector<lb::Service> services, uint64_t epoch = 1) {
  return std::make_shared<lb::Snapshot>(epoch, kSeed, std::move(services));
}

}  // namespace weft::test
