// SPDX-License-Identifier: Apache-2.0
/// @file weftctl's own commands: those that need a registry, and no node.
#pragma once

#include <optional>
#include <string>
#include <vector>

namespace weft::registrar {

struct CommandText {
  std::string_view words;
  std::string_view arguments;
  std::string_view does;
};
/// For help.
extern const std::vector<CommandText> kOwnCommands;

/// Is it one of these commands? `get` of routes and Gateways is the node's, unless -o asks for the resource.
bool is_own(const std::vector<std::string>& words);

/// @param words what weftctl was called with
/// @returns the exit code: 0; 1 if something is not there or was refused; 64 if it was called wrongly; 69 if the
/// registry
///   can't be reached
int run_own(const std::vector<std::string>& words);

}  // namespace weft::registrar
