// SPDX-License-Identifier: Apache-2.0
#include "registry-sync/validate_parts.h"

namespace weft::registry {

void check_inspection(const std::string& key, const ServiceResources& resources, Validation& result) {
  const bool of_service = key != authorization_key(key.substr(key.find(' ') + 1));
  for (const InspectionPolicy* policy : by_place(resources.inspections)) {
    if (of_service && resources.services.empty()) {
      add(result.warnings, policy->metadata, "spec.targetRefs", "there is no service " + key + " (yet)");
    } else if (of_service && resources.services.front()->addresses.empty()) {
      add(result.warnings, policy->metadata, "spec.targetRefs",
          "service " + key + " is headless: clients talk to its endpoints by themselves, and nothing is inspected");
    }
  }
}

}  // namespace weft::registry
