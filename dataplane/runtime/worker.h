// SPDX-License-Identifier: Apache-2.0
/// @file One poll-mode core and all it owns: its ports' queues, its flows, its counters.
///
/// run() is the loop; poll() is one turn of it with the time as an argument, which is what tests call. No lock,
/// allocation, log line or system call of weft's in either, but for sleeping when idle (DPDK's AF_XDP driver wakes the
/// kernel once a burst). Other threads may stop() it, read its
/// books and its slots' counters, and ask it for flows; nothing else.
#pragma once

#include <atomic>
#include <memory>
#include <vector>

#include "l4/counters.h"
#include "l4/egress.h"
#include "l4/pipeline.h"
#include "runtime/books.h"
#include "runtime/idle.h"
#include "runtime/inquiry.h"
#include "runtime/published.h"
#include "runtime/publisher.h"
#include "time/clock.h"

struct rte_mbuf;

namespace weft::runtime {

struct WorkerConfig {
  uint32_t number = 0;  ///< from 0; its place in the snapshot publisher
  uint32_t core = 0;
  uint32_t flow_capacity = 1 << 18;
  flow::Timeouts timeouts;
  uint64_t seed = 0;
  IdleBounds idle;
  uint32_t max_endpoints = 65536;  ///< slots
  uint32_t max_services = 16384;   ///< slots
  std::vector<uint16_t> ports;     ///< DPDK's numbers; egresses.ports has them in the same order
  l4::Egresses egresses;
};

class Worker {
 public:
  /// Takes all memory that it will ever need. Throws std::bad_alloc.
  Worker(const WorkerConfig& config, SnapshotPublisher& publisher, const time::TscClock& clock);

  /// Until stop(). On the thread that owns the worker.
  void run();
  void stop() { stop_.store(true, std::memory_order_relaxed); }

  /// One turn: receive, process, transmit, and a little upkeep. @returns whether there was a packet
  bool poll(time::Time now);

  /// What a turn does with the packets of one port, short of sending them. Takes ownership.
  void process(rte_mbuf** packets, uint32_t count, uint8_t port, const lb::Snapshot& snapshot, time::Time now);
  /// Sends what process() left to be sent.
  void transmit();

  const WorkerConfig& config() const { return config_; }
  Books books() const { return published_.read(); }
  const l4::SlotCounters& slots() const { return counters_; }
  /// To reset the counters of a slot that no flow holds and no snapshot in use names: the worker does not write those.
  l4::SlotCounters& slots() { return counters_; }
  FlowInquiry& inquiry() { return inquiry_; }
  uint32_t flow_capacity() const { return flows_.capacity(); }
  size_t flow_memory_bytes() const { return flows_.memory_bytes(); }

 private:
  static constexpr uint32_t kTransmitBuffer = 2 * l4::Burst::kMax;
  struct TransmitBuffer {
    uint32_t size = 0;
    std::array<rte_mbuf*, kTransmitBuffer> packets;
    std::array<l4::Verdict, kTransmitBuffer> verdicts;
  };

  void flush(uint8_t port);
  void upkeep(bool worked, time::Time now);
  void rest(time::Time now);
  void account(l4::Verdict verdict) { ++books_.verdicts[static_cast<size_t>(verdict)]; }

  const WorkerConfig config_;
  const time::TscClock& clock_;
  SnapshotPublisher::Reader snapshots_;
  flow::FlowTable flows_;
  l4::SlotCounters counters_;
  l4::Pipeline pipeline_;
  Idle idle_;
  l4::Burst burst_;
  std::vector<TransmitBuffer> transmit_;
  time::Millis last_upkeep_ = 0;
  Books books_;
  Published<Books> published_;
  bool unpublished_ = false;  ///< there was work since the books were last published
  FlowInquiry inquiry_;
  std::atomic<bool> stop_{false};
};

}  // namespace weft::runtime
