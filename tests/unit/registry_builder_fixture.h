// SPDX-License-Identifier: Apache-2.0
/// @file What the tests of the builder share: one that takes texts, and a snapshot as text.
#pragma once

#include <string>

#include "registry-sync/builder.h"
#include "registry_fixture.h"

namespace weft::registry {

inline constexpr uint64_t kSeed = 42;

/// A builder with the arguments that a test seldom cares for.
struct Bench {
  explicit Bench(std::string zone = "", SlotLimits limits = {.services = 100, .endpoints = 100},
                 const Abilities& abilities = {})
      : inventory(abilities), builder(kSeed, limits, std::move(zone), abilities) {}

  Inventory inventory;
  Builder builder;
  std::set<Drain> drains;
  std::set<uint32_t> used;  ///< endpoint slots that flows hold
  Time now{};

  SlotUse in_use() {
    return {.services = {}, .endpoints = [this](uint32_t slot) { return used.contains(slot); }};
  }
  Builder::Outcome build(const std::shared_ptr<const ResourceSet>& documents, const SlotUse& use) {
    inventory.set("f.yaml", documents);
    EXPECT_EQ(lines(inventory.errors()), std::vector<std::string>());
    return builder.build(inventory.take_changes(), drains, use, now);
  }
  Builder::Outcome build(const std::string& text) { return build(parsed(text), in_use()); }
  /// After nothing but time.
  Builder::Outcome build_at(Time time) {
    now = time;
    return builder.build({}, drains, in_use(), now);
  }
  const lb::Snapshot& snapshot() const { return *builder.snapshot(); }
};

/// All that two nodes must agree on.
inline std::string shown(const lb::Snapshot& snapshot) {
  std::string text;
  for (const lb::Service& service : snapshot.services()) {
    text += service.name + " " + service.port_name + " " + to_string(service.address, service.port) + " " +
            std::to_string(service.slot) + " " + std::to_string(service.table->digest()) + "\n";
    for (const lb::Endpoint& endpoint : service.endpoints) {
      text += "  " + endpoint.identity() + " " + endpoint.name + " " + std::to_string(endpoint.weight) + " " +
              std::string(lb::to_string(endpoint.state)) + " " + std::to_string(endpoint.slot) + "\n";
    }
    for (const lb::Target& target : service.targets) {
      text += "  > " + to_string(target.address, target.port) + " " + std::to_string(target.slot) + "\n";
    }
  }
  return text;
}

}  // namespace weft::registry
