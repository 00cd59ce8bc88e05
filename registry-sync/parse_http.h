// SPDX-License-Identifier: Apache-2.0
/// @file The parts of an HTTPRoute, one file each. Internal to the parser.
#pragma once

#include "registry-sync/http_resources.h"
#include "registry-sync/yaml_fields.h"

namespace weft::registry {

/// One of spec.rules: without the route's name and the rule's number.
HttpRouteRule parse_http_rule(Fields& rule, const std::string& name_space);
lb::HttpMatch parse_http_match(Fields match);
/// Field `filters` of a rule or a backend.
lb::HttpFilters parse_http_filters(Fields& parent, const std::string& name_space);
/// group, kind, namespace, name and port of a backend.
lb::BackendPort parse_backend_ref(Fields& ref, const std::string& name_space);

}  // namespace weft::registry
