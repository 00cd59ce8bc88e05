// SPDX-License-Identifier: Apache-2.0
/// @file What is said of a scenario once it was played: for a terminal, for programs, and for a CI's list of tests.
#pragma once

#include "rehearsal/judge.h"

namespace weft::rehearsal {

struct StepOutcome {
  std::string what;     ///< was done: the command's line, or the fault
  std::string said;     ///< by the command or of the fault, at its end; may be empty
  std::string problem;  ///< empty: it went as it should
  Json counted;         ///< what the node says of the fault; null: nothing
};

struct Outcome {
  enum class Ending : uint8_t { complete, interrupted, cut_short };

  Ending ending = Ending::complete;
  std::string problem;             ///< why it was cut short
  std::vector<StepOutcome> steps;  ///< one a step of the scenario
  std::vector<Verdict> verdicts;

  /// It was played to its end, and every expectation was met.
  bool met() const;
};

std::string as_text(const Ledger& ledger, const Outcome& outcome);
Json as_json(const Ledger& ledger, const Outcome& outcome);
/// A test suite in the form of JUnit's Ant task: a test an expectation.
std::string as_junit(const Ledger& ledger, const Outcome& outcome);
/// The same of a scenario that was not played, and why: one test, which failed.
std::string refusal_as_junit(const std::string& scenario, const std::string& why);

}  // namespace weft::rehearsal
