// SPDX-License-Identifier: Apache-2.0
#include "registry-sync/choose.h"

#include <algorithm>

namespace weft::registry {
namespace {

constexpr int64_t kTenths = 10;
constexpr int64_t kSteps = kTenths - 1;

std::vector<Share> eligible(const std::vector<Candidate>& candidates) {
  const auto those = [&](auto condition) {
    std::vector<Share> shares;
    for (size_t i = 0; i < candidates.size(); ++i) {
      const Candidate& each = candidates[i];
      if (each.endpoint.weight > 0 && !each.drained && condition(each)) {
        shares.push_back({.candidate = i, .weight = each.endpoint.weight});
      }
    }
    return shares;
  };
  using State = lb::EndpointState;
  std::vector<Share> shares = those([](const Candidate& c) { return c.endpoint.state == State::ready && c.near; });
  if (shares.empty()) {
    shares = those([](const Candidate& c) { return c.endpoint.state == State::ready; });
  }
  if (shares.empty()) {
    shares = those([](const Candidate& c) { return c.endpoint.state == State::draining; });
  }
  return shares;
}

}  // namespace

Choice choose(const std::vector<Candidate>& candidates, std::chrono::seconds slow_start, Time now) {
  Choice choice{.shares = eligible(candidates)};
  const auto whole = std::chrono::nanoseconds(slow_start).count();
  /// From 0 to kSteps, at which it is warm.
  const auto steps_of = [&](const Candidate& candidate) {
    if (!candidate.warms_since || whole == 0) {
      return kSteps;
    }
    const int64_t elapsed = std::chrono::nanoseconds(now - *candidate.warms_since).count();
    return std::clamp<int64_t>(elapsed, 0, whole) * kSteps / whole;
  };
  uint32_t most = 1;
  for (const Share& share : choice.shares) {
    const Candidate& candidate = candidates[share.candidate];
    const int64_t steps = steps_of(candidate);
    most = std::max(most, share.weight);
    if (steps < kSteps) {
      // Rounded up, so that the step is taken by then.
      const std::chrono::nanoseconds until(((steps + 1) * whole + kSteps - 1) / kSteps);
      const Time next = *candidate.warms_since + until;
      choice.next_step = std::min(choice.next_step.value_or(next), next);
    }
  }
  if (choice.next_step) {
    const uint32_t scale = std::min<uint32_t>(kTenths, lb::MaglevTable::kMaxWeight / most);
    for (Share& share : choice.shares) {
      const int64_t tenths = steps_of(candidates[share.candidate]) + 1;
      share.weight = std::max<uint32_t>(1, static_cast<uint32_t>(share.weight * scale * tenths / kTenths));
    }
  }
  return choice;
}

}  // namespace weft::registry
