// SPDX-License-Identifier: Apache-2.0
#include "registry-sync/validate_parts.h"

namespace weft::registry {
namespace {

/// An opaque connection has no requests, so such a rule denies it whatever would be asked (Istio warns of it as well).
bool denies_opaque(const AuthorizationRule& rule) {
  const bool any_port =
      std::any_of(rule.to.begin(), rule.to.end(), [](const AuthorizationOperation& to) { return !to.ports.empty(); });
  return !rule.to.empty() && !any_port;
}

}  // namespace

void check_authorization(const std::string& key, const ServiceResources& resources, Validation& result) {
  const bool of_service = key != authorization_key(key.substr(key.find(' ') + 1));
  for (const AuthorizationPolicy* policy : by_place(resources.authorizations)) {
    const bool deny = policy->action == AuthorizationPolicy::Action::deny;
    if (of_service && resources.services.empty()) {
      add(result.warnings, policy->metadata, "spec.targetRefs", "there is no service " + key + " (yet)");
    } else if (of_service && resources.services.front()->addresses.empty()) {
      add(result.warnings, policy->metadata, "spec.targetRefs",
          "service " + key + " is headless: clients talk to its endpoints by themselves, and no policy is asked");
    }
    for (size_t i = 0; i < policy->rules.size(); ++i) {
      if (deny && denies_opaque(policy->rules[i])) {
        add(result.warnings, policy->metadata, "spec.rules[" + std::to_string(i) + "].to",
            "without ports it denies all connections whose requests weft does not read");
      }
    }
  }
}

}  // namespace weft::registry
