// SPDX-License-Identifier: Apache-2.0
/// @file The rules of an AuthorizationPolicy, and what others have of them. Internal to the parser.
#pragma once

#include "registry-sync/authorization.h"
#include "registry-sync/yaml_fields.h"

namespace weft::registry {

/// One of spec.rules.
AuthorizationRule parse_authorization_rule(Fields& rule);
/// `from` of a rule, or of what asks for callers as a rule does.
std::vector<AuthorizationSource> parse_sources(Fields& rule);

}  // namespace weft::registry
