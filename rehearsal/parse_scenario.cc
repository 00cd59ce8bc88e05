// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <set>

#include "registrar/document.h"
#include "registrar/fault_flags.h"
#include "registry-sync/ascii.h"
#include "registry-sync/parse.h"
#include "registry-sync/parse_http_values.h"
#include "registry-sync/yaml_document.h"
#include "rehearsal/parse_parts.h"

namespace weft::rehearsal {
namespace {

using registry::Diagnostic;
using registry::Fields;
using registry::in_quotes;
using registry::YamlNode;

constexpr Millis kLeastDuration{1000};
constexpr Millis kLeastInterval{100};
constexpr Millis kMostInterval{60'000};
constexpr Millis kLeastTimeout{100};
constexpr Millis kMostTimeout{300'000};
constexpr Millis kDefaultTimeout{10'000};
constexpr size_t kMostSteps = 100;
constexpr size_t kMostExpectations = 1000;
constexpr size_t kMostCommand = 4096;
constexpr size_t kMostFault = 4000;  // of a line of 4,096 to the node
constexpr Millis kLeastFault{100};

/// A DNS label: faults are called by these names.
bool is_name(std::string_view text) {
  return !text.empty() && text.size() <= kMostName && text.front() != '-' && text.back() != '-' &&
         std::all_of(text.begin(), text.end(),
                     [](char c) { return registry::is_digit(c) || (c >= 'a' && c <= 'z') || c == '-'; });
}

std::string name_of(Fields& fields) {
  const std::string name = fields.required_string("name");
  if (!name.empty() && !is_name(name)) {
    fields.error("name", "expected 1 to 63 lower-case letters, digits and dashes, got " + in_quotes(name));
  }
  return name;
}

std::string command_of(Fields& fields, std::string_view key) {
  const std::optional<std::string> command = fields.string(key);
  if (command && command->empty()) {
    fields.error(key, "expected a command");
  }
  registry::check_length(fields, key, command.value_or(""), kMostCommand);
  return command.value_or("");
}

const YamlNode* node_at(const YamlNode* node, std::string_view key) {
  for (size_t i = 0; node != nullptr && i < node->keys.size(); ++i) {
    if (node->keys[i].text == key) {
      return &node->items[i];
    }
  }
  return nullptr;
}

/// As the node would, before anything is done to it.
void check_fault(Fields& fields, const Step& step) {
  const std::string document = registrar::in_one_word(step.fault.dump());
  if (document.size() > kMostFault) {
    fields.error("fault", "expected " + std::to_string(kMostFault) + " bytes of JSON at most, got " +
                              std::to_string(document.size()));
    return;
  }
  for (const Diagnostic& error : registry::parse_document("fault", document).errors) {
    fields.error("fault", error.field + ": " + error.message);
  }
  if (step.lasts && *step.lasts < kLeastFault) {
    fields.error("for",
                 "expected " + in_words(kLeastFault) + " at least of a fault, got " + in_quotes(fields.text("for")));
  }
}

/// @param node the step's
Step parse_step(Fields fields, const YamlNode& node, const Scenario& scenario) {
  const Millis whole = scenario.duration;
  Step step;
  step.name = name_of(fields);
  step.at = duration_within(fields, "at", Millis(0), kMostDuration).value_or(Millis(0));
  step.lasts = duration_within(fields, "for", Millis(1), kMostDuration);
  const int kinds = fields.has("fault") + fields.has("run") + fields.has("load");
  const Fields fault = fields.mapping("fault");
  const std::optional<std::string> name_space = fields.string("namespace");
  const std::string run = command_of(fields, "run");
  const std::string load = command_of(fields, "load");
  step.undo = command_of(fields, "undo");
  const std::optional<Millis> timeout = duration_within(fields, "timeout", kLeastTimeout, kMostTimeout);
  step.timeout = timeout.value_or(kDefaultTimeout);
  if (kinds != 1) {
    fields.error(kinds == 0 ? "fault" : fields.has("load") ? "load" : "run", "expected one of fault, run or load");
  } else if (fault) {
    step.fault = {
        {"apiVersion", "weft.dev/v1"},
        {"kind", "FaultInjection"},
        {"metadata", {{"name", scenario.name + "." + step.name}, {"namespace", name_space.value_or("default")}}},
        {"spec", registrar::as_json(*node_at(&node, "fault"))}};
    check_fault(fields, step);
    if (!fields.has("for")) {
      fields.error("for", "required field is missing: a fault ends by itself");
    }
  } else if (fields.has("run")) {
    step.kind = Step::Kind::run;
    step.command = run;
  } else {
    step.kind = Step::Kind::load;
    step.command = load;
  }
  if (fields.has("namespace") && !fields.has("fault")) {
    fields.error("namespace", "only a fault has one");
  }
  if (fields.has("undo") && !fields.has("run")) {
    fields.error("undo", "only what is run can be undone");
  }
  if (fields.has("timeout") && !fields.has("run")) {
    fields.error("timeout", "only what is run has one");
  }
  if (whole > Millis(0) && step.at >= whole) {
    fields.error("at", "expected less than the scenario's duration, " + in_words(whole) + ", got " +
                           in_quotes(fields.text("at")));
  } else if (whole > Millis(0) && step.lasts && step.at + *step.lasts > whole) {
    fields.error("for", "ends after the scenario, which takes " + in_words(whole));
  }
  fields.finish();
  return step;
}

void parse_steps(Fields& root, const YamlNode& node, Scenario& scenario) {
  std::vector<Fields> list = root.mappings("steps");
  registry::check_count(root, "steps", list.size(), kMostSteps);
  list.resize(std::min(list.size(), kMostSteps), root);
  const YamlNode* const items = node_at(&node, "steps");
  std::set<std::string> names;
  for (size_t i = 0; i < list.size(); ++i) {
    scenario.steps.push_back(parse_step(list[i], items->items[i], scenario));
    const std::string& name = scenario.steps.back().name;
    if (!name.empty() && !names.insert(name).second) {
      list[i].error("name", "another step has the name " + in_quotes(name));
    }
  }
}

}  // namespace

tl::expected<Scenario, std::vector<Diagnostic>> parse_scenario(const std::string& file, std::string_view text) {
  std::vector<Diagnostic> errors;
  const std::optional<YamlNode> document = registry::read_document(file, text, errors);
  if (!document) {
    return tl::make_unexpected(errors);
  }
  Fields root(*document, "", file, errors);
  Scenario scenario{.file = file};
  scenario.name = name_of(root);
  scenario.description = root.string("description").value_or("");
  if (root && !root.has("duration")) {
    root.error("duration", "required field is missing");
  }
  scenario.duration = duration_within(root, "duration", kLeastDuration, kMostDuration).value_or(Millis(0));
  scenario.interval = duration_within(root, "interval", kLeastInterval, kMostInterval).value_or(scenario.interval);
  scenario.most_missed = decimal(root, "maxMissedPercent", 0, kAll).value_or(scenario.most_missed);
  parse_steps(root, *document, scenario);
  if (scenario.duration == Millis(0) && errors.empty()) {
    root.error("duration", "expected more than nothing");
  }
  std::vector<Fields> expectations = root.required_mappings("expect");
  registry::check_count(root, "expect", expectations.size(), kMostExpectations);
  expectations.resize(std::min(expectations.size(), kMostExpectations), root);
  for (Fields& each : expectations) {
    scenario.expectations.push_back(parse_expectation(std::move(each), scenario));
  }
  root.finish();
  if (!errors.empty()) {
    return tl::make_unexpected(errors);
  }
  return scenario;
}

}  // namespace weft::rehearsal
