// SPDX-License-Identifier: Apache-2.0
#include "registry-sync/check.h"

namespace weft::registry {

CheckReport check(const std::filesystem::path& folder, SlotLimits limits, Abilities abilities) {
  Registry registry({.folder = folder, .limits = limits, .zone = {}, .abilities = std::move(abilities)}, {});
  registry.load({});
  const Status& status = registry.status();
  CheckReport report{
      .errors = status.errors, .warnings = status.warnings, .files = status.files, .documents = status.documents};
  for (const lb::Service& service : registry.snapshot()->services()) {
    ++report.services;
    report.endpoints += service.endpoints.size();
  }
  return report;
}

}  // namespace weft::registry
