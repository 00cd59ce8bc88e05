// SPDX-License-Identifier: Apache-2.0
/// @file What happens to a packet at L4: parse, find its flow or admit a new one, translate.
///
/// Destination NAT with the client's address kept: a request to a virtual address gets its endpoint's address and port,
/// the endpoint's reply gets the virtual ones back. Established flows never ask the snapshot again.
///
/// A pipeline belongs to one worker. It reads no clock, does no I/O, allocates nothing and knows no DPDK: the same
/// bursts, snapshots and times give the same bytes and counters.
#pragma once

#include <array>
#include <cstdint>

#include "flow/table.h"
#include "l4/burst.h"
#include "l4/counters.h"
#include "l4/egress.h"
#include "lb/decision.h"
#include "lb/snapshot.h"
#include "time/clock.h"

namespace weft::l4 {

class Pipeline {
 public:
  /// What is referred to must outlive the pipeline. `flows` must hash with the seed of the snapshots to come.
  Pipeline(flow::FlowTable& flows, SlotCounters& counters, const Egresses& egresses)
      : flows_(flows), counters_(counters), egresses_(egresses) {}

  /// Gives each packet of the burst its verdict.
  void process(Burst& burst, const lb::Snapshot& snapshot, time::Time now);

  /// Forgets flows past their time, looking at `budget` records.
  void sweep(uint32_t budget, time::Time now);

  /// Flows that began in mid-connection: weft met a TCP segment without SYN that belongs to no flow, and the consistent
  /// hash said where its connection goes (so connections survive a restart whose endpoints did not change).
  uint64_t adopted_flows() const { return adopted_flows_; }

 private:
  /// One packet on its way: the burst's arrays at one index.
  struct Packet {
    Frame& frame;
    const packet::Parsed& parsed;
    uint64_t hash;
    uint8_t ingress;
    uint8_t& egress;
  };

  void parse(Burst& burst, uint64_t seed);
  Verdict decide_transport(Packet& packet, flow::Ref nominee, const lb::Snapshot& snapshot, time::Millis now);
  Verdict decide_other(Packet& packet, const lb::Snapshot& snapshot);
  Verdict admit(Packet& packet, const lb::Snapshot& snapshot, time::Millis now);
  Verdict forward(Packet& packet, flow::Flow& flow, flow::Direction direction, time::Millis now);
  Verdict refuse(Packet& packet, Verdict reason);
  Verdict pass(Packet& packet);
  void send(Packet& packet, uint8_t port);
  void forget(const flow::Flow& flow);

  flow::FlowTable& flows_;
  SlotCounters& counters_;
  const Egresses& egresses_;
  uint64_t adopted_flows_ = 0;
};

}  // namespace weft::l4
