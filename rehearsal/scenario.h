// SPDX-License-Identifier: Apache-2.0
/// @file A rehearsed failure: what is done to the mesh and when, and what has to hold of each service meanwhile.
/// docs/rehearsal.md has the fields.
#pragma once

#include <chrono>
#include <iterator>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <tl/expected.hpp>
#include <vector>

#include "lb/prefix.h"
#include "registry-sync/diagnostic.h"

namespace weft::rehearsal {

using Millis = std::chrono::milliseconds;
/// Keeps the order of fields.
using Json = nlohmann::ordered_json;

struct Step {
  enum class Kind : uint8_t {
    fault,  ///< of the node's own, which ends by itself
    run,    ///< a command that breaks something, and perhaps one that mends it
    load,   ///< a command in the background: it breaks nothing, so it begins no phase
  };

  Kind kind = Kind::fault;
  std::string name;
  Millis at{};                  ///< from the scenario's beginning
  std::optional<Millis> lasts;  ///< nothing: to the scenario's end; a fault has always one
  Json fault;                   ///< a whole FaultInjection, by a name of the scenario's and the step's
  std::string command;          ///< for /bin/sh
  std::string undo;             ///< when its time is over; empty: nothing
  Millis timeout{};             ///< of the command, and of the other

  bool disrupts() const { return kind != Kind::load; }
};

struct Phase {
  enum class Kind : uint8_t {
    whole,
    before,  ///< until the first step that disrupts
    during,  ///< of one step
    after,   ///< from the end of the last step that disrupts
  };

  Kind kind = Kind::whole;
  size_t step = 0;

  bool operator==(const Phase&) const = default;
};

/// What is allowed for; nothing: anything.
struct Bounds {
  std::optional<double> least;
  std::optional<double> most;
};

/// Which requests are meant; what is not said is not asked for.
struct Match {
  uint16_t first_status = 0;  ///< 0 to 999: any, and none
  uint16_t last_status = 999;
  std::string flag;
  std::string detail;
  std::string answered_by;

  bool operator==(const Match&) const = default;
};

/// Who asks: any of the services of which the client's address is an endpoint, or its address; nothing: everybody.
struct Caller {
  std::string service;
  std::optional<lb::Prefix> prefix;

  bool anybody() const { return service.empty() && !prefix; }
};

struct Unchanged {
  double success_points = 0.1;  ///< by which the success rate may fall
  double latency_factor = 1.5;  ///< by which the median and the 99th percentile may grow,
  Millis slack{5};              ///< and by so much more
};

/// Quantiles that can be asked for, in this order.
struct Quantile {
  const char* name;
  double share;
};
inline constexpr Quantile kQuantiles[] = {{"p50", 0.5},  {"p90", 0.9},    {"p95", 0.95},
                                          {"p99", 0.99}, {"p999", 0.999}, {"max", 1}};
inline constexpr size_t kQuantileCount = std::size(kQuantiles);

struct Expectation {
  std::string name;
  std::string service;                ///< empty: every one but these
  std::vector<std::string> excepted;  ///< services
  Caller caller;
  Phase phase;
  Millis settle{};  ///< how much of the phase's beginning is not looked at
  uint64_t min_requests = 1;
  Match match;
  std::optional<Bounds> success_rate;  ///< percent
  std::optional<Bounds> share;         ///< percent
  std::optional<Bounds> count;
  std::optional<Bounds> attempts;  ///< of a request, on average
  std::optional<Millis> latency[kQuantileCount];
  std::optional<Unchanged> unchanged;
  std::vector<std::string> acted;       ///< protections, as kProtections has them (protection.h)
  std::vector<std::string> not_acted;   ///< the same
  std::vector<std::string> ejected;     ///< endpoints
  std::vector<std::string> in_service;  ///< endpoints
};

struct Scenario {
  std::string file;
  std::string name;
  std::string description;
  Millis duration{};
  Millis interval{500};    ///< between two looks at the node's protections
  double most_missed = 1;  ///< percent of the requests of which no record may come
  std::vector<Step> steps;
  std::vector<Expectation> expectations;

  bool has_commands() const;
};

/// "default/web" of "web".
std::string full_service_name(const std::string& name);
/// "before", "during sick"
std::string to_string(const Scenario& scenario, const Phase& phase);
/// Every phase that there is, in their order: the whole first.
std::vector<Phase> phases_of(const Scenario& scenario);

/// @param file what diagnostics call it
/// The error: all that is wrong, each by its field and line.
tl::expected<Scenario, std::vector<registry::Diagnostic>> parse_scenario(const std::string& file,
                                                                         std::string_view text);

}  // namespace weft::rehearsal
