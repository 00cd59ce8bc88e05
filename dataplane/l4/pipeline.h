// SPDX-License-Identifier: Apache-2.0
/// @file What happens to a packet at L4: parse, find its flow or admit a new one, then translate it or put it into a
/// tunnel.
///
/// By its service's mode: destination NAT with the client's address kept, NAT of both addresses, or a tunnel to the
/// endpoint, which answers by itself. Established flows never ask the snapshot again, but whether their endpoint is
/// still there; when policies of access change, all are looked through once.
///
/// A pipeline belongs to one worker, and flows to one pipeline. A packet of another worker's flow is handed over to it;
/// what that worker must know for this to work, the outbox tells it (landing.h, crossing.h).
///
/// A pipeline reads no clock, does no I/O, allocates nothing and knows no DPDK: the same bursts, notes, snapshots and
/// times give the same bytes, notes and counters.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>

#include "l4/burst.h"
#include "l4/context.h"
#include "l4/family_pipeline.h"
#include "l4/flow_judgement.h"
#include "l4/hop_renewal.h"

namespace weft::l4 {

/// Records of flow tables to look at.
struct SweepBudget {
  uint32_t ipv4 = 0;
  uint32_t ipv6 = 0;
};

class Pipeline {
 public:
  /// Takes all memory that it will need; throws std::bad_alloc. `counters` must outlive it.
  Pipeline(const PipelineConfig& config, SlotCounters& counters);

  /// Gives each packet of the burst its verdict. Before the burst, all notes() of other workers must have been taken
  /// that were there when it was received; after it, the outbox must be emptied before anything is sent.
  void process(Burst& burst, const lb::Snapshot& snapshot, const Forwarding& forwarding, time::Time now);

  /// How many records a sweep should look at, so long after the last one.
  SweepBudget sweep_budget(time::Millis since) const {
    return {.ipv4 = v4_.flows().sweep_budget(since), .ipv6 = v6_.flows().sweep_budget(since)};
  }
  /// Forgets flows past their time.
  void sweep(SweepBudget budget, const lb::Snapshot& snapshot, const Forwarding& forwarding, time::Time now);

  void note(const Note& note, time::Time now);
  /// Before the first burst, if this may be a restart; see recovery.h. @param vips outlive this
  void recover_by(const VipsOfEndpoints* vips) { context_.recovery.begin(vips); }
  Outbox& outbox() { return context_.outbox; }
  Unresolved& unresolved() { return context_.unresolved; }
  /// No flow holds a next hop's number that a forwarding of this epoch, or an older one, retired.
  uint64_t renewed_epoch() const { return renewal_.epoch(); }

  flow::FlowTable4& flows4() { return v4_.flows(); }
  flow::FlowTable6& flows6() { return v6_.flows(); }
  const OwnPorts& own_ports() const { return context_.own_ports; }
  OwnPorts& own_ports() { return context_.own_ports; }
  /// Flows that began in mid-connection: weft met a TCP segment without SYN that belongs to no flow, and the consistent
  /// hash said where its connection goes (so connections survive a restart whose endpoints did not change).
  uint64_t adopted_flows() const { return context_.adopted_flows; }
  const dns::Counters& names() const { return context_.names; }
  uint32_t active_flows() const { return v4_.flows().size() + v6_.flows().size(); }
  uint32_t fullest_table_permille() const {
    const auto permille = [](const auto& table) { return uint64_t{1000} * table.size() / table.capacity(); };
    return static_cast<uint32_t>(std::max(permille(v4_.flows()), permille(v6_.flows())));
  }

 private:
  void except(Burst& burst, const View& view);

  Context context_;
  FamilyPipeline<lb::FlowKey4> v4_;
  FamilyPipeline<lb::FlowKey6> v6_;
  HopRenewal renewal_;
  FlowJudgement judgement_;
  uint64_t epoch_ = 0;  ///< of the snapshot that the tables' shares were divided by
  std::array<lb::Decision, Burst::kMax> decisions_;
};

}  // namespace weft::l4
