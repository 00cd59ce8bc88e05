// SPDX-License-Identifier: Apache-2.0
/// @file Which endpoints of a service port new flows go to, and in what proportion.
///
/// The first of these that is not empty: those that are ready and near, those that are ready, those that terminate but
/// still serve (Kubernetes' fall-back, KEP-1669). Of a weight of 0 none is chosen, nor one that an operator drains.
///
/// Slow start: a new endpoint begins with a tenth of its weight and has all of it after `slow_start`, in nine even
/// steps. So that tenths can be told, all weights are then multiplied by 10, or by what the largest allows.
///
/// Pure: what it says depends on its arguments alone.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <vector>

#include "lb/snapshot.h"

namespace weft::registry {

using Time = std::chrono::steady_clock::time_point;

/// An endpoint that may be chosen.
struct Candidate {
  lb::Endpoint endpoint;
  bool near = true;                 ///< of the zone that the service prefers, or it prefers none
  bool drained = false;             ///< by an operator
  std::optional<Time> warms_since;  ///< when its slow start began; none: it has its full weight
};

struct Share {
  size_t candidate = 0;  ///< its position
  uint32_t weight = 1;
};

struct Choice {
  std::vector<Share> shares;      ///< in the order of the candidates
  std::optional<Time> next_step;  ///< when the weights are to be others by themselves
};

Choice choose(const std::vector<Candidate>& candidates, std::chrono::seconds slow_start, Time now);

}  // namespace weft::registry
