// SPDX-License-Identifier: Apache-2.0
/// @file Any bytes as a registry file: parsed, checked against themselves and built into a snapshot. What is JSON is
/// read as YAML too.
///
/// Beyond crashes and leaks it looks for broken promises: messages are printable lines, a file without errors gives
/// resources that Inventory and Builder can take, building the same twice changes nothing, and what leaves is let go
/// of.
#include <cstdint>
#include <cstdlib>

#include "registry-sync/builder.h"
#include "registry-sync/inventory.h"
#include "registry-sync/parse.h"
#include "registry-sync/yaml_document.h"

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

/// All that a tree says, but for lines: YAML's reader counts other line ends as well.
void draw(const weft::registry::YamlNode& node, std::string& drawn) {
  drawn += static_cast<char>('0' + static_cast<int>(node.kind));
  drawn += node.quoted ? 'q' : 'p';
  drawn += std::to_string(node.text.size()) + ":" + node.text;
  for (const auto* nodes : {&node.keys, &node.items}) {
    drawn += '(';
    for (const weft::registry::YamlNode& each : *nodes) {
      draw(each, drawn);
    }
    drawn += ')';
  }
}

/// Where both readers take a text, they take it for the same.
void compare_readers(std::string_view text) {
  std::vector<Diagnostic> json_errors;
  const auto as_json = weft::registry::read_json_document("f.json", text, json_errors);
  check(json_errors);
  require(as_json.has_value() == json_errors.empty());
  check(weft::registry::parse_document("/weft/v1/resources/f", text).errors);
  if (!as_json || text.size() > 4096) {
    return;
  }
  std::vector<Diagnostic> yaml_errors;
  std::string of_json;
  std::string of_yaml;
  draw(*as_json, of_json);
  size_t documents = 0;
  // A text that begins so is no JSON.
  weft::registry::for_each_document("f.yaml", "--- " + std::string(text), yaml_errors, [&](const auto& node) {
    ++documents;
    of_yaml = "";
    draw(node, of_yaml);
  });
  require(!yaml_errors.empty() || documents != 1 || of_yaml == of_json);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  // Files of millions of tables are bounded by SlotLimits in production; here, so that a run stays fast.
  constexpr weft::registry::SlotLimits kLimits{.services = 4, .endpoints = 8};
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const weft::registry::ParsedFile parsed = weft::registry::parse_file("f.yaml", text);
  check(parsed.errors);
  compare_readers(text);
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
