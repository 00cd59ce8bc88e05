// SPDX-License-Identifier: Apache-2.0
/// @file The rules of an AuthorizationPolicy. Internal to the parser.
#pragma once

#include "registry-sync/authorization.h"
#include "registry-sync/yaml_fields.h"

namespace weft::registry {

/// One of spec.rules.
AuthorizationRule parse_authorization_rule(Fields& rule);

}  // namespace weft::registry
