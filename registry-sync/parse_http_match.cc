// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "registry-sync/parse_http.h"
#include "registry-sync/parse_http_values.h"

namespace weft::registry {
namespace {

constexpr size_t kMostFieldMatches = 16;

lb::PathMatch parse_path(Fields path) {
  constexpr size_t kMost = 1024;
  lb::PathMatch match;
  const std::optional<std::string> type = path.word("type", {"Exact", "PathPrefix", "RegularExpression"});
  match.type = type == "Exact"               ? lb::MatchType::exact
               : type == "RegularExpression" ? lb::MatchType::regular_expression
                                             : lb::MatchType::prefix;
  match.value = path.string("value").value_or("/");
  if (match.type == lb::MatchType::regular_expression) {
    check_expression(path, "value", match.value, kMost);
  } else {
    check_path(path, "value", match.value);
  }
  path.finish();
  return match;
}

/// Of headers, whose values are at most 4096 long, or of query parameters, of 1024.
std::vector<lb::ValueMatch> parse_values(Fields& match, std::string_view key, size_t most, bool is_header) {
  std::vector<lb::ValueMatch> values;
  std::vector<std::string> names;
  std::vector<Fields> items = match.mappings(key);
  check_count(match, key, items.size(), kMostFieldMatches);
  for (Fields& item : items) {
    lb::ValueMatch value;
    const std::string name = item.required_string("name");
    value.name = is_header ? in_lower_case(name) : name;
    value.type = item.word("type", {"Exact", "RegularExpression"}) == "RegularExpression"
                     ? lb::MatchType::regular_expression
                     : lb::MatchType::exact;
    value.value = item.required_string("value");
    if (item.has("name") && name.empty()) {
      item.error("name", "required field is empty");
    }
    check_field_name(item, "name", name);
    if (value.type == lb::MatchType::regular_expression && item.has("value")) {
      check_expression(item, "value", value.value, most);
    } else if (item.has("value") && value.value.empty()) {
      item.error("value", "required field is empty");
    } else if (is_header) {
      check_field_value(item, "value", value.value);
    } else {
      check_length(item, "value", value.value, most);
    }
    item.finish();
    if (std::find(names.begin(), names.end(), name) != names.end()) {
      item.error("name", "duplicate name " + in_quotes(name));
    }
    names.push_back(name);
    // Of headers whose names differ in case alone the first counts, says the specification.
    if (std::none_of(values.begin(), values.end(), [&](const auto& other) { return other.name == value.name; })) {
      values.push_back(std::move(value));
    }
  }
  return values;
}

}  // namespace

void check_expression(Fields& fields, std::string_view key, const std::string& expression, size_t most) {
  check_length(fields, key, expression, most);
  if (expression.empty()) {
    fields.error(key, "expected a regular expression, got \"\"");
  } else if (expression.size() <= most) {
    if (const std::string problem = expression_problem(expression); !problem.empty()) {
      fields.error(key, "expected a regular expression, got " + in_quotes(expression) + ": " + escaped(problem, 1024));
    }
  }
}

std::vector<lb::ValueMatch> parse_header_matches(Fields& match) {
  return parse_values(match, "headers", 4096, true);
}

lb::HttpMatch parse_http_match(Fields match) {
  lb::HttpMatch result;
  result.path = parse_path(match.mapping("path"));
  result.headers = parse_header_matches(match);
  result.query = parse_values(match, "queryParams", 1024, false);
  result.method = match.word("method", {"GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH"})
                      .value_or("");
  match.finish();
  return result;
}

}  // namespace weft::registry
