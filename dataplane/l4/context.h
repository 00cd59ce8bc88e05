// SPDX-License-Identifier: Apache-2.0
/// @file What both address families of a worker's pipeline share, and what a burst is decided by.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <memory>
#include <type_traits>
#include <vector>

#include "dns/forwarding.h"
#include "dns/responder.h"
#include "flow/flow.h"
#include "flow/recent_table.h"
#include "l4/counters.h"
#include "l4/crossing.h"
#include "l4/forwarding.h"
#include "l4/own_ports.h"
#include "l4/recovery.h"
#include "l4/tunnel_source.h"
#include "l4/unresolved.h"
#include "lb/fault_board.h"
#include "lb/snapshot.h"
#include "lb/split_mix.h"
#include "lb/token_bucket.h"
#include "time/clock.h"

namespace weft::l4 {

/// Of services that answer names.
struct NameServerConfig {
  std::shared_ptr<const dns::Zone> zone;  ///< null: there is no such service
  dns::MessageRing* asks = nullptr;       ///< to who asks other servers; null: nobody does. Outlives the pipeline
};

struct PipelineConfig {
  uint32_t worker = 0;
  uint32_t workers = 1;
  uint64_t seed = 0;
  uint32_t max_endpoints = 65536;  ///< slots
  uint32_t max_services = 16384;   ///< slots
  uint32_t flows = 1 << 18;        ///< of IPv4
  uint32_t flows6 = 1 << 16;       ///< of IPv6
  flow::Timeouts timeouts;
  lb::Rate new_flows = {.per_second = 400'000, .burst = 20'000};  ///< of this worker; more is overload
  lb::Rate answers = {.per_second = 1'000, .burst = 100};         ///< ICMP errors that this worker sends
  uint32_t remembered_clients = 1 << 16;                          ///< of services with session affinity
  uint32_t remembered_sources = 1 << 16;                          ///< of services with a rate by source
  uint32_t remembered_fragments = 1 << 12;
  std::vector<lb::Address> own_addresses;  ///< sources of fullnat
  bool proxies = false;                    ///< TCP may end at this worker
  uint64_t own_ports_seed = 0;             ///< in which order their ports are taken
  std::vector<lb::Prefix> tunnel_sources;  ///< one a family at most: outer source addresses of tunnels
  NameServerConfig names;
  lb::FaultBoard* faults = nullptr;  ///< the node's, which outlives the pipeline; null: of its own
};

/// Where a client of a service with session affinity is at home.
struct Home {
  uint32_t endpoint_slot = 0;
  time::Millis told = 0;  ///< when the other workers were last told
};

struct Context {
  Context(const PipelineConfig& its_config, SlotCounters& its_counters)
      : config(its_config),
        counters(its_counters),
        outbox(its_config.workers),
        own_ports(its_config.own_addresses, its_config.worker, its_config.own_ports_seed),
        clients(its_config.remembered_clients),
        sources(its_config.remembered_sources),
        fragments(its_config.remembered_fragments),
        service_rates(its_config.max_services),
        tunnel_source4(its_config.tunnel_sources),
        tunnel_source6(its_config.tunnel_sources),
        own_faults(its_config.faults == nullptr ? std::make_unique<lb::FaultBoard>(its_config.worker + 1) : nullptr),
        faults(its_config.faults == nullptr ? *own_faults : *its_config.faults),
        fault_random(its_config.seed + its_config.worker) {}

  template <typename Address>
  const TunnelSource<Address>& tunnel_source() const {
    if constexpr (std::is_same_v<Address, lb::Ipv4Address>) {
      return tunnel_source4;
    } else {
      return tunnel_source6;
    }
  }

  const PipelineConfig config;
  SlotCounters& counters;
  Outbox outbox;
  OwnPorts own_ports;
  flow::RecentTable<Home> clients;
  flow::RecentTable<lb::TokenBucket> sources;
  flow::RecentTable<uint32_t> fragments;       ///< ports, as they lie in the first fragment
  std::vector<lb::TokenBucket> service_rates;  ///< by slot
  const TunnelSource<lb::Ipv4Address> tunnel_source4;
  const TunnelSource<lb::Ipv6Address> tunnel_source6;
  lb::TokenBucket new_flows;
  lb::TokenBucket answers;
  /// Passed to a kernel, by the port that they came in by and their claim (pass.h).
  std::array<std::array<lb::TokenBucket, 2>, kMaxPorts> others;
  Unresolved unresolved;
  uint64_t adopted_flows = 0;
  uint32_t begun_in_burst = 0;  ///< flows
  Recovery recovery;
  dns::Counters names;
  uint32_t name_turn = 0;  ///< one more each query
  const std::unique_ptr<lb::FaultBoard> own_faults;
  lb::FaultBoard& faults;
  lb::SplitMix64 fault_random;
};

/// What a service's flows are, by its policy.
inline flow::Kind kind_of(const lb::Policy& policy) {
  using flow::Kind;
  switch (policy.mode) {
    case lb::Mode::fullnat:
      return Kind::fullnat;
    case lb::Mode::dsr:
      return policy.encapsulation == lb::Encapsulation::gue ? Kind::gue : Kind::ipip;
    case lb::Mode::nat:
    case lb::Mode::proxy:  // makes no flows
      break;
  }
  return Kind::nat;
}

struct View {
  const lb::Snapshot& snapshot;
  const Forwarding& forwarding;
  time::Millis now;
  time::Time time{};

  uint64_t time_ns() const { return static_cast<uint64_t>(time.count()); }
};

}  // namespace weft::l4
