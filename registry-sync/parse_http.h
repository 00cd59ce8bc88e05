// SPDX-License-Identifier: Apache-2.0
/// @file The parts of an HTTPRoute, one file each, some of which a GRPCRoute has too. Internal to the parser.
#pragma once

#include "registry-sync/http_resources.h"
#include "registry-sync/yaml_fields.h"

namespace weft::registry {

/// Field `parentRefs` of a route's spec.
std::vector<ParentRef> parse_parents(Fields& spec, const std::string& name_space);
/// Field `hostnames` of a route's spec.
std::vector<std::string> parse_hostnames(Fields& spec);
/// One of spec.rules: without the route's name and the rule's number.
HttpRouteRule parse_http_rule(Fields& rule, const std::string& name_space);
lb::HttpMatch parse_http_match(Fields match);
/// Field `headers` of a match.
std::vector<lb::ValueMatch> parse_header_matches(Fields& match);
/// Reports what is no regular expression, or longer than `most`.
void check_expression(Fields& fields, std::string_view key, const std::string& expression, size_t most);
/// Field `filters` of a rule or a backend.
lb::HttpFilters parse_http_filters(Fields& parent, const std::string& name_space);
/// The same of a GRPCRoute, which knows fewer.
lb::HttpFilters parse_grpc_filters(Fields& parent, const std::string& name_space);
/// Field `backendRefs` of a rule.
/// @param filters parses those of a backend
std::vector<lb::HttpBackend> parse_backends(Fields& rule, const std::string& name_space,
                                            lb::HttpFilters (*filters)(Fields&, const std::string&));
/// group, kind, namespace, name and port of a backend.
lb::BackendPort parse_backend_ref(Fields& ref, const std::string& name_space);
/// Field `sessionPersistence` of a rule.
std::optional<lb::SessionPersistence> parse_session(Fields session);

}  // namespace weft::registry
