// SPDX-License-Identifier: Apache-2.0
/// @file What the parsers of HTTP resources share: syntax of names and values, and durations. Internal to the parser.
///
/// Each check reports what is wrong at the field; an empty text passes, as required_string() has reported it.
#pragma once

#include <chrono>

#include "lb/http_route.h"
#include "registry-sync/yaml_fields.h"

namespace weft::registry {

/// Of Gateway API.
constexpr std::string_view kGatewayGroup = "gateway.networking.k8s.io";

std::string in_lower_case(std::string text);

void check_count(Fields& fields, std::string_view key, size_t count, size_t most);
void check_length(Fields& fields, std::string_view key, std::string_view text, size_t most);
/// RFC 9110, section 5.6.2; up to 256 characters, as Gateway API has it.
void check_field_name(Fields& fields, std::string_view key, std::string_view name);
/// Printable ASCII with single blanks or tabs within: what no recipient can take for two lines.
void check_field_value(Fields& fields, std::string_view key, std::string_view value);
/// Gateway API's Hostname: a DNS name that is no address; "*." in front if `wildcard` says so.
enum class Wildcard : uint8_t { refused, allowed };
void check_hostname(Fields& fields, std::string_view key, std::string_view name, Wildcard wildcard);
/// Of what is compared with a request's path, or put into one: absolute, and nothing in it that peers normalise away.
void check_path(Fields& fields, std::string_view key, std::string_view path);

/// GEP-2257: such as 1h30m, 10s, 500ms.
std::optional<std::chrono::milliseconds> parse_duration(std::string_view text);
std::optional<std::chrono::milliseconds> duration(Fields& fields, std::string_view key);

/// Why the expression does not compile, or nothing.
std::string expression_problem(const std::string& expression);

}  // namespace weft::registry
