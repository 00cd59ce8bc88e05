// SPDX-License-Identifier: Apache-2.0
/// @file When each target is to be checked, and what its results come to: a pure state machine on the caller's clock.
///
/// The first check of a target comes at a random moment of its first interval, so that ten thousand that come at once
/// do not beat at once; from then on each interval is longer or shorter by chance, within the jitter. One check of a
/// target at a time.
///
///     while (auto target = book.begin(now)) { start(*target); }
///     ...
///     if (auto verdict = book.finish(id, {.passed = false, .error = "connection refused"}, now)) { tell(*verdict); }
///
/// One thread. About 400 bytes a target; what begin() costs grows with the logarithm of their number.
#pragma once

#include <optional>
#include <random>
#include <set>
#include <unordered_map>

#include "registry-sync/choose.h"
#include "registry-sync/health_check.h"

namespace weft::registry {

struct CheckResult {
  /// Inconclusive: nothing was learnt of the target, such as when this process has no free file descriptor.
  enum class Outcome : uint8_t { passed, failed, inconclusive };

  Outcome outcome = Outcome::passed;
  std::string error;  ///< if it did not pass
  std::chrono::microseconds took{0};
};

/// What is known of a target.
struct CheckState {
  CheckTarget target;
  bool failed = false;      ///< the verdict
  uint32_t in_a_row = 0;    ///< of the last results, those alike
  bool last_passed = true;  ///< what those were
  uint64_t checks = 0;      ///< finished ones that said something
  uint64_t failures = 0;    ///< of those
  std::string last_error;   ///< of the last one that did not pass
  std::chrono::microseconds last_took{0};
  std::optional<Time> since;  ///< when the verdict last changed
};

class HealthBook {
 public:
  explicit HealthBook(uint64_t seed) : random_(seed) {}

  /// Makes these the targets of one service. Who stays keeps its results, whatever its check is now.
  void replace(const std::string& service, const std::vector<CheckTarget>& targets, Time now);

  /// When begin() has a target; none: not before replace() or finish().
  std::optional<Time> next_due() const;
  /// The target that waited longest of those that are due.
  std::optional<CheckTarget> begin(Time now);
  /// Of what begin() said, which may have left meanwhile. @returns what it changed
  std::optional<CheckVerdict> finish(uint64_t id, const CheckResult& result, Time now);

  size_t size() const { return targets_.size(); }
  /// In the order of the service's targets. @param service empty: of all
  std::vector<CheckState> states(const std::string& service = "") const;
  /// Checks that began later than due by more than a tenth of their interval.
  uint64_t late() const { return late_; }

 private:
  struct Entry {
    CheckState state;
    Time due{};          ///< unless it is under way: then the next one's
    bool begun = false;  ///< a check of it is under way
  };

  Time after(const HealthCheck& check, Time begun);

  std::unordered_map<uint64_t, Entry> targets_;
  std::map<std::string, std::vector<uint64_t>> services_;
  std::set<std::pair<Time, uint64_t>> waiting_;  ///< those that are not under way, by when they are due
  std::mt19937_64 random_;
  uint64_t late_ = 0;
};

}  // namespace weft::registry
