// SPDX-License-Identifier: Apache-2.0
/// @file Resources to snapshots, each built with what the one before it knows.
///
/// From its predecessor a snapshot takes the slots of services and endpoints, and the Maglev tables whose members, size
/// and seed are the same: those are shared by pointer. The outcome does not depend on the order of the resources.
///
/// It also keeps track of endpoints that left the registry while flows hold their slots: they get no new flow, but eBPF
/// must go on steering the old ones to their workers.
///
/// One thread: the syncer's. Memory: the slots' bound on services times their tables (128 KiB each at the default
/// size).
#pragma once

#include <compare>
#include <functional>
#include <memory>
#include <set>
#include <string>
#include <unordered_set>
#include <vector>

#include "registry-sync/diagnostic.h"
#include "registry-sync/resources.h"
#include "registry-sync/slots.h"

namespace weft::registry {

/// How many services' ports and endpoints a node knows at most; lingering ones count.
struct SlotLimits {
  uint32_t services = 4096;
  uint32_t endpoints = 65536;
};

/// Asked only about slots that a snapshot was published without. The answer must be yes as long as a worker may still
/// make a flow by an older snapshot. An empty function says no.
struct SlotUse {
  InUse services;
  InUse endpoints;
  // Told of each slot that nobody holds any more, before it may get another owner: its counters are to start anew.
  std::function<void(uint32_t slot)> service_freed = {};
  std::function<void(uint32_t slot)> endpoint_freed = {};
};

/// An operator's wish that an endpoint get no new flows. It goes when the endpoint leaves the registry.
struct Drain {
  std::string service;  ///< "namespace/name"
  lb::Ipv4Address endpoint{};

  auto operator<=>(const Drain&) const = default;
};

/// An endpoint behind a virtual address that packets must be steered for.
struct TrackedEndpoint {
  uint32_t slot = 0;
  lb::Ipv4Address vip{};
  lb::Port vip_port{};
  lb::Protocol protocol{};
  lb::Ipv4Address address{};
  lb::Port port{};
  bool lingering = false;  ///< not in the registry any more: only the flows that it has

  bool operator==(const TrackedEndpoint&) const = default;
};

class Builder {
 public:
  /// @param seed of the mesh; see lb/flow_key.h
  Builder(uint64_t seed, SlotLimits limits);

  /// What is wrong with the outcome: services and endpoints left out for want of slots.
  struct Outcome {
    bool changed = false;  ///< snapshot() or tracked() is not what it was
    std::vector<Diagnostic> errors;
  };
  /// @param resources without errors by validate()
  /// @param drains those of endpoints that are not there are removed
  Outcome build(const ResourceSet& resources, std::set<Drain>& drains, const SlotUse& in_use);

  /// Frees the slots that nobody holds any more. Did tracked() change?
  bool reclaim(const SlotUse& in_use);

  /// The latest; null before the first build. Epochs start at 1 and grow with each snapshot that differs from the last.
  const std::shared_ptr<const lb::Snapshot>& snapshot() const { return snapshot_; }
  /// In the order of slots.
  std::vector<TrackedEndpoint> tracked() const;
  /// Endpoints that linger.
  size_t lingering() const { return endpoint_slots_.lingering().size(); }
  /// Does any slot wait for reclaim()?
  bool has_lingering() const { return lingering() > 0 || !service_slots_.lingering().empty(); }

 private:
  /// Adds the endpoints that get a slot, and their identities.
  void place_endpoints(lb::Service& service, const std::string& service_identity, std::vector<lb::Endpoint> endpoints,
                       std::unordered_set<std::string>& identities);
  std::shared_ptr<const lb::MaglevTable> table_for(const lb::Service& service, uint32_t size) const;

  uint64_t seed_;
  SlotLimits limits_;
  SlotLedger service_slots_;
  SlotLedger endpoint_slots_;
  std::vector<TrackedEndpoint> by_slot_;  ///< of endpoint slots; meaningless where they are free
  std::shared_ptr<const lb::Snapshot> snapshot_;
};

}  // namespace weft::registry
