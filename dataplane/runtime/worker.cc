// SPDX-License-Identifier: Apache-2.0
#include "runtime/worker.h"

#include <rte_ethdev.h>
#include <rte_ether.h>
#include <rte_mbuf.h>
#include <rte_pause.h>
#include <sys/prctl.h>

#include <algorithm>
#include <cstring>
#include <ctime>

#include "packet/answer.h"
#include "packet/headers.h"

namespace weft::runtime {
namespace {

constexpr uint32_t kPausesAStep = 64;
/// Of a frame: the largest IP packet.
constexpr size_t kMaxFrame = UINT16_MAX;

}  // namespace

Worker::Worker(const WorkerConfig& config, SnapshotPublisher& publisher, Crossings& crossings,
               const time::TscClock& clock)
    : config_(config),
      clock_(clock),
      snapshots_(publisher, config.pipeline.worker),
      forwarding_(&snapshots_.forwarding()),
      crossings_(crossings),
      counters_(config.pipeline.max_endpoints, config.pipeline.max_services),
      pipeline_(config.pipeline, counters_),
      idle_(config.idle),
      transmit_(config.ports.size()) {
  if (config.pipeline.proxies) {
    TerminatorConfig terminator = config.terminator;
    for (const PortAccess& port : config.ports) {
      terminator.offloads.push_back(port.offload);
    }
    terminator_.emplace(terminator, pipeline_.own_ports(), counters_, pipeline_.unresolved(),
                        clock.at(time::TscClock::cycles()));
    room_.resize(kMaxFrame);
  }
}

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
  forwarding_ = &snapshots_.forwarding();
  bool worked = false;
  std::array<rte_mbuf*, l4::Burst::kMax> packets;
  for (uint8_t port = 0; port < config_.ports.size(); ++port) {
    const PortAccess& access = config_.ports[port];
    if (!access.receives) {
      continue;
    }
    uint32_t count = rte_eth_rx_burst(access.device, access.queue, packets.data(), l4::Burst::kMax);
    ++books_.burst_sizes[count];
    if (count > 0) {
      worked = true;
      if (access.vlan != 0) [[unlikely]] {
        count = untag(packets.data(), count, port);
      }
      process(packets.data(), count, port, snapshot, now);
    }
  }
  worked |= take_over(snapshot, now);
  if (config_.name_answers != nullptr) {
    worked |= relay_names(snapshot, now);
  }
  if (terminator_) {
    worked |= terminate(snapshot, now);
  }
  transmit();
  upkeep(worked, snapshot, now);
  snapshots_.quiescent();
  return worked;
}

inline void Worker::put(rte_mbuf* packet, uint8_t port, l4::Verdict verdict) {
  if (config_.ports[port].transmitter != self()) [[unlikely]] {
    hand_over(config_.ports[port].transmitter,
              {.packet = packet, .what = Crossing::What::transmit, .port = port, .verdict = verdict});
    return;
  }
  TransmitBuffer& out = transmit_[port];
  out.packets[out.size] = packet;
  out.verdicts[out.size] = verdict;
  out.bytes += packet->pkt_len;
  if (++out.size == kTransmitBuffer) {
    flush(port);
  }
}

/// What this worker's own TCP has to say to all that was delivered to it, and by itself. @returns whether it had
bool Worker::terminate(const lb::Snapshot& snapshot, time::Time now) {
  if (const Stage stage = stage_.load(std::memory_order_relaxed); stage != stage_seen_) [[unlikely]] {
    stage_seen_ = stage;
    terminator_->drain(stage != Stage::serving);
  }
  if (stage_seen_ == Stage::leaving) [[unlikely]] {
    left_.store(!terminator_->leave(), std::memory_order_relaxed);
  }
  const Watch* const watch = watch_point_.get();
  const bool is_followed = watch != nullptr && !watch->accesses.empty();
  terminator_->want_records(is_followed);
  const std::vector<Terminator::Departure>& departures = terminator_->work(snapshot, *forwarding_, now);
  if (is_followed) [[unlikely]] {
    for (const proxy::AccessRecord& record : terminator_->records()) {
      watch->finished(self(), record);
    }
    terminator_->records().clear();
  }
  for (const Terminator::Departure& departure : departures) {
    ++books_.originated;
    if (watch != nullptr) [[unlikely]] {
      show(*watch, departure);
    }
    put(departure.packet, departure.port, l4::Verdict::segment);
  }
  return !departures.empty();
}

