// SPDX-License-Identifier: Apache-2.0
/// @file What a program says to arguments that it can't take. CLI11 alone would complain of what is missing first, and
/// end with codes of its own: `weftctl --frob` would be told that a command is required.
#pragma once

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <cstdio>

namespace weft::registrar {

/// @returns the exit code: 0 if help or the version was asked for, which is printed here, too
/// @param wrongly_called the code if not
inline int tell(const CLI::App& app, const CLI::ParseError& error, int wrongly_called) {
  const std::vector<std::string> unknown = app.remaining(true);
  // A value that is wrong ends the reading there: what follows is not unknown, but unread.
  const bool is_read = error.get_exit_code() == static_cast<int>(CLI::ExitCodes::ExtrasError) ||
                       error.get_exit_code() == static_cast<int>(CLI::ExitCodes::RequiredError);
  if (is_read && !unknown.empty()) {
    fmt::print(stderr, "error: {} is not known{}: --help says what is\n", unknown.front().substr(0, 100),
               unknown.front().starts_with('-') ? " as an option" : " here");
    return wrongly_called;
  }
  return app.exit(error) == 0 ? 0 : wrongly_called;
}

}  // namespace weft::registrar
