// SPDX-License-Identifier: Apache-2.0
/// @file What was seen of a scenario: when its steps began and ended, and by phase what became of requests, how often
/// protections acted, and which endpoints were passed over. Sums and buckets only: an hour takes no more than a minute.
///
/// All times are arguments. A request belongs to the phase in which it was under way: to "before" if it had ended by
/// then, to "during" a step if any of it was within, to "after" if it began there.
#pragma once

#include <array>
#include <functional>
#include <map>
#include <set>

#include "rehearsal/latencies.h"
#include "rehearsal/protection.h"
#include "rehearsal/request.h"
#include "rehearsal/scenario.h"

namespace weft::rehearsal {

/// Of some requests.
struct Tally {
  uint64_t requests = 0;
  uint64_t succeeded = 0;
  uint64_t attempts = 0;
  std::map<uint16_t, uint64_t> statuses;
  std::map<std::string, uint64_t> flags;  ///< as records have them, "UF,URX" in one
  Latencies latencies;

  void add(const Request& request);
  /// Percent; 0 of none.
  double success_rate() const;
};

/// What an expectation is judged by, of one service.
struct Evidence {
  Tally all;
  Tally matched;  ///< those that the expectation's `match` means
  Tally before;   ///< by the same caller, where it is to be compared
};

/// By service: what a look saw.
using Look = std::map<std::string, ProtectionSample>;

/// How often protections acted within a phase.
struct Acts {
  std::map<std::string_view, uint64_t> by_row;         ///< of kProtectionCounters
  std::map<std::string_view, uint64_t> by_protection;  ///< of kProtections; panic: 1 if it was seen
  bool was_seen = false;                               ///< the service, at the last look
  uint64_t requests = 0;                               ///< of it
};

class Ledger {
 public:
  /// @param callers_of the services of which the address is an endpoint; may be none
  Ledger(const Scenario& scenario, std::function<std::vector<std::string>(const lb::Address&)> callers_of);

  /// In the order of time. Before a step begins and after it ended, a look is to be told of.
  void began(Moment now);
  void step_began(size_t step, Moment now);
  void step_ended(size_t step, Moment now);
  void ended(Moment now);

  void add(const Request& request);
  void missed(uint64_t requests) { missed_ += requests; }
  void looked(const Look& look);
  /// Endpoints of the service that are ejected, or not yet back in service for good.
  void looked_at_endpoints(const std::string& service, const std::set<std::string>& all,
                           const std::set<std::string>& ejected);

  struct StepTimes {
    std::optional<Moment> began;
    std::optional<Moment> ended;
  };
  const Scenario& scenario() const { return scenario_; }
  std::optional<Moment> beginning() const { return began_; }
  std::optional<Moment> end() const { return ended_; }
  const StepTimes& times_of(size_t step) const { return steps_[step]; }
  uint64_t requests() const { return requests_; }
  uint64_t missed() const { return missed_; }

  /// Did the phase come about? Not if the scenario was cut short.
  bool reached(const Phase& phase) const;
  /// By service.
  const std::map<std::string, Evidence>& evidence(size_t expectation) const { return evidence_[expectation]; }

  struct Cell {
    std::string service;
    std::string caller;
    size_t phase = 0;  ///< of phases()
    auto operator<=>(const Cell&) const = default;
  };
  const std::map<Cell, Tally>& cells() const { return cells_; }
  const std::vector<Phase>& phases() const { return phases_; }

  /// Services of which anything acted, or was seen to.
  std::set<std::string> services() const;
  Acts acts(const std::string& service, const Phase& phase) const;

  struct Endpoints {
    std::set<std::string> all;           ///< that were there at any look
    std::set<std::string> ever_ejected;  ///< at any look
    std::set<std::string> last_ejected;  ///< at the last one
    bool looked = false;
  };
  Endpoints endpoints(const std::string& service, const Phase& phase) const;

 private:
  struct Books {
    Look first;  ///< at its beginning
    Look last;
    std::set<std::string> panicked;
    std::map<std::string, Endpoints> endpoints;
    /// By service, of requests.
    std::map<std::string, uint64_t> requests;
    std::map<std::string, uint64_t> retries;
    std::map<std::string, uint64_t> denied;
    std::map<std::string, uint64_t> faults;
    bool open = false;
    bool opened = false;
  };

  bool covers(const Phase& phase, Millis settle, const Request& request) const;
  size_t index_of(const Phase& phase) const;
  void open(size_t phase);
  std::string caller_shown(const std::string& service, const lb::Address& client,
                           const std::vector<std::string>& services);

  const Scenario& scenario_;
  std::function<std::vector<std::string>(const lb::Address&)> callers_of_;
  std::vector<Phase> phases_;
  std::vector<Books> books_;  ///< one a phase
  std::vector<StepTimes> steps_;
  std::vector<std::map<std::string, Evidence>> evidence_;  ///< one an expectation
  std::map<Cell, Tally> cells_;
  std::map<std::string, std::set<std::string>> callers_;  ///< by service, those that are shown by name
  Look latest_;
  std::optional<Moment> began_;
  std::optional<Moment> ended_;
  std::optional<Moment> first_disruption_;
  std::optional<Moment> last_disruption_ended_;
  uint64_t requests_ = 0;
  uint64_t missed_ = 0;
};

}  // namespace weft::rehearsal
