// SPDX-License-Identifier: Apache-2.0
/// @file Hands snapshots and forwardings to workers, and takes old ones back when no worker can hold them any more
/// (RCU, QSBR).
///
/// A worker loads the current ones once a loop and says at the loop's end that it holds nothing: a quiescent state.
/// A worker that sleeps says that it is offline, so that nobody waits for it.
#pragma once

#include <atomic>
#include <memory>
#include <mutex>

#include "l4/forwarding.h"
#include "lb/snapshot.h"

struct rte_rcu_qsbr;

namespace weft::runtime {

class SnapshotPublisher {
 public:
  /// @param first, forwarding what workers see until something is published; not null
  SnapshotPublisher(uint32_t workers, std::shared_ptr<const lb::Snapshot> first,
                    std::shared_ptr<const l4::Forwarding> forwarding);
  ~SnapshotPublisher();
  SnapshotPublisher(const SnapshotPublisher&) = delete;
  SnapshotPublisher& operator=(const SnapshotPublisher&) = delete;

  /// Puts a snapshot in force with one store, then waits until every worker has let go of the old one.
  /// One thread at a time, never a worker.
  void publish(std::shared_ptr<const lb::Snapshot> snapshot);
  /// The same; the thread may be another one than publishes snapshots.
  void publish(std::shared_ptr<const l4::Forwarding> forwarding);

  /// Waits until every worker has let go of all that it has read before this. Any thread but a worker.
  void wait_for_workers();

  // For any thread but workers, who would pay for the lock.
  std::shared_ptr<const lb::Snapshot> current() const;
  std::shared_ptr<const l4::Forwarding> forwarding() const;

  /// A worker's side. Starts offline.
  class Reader {
   public:
    Reader(SnapshotPublisher& publisher, uint32_t worker);
    ~Reader();
    Reader(const Reader&) = delete;
    Reader& operator=(const Reader&) = delete;

    void online();
    void offline();
    /// Valid until quiescent() or offline(). Precondition: online.
    const lb::Snapshot& read() const { return *publisher_.raw_.load(std::memory_order_acquire); }
    /// The same.
    const l4::Forwarding& forwarding() const { return *publisher_.raw_forwarding_.load(std::memory_order_acquire); }
    void quiescent();

   private:
    SnapshotPublisher& publisher_;
    uint32_t worker_;
  };

 private:
  struct Free {
    void operator()(rte_rcu_qsbr* qsbr) const;
  };

  std::unique_ptr<rte_rcu_qsbr, Free> qsbr_;
  std::atomic<const lb::Snapshot*> raw_;
  std::atomic<const l4::Forwarding*> raw_forwarding_;
  mutable std::mutex mutex_;
  std::shared_ptr<const lb::Snapshot> current_;       ///< guarded by mutex_
  std::shared_ptr<const l4::Forwarding> forwarding_;  ///< the same
};

}  // namespace weft::runtime
