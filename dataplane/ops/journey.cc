// SPDX-License-Identifier: Apache-2.0
#include "ops/journey.h"

#include <algorithm>
#include <unordered_map>

namespace weft::ops {

using What = runtime::TraceRecord::What;

void Journeys::add(uint32_t worker, const runtime::TraceRecord& record) {
  records_.push_back({.worker = worker, .record = record});
}

/// A packet's stages are stamped in their order: a worker records before it hands over, and the next one after that. A
/// packet that is done with leaves its number to another, which begins anew.
std::vector<Journey> Journeys::settle(uint64_t cycles) {
  std::stable_sort(records_.begin(), records_.end(),
                   [](const Record& a, const Record& b) { return a.record.cycles < b.record.cycles; });
  std::unordered_map<uint64_t, std::vector<size_t>> by_packet;
  for (size_t i = 0; i < records_.size(); ++i) {
    by_packet[records_[i].record.packet].push_back(i);
  }
  std::vector<Journey> settled;
  for (size_t i = 0; i < records_.size() && records_[i].record.cycles < cycles; ++i) {
    Record& first = records_[i];
    if (!first.begins()) {
      continue;  // used already, or the trace began in between
    }
    first.used = true;
    Journey journey{.cycles = first.record.cycles,
                    .stages = {{.worker = first.worker, .passage = first.record.passage}}};
    const std::vector<size_t>& same = by_packet[first.record.packet];
    for (auto next = std::upper_bound(same.begin(), same.end(), i); next != same.end(); ++next) {
      if (!go_on(journey, records_[*next])) {
        break;
      }
      records_[*next].used = true;
    }
    settled.push_back(std::move(journey));
  }
  std::erase_if(records_, [&](const Record& each) { return each.used || each.record.cycles < cycles; });
  return settled;
}

/// @returns whether the record is of this journey
bool Journeys::go_on(Journey& journey, const Record& record) {
  Stage& last = journey.stages.back();
  if (record.begins() || last.lost_by) {
    return false;
  }
  if (record.record.what == What::lost) {
    last.lost_by = record.worker == last.worker ? std::optional(record.record.lost_by) : std::nullopt;
    return last.lost_by.has_value();
  }
  if (last.passage.verdict != l4::Verdict::handed_over || last.passage.owner != record.worker) {
    return false;
  }
  journey.stages.push_back({.worker = record.worker, .passage = record.record.passage});
  return true;
}

}  // namespace weft::ops
