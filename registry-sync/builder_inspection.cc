// SPDX-License-Identifier: Apache-2.0
/// @file The part of the builder that compiles policies of inspection.
#include <algorithm>
#include <stdexcept>

#include "lb/http_policy.h"
#include "lb/inspection.h"
#include "registry-sync/builder.h"

namespace weft::registry {
namespace {

std::vector<lb::InspectionRules> inspection_rules(
    const std::vector<std::shared_ptr<const InspectionPolicy>>& policies) {
  std::vector<lb::InspectionRules> rules;
  for (const auto& policy : policies) {
    rules.push_back(policy->rules);
  }
  return rules;
}

struct NoRoom : std::invalid_argument {
  using std::invalid_argument::invalid_argument;
};

}  // namespace

/// Services with the same policies share what is compiled of them; of workers' scratch and streams too.
std::shared_ptr<const lb::Inspection> Builder::compile_inspection(const std::vector<lb::InspectionRules>& rules) {
  const auto known = std::find_if(inspections_.begin(), inspections_.end(),
                                  [&](const auto& inspection) { return inspection->rules() == rules; });
  if (known != inspections_.end()) {
    return *known;
  }
  size_t signatures = 0;
  for (const lb::InspectionRules& each : rules) {
    signatures += each.signatures.size();
  }
  size_t compiled = 0;
  for (const auto& each : inspections_) {
    compiled += each->signatures();
  }
  if (inspections_.size() >= limits_.inspections) {
    throw NoRoom("there are " + std::to_string(inspections_.size()) + " other sets of policies: expected at most " +
                 std::to_string(limits_.inspections) + " with this one");
  }
  if (compiled + signatures > limits_.signatures) {
    throw NoRoom("with these " + std::to_string(signatures) + " signatures there are " +
                 std::to_string(compiled + signatures) + " in all sets of policies: expected at most " +
                 std::to_string(limits_.signatures));
  }
  return inspections_.emplace_back(std::make_shared<const lb::Inspection>(rules, limits_.workers));
}

/// Once no snapshot has them any more, workers begin nothing with them, and end what they have.
void Builder::forget_inspections() {
  std::erase_if(inspections_,
                [](const auto& inspection) { return inspection.use_count() == 1 && !inspection->in_use(); });
}

bool Builder::inspect(const std::string& key, Group& group) {
  auto policies = policies_about(key, group, &ServiceResources::inspections, true);
  if (policies != group.inspections || group.inspections_lack_room) {
    group.inspections_refused.clear();
    group.inspections_lack_room = false;
    const auto refuse = [&](const Metadata& at, const std::string& what, const char* error, const char* outcome) {
      group.inspections_refused.push_back(
          {.file = at.file, .line = at.line, .message = what + escaped(error, 1024) + outcome});
    };
    try {
      group.inspection = policies.empty() ? nullptr : compile_inspection(inspection_rules(policies));
    } catch (const std::exception& error) {
      group.inspections_lack_room = dynamic_cast<const NoRoom*>(&error) != nullptr;
      if (group.inspection != nullptr || group.inspections_lack_room) {
        refuse(policies.front()->metadata, "the policies of inspection of " + key + " are refused: ", error.what(),
               "; what was in force stays");
      } else {  // nothing was in force, and nothing at all is worse than some: as many as fit, by their names
        std::vector<lb::InspectionRules> fitting;
        for (const auto& policy : policies) {
          fitting.push_back(policy->rules);
          try {
            group.inspection = compile_inspection(fitting);
          } catch (const std::exception& misfit) {
            fitting.pop_back();
            refuse(policy->metadata,
                   "the policy of inspection " + policy->rules.policy + " is left out for " + key + ": ", misfit.what(),
                   "");
          }
        }
      }
    }
    group.inspections = std::move(policies);
  }
  group.unsure.insert(group.unsure.end(), group.inspections_refused.begin(), group.inspections_refused.end());
  bool changed = false;
  for (Port& port : group.ports) {
    const std::shared_ptr<const lb::Inspection> wanted = port.service->http == nullptr ? nullptr : group.inspection;
    if (wanted != port.service->inspection) {
      lb::Service service = *port.service;
      service.inspection = wanted;
      port.service = std::make_shared<const lb::Service>(std::move(service));
      changed = true;
    }
  }
  return changed;
}

}  // namespace weft::registry
