// SPDX-License-Identifier: Apache-2.0
/// @file Any bytes as a registry file: parsed, checked against themselves and built into a snapshot.
///
/// Beyond crashes and leaks it looks for broken promises: messages are printable lines, a file without errors gives
/// resources that validate() and Builder can take, and building the same twice changes nothing.
#include <cstdint>
#include <cstdlib>

#include "registry-sync/builder.h"
#include "registry-sync/parse.h"
#include "registry-sync/validate.h"

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
  const weft::registry::Validation validation = validate(parsed.resources);
  check(validation.errors);
  check(validation.warnings);
  if (!validation.errors.empty()) {
    return 0;
  }
  weft::registry::Builder builder(1, kLimits);
  std::set<weft::registry::Drain> drains;
  check(builder.build(parsed.resources, drains, {}).errors);
  require(!builder.build(parsed.resources, drains, {}).changed);
  require(builder.snapshot()->epoch() == 1);
  return 0;
}
