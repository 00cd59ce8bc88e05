// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <set>

#include "registry-sync/ascii.h"
#include "registry-sync/parse_http.h"
#include "registry-sync/parse_http_values.h"
#include "registry-sync/parse_kinds.h"

namespace weft::registry {
namespace {

constexpr size_t kMostGrpcRules = 16;
constexpr size_t kMostGrpcMatches = 8;  ///< of one rule; so a route has the CRD's 128 at most
constexpr size_t kMostGrpcName = 1024;

/// A letter or "_", then digits too.
bool is_identifier(std::string_view text) {
  const auto is_inner = [](char c) { return is_letter(c) || is_digit(c) || c == '_'; };
  return !text.empty() && !is_digit(text.front()) && std::all_of(text.begin(), text.end(), is_inner);
}

/// Identifiers with dots between, and perhaps one in front.
bool is_grpc_service(std::string_view text) {
  text.remove_prefix(text.starts_with('.') ? 1 : 0);
  for (size_t dot = text.find('.'); dot != std::string_view::npos; dot = text.find('.')) {
    if (!is_identifier(text.substr(0, dot))) {
      return false;
    }
    text.remove_prefix(dot + 1);
  }
  return is_identifier(text);
}

void check_grpc_name(Fields& method, std::string_view key, const std::string& name, lb::MatchType type) {
  if (!method.has(key)) {
    return;
  }
  if (type == lb::MatchType::regular_expression) {
    // An empty one matches all, as if it were not there.
    if (!name.empty()) {
      check_expression(method, key, name, kMostGrpcName);
    }
    return;
  }
  check_length(method, key, name, kMostGrpcName);
  if (key == "service" ? !is_grpc_service(name) : !is_identifier(name)) {
    method.error(key, key == "service"
                          ? "expected a service such as shop.v1.Orders, of letters, digits, \"_\" and \".\" "
                            "between, got " +
                                in_quotes(name)
                          : "expected a method such as GetOrder, of letters, digits and \"_\", got " + in_quotes(name));
  }
}

std::optional<GrpcMethodMatch> parse_grpc_method(Fields method) {
  if (!method) {
    return std::nullopt;
  }
  GrpcMethodMatch match;
  match.type = method.word("type", {"Exact", "RegularExpression"}) == "RegularExpression"
                   ? lb::MatchType::regular_expression
                   : lb::MatchType::exact;
  const std::optional<std::string> service = method.string("service");
  const std::optional<std::string> name = method.string("method");
  match.service = service.value_or("");
  match.method = name.value_or("");
  if (!method.has("service") && !method.has("method")) {
    method.error("service", "required field is missing: expected service or method, or both");
  } else if (service == "" && name.value_or("").empty() && match.type == lb::MatchType::regular_expression) {
    method.error("service", "expected service or method, or both, not to be empty");
  } else {
    check_grpc_name(method, "service", match.service, match.type);
    check_grpc_name(method, "method", match.method, match.type);
  }
  method.finish();
  return match;
}

GrpcRouteRule parse_grpc_rule(Fields& item, const std::string& name_space) {
  GrpcRouteRule rule;
  rule.name = item.string("name").value_or("");
  check_subdomain(item, "name", rule.name);
  std::vector<Fields> matches = item.mappings("matches");
  check_count(item, "matches", matches.size(), kMostGrpcMatches);
  for (Fields& each : matches) {
    GrpcMatch match{.method = parse_grpc_method(each.mapping("method")), .headers = parse_header_matches(each)};
    each.finish();
    rule.matches.push_back(std::move(match));
  }
  rule.filters = parse_grpc_filters(item, name_space);
  rule.backends = parse_backends(item, name_space, parse_grpc_filters);
  rule.session = parse_session(item.mapping("sessionPersistence"));
  item.finish();
  return rule;
}

std::vector<GrpcRouteRule> parse_grpc_rules(Fields& spec, const std::string& name_space) {
  std::vector<GrpcRouteRule> rules;
  std::set<std::string> names;
  std::vector<Fields> items = spec.mappings("rules");
  check_count(spec, "rules", items.size(), kMostGrpcRules);
  for (Fields& item : items) {
    GrpcRouteRule rule = parse_grpc_rule(item, name_space);
    if (!rule.name.empty() && !names.insert(rule.name).second) {
      item.error("name", "duplicate rule name " + in_quotes(rule.name));
    }
    rules.push_back(std::move(rule));
  }
  return rules;
}

}  // namespace

void parse_grpc_route(Fields& document, ResourceSet& resources) {
  ParsedMetadata parsed = parse_metadata(document, check_subdomain, "");
  GrpcRoute route{.metadata = std::move(parsed.metadata), .created = parsed.created};
  Fields spec = document.required_mapping("spec");
  route.parents = parse_parents(spec, route.metadata.name_space);
  route.hostnames = parse_hostnames(spec);
  route.rules = parse_grpc_rules(spec, route.metadata.name_space);
  spec.unimplemented({"useDefaultGateways"});
  spec.finish();
  document.ignore({"status"});
  document.finish();
  resources.grpc_routes.push_back(std::make_shared<const GrpcRoute>(std::move(route)));
}

}  // namespace weft::registry
