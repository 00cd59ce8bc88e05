// SPDX-License-Identifier: Apache-2.0
/// @file A worker on an in-memory port (net_ring) whose transmit ring is its receive ring.
///
/// The worker is the real one, its packets are mbufs of a real pool. What is timed is Worker::process(), from the mbufs
/// in hand to the mbufs in the transmit buffer, and not the port's own work.
#pragma once

#include <memory>
#include <span>

#include "runtime/crossings.h"
#include "runtime/eal.h"
#include "runtime/publisher.h"
#include "runtime/worker.h"
#include "workload.h"

struct rte_mbuf;
struct rte_mempool;
struct rte_ring;

namespace weft::bench {

/// What several workers have in common.
struct Node {
  Node(const Workload& workload, uint32_t workers);

  lb::Family family;
  uint32_t workers;
  runtime::SnapshotPublisher publisher;
  std::shared_ptr<const lb::Snapshot> snapshot = publisher.current();
  std::unique_ptr<runtime::Crossings> crossings;
  time::TscClock clock{runtime::Eal::tsc_hertz()};
};

class Bed {
 public:
  static constexpr uint32_t kBurst = l4::Burst::kMax;

  /// Ends the process if there is no memory for it.
  Bed(Node& node, uint32_t worker, uint32_t flow_capacity);
  ~Bed();
  Bed(const Bed&) = delete;
  Bed& operator=(const Bed&) = delete;

  // A burst through the worker: frames are written, sent to it, processed, and taken back. Ends the process if not all
  // of them arrive. @returns the cycles that the worker spent between receive and transmit
  uint64_t requests(const Frame& frame, std::span<const uint32_t> flows);
  /// To the requests that the last burst of them became.
  uint64_t replies(const Frame& frame);

  /// A turn without packets: upkeep. @returns its cycles
  uint64_t rest();
  /// Time passes as told, whatever the clock says.
  void pass(time::Time time) { now_ += time; }

 private:
  uint64_t send(std::span<rte_mbuf*> packets);

  Node& node_;
  rte_ring* ring_ = nullptr;
  rte_mempool* pool_ = nullptr;
  uint16_t port_ = 0;
  std::unique_ptr<runtime::Worker> worker_;
  std::vector<std::array<std::byte, 128>> sent_;  ///< the last requests, as they left
  time::Time now_ = std::chrono::seconds(1);
};

}  // namespace weft::bench