/// Answers of other name servers, a bounded number a turn.
bool Worker::relay_names(const lb::Snapshot& snapshot, time::Time now) {
  dns::MessageRing& answers = *config_.name_answers;
  uint32_t count = 0;
  for (auto written = answers.front(); !written.empty() && count < l4::Burst::kMax; written = answers.front()) {
    dns::Ask ask;
    const std::span<const std::byte> message = dns::take_apart(written, ask);
    if (ask.transport == dns::Transport::tcp) {
      terminator_->answer(ask, message, snapshot, now);
    } else {
      relay_name(ask, message);
    }
    answers.pop();
    ++count;
  }
  return count > 0;
}

void Worker::relay_name(const dns::Ask& ask, std::span<const std::byte> message) {
  ++relayed_names_.relayed;
  const l4::NextHop& hop = (*forwarding_)[forwarding_->route(ask.tuple.source, ask.path)];
  const size_t headers = ask.tuple.source.is_ipv4() ? packet::kDatagramHeaders : packet::kDatagramHeaders6;
  const size_t length = headers + message.size();
  rte_mbuf* const packet =
      hop.in_force() && length - packet::kIpOffset <= hop.mtu ? rte_pktmbuf_alloc(config_.terminator.buffers) : nullptr;
  auto* const bytes = packet == nullptr
                          ? nullptr
                          : reinterpret_cast<std::byte*>(rte_pktmbuf_append(packet, static_cast<uint16_t>(length)));
  if (bytes == nullptr) {
    ++relayed_names_.unsent;
    rte_pktmbuf_free(packet);
    if (!hop.in_force()) {
      pipeline_.unresolved().add(ask.tuple.source);
    }
    return;
  }
  std::memcpy(bytes + headers, message.data(), message.size());
  std::memcpy(bytes, hop.addresses.data(), hop.addresses.size());
  const uint16_t type = ask.tuple.source.is_ipv4() ? packet::kEtherTypeIpv4 : packet::kEtherTypeIpv6;
  std::memcpy(bytes + hop.addresses.size(), &type, sizeof type);
  packet::write_datagram({bytes, length}, ask.tuple, message.size());
  ++books_.originated;
  if (const Watch* const watch = watch_point_.get(); watch != nullptr) [[unlikely]] {
    show(*watch, {packet, hop.port});
  }
  put(packet, hop.port, l4::Verdict::name_relayed);
}

/// To whoever looks on: in one piece.
void Worker::show(const Watch& watch, const Terminator::Departure& departure) {
  const auto length = std::min<uint32_t>(departure.packet->pkt_len, kMaxFrame);
  const void* bytes = rte_pktmbuf_read(departure.packet, 0, length, room_.data());
  const l4::Frame frame{.data = static_cast<std::byte*>(const_cast<void*>(bytes)),
                        .length = static_cast<uint16_t>(length)};
  watch.originated(self(), departure.packet, frame, departure.port, *terminator_);
}

inline void Worker::dispatch(rte_mbuf* packet, uint32_t i) {
  const l4::Verdict verdict = burst_.verdicts[i];
  const l4::Outcome outcome = outcome_of(verdict);
  if (outcome == l4::Outcome::dropped) [[unlikely]] {
    drop(packet, verdict);
    return;
  }
  if (verdict == l4::Verdict::name_forwarded) [[unlikely]] {
    account(verdict);
    rte_pktmbuf_free(packet);  // a copy of the query is on its way
    return;
  }
  if (outcome == l4::Outcome::delivered) {
    account(terminator_->deliver(packet, burst_, i));
    return;
  }
  if (outcome == l4::Outcome::handed_over) [[unlikely]] {
    hand_over(burst_.owners[i], {.packet = packet, .ports = burst_.ports[i], .port = burst_.ingress[i]});
    return;
  }
  const l4::Frame& frame = burst_.frames[i];
  const auto grown = static_cast<uint16_t>(rte_pktmbuf_mtod(packet, std::byte*) - frame.data);
  if (grown > 0) [[unlikely]] {
    rte_pktmbuf_prepend(packet, grown);
  }
  if (frame.length != packet->data_len) [[unlikely]] {  // an answer: one segment, however many came
    rte_pktmbuf_free(packet->next);
    packet->next = nullptr;
    packet->nb_segs = 1;
    packet->data_len = frame.length;
    packet->pkt_len = frame.length;
  }
  packet->ol_flags = 0;  // whatever the receiving device said, checksums are right as they stand
  put(packet, burst_.egress[i], verdict);
}

