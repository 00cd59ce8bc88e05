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
#include <optional>
#include <vector>

#include "l4/counters.h"
#include "l4/forwarding.h"
#include "l4/pipeline.h"
#include "runtime/books.h"
#include "runtime/crossings.h"
#include "runtime/idle.h"
#include "runtime/inquiry.h"
#include "runtime/intake.h"
#include "runtime/published.h"
#include "runtime/publisher.h"
#include "runtime/terminator.h"
#include "runtime/unresolved_ring.h"
#include "runtime/watch.h"
#include "time/clock.h"

struct rte_mbuf;

namespace weft::runtime {

/// One of the node's ports as one worker uses it.
struct PortAccess {
  uint16_t device = 0;       ///< DPDK's number
  uint16_t queue = 0;        ///< each way
  bool receives = true;      ///< else another worker has the only queue,
  Intake intake;             ///< what is done about a packet before it is processed
  uint32_t transmitter = 0;  ///< and this one sends for all; if it is the worker itself, it has a queue
  uint16_t vlan = 0;         ///< the tag of all frames on the wire; 0: they have none
  TransmitOffload offload;   ///< what the device does for segments of weft's own TCP
};

struct WorkerConfig {
  uint32_t core = 0;
  l4::PipelineConfig pipeline;  ///< pipeline.worker is its place among the workers
  IdleBounds idle;
  std::vector<PortAccess> ports;             ///< in the order of the forwarding's
  TerminatorConfig terminator;               ///< if pipeline.proxies
  dns::MessageRing* name_answers = nullptr;  ///< of other name servers; null: none are asked. Outlives the worker
};

class Worker {
 public:
  /// Takes all memory that it will ever need. Throws std::bad_alloc.
  Worker(const WorkerConfig& config, SnapshotPublisher& publisher, Crossings& crossings, const time::TscClock& clock);

  /// Until stop(). On the thread that owns the worker.
  void run();
  void stop() { stop_.store(true, std::memory_order_relaxed); }
  /// Of one that runs: clients of HTTP are to go elsewhere, or not any more. Their number is in the books.
  void drain(bool wanted) { stage_.store(wanted ? Stage::draining : Stage::serving, std::memory_order_relaxed); }
  /// Before stop(), of one that runs: it resets the connections that end here, so that nobody waits for them.
  void leave() { stage_.store(Stage::leaving, std::memory_order_relaxed); }
  bool has_left() const { return !terminator_ || left_.load(std::memory_order_relaxed); }

  /// One turn: receive, process, transmit, and a little upkeep. @returns whether there was a packet
  bool poll(time::Time now);

  /// What a turn does with the packets that came in by one port, short of sending them. Takes ownership.
  void process(rte_mbuf** packets, uint32_t count, uint8_t port, const lb::Snapshot& snapshot, time::Time now);
  /// Sends what process() left to be sent.
  void transmit();

  /// Before run(); see l4/recovery.h.
  void recover_by(const l4::VipsOfEndpoints* vips) { pipeline_.recover_by(vips); }

  const WorkerConfig& config() const { return config_; }
  Books books() const { return published_.read(); }
  const l4::SlotCounters& slots() const { return counters_; }
  /// To reset the counters of a slot that no flow holds and no snapshot in use names: the worker does not write those.
  l4::SlotCounters& slots() { return counters_; }
  FlowInquiry& inquiry() { return inquiry_; }
  WatchPoint& watch_point() { return watch_point_; }
  /// One thread at a time, and no worker, takes what is in it.
  UnresolvedRing& unresolved() { return unresolved_; }
  /// Null: no TCP ends here.
  const Terminator* terminator() const { return terminator_ ? &*terminator_ : nullptr; }
  uint32_t flow_capacity() { return pipeline_.flows4().capacity() + pipeline_.flows6().capacity(); }
  size_t flow_memory_bytes() { return pipeline_.flows4().memory_bytes() + pipeline_.flows6().memory_bytes(); }

 private:
  enum class Stage : uint8_t { serving, draining, leaving };  ///< of its own TCP
  static constexpr uint32_t kTransmitBuffer = 2 * l4::Burst::kMax;
  struct TransmitBuffer {
    uint32_t size = 0;
    uint64_t bytes = 0;  ///< of the packets; once they are sent they are the device's, and can't be asked
    std::array<rte_mbuf*, kTransmitBuffer> packets;
    std::array<l4::Verdict, kTransmitBuffer> verdicts;
  };

  void prefetch(rte_mbuf** packets, uint32_t count);
  uint32_t sift(rte_mbuf** packets, uint32_t count, uint8_t port);
  void process(rte_mbuf** packets, const lb::Snapshot& snapshot, time::Time now);
  void dispatch(rte_mbuf* packet, uint32_t i);
  bool terminate(const lb::Snapshot& snapshot, time::Time now);
  bool relay_names(const lb::Snapshot& snapshot, time::Time now);
  void relay_name(const dns::Ask& ask, std::span<const std::byte> message);
  void show(const Watch& watch, const Terminator::Departure& departure);
  void put(rte_mbuf* packet, uint8_t port, l4::Verdict verdict);
  void hand_over(uint32_t to, const Crossing& crossing);
  void lose(rte_mbuf* packet, l4::Verdict reason);
  void drop(rte_mbuf* packet, l4::Verdict reason);
  void take_notes(time::Time now);
  void leave_notes();
  bool take_over(const lb::Snapshot& snapshot, time::Time now);
  void flush(uint8_t port);
  uint32_t untag(rte_mbuf** packets, uint32_t count, uint8_t port);
  void tag(uint8_t port);
  void prepare(uint8_t port);
  void upkeep(bool worked, const lb::Snapshot& snapshot, time::Time now);
  void rest(time::Time now);
  void account(l4::Verdict verdict, uint64_t packets = 1) { books_.verdicts[static_cast<size_t>(verdict)] += packets; }
  uint32_t self() const { return config_.pipeline.worker; }

  const WorkerConfig config_;
  const time::TscClock& clock_;
  SnapshotPublisher::Reader snapshots_;
  const l4::Forwarding* forwarding_;  ///< in force in this turn
  Crossings& crossings_;
  l4::SlotCounters counters_;
  l4::Pipeline pipeline_;
  std::optional<Terminator> terminator_;
  Idle idle_;
  l4::Burst burst_;
  std::vector<TransmitBuffer> transmit_;
  dns::Counters relayed_names_;
  time::Millis last_upkeep_ = 0;
  Books books_;
  Published<Books> published_;
  bool unpublished_ = false;  ///< there was work since the books were last published
  FlowInquiry inquiry_;
  WatchPoint watch_point_;
  UnresolvedRing unresolved_;
  std::atomic<bool> stop_{false};
  std::atomic<Stage> stage_{Stage::serving};
  Stage stage_seen_ = Stage::serving;
  std::atomic<bool> left_{false};
  std::vector<std::byte> room_;  ///< for what is shown of a packet in several buffers
};

}  // namespace weft::runtime
