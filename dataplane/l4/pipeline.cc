// SPDX-License-Identifier: Apache-2.0
#include "l4/pipeline.h"

#include "l4/pass.h"

namespace weft::l4 {

Pipeline::Pipeline(const PipelineConfig& config, SlotCounters& counters)
    : context_(config, counters), v4_(context_, config.flows), v6_(context_, config.flows6) {}

void Pipeline::process(Burst& burst, const lb::Snapshot& snapshot, const Forwarding& forwarding, time::Time now) {
  const View view{.snapshot = snapshot, .forwarding = forwarding, .now = time::to_millis(now), .time = now};
  if (snapshot.epoch() != epoch_) [[unlikely]] {
    epoch_ = snapshot.epoch();
    v4_.renew(snapshot);
    v6_.renew(snapshot);
  }
  burst.without_flow = 0;
  context_.begun_in_burst = 0;
  uint32_t of_v4 = 0;
  uint32_t of_v6 = 0;
  for (uint32_t i = 0; i < burst.size; ++i) {
    packet::Parsed& parsed = burst.parsed[i];
    packet::parse({burst.frames[i].data, burst.frames[i].length}, parsed);
    if (parsed.kind != packet::Kind::transport) [[unlikely]] {
      continue;
    }
    if (parsed.family == lb::Family::ipv4) [[likely]] {
      v4_.prefetch(burst, i);
      ++of_v4;
    } else {
      v6_.prefetch(burst, i);
      ++of_v6;
    }
  }
  const bool has_faults = snapshot.has_faults();
  if (of_v4 > 0) [[likely]] {
    v4_.nominate(burst);
    has_faults ? v4_.forward_with_faults(burst, view) : v4_.forward(burst, view);
  }
  if (of_v6 > 0) {
    v6_.nominate(burst);
    has_faults ? v6_.forward_with_faults(burst, view) : v6_.forward(burst, view);
  }
  if (of_v4 + of_v6 < burst.size) [[unlikely]] {
    except(burst, view);
  }
  const auto by_family = [&](uint32_t i, auto&& act) {
    if (burst.parsed[i].family == lb::Family::ipv4) [[likely]] {
      act(v4_);
    } else {
      act(v6_);
    }
  };
  for (uint32_t n = 0; n < burst.without_flow; ++n) {
    const uint32_t i = burst.flowless[n];
    by_family(i, [&](auto& family) { decisions_[n] = family.decide(burst, i, view); });
  }
  for (uint32_t n = 0; n < burst.without_flow; ++n) {
    const uint32_t i = burst.flowless[n];
    by_family(i, [&](auto& family) { family.admit(burst, i, view, decisions_[n]); });
  }
}

/// Whatever is not a whole TCP or UDP packet.
void Pipeline::except(Burst& burst, const View& view) {
  for (uint32_t i = 0; i < burst.size; ++i) {
    const packet::Parsed& parsed = burst.parsed[i];
    if (parsed.kind == packet::Kind::transport) {
      continue;
    }
    if (parsed.kind == packet::Kind::not_ip) {
      burst.verdicts[i] = pass(burst.frames[i], burst.ingress[i], burst.egress[i], Claim::link, context_, view);
    } else if (parsed.family == lb::Family::ipv4) {
      v4_.except(burst, i, view);
    } else {
      v6_.except(burst, i, view);
    }
  }
}

void Pipeline::sweep(SweepBudget budget, const lb::Snapshot& snapshot, const Forwarding& forwarding, time::Time now) {
  const View view{.snapshot = snapshot, .forwarding = forwarding, .now = time::to_millis(now), .time = now};
  context_.recovery.vips(view.now);  // its time begins with the worker's
  v4_.sweep(budget.ipv4, view);
  v6_.sweep(budget.ipv6, view);
  constexpr uint32_t kRecordsATurn = 512;  // 32 KiB to look at, in order, and only after routes changed
  renewal_.advance(
      forwarding, kRecordsATurn, [&](uint32_t from, uint32_t count) { return v4_.renew_hops(from, count, view); },
      [&](uint32_t from, uint32_t count) { return v6_.renew_hops(from, count, view); });
  constexpr uint32_t kJudgedATurn =
      128;  // of some 300 cycles each, where there are policies; and only after they changed
  judgement_.advance(
      snapshot, kJudgedATurn, [&](uint32_t from, uint32_t count) { return v4_.judge_flows(from, count, view); },
      [&](uint32_t from, uint32_t count) { return v6_.judge_flows(from, count, view); });
}

void Pipeline::note(const Note& note, time::Time now) {
  const time::Millis now_ms = time::to_millis(now);
  if (note.what == Note::What::client) {
    context_.clients.put(note.client, {.endpoint_slot = note.endpoint_slot, .told = now_ms}, now_ms);
  } else if (note.family == lb::Family::ipv4) {
    v4_.note(note, now_ms);
  } else {
    v6_.note(note, now_ms);
  }
}

}  // namespace weft::l4