void Worker::process(rte_mbuf** packets, uint32_t count, uint8_t port, const lb::Snapshot& snapshot, time::Time now) {
  prefetch(packets, count);
  if (config_.ports[port].intake.any()) [[unlikely]] {
    count = sift(packets, count, port);
  }
  burst_.size = count;
  burst_.taken_over = false;
  uint64_t bytes = 0;
  for (uint32_t i = 0; i < count; ++i) {
    bytes += packets[i]->pkt_len;
    burst_.ingress[i] = port;
    burst_.ports[i] = 0;
  }
  books_.received += count;
  books_.ports[port].received += count;
  books_.ports[port].received_bytes += bytes;
  process(packets, snapshot, now);
}

/// Drops what the port's intake refuses. @returns how many are left, which lie at the front
uint32_t Worker::sift(rte_mbuf** packets, uint32_t count, uint8_t port) {
  uint32_t left = 0;
  for (uint32_t i = 0; i < count; ++i) {
    if (const auto reason = take_in(packets[i], config_.ports[port].intake)) {
      ++books_.received;
      ++books_.ports[port].received;
      books_.ports[port].received_bytes += packets[i]->pkt_len;
      drop(packets[i], *reason);
    } else {
      packets[left++] = packets[i];
    }
  }
  return left;
}

void Worker::prefetch(rte_mbuf** packets, uint32_t count) {
  for (uint32_t i = 0; i < count; ++i) {
    rte_prefetch0(rte_pktmbuf_mtod(packets[i], void*));
  }
}

void Worker::process(rte_mbuf** packets, const lb::Snapshot& snapshot, time::Time now) {
  for (uint32_t i = 0; i < burst_.size; ++i) {
    burst_.frames[i] = {.data = rte_pktmbuf_mtod(packets[i], std::byte*),
                        .length = packets[i]->data_len,
                        .headroom = rte_pktmbuf_headroom(packets[i]),
                        .room = rte_pktmbuf_tailroom(packets[i])};
  }
  take_notes(now);
  const Watch* watch = watch_point_.get();
  if (watch != nullptr) [[unlikely]] {
    watch->before(self(), packets, burst_, pipeline_, snapshot, now);
  }
  pipeline_.process(burst_, snapshot, *forwarding_, now);
  if (watch != nullptr) [[unlikely]] {
    watch->after(self(), packets, burst_, pipeline_, snapshot, now, terminator());
  }
  leave_notes();
  for (uint32_t i = 0; i < burst_.size; ++i) {
    if (i + 1 < burst_.size && burst_.verdicts[i + 1] == l4::Verdict::delivered) {
      Terminator::prefetch(packets[i + 1]);
    }
    dispatch(packets[i], i);
  }
}

void Worker::hand_over(uint32_t to, const Crossing& crossing) {
  if (crossings_.send(self(), to, crossing)) {
    account(l4::Verdict::handed_over);
  } else {
    lose(crossing.packet, l4::Verdict::handover_full);
  }
}

/// Drops a packet that the pipeline had an end for, which it did not reach.
void Worker::lose(rte_mbuf* packet, l4::Verdict reason) {
  if (const Watch* watch = watch_point_.get(); watch != nullptr) [[unlikely]] {
    watch->lost(self(), packet, reason);
  }
  drop(packet, reason);
}

void Worker::drop(rte_mbuf* packet, l4::Verdict reason) {
  account(reason);
  rte_pktmbuf_free(packet);
}

