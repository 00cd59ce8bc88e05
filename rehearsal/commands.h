// SPDX-License-Identifier: Apache-2.0
/// @file weftctl's command that plays scenarios: `fault run`.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace weft::rehearsal {

/// For help.
struct RunText {
  std::string_view words;
  std::string_view arguments;
  std::string_view does;
};
inline constexpr RunText kRunText{"fault run",
                                  "<scenario.yaml> [--check] [--allow-commands] [--junit <file>] [--quiet]",
                                  "play a scenario of failures, and say whether its expectations were met"};

/// Is it this command? Options of weftctl's own may stand before it.
bool is_run(const std::vector<std::string>& words);

/// @param words what weftctl was called with
/// @returns the exit code: 0 if every expectation was met; 1 if one was not, a step failed, or the report can't be
/// written; 64 if it was called wrongly; 65 if the scenario was refused, by weftctl or by the node; 69 if there is no
/// node, or it went away; 130 if it was interrupted
int run_scenario(const std::vector<std::string>& words);

}  // namespace weft::rehearsal
