// SPDX-License-Identifier: Apache-2.0
#include "registry-sync/check.h"

namespace weft::registry {
namespace {

void count_services(const lb::Snapshot& snapshot, CheckReport& report) {
  for (const lb::Service& service : snapshot.services()) {
    ++report.services;
    report.endpoints += service.endpoints.size();
  }
}

}  // namespace

CheckReport check(const std::filesystem::path& folder, SlotLimits limits, Abilities abilities) {
  Registry registry({.folder = folder, .limits = limits, .zone = {}, .abilities = std::move(abilities)}, {});
  registry.load({});
  const Status& status = registry.status();
  CheckReport report{
      .errors = status.errors, .warnings = status.warnings, .files = status.files, .documents = status.documents};
  count_services(*registry.snapshot(), report);
  return report;
}

CheckReport check_text(const std::string& file, std::string_view text, SlotLimits limits, const Abilities& abilities) {
  ParsedFile parsed = parse_file(file, text);
  CheckReport report{.errors = std::move(parsed.errors), .warnings = {}, .files = 1};
  if (!report.errors.empty()) {
    return report;
  }
  Inventory inventory(abilities);
  inventory.set(file, std::make_shared<const ResourceSet>(std::move(parsed.resources)));
  report.errors = inventory.errors();
  if (!report.errors.empty()) {
    return report;
  }
  report.documents = parsed.documents;
  report.warnings = inventory.warnings();
  Builder builder(0, limits, "", abilities);
  std::set<Drain> drains;
  report.errors = builder.build(inventory.take_changes(), drains, {}, {}).errors;
  count_services(*builder.snapshot(), report);
  return report;
}

}  // namespace weft::registry