/// All that were left before the packets at hand were received: their flows' owners have spoken by then.
void Worker::take_notes(time::Time now) {
  std::array<l4::Note, 32> notes;
  for (uint32_t from = 0; from < crossings_.workers(); ++from) {
    if (from == self()) {
      continue;
    }
    for (uint32_t count = 1; count > 0;) {
      count = crossings_.receive(from, self(), notes);
      for (uint32_t i = 0; i < count; ++i) {
        pipeline_.note(notes[i], now);
      }
    }
    pipeline_.outbox().set_room(from, crossings_.room_for_notes(self(), from));
  }
}

void Worker::leave_notes() {
  for (uint32_t to = 0; to < crossings_.workers(); ++to) {
    if (const auto& notes = pipeline_.outbox().notes(to); !notes.empty()) {
      crossings_.send(self(), to, notes);
      pipeline_.outbox().clear(to);
    }
  }
}

/// A bounded number from each worker a turn.
bool Worker::take_over(const lb::Snapshot& snapshot, time::Time now) {
  bool worked = false;
  std::array<Crossing, l4::Burst::kMax> crossings;
  std::array<rte_mbuf*, l4::Burst::kMax> packets;
  for (uint32_t from = 0; from < crossings_.workers(); ++from) {
    const uint32_t count = from == self() ? 0 : crossings_.receive(from, self(), crossings);
    burst_.size = 0;
    burst_.taken_over = true;
    for (uint32_t i = 0; i < count; ++i) {
      const Crossing& crossing = crossings[i];
      if (crossing.what == Crossing::What::transmit) {
        put(crossing.packet, crossing.port, crossing.verdict);
        continue;
      }
      burst_.ingress[burst_.size] = crossing.port;
      burst_.ports[burst_.size] = crossing.ports;
      packets[burst_.size++] = crossing.packet;
    }
    books_.taken_over += count;
    worked |= count > 0;
    if (burst_.size > 0) {
      prefetch(packets.data(), burst_.size);
      process(packets.data(), snapshot, now);
    }
  }
  return worked;
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
  const PortAccess& access = config_.ports[port];
  if (access.vlan != 0) [[unlikely]] {
    tag(port);
  }
  if (access.offload.checksums) [[unlikely]] {
    prepare(port);
  }
  const uint32_t sent =
      rte_eth_tx_burst(access.device, access.queue, out.packets.data(), static_cast<uint16_t>(out.size));
  // Most neighbours end alike: a run is counted at once, which spares each packet a wait for the last one's sum.
  for (uint32_t i = 0; i < sent;) {
    const uint32_t start = i;
    for (const l4::Verdict verdict = out.verdicts[start]; i < sent && out.verdicts[i] == verdict;) {
      ++i;
    }
    account(out.verdicts[start], i - start);
  }
  uint64_t bytes = out.bytes;
  for (uint32_t i = sent; i < out.size; ++i) {
    bytes -= out.packets[i]->pkt_len;
    lose(out.packets[i], l4::Verdict::transmit_full);
  }
  books_.ports[port].sent += sent;
  books_.ports[port].sent_bytes += bytes;
  out.size = 0;
  out.bytes = 0;
}

/// Takes the port's tag off. Frames without it, or with another (a tag around it too), are not for this port.
/// @returns how many are left, in their order
uint32_t Worker::untag(rte_mbuf** packets, uint32_t count, uint8_t port) {
  constexpr uint16_t kId = 0x0fff;  // the rest of the tag is priority: IEEE 802.1Q, clause 9.6
  uint32_t left = 0;
  for (uint32_t i = 0; i < count; ++i) {
    const uint32_t bytes = packets[i]->pkt_len;
    const bool whole = packets[i]->data_len >= sizeof(rte_ether_hdr) + sizeof(rte_vlan_hdr);
    if (whole && rte_vlan_strip(packets[i]) == 0 && (packets[i]->vlan_tci & kId) == config_.ports[port].vlan) {
      packets[left++] = packets[i];
      continue;
    }
    ++books_.received;
    ++books_.ports[port].received;
    books_.ports[port].received_bytes += bytes;
    drop(packets[i], l4::Verdict::wrong_vlan);
  }
  return left;
}

