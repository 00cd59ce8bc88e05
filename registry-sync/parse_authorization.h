// SPDX-License-Identifier: Apache-2.0
/// @file The rules of an AuthorizationPolicy, whom a policy is about, and what others have of them. Internal to the
/// parser.
#pragma once

#include "registry-sync/authorization.h"
#include "registry-sync/yaml_fields.h"

namespace weft::registry {

/// One of spec.rules.
AuthorizationRule parse_authorization_rule(Fields& rule);
/// `from` of a rule, or of what asks for callers as a rule does.
std::vector<AuthorizationSource> parse_sources(Fields& rule);

/// selector, targetRef or targetRefs of a policy's spec: services by "namespace/name", or labels; if neither is there,
/// all of the namespace is meant.
void parse_policy_targets(Fields& spec, const std::string& name_space, std::vector<std::string>& services,
                          std::map<std::string, std::string>& labels);

}  // namespace weft::registry
