// SPDX-License-Identifier: Apache-2.0
/// @file Any bytes as a registry file: parsed, checked against themselves and built into a snapshot.
///
/// Beyond crashes and leaks it looks for broken promises: messages are printable lines, a file without errors gives
/// resources that Inventory and Builder can take, building the same twice changes nothing, and what leaves is let go
/// of.
#include <cstdint>
#include <cstdlib>

#include "registry-sync/builder.h"
#include "registry-sync/inventory.h"
#include "registry-sync/parse.h"

namespace {

using weft::registry::Diagnostic;

void require(bool promise) {
  if (!promise) {
    std::abort();
  }
}

void check(const std::vector<Diagnostic>& diagnostics) {
  require(diagnostics.size() <= weft::registry::kMaxDiagnostics);
  for (const Diagnostic& diagnostic : diagnostics) {
    const std::string line = to_string(diagnostic);
    require(line.size() < 8192);
    for (char c : line) {
      require(c >= 0x20 && c < 0x7f);
    }
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  // Files of millions of tables are bounded by SlotLimits in production; here, so that a run stays fast.
  constexpr weft::registry::SlotLimits kLimits{.services = 4, .endpoints = 8};
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const weft::registry::ParsedFile parsed = weft::registry::parse_file("f.yaml", text);
  check(parsed.errors);
  if (!parsed.errors.empty()) {
    return 0;
  }
  weft::registry::Inventory inventory;
  inventory.set("f.yaml", std::make_shared<weft::registry::ResourceSet>(parsed.resources));
  check(inventory.errors());
  check(inventory.warnings());
  require(inventory.clean() == inventory.errors().empty());
  if (!inventory.clean()) {
    return 0;
  }
  weft::registry::Builder builder(1, kLimits, "");
  std::set<weft::registry::Drain> drains;
  weft::registry::Time now{};
  check(builder.build(inventory.take_changes(), drains, {}, now).errors);
  builder.http_status();
  const auto all = std::make_shared<weft::registry::ResourceSet>(parsed.resources);
  inventory.set("f.yaml", nullptr);
  inventory.set("f.yaml", all);
  require(!builder.build(inventory.take_changes(), drains, {}, now).changed);
  require(builder.snapshot()->epoch() == 1);

  // All leave, and flows hold their slots: what time brings must come to an end.
  const weft::registry::SlotUse held{.services = {}, .endpoints = [](uint32_t) { return true; }};
  inventory.set("f.yaml", nullptr);
  require(inventory.clean() && inventory.endpoints() == 0);
  builder.build(inventory.take_changes(), drains, held, now);
  for (uint32_t step = 0; builder.next_deadline(); ++step) {
    require(step <= kLimits.endpoints && *builder.next_deadline() > now);
    now = *builder.next_deadline();
    require(builder.build({}, drains, held, now).changed);
  }
  require(builder.snapshot()->services().empty() && builder.snapshot()->resets().size() <= kLimits.endpoints);
  require(builder.tracked().size() == builder.lingering());
  return 0;
}
