// SPDX-License-Identifier: Apache-2.0
#include "runtime/worker.h"

#include <rte_ethdev.h>
#include <rte_mbuf.h>
#include <rte_pause.h>
#include <sys/prctl.h>

#include <algorithm>
#include <ctime>

namespace weft::runtime {
namespace {

/// A pass over all records takes about this long: what an ended flow may hold on to its record beyond its time.
constexpr uint32_t kSweepMillis = 4096;
constexpr uint32_t kPausesAStep = 64;

}  // namespace

Worker::Worker(const WorkerConfig& config, SnapshotPublisher& publisher, const time::TscClock& clock)
    : config_(config),
      clock_(clock),
      snapshots_(publisher, config.number),
      flows_(config.flow_capacity, config.timeouts, config.seed),
      counters_(config.max_endpoints, config.max_services),
      pipeline_(flows_, counters_, config_.egresses),
      idle_(config.idle),
      transmit_(config.ports.size()) {}

void Worker::run() {
  prctl(PR_SET_TIMERSLACK, 1UL);  // the default of 50 us would double the shorter sleeps
  snapshots_.online();
  uint64_t before = time::TscClock::cycles();
  while (!stop_.load(std::memory_order_relaxed)) {
    const time::Time now = clock_.at(before);
    const bool worked = poll(now);
    if (worked) {
      idle_.found_work();
    } else {
      rest(now);
    }
    const uint64_t after = time::TscClock::cycles();
    (worked ? books_.busy_cycles : books_.idle_cycles) += after - before;
    if (worked) {
      books_.longest_loop_cycles = std::max(books_.longest_loop_cycles, after - before);
    }
    before = after;
  }
  published_.publish(books_);
  snapshots_.offline();
}

bool Worker::poll(time::Time now) {
  const lb::Snapshot& snapshot = snapshots_.read();
  books_.epoch = snapshot.epoch();
  bool worked = false;
  std::array<rte_mbuf*, l4::Burst::kMax> packets;
  for (uint8_t port = 0; port < config_.ports.size(); ++port) {
    const uint32_t count = rte_eth_rx_burst(config_.ports[port], 0, packets.data(), l4::Burst::kMax);
    ++books_.burst_sizes[count];
    if (count > 0) {
      worked = true;
      process(packets.data(), count, port, snapshot, now);
    }
  }
  transmit();
  upkeep(worked, now);
  snapshots_.quiescent();
  return worked;
}

void Worker::process(rte_mbuf** packets, uint32_t count, uint8_t port, const lb::Snapshot& snapshot, time::Time now) {
  for (uint32_t i = 0; i < count; ++i) {
    rte_prefetch0(rte_pktmbuf_mtod(packets[i], void*));
  }
  burst_.size = count;
  burst_.ingress = port;
  uint64_t bytes = 0;
  for (uint32_t i = 0; i < count; ++i) {
    bytes += packets[i]->pkt_len;
    burst_.frames[i] = {.data = rte_pktmbuf_mtod(packets[i], std::byte*),
                        .length = packets[i]->data_len,
                        .room = rte_pktmbuf_tailroom(packets[i])};
  }
  books_.received += count;
  books_.ports[port].received += count;
  books_.ports[port].received_bytes += bytes;

  pipeline_.process(burst_, snapshot, now);

  for (uint32_t i = 0; i < count; ++i) {
    const l4::Verdict verdict = burst_.verdicts[i];
    if (outcome_of(verdict) == l4::Outcome::dropped) [[unlikely]] {
      account(verdict);
      rte_pktmbuf_free(packets[i]);
      continue;
    }
    if (burst_.frames[i].length != packets[i]->data_len) [[unlikely]] {  // an answer: one segment, however many came
      rte_pktmbuf_free(packets[i]->next);
      packets[i]->next = nullptr;
      packets[i]->nb_segs = 1;
      packets[i]->data_len = burst_.frames[i].length;
      packets[i]->pkt_len = burst_.frames[i].length;
    }
    packets[i]->ol_flags = 0;  // whatever the receiving device said, checksums are right as they stand
    TransmitBuffer& out = transmit_[burst_.egress[i]];
    out.packets[out.size] = packets[i];
    out.verdicts[out.size] = verdict;
    if (++out.size == kTransmitBuffer) {
      flush(burst_.egress[i]);
    }
  }
}

void Worker::transmit() {
  for (uint8_t port = 0; port < transmit_.size(); ++port) {
    if (transmit_[port].size > 0) {
      flush(port);
    }
  }
}

void Worker::flush(uint8_t port) {
  TransmitBuffer& out = transmit_[port];
  uint64_t bytes = 0;
  std::array<uint16_t, kTransmitBuffer> lengths;
  for (uint32_t i = 0; i < out.size; ++i) {
    lengths[i] = static_cast<uint16_t>(out.packets[i]->pkt_len);
  }
  const uint32_t sent = rte_eth_tx_burst(config_.ports[port], 0, out.packets.data(), static_cast<uint16_t>(out.size));
  for (uint32_t i = 0; i < sent; ++i) {
    account(out.verdicts[i]);
    bytes += lengths[i];  // the packets are the device's now
  }
  for (uint32_t i = sent; i < out.size; ++i) {
    account(l4::Verdict::transmit_full);
    rte_pktmbuf_free(out.packets[i]);
  }
  books_.ports[port].sent += sent;
  books_.ports[port].sent_bytes += bytes;
  out.size = 0;
}

void Worker::upkeep(bool worked, time::Time now) {
  const time::Millis now_ms = time::to_millis(now);
  inquiry_.answer(flows_, config_.seed, now_ms);
  const time::Millis since = time::elapsed(last_upkeep_, now_ms);
  if (since > 0) {
    last_upkeep_ = now_ms;
    const uint64_t share = uint64_t{flows_.high_water()} * std::min(since, kSweepMillis) / kSweepMillis + 1;
    pipeline_.sweep(static_cast<uint32_t>(share), now);
  }
  ++books_.loops;
  books_.active_flows = flows_.size();
  books_.adopted_flows = pipeline_.adopted_flows();
  // Once a millisecond, and at once when work ends: whoever looks at a quiet worker sees all that it did.
  if (since > 0 || (unpublished_ && !worked)) {
    published_.publish(books_);
    unpublished_ = false;
  }
  unpublished_ = unpublished_ || worked;
}

void Worker::rest(time::Time now) {
  const Idle::Step step = idle_.found_nothing(now);
  switch (step.action) {
    case Idle::Action::spin:
      return;
    case Idle::Action::pause:
      for (uint32_t i = 0; i < kPausesAStep; ++i) {
        rte_pause();
      }
      return;
    case Idle::Action::sleep: {
      snapshots_.offline();
      const timespec duration{.tv_sec = 0, .tv_nsec = step.sleep.count()};
      clock_nanosleep(CLOCK_MONOTONIC, 0, &duration, nullptr);
      ++books_.sleeps;
      snapshots_.online();
      return;
    }
  }
}

}  // namespace weft::runtime
