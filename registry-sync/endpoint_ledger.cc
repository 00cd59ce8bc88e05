// SPDX-License-Identifier: Apache-2.0
#include "registry-sync/endpoint_ledger.h"

#include <algorithm>

namespace weft::registry {

std::optional<uint32_t> EndpointLedger::take(const std::string& identity, TrackedEndpoint endpoint) {
  const std::optional<uint32_t> slot = slots_.take(identity);
  if (!slot) {
    return std::nullopt;
  }
  entries_.resize(std::max<size_t>(entries_.size(), *slot + 1));
  Entry& entry = entries_[*slot];
  endpoint.slot = *slot;
  if (!entry.taken || entry.tracked != endpoint) {
    entry.taken = true;
    entry.tracked = endpoint;
    ++revision_;
    changed_.insert(*slot);
    reset_at_.erase(*slot);
    resets_changed_ |= resets_.erase(*slot) > 0;
  }
  return slot;
}

void EndpointLedger::release(uint32_t slot, std::optional<Time> reset_at) {
  slots_.release(slot);
  entries_[slot].tracked.lingering = true;
  ++revision_;
  changed_.insert(slot);
  if (reset_at) {
    reset_at_[slot] = *reset_at;
  }
}

std::vector<uint32_t> EndpointLedger::reclaim(const InUse& in_use) {
  std::vector<uint32_t> freed = slots_.reclaim(in_use);
  for (const uint32_t slot : freed) {
    gone_.push_back(entries_[slot].tracked);
    entries_[slot] = {};
    ++revision_;
    changed_.erase(slot);
    reset_at_.erase(slot);
    resets_changed_ |= resets_.erase(slot) > 0;
  }
  return freed;
}

void EndpointLedger::warm(std::vector<Candidate>& candidates, std::chrono::seconds slow_start, Time now) {
  using State = lb::EndpointState;
  const bool has_older = std::any_of(candidates.begin(), candidates.end(), [&](const Candidate& each) {
    return each.endpoint.state == State::ready && each.endpoint.weight > 0 && entries_[each.endpoint.slot].was_ready;
  });
  for (Candidate& each : candidates) {
    Entry& entry = entries_[each.endpoint.slot];
    if (each.endpoint.state == State::not_ready) {
      entry.was_ready = false;
      entry.warms_since.reset();
    } else if (each.endpoint.state == State::ready) {
      if (!entry.was_ready && has_older && slow_start.count() > 0) {
        entry.warms_since = now;
      }
      entry.was_ready = true;
      // A longer slow start by a later policy does not make it cold again.
      if (entry.warms_since && now - *entry.warms_since >= slow_start) {
        entry.warms_since.reset();
      }
      each.warms_since = entry.warms_since;
    }
  }
}

bool EndpointLedger::advance(Time now) {
  bool changed = resets_changed_;
  resets_changed_ = false;
  for (auto at = reset_at_.begin(); at != reset_at_.end();) {
    if (at->second > now) {
      ++at;
      continue;
    }
    resets_.insert(at->first);
    at = reset_at_.erase(at);
    changed = true;
  }
  return changed;
}

std::optional<Time> EndpointLedger::next_reset() const {
  const auto first = std::min_element(reset_at_.begin(), reset_at_.end(),
                                      [](const auto& a, const auto& b) { return a.second < b.second; });
  return first == reset_at_.end() ? std::nullopt : std::optional(first->second);
}

std::vector<TrackedEndpoint> EndpointLedger::tracked() const {
  std::vector<TrackedEndpoint> result;
  for (const Entry& entry : entries_) {
    if (entry.taken) {
      result.push_back(entry.tracked);
    }
  }
  return result;
}

TrackedChanges EndpointLedger::take_changes() {
  TrackedChanges changes{.gone = std::move(gone_)};
  for (const uint32_t slot : changed_) {
    changes.changed.push_back(entries_[slot].tracked);
  }
  gone_.clear();
  changed_.clear();
  return changes;
}

}  // namespace weft::registry
