// SPDX-License-Identifier: Apache-2.0
#include "registry-sync/health_book.h"

#include <algorithm>

namespace weft::registry {

void HealthBook::replace(const std::string& service, const std::vector<CheckTarget>& targets, Time now) {
  std::vector<uint64_t> gone;
  if (const auto known = services_.find(service); known != services_.end()) {
    gone = std::move(known->second);
    services_.erase(known);
  }
  std::vector<uint64_t> ids;
  std::set<uint64_t> kept;
  for (const CheckTarget& target : targets) {
    ids.push_back(target.id);
    kept.insert(target.id);
    const auto [at, is_new] = targets_.try_emplace(target.id);
    Entry& entry = at->second;
    const bool same_pace = !is_new && entry.state.target.check->interval == target.check->interval;
    entry.state.target = target;
    if (same_pace) {
      continue;
    }
    waiting_.erase({entry.due, target.id});
    const std::chrono::nanoseconds interval = target.check->interval;
    entry.due =
        now + std::chrono::nanoseconds(std::uniform_int_distribution<int64_t>(0, interval.count() - 1)(random_));
    if (!entry.begun) {
      waiting_.emplace(entry.due, target.id);
    }
  }
  for (const uint64_t id : gone) {
    if (!kept.contains(id)) {
      const auto at = targets_.find(id);
      waiting_.erase({at->second.due, id});
      targets_.erase(at);
    }
  }
  if (!ids.empty()) {
    services_[service] = std::move(ids);
  }
}

std::optional<Time> HealthBook::next_due() const {
  return waiting_.empty() ? std::nullopt : std::optional(waiting_.begin()->first);
}

std::optional<CheckTarget> HealthBook::begin(Time now) {
  if (waiting_.empty() || waiting_.begin()->first > now) {
    return std::nullopt;
  }
  const auto [due, id] = *waiting_.begin();
  waiting_.erase(waiting_.begin());
  Entry& entry = targets_.at(id);
  const HealthCheck& check = *entry.state.target.check;
  constexpr int kTenth = 10;
  late_ += now - due > std::chrono::nanoseconds(check.interval) / kTenth ? 1 : 0;
  entry.begun = true;
  entry.due = after(check, now);
  return entry.state.target;
}

Time HealthBook::after(const HealthCheck& check, Time begun) {
  const std::chrono::nanoseconds interval = check.interval;
  const int64_t most = interval.count() / 100 * check.jitter_percent;
  return begun + interval + std::chrono::nanoseconds(std::uniform_int_distribution<int64_t>(-most, most)(random_));
}

std::optional<CheckVerdict> HealthBook::finish(uint64_t id, const CheckResult& result, Time now) {
  const auto at = targets_.find(id);
  if (at == targets_.end() || !at->second.begun) {
    return std::nullopt;
  }
  Entry& entry = at->second;
  entry.begun = false;
  entry.due = std::max(entry.due, now);
  waiting_.emplace(entry.due, id);
  CheckState& state = entry.state;
  const bool passed = result.outcome == CheckResult::Outcome::passed;
  if (!passed) {
    state.last_error = result.error;
  }
  if (result.outcome == CheckResult::Outcome::inconclusive) {
    return std::nullopt;
  }
  ++state.checks;
  state.failures += passed ? 0 : 1;
  state.last_took = result.took;
  constexpr uint32_t kMost = UINT32_MAX;
  state.in_a_row = state.checks > 1 && state.last_passed == passed ? std::min(state.in_a_row, kMost - 1) + 1 : 1;
  state.last_passed = passed;
  const HealthCheck& check = *state.target.check;
  const bool turns = state.failed ? passed && state.in_a_row >= check.rise : !passed && state.in_a_row >= check.fall;
  if (!turns) {
    return std::nullopt;
  }
  state.failed = !state.failed;
  state.since = now;
  return CheckVerdict{.id = id, .failed = state.failed};
}

std::vector<CheckState> HealthBook::states(const std::string& service) const {
  std::vector<CheckState> states;
  const auto add = [&](const std::vector<uint64_t>& ids) {
    for (const uint64_t id : ids) {
      states.push_back(targets_.at(id).state);
    }
  };
  if (!service.empty()) {
    if (const auto known = services_.find(service); known != services_.end()) {
      add(known->second);
    }
    return states;
  }
  for (const auto& [name, ids] : services_) {
    add(ids);
  }
  return states;
}

}  // namespace weft::registry
