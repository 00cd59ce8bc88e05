// SPDX-License-Identifier: Apache-2.0
/// @file The immutable view of services and endpoints that workers decide by.
///
/// A snapshot is built whole by registry-sync and never edited; the next one replaces it. Parts that did not change are
/// shared by pointer. Any number of threads may read it.
///
/// Counters outlive snapshots, so services and endpoints carry a *slot*: a small number that stays theirs from snapshot
/// to snapshot, and is given to another only when no flow holds it any more.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "lb/address.h"
#include "lb/flow_key.h"
#include "lb/maglev.h"

namespace weft::lb {

enum class EndpointState : uint8_t {
  ready,      ///< gets new flows
  draining,   ///< keeps its flows and gets no new ones: asked for by an operator, or terminating in the registry
  not_ready,  ///< gets no new flows: the registry says that it is not ready
};
std::string_view to_string(EndpointState state);

struct Endpoint {
  std::string name;  ///< what operators call it: its pod, or its address
  Ipv4Address address{};
  Port port{};
  uint32_t weight = 1;
  EndpointState state = EndpointState::ready;
  uint32_t slot = 0;

  /// What Maglev knows it by.
  std::string identity() const { return to_string(address, port); }
};

/// What a new flow needs of an endpoint, and no more: these lie side by side.
struct Target {
  Ipv4Address address{};
  Port port{};
  uint32_t slot = 0;
};

/// One port of a Kubernetes Service: a virtual address, port and protocol with the endpoints behind it.
struct Service {
  std::string name;       ///< "namespace/name"
  std::string port_name;  ///< may be empty
  Ipv4Address address{};  ///< the VIP
  Port port{};
  Protocol protocol{};
  uint32_t slot = 0;
  std::vector<Endpoint> endpoints;           ///< all of them, sorted by identity
  std::shared_ptr<const MaglevTable> table;  ///< never null; over the endpoints that are ready and have weight
  std::vector<Target> targets;               ///< in the order of the table's members

  /// Endpoints, targets and table; a table that two services share counts in both.
  size_t memory_bytes() const;
};

class Snapshot {
 public:
  /// @param services with unique (address, port, protocol); asserted
  Snapshot(uint64_t epoch, uint64_t seed, std::vector<Service> services);

  uint64_t epoch() const { return epoch_; }
  uint64_t seed() const { return seed_; }
  const std::vector<Service>& services() const { return services_; }

  const Service* find(Ipv4Address address, Port port, Protocol protocol) const;
  /// Does any service have this address?
  bool is_vip(Ipv4Address address) const;
  /// Is the endpoint with this slot still one that new flows may go to?
  bool takes_new_flows(uint32_t slot) const { return slot < open_slots_.size() && open_slots_[slot]; }
  /// Is the endpoint with this slot in the registry at all, be it draining or not ready?
  bool has_endpoint(uint32_t slot) const { return slot < known_slots_.size() && known_slots_[slot]; }

 private:
  struct Entry {
    uint64_t key = 0;  ///< 0: free
    uint32_t service = 0;
  };
  static constexpr uint32_t kAddressOnly = UINT32_MAX;

  const Entry* look_up(uint64_t key) const;
  void insert(uint64_t key, uint32_t service);

  uint64_t epoch_;
  uint64_t seed_;
  std::vector<Service> services_;
  std::vector<Entry> index_;       ///< open addressing, a power of two, at most half full
  std::vector<bool> open_slots_;   ///< by endpoint slot
  std::vector<bool> known_slots_;  ///< by endpoint slot
};

}  // namespace weft::lb
