// SPDX-License-Identifier: Apache-2.0
/// @file A whole run, drawn from a seed: hosts, paths, and sessions.
#pragma once

#include <array>
#include <string_view>

#include "tcp_session.h"
#include "tcp_world.h"

namespace weft::simulation {

/// What makes a run difficult. Each can be left out of a seed's run while all else stays: what a failure needs.
enum class Trouble : uint8_t {
  loss,
  bursts,
  duplication,
  reordering,
  corruption,
  jitter,
  rate,
  small_loss,
  mtu,
  black_hole,
  blackout,
  batching,  ///< late and large batches, small budgets
  refusals,  ///< payloads that find no buffer
  few_pieces,
  few_places,  ///< for half-open connections and TIME-WAITs
  options,     ///< sides without timestamps, SACK or window scale
  small_buffers,
  keepalive,
  slow_readers,
  stalls,
  pauses,  ///< between writes
  hang_ups,
  aborts,
  simultaneous,
  relay,
  wrap,        ///< sequence numbers and clocks near their wraps
  real_bytes,  ///< frames go through the data plane's code for packets
  forgeries,   ///< segments and errors that nobody sent
};
constexpr std::array<std::string_view, 28> kTroubles{
    "loss",       "bursts",  "duplication",   "reordering", "corruption",   "jitter",     "rate",
    "small loss", "mtu",     "black hole",    "blackout",   "batching",     "refusals",   "few pieces",
    "few places", "options", "small buffers", "keepalive",  "slow readers", "stalls",     "pauses",
    "hang-ups",   "aborts",  "simultaneous",  "relay",      "wrap",         "real bytes", "forgeries"};

/// A set of them.
using Troubles = uint32_t;
constexpr Troubles kAllTroubles = (1U << kTroubles.size()) - 1;

struct Scenario {
  std::array<HostConfig, 3> hosts;  ///< client, server, relay
  std::map<std::pair<uint32_t, uint32_t>, PathConfig> paths;
  std::vector<SessionPlan> sessions;
  bool harsh = false;     ///< a network on which a connection may fail
  Troubles troubles = 0;  ///< that it has
};

Scenario draw_scenario(uint64_t seed, Troubles allowed);

/// What a run was like.
struct Summary {
  uint64_t hash = 0;
  uint64_t bytes = 0;     ///< read by applications
  uint64_t segments = 0;  ///< sent
  uint64_t retransmitted = 0;
  std::array<tcp::Counters, 3> counters;  ///< the hosts'
  uint32_t sessions = 0;
  uint32_t clean = 0;  ///< that came to both their ends with all bytes
  bool harsh = false;
  Time took{};  ///< virtual
  Troubles troubles = 0;
};

/// Throws Violation.
Summary run_scenario(uint64_t seed, Troubles allowed, Trace& trace);

}  // namespace weft::simulation