/// Puts the port's tag into all that is about to be sent.
void Worker::tag(uint8_t port) {
  TransmitBuffer& out = transmit_[port];
  uint32_t left = 0;
  for (uint32_t i = 0; i < out.size; ++i) {
    const uint32_t bytes = out.packets[i]->pkt_len;
    // Not rte_vlan_insert(): it refuses what TCP keeps a reference to, which is of what lies behind the headers.
    auto* const front = reinterpret_cast<std::byte*>(rte_pktmbuf_prepend(out.packets[i], sizeof(rte_vlan_hdr)));
    if (front == nullptr) {
      out.bytes -= bytes;
      lose(out.packets[i], l4::Verdict::too_big);
      continue;
    }
    std::memmove(front, front + sizeof(rte_vlan_hdr), 2 * sizeof(rte_ether_addr));
    const std::array<uint16_t, 2> tag = {rte_cpu_to_be_16(RTE_ETHER_TYPE_VLAN),
                                         rte_cpu_to_be_16(config_.ports[port].vlan)};
    std::memcpy(front + 2 * sizeof(rte_ether_addr), tag.data(), sizeof tag);
    out.packets[i]->l2_len += sizeof(rte_vlan_hdr);  // counts for those whose checksum the device writes
    out.bytes += sizeof(rte_vlan_hdr);
    out.verdicts[left] = out.verdicts[i];
    out.packets[left++] = out.packets[i];
  }
  out.size = left;
}

/// Lets the driver see to what its device is to write.
void Worker::prepare(uint8_t port) {
  TransmitBuffer& out = transmit_[port];
  const PortAccess& access = config_.ports[port];
  for (uint32_t ready = 0; ready < out.size;) {
    ready +=
        rte_eth_tx_prepare(access.device, access.queue, &out.packets[ready], static_cast<uint16_t>(out.size - ready));
    if (ready < out.size) {  // one that it can't send
      out.bytes -= out.packets[ready]->pkt_len;
      lose(out.packets[ready], l4::Verdict::too_big);
      --out.size;
      std::copy(&out.packets[ready + 1], &out.packets[out.size + 1], &out.packets[ready]);
      std::copy(&out.verdicts[ready + 1], &out.verdicts[out.size + 1], &out.verdicts[ready]);
    }
  }
}

void Worker::upkeep(bool worked, const lb::Snapshot& snapshot, time::Time now) {
  const time::Millis now_ms = time::to_millis(now);
  inquiry_.answer(pipeline_.flows4(), pipeline_.flows6(), config_.pipeline.seed, now_ms,
                  [this](uint32_t from, uint32_t count, auto use) {
                    return terminator_ ? terminator_->visit(from, count, use) : 0;
                  });
  const time::Millis since = time::elapsed(last_upkeep_, now_ms);
  if (since > 0) {
    last_upkeep_ = now_ms;
    take_notes(now);
    pipeline_.sweep(pipeline_.sweep_budget(since), snapshot, *forwarding_, now);
    leave_notes();
    books_.hops_epoch = pipeline_.renewed_epoch();
  }
  if (l4::Unresolved& unresolved = pipeline_.unresolved(); !unresolved.empty()) [[unlikely]] {
    unresolved_.put(unresolved.addresses());
    unresolved.clear();
  }
  ++books_.loops;
  books_.active_flows = pipeline_.active_flows();
  books_.fullest_table_permille = pipeline_.fullest_table_permille();
  books_.adopted_flows = pipeline_.adopted_flows();
  for (size_t i = 0; i < pipeline_.own_ports().addresses(); ++i) {
    books_.own_ports_used[i] = pipeline_.own_ports().used(i);
  }
  // Once a millisecond, and at once when work ends: whoever looks at a quiet worker sees all that it did.
  if (since > 0 || (unpublished_ && !worked)) {
    books_.names = pipeline_.names();
    books_.names += relayed_names_;
    if (terminator_) {
      books_.tcp = terminator_->books();
      books_.names += terminator_->names();
    }
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
