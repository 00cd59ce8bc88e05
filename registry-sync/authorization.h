// SPDX-License-Identifier: Apache-2.0
/// @file AuthorizationPolicy of Istio (security.istio.io/v1): who may do what at which services. Values only, as in
/// resources.h; names and meanings are Istio's.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "lb/authorization_rule.h"
#include "registry-sync/metadata.h"

namespace weft::registry {

/// Policies of this namespace that name no service are about all namespaces: Istio's root namespace, by its default.
inline constexpr std::string_view kRootNamespace = "istio-system";

/// On an AuthorizationPolicy: its decisions are told, and not carried out.
inline constexpr std::string_view kDryRunAnnotation = "istio.io/dry-run";

// What rules say: lb/authorization_rule.h.
using lb::AddressCondition;
using lb::AuthorizationOperation;
using lb::AuthorizationRule;
using lb::AuthorizationSource;
using lb::AuthorizationWhen;
using lb::PortCondition;
using lb::TextCondition;
using lb::TextPattern;

struct AuthorizationPolicy {
  enum class Action : uint8_t { allow, deny };

  Metadata metadata;
  Action action = Action::allow;
  bool dry_run = false;
  std::vector<std::string> services;          ///< "namespace/name", the namespace is its own
  std::map<std::string, std::string> labels;  ///< of workloads; if neither is there, all of the namespace is meant
  std::vector<AuthorizationRule> rules;       ///< none: nothing is allowed

  bool operator==(const AuthorizationPolicy&) const = default;
};

/// Under which all policies of a namespace that name no service are known where services are by "namespace/name".
inline std::string authorization_key(const std::string& name_space) {
  return "authorization " + name_space;
}

}  // namespace weft::registry
