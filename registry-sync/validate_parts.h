// SPDX-License-Identifier: Apache-2.0
/// @file What the files of validate() share. Internal to it.
#pragma once

#include <algorithm>
#include <tuple>

#include "registry-sync/validate.h"

namespace weft::registry {

inline std::string place(const Metadata& metadata) {
  return escaped(metadata.file, 4096) + ":" + std::to_string(metadata.line);
}

inline void add(std::vector<Diagnostic>& diagnostics, const Metadata& at, std::string field, std::string message) {
  report(diagnostics, {.file = at.file, .line = at.line, .field = std::move(field), .message = std::move(message)});
}

/// In the order of places, so that messages do not depend on the order of arrival.
template <typename Resource>
std::vector<const Resource*> by_place(const std::vector<std::shared_ptr<const Resource>>& resources) {
  std::vector<const Resource*> sorted;
  for (const auto& resource : resources) {
    sorted.push_back(resource.get());
  }
  std::stable_sort(sorted.begin(), sorted.end(), [](const Resource* a, const Resource* b) {
    return std::tie(a->metadata.file, a->metadata.line) < std::tie(b->metadata.file, b->metadata.line);
  });
  return sorted;
}

/// Routes, DestinationRules and Gateways.
/// @param key of the service or the Gateway
void check_http(const std::string& key, const ServiceResources& resources, Validation& result);
/// AuthorizationPolicies.
/// @param key of the service, or authorization_key() of a namespace
void check_authorization(const std::string& key, const ServiceResources& resources, Validation& result);
/// InspectionPolicies, by the same keys.
void check_inspection(const std::string& key, const ServiceResources& resources, Validation& result);
/// FaultInjections.
/// @param key of the service or the Gateway, or route_faults_key() of an HTTPRoute
void check_faults(const std::string& key, const ServiceResources& resources, const Abilities& abilities,
                  Validation& result);

}  // namespace weft::registry
