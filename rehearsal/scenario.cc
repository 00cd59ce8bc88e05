// SPDX-License-Identifier: Apache-2.0
#include "rehearsal/scenario.h"

#include <algorithm>

namespace weft::rehearsal {

bool Scenario::has_commands() const {
  return std::any_of(steps.begin(), steps.end(), [](const Step& step) { return step.kind != Step::Kind::fault; });
}

std::string full_service_name(const std::string& name) {
  constexpr std::string_view kGateway = "gateway ";
  if (name.starts_with(kGateway)) {
    return std::string(kGateway) + full_service_name(name.substr(kGateway.size()));
  }
  return name.find('/') == std::string::npos ? "default/" + name : name;
}

std::string to_string(const Scenario& scenario, const Phase& phase) {
  switch (phase.kind) {
    case Phase::Kind::whole:
      return "whole";
    case Phase::Kind::before:
      return "before";
    case Phase::Kind::during:
      return "during " + scenario.steps[phase.step].name;
    case Phase::Kind::after:
      return "after";
  }
  return "";
}

std::vector<Phase> phases_of(const Scenario& scenario) {
  std::vector<Phase> phases = {{.kind = Phase::Kind::whole}};
  const auto disrupts = [](const Step& step) { return step.disrupts(); };
  if (std::none_of(scenario.steps.begin(), scenario.steps.end(), disrupts)) {
    return phases;
  }
  phases.push_back({.kind = Phase::Kind::before});
  for (size_t i = 0; i < scenario.steps.size(); ++i) {
    if (scenario.steps[i].disrupts()) {
      phases.push_back({.kind = Phase::Kind::during, .step = i});
    }
  }
  phases.push_back({.kind = Phase::Kind::after});
  return phases;
}

}  // namespace weft::rehearsal
