// SPDX-License-Identifier: Apache-2.0
/// @file Is a registry fit for use? What `weftd --check` and `weftctl validate` ask; nothing is started and nothing
/// kept.
#pragma once

#include "registry-sync/registry.h"

namespace weft::registry {

struct CheckReport {
  std::vector<Diagnostic> errors;  ///< empty if all of the folder would be in force
  std::vector<Diagnostic> warnings;
  size_t files = 0;
  size_t documents = 0;  ///< of files without errors
  size_t services = 0;   ///< ports of services that have a virtual address
  size_t endpoints = 0;  ///< of those, each counted at every port
};

CheckReport check(const std::filesystem::path& folder, SlotLimits limits = {}, Abilities abilities = {});
/// The same of one file's text, whatever else a registry has.
/// @param file what diagnostics call it
CheckReport check_text(const std::string& file, std::string_view text, SlotLimits limits = {},
                       const Abilities& abilities = {});

}  // namespace weft::registry
