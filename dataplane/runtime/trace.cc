// SPDX-License-Identifier: Apache-2.0
#include "runtime/trace.h"

#include <algorithm>
#include <cstring>
#include <type_traits>

#include "runtime/terminator.h"

namespace weft::runtime {
namespace {

static_assert(std::is_trivially_copyable_v<TraceRecord>);

std::span<const std::byte> bytes_of(const l4::Frame& frame) {
  return {frame.data, frame.length};
}

uint64_t identity_of(const rte_mbuf* packet) {
  return reinterpret_cast<uint64_t>(packet);
}

/// What no flow table knows.
void add_session(l4::Passage& passage, const Terminator& own) {
  if (const auto found = own.find(passage.tuple)) {
    passage.flow = found->session;
    passage.direction = found->direction;
    passage.found = l4::Passage::Found::known;
    passage.decided = false;  // when it began
  }
}

}  // namespace

Trace::Trace(uint32_t workers, uint32_t packets, PacketFilter filter) : packets_(packets), filter_(std::move(filter)) {
  const size_t records = 2 * size_t{packets} + l4::Burst::kMax;  // those taken over, and losses, come on top
  for (uint32_t worker = 0; worker < workers; ++worker) {
    sides_.push_back(std::make_unique<Side>(records));
  }
}

void Trace::before(uint32_t worker, rte_mbuf* const* packets, const l4::Burst& burst, l4::Pipeline& pipeline,
                   const lb::Snapshot& snapshot, time::Time now) {
  Side& side = *sides_[worker];
  side.looking = burst.taken_over || side.taken < packets_;
  side.matched = 0;
  for (uint32_t i = 0; i < burst.size; ++i) {  // a buffer that comes anew holds another packet
    std::replace(side.recent.begin(), side.recent.end(), identity_of(packets[i]), uint64_t{0});
  }
  if (!side.looking) {
    return;
  }
  for (uint32_t i = 0; i < burst.size; ++i) {
    side.matched |= static_cast<uint32_t>(filter_.matches(bytes_of(burst.frames[i]))) << i;
  }
  side.witness.before(burst, pipeline, snapshot, now);
}

void Trace::after(uint32_t worker, rte_mbuf* const* packets, const l4::Burst& burst, l4::Pipeline& pipeline,
                  const lb::Snapshot& snapshot, time::Time now, const Terminator* own) {
  Side& side = *sides_[worker];
  if (!side.looking) {
    return;
  }
  uint32_t matched = side.matched;
  for (uint32_t i = 0; i < burst.size; ++i) {
    matched |= static_cast<uint32_t>(filter_.matches(bytes_of(burst.frames[i]))) << i;
  }
  if (matched == 0) {
    return;
  }
  side.witness.after(burst, pipeline, snapshot, now);
  for (uint32_t i = 0; i < burst.size && (burst.taken_over || side.taken < packets_); ++i) {
    if ((matched >> i & 1) == 0) {
      continue;
    }
    side.taken += burst.taken_over ? 0 : 1;
    side.recent[side.next_recent++ % kRecent] = identity_of(packets[i]);
    l4::Passage passage = side.witness.passage(burst, i, snapshot);
    if (passage.verdict == l4::Verdict::delivered && passage.has_tuple && own != nullptr) {
      add_session(passage, *own);
    }
    write(side, {.cycles = time::TscClock::cycles(), .packet = identity_of(packets[i]), .passage = passage});
  }
}

void Trace::originated(uint32_t worker, const rte_mbuf* packet, const l4::Frame& frame, uint8_t port,
                       const Terminator& own) {
  Side& side = *sides_[worker];
  std::replace(side.recent.begin(), side.recent.end(), identity_of(packet), uint64_t{0});
  if (side.taken >= packets_ || !filter_.matches(bytes_of(frame))) {
    return;
  }
  ++side.taken;
  side.recent[side.next_recent++ % kRecent] = identity_of(packet);
  l4::Passage passage;
  passage.originated = true;
  passage.after = l4::headers_of(bytes_of(frame));
  passage.verdict = l4::Verdict::segment;
  passage.egress = port;
  const packet::Parsed& parsed = passage.after.parsed;
  if (parsed.kind == packet::Kind::transport) {
    passage.tuple = parsed.family == lb::Family::ipv4 ? lb::Tuple(parsed.key4) : lb::Tuple(parsed.key6);
    passage.verdict = passage.tuple.protocol == lb::Protocol::udp ? l4::Verdict::name_relayed : l4::Verdict::segment;
    add_session(passage, own);
  }
  write(side, {.cycles = time::TscClock::cycles(), .packet = identity_of(packet), .passage = passage});
}

void Trace::lost(uint32_t worker, const rte_mbuf* packet, l4::Verdict reason) {
  Side& side = *sides_[worker];
  if (std::find(side.recent.begin(), side.recent.end(), identity_of(packet)) != side.recent.end()) {
    write(side, {.cycles = time::TscClock::cycles(),
                 .packet = identity_of(packet),
                 .what = TraceRecord::What::lost,
                 .lost_by = reason,
                 .passage = {}});
  }
}

void Trace::write(Side& side, const TraceRecord& record) {
  if (std::byte* place = side.ring.reserve(); place != nullptr) {
    std::memcpy(place, &record, sizeof record);
    side.ring.commit();
  }
}

bool Trace::take(uint32_t worker, TraceRecord& record) {
  RecordRing& ring = sides_[worker]->ring;
  const std::byte* front = ring.front();
  if (front == nullptr) {
    return false;
  }
  std::memcpy(static_cast<void*>(&record), front, sizeof record);
  ring.pop();
  return true;
}

}  // namespace weft::runtime
