// SPDX-License-Identifier: Apache-2.0
#include "runtime/publisher.h"

#include <rte_rcu_qsbr.h>

#include <chrono>
#include <cstdlib>
#include <new>
#include <thread>

namespace weft::runtime {

void SnapshotPublisher::Free::operator()(rte_rcu_qsbr* qsbr) const {
  std::free(qsbr);
}

SnapshotPublisher::SnapshotPublisher(uint32_t workers, std::shared_ptr<const lb::Snapshot> first,
                                     std::shared_ptr<const l4::Forwarding> forwarding)
    : raw_(first.get()),
      raw_forwarding_(forwarding.get()),
      current_(std::move(first)),
      forwarding_(std::move(forwarding)) {
  const size_t bytes = rte_rcu_qsbr_get_memsize(workers);
  auto* qsbr =
      static_cast<rte_rcu_qsbr*>(std::aligned_alloc(RTE_CACHE_LINE_SIZE, RTE_ALIGN(bytes, RTE_CACHE_LINE_SIZE)));
  if (qsbr == nullptr) {
    throw std::bad_alloc();
  }
  rte_rcu_qsbr_init(qsbr, workers);
  qsbr_.reset(qsbr);
}

SnapshotPublisher::~SnapshotPublisher() = default;

void SnapshotPublisher::publish(std::shared_ptr<const lb::Snapshot> snapshot) {
  raw_.store(snapshot.get(), std::memory_order_release);
  {
    const std::lock_guard lock(mutex_);
    current_.swap(snapshot);
  }
  wait_for_workers();
  // `snapshot` is the old one now, and goes here unless another thread has it from current().
}

void SnapshotPublisher::publish(std::shared_ptr<const l4::Forwarding> forwarding) {
  raw_forwarding_.store(forwarding.get(), std::memory_order_release);
  {
    const std::lock_guard lock(mutex_);
    forwarding_.swap(forwarding);
  }
  wait_for_workers();
}

void SnapshotPublisher::wait_for_workers() {
  const uint64_t token = rte_rcu_qsbr_start(qsbr_.get());
  while (rte_rcu_qsbr_check(qsbr_.get(), token, /*wait=*/false) == 0) {
    std::this_thread::sleep_for(std::chrono::microseconds(20));  // a worker's loop takes about that
  }
}

std::shared_ptr<const lb::Snapshot> SnapshotPublisher::current() const {
  const std::lock_guard lock(mutex_);
  return current_;
}

std::shared_ptr<const l4::Forwarding> SnapshotPublisher::forwarding() const {
  const std::lock_guard lock(mutex_);
  return forwarding_;
}

SnapshotPublisher::Reader::Reader(SnapshotPublisher& publisher, uint32_t worker)
    : publisher_(publisher), worker_(worker) {
  rte_rcu_qsbr_thread_register(publisher_.qsbr_.get(), worker_);
}
SnapshotPublisher::Reader::~Reader() {
  rte_rcu_qsbr_thread_unregister(publisher_.qsbr_.get(), worker_);
}
void SnapshotPublisher::Reader::online() {
  rte_rcu_qsbr_thread_online(publisher_.qsbr_.get(), worker_);
}
void SnapshotPublisher::Reader::offline() {
  rte_rcu_qsbr_thread_offline(publisher_.qsbr_.get(), worker_);
}
void SnapshotPublisher::Reader::quiescent() {
  rte_rcu_qsbr_quiescent(publisher_.qsbr_.get(), worker_);
}

}  // namespace weft::runtime
