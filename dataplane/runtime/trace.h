// SPDX-License-Identifier: Apache-2.0
/// @file The next packets' way, as one operator asked for it: workers write records, one thread reads them.
///
/// Each worker records as many packets as are wanted in all, then no more; a ring of its own holds that many, so that
/// the first packets are never missed. A packet that one worker hands over to another has a record of each.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <vector>

#include "l4/passage.h"
#include "runtime/packet_filter.h"
#include "runtime/record_ring.h"

struct rte_mbuf;

namespace weft::runtime {

class Terminator;

struct TraceRecord {
  enum class What : uint8_t {
    passage,
    lost,  ///< after its passage: no room where it was to go
  };
  uint64_t cycles = 0;  ///< of the time-stamp counter, after the passage
  uint64_t packet = 0;  ///< the same for all records of one packet, and of no other at the time
  What what = What::passage;
  l4::Verdict lost_by = l4::Verdict::transmit_full;
  l4::Passage passage;
};

class Trace {
 public:
  /// Takes all memory that it will need.
  Trace(uint32_t workers, uint32_t packets, PacketFilter filter);

  // A worker's side.
  void before(uint32_t worker, rte_mbuf* const* packets, const l4::Burst& burst, l4::Pipeline& pipeline,
              const lb::Snapshot& snapshot, time::Time now);
  /// @param own whose connections are what is delivered; null: no TCP ends here
  void after(uint32_t worker, rte_mbuf* const* packets, const l4::Burst& burst, l4::Pipeline& pipeline,
             const lb::Snapshot& snapshot, time::Time now, const Terminator* own);
  /// A packet that the worker's own TCP sends, all of it in one frame.
  void originated(uint32_t worker, const rte_mbuf* packet, const l4::Frame& frame, uint8_t port, const Terminator& own);
  /// A packet that did not get where its passage says.
  void lost(uint32_t worker, const rte_mbuf* packet, l4::Verdict reason);

  // The reader's side.
  uint32_t workers() const { return static_cast<uint32_t>(sides_.size()); }
  /// Moves the worker's oldest record to `record`. @returns false if there is none
  bool take(uint32_t worker, TraceRecord& record);

 private:
  static constexpr size_t kRecent = 2 * l4::Burst::kMax;  // as many as may wait to be sent by one port

  struct Side {
    explicit Side(size_t records) : ring(records, sizeof(TraceRecord)) {}

    l4::Witness witness;
    RecordRing ring;
    uint32_t taken = 0;    ///< packets recorded, but for those taken over
    uint32_t matched = 0;  ///< a bit a packet of the burst, before it was processed
    bool looking = false;
    std::array<uint64_t, kRecent> recent = {};  ///< packets recorded and perhaps not sent yet; 0: none
    uint32_t next_recent = 0;
  };

  static void write(Side& side, const TraceRecord& record);

  const uint32_t packets_;
  const PacketFilter filter_;
  std::vector<std::unique_ptr<Side>> sides_;
};

}  // namespace weft::runtime
