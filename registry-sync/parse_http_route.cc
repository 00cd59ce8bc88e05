// SPDX-License-Identifier: Apache-2.0
#include <set>

#include "registry-sync/parse_http.h"
#include "registry-sync/parse_http_values.h"
#include "registry-sync/parse_kinds.h"

namespace weft::registry {
namespace {

constexpr size_t kMostRules = 16;
constexpr size_t kMostMatchesOfRoute = 128;  ///< of all rules

std::vector<HttpRouteRule> parse_rules(Fields& spec, const Metadata& metadata) {
  std::vector<HttpRouteRule> rules;
  std::set<std::string> names;
  size_t matches = 0;
  std::vector<Fields> items = spec.mappings("rules");
  check_count(spec, "rules", items.size(), kMostRules);
  if (spec.has("rules") && items.empty()) {
    spec.error("rules", "expected at least one item");
  }
  for (Fields& item : items) {
    HttpRouteRule rule = parse_http_rule(item, metadata.name_space);
    if (!rule.rule.name.empty() && !names.insert(rule.rule.name).second) {
      item.error("name", "duplicate rule name " + in_quotes(rule.rule.name));
    }
    matches += rule.matches.size();
    rule.rule.number = static_cast<uint32_t>(rules.size());
    rules.push_back(std::move(rule));
  }
  if (matches > kMostMatchesOfRoute) {
    spec.error("rules", "expected at most " + std::to_string(kMostMatchesOfRoute) +
                            " matches in all rules together, got " + std::to_string(matches));
  }
  if (rules.empty()) {
    rules.push_back({.matches = {lb::HttpMatch{}}, .rule = {}});
  }
  for (HttpRouteRule& rule : rules) {
    rule.rule.route = metadata.key();
  }
  return rules;
}

}  // namespace

void parse_http_route(Fields& document, ResourceSet& resources) {
  ParsedMetadata parsed = parse_metadata(document, check_subdomain, "");
  HttpRoute route{.metadata = std::move(parsed.metadata), .created = parsed.created};
  Fields spec = document.required_mapping("spec");
  route.parents = parse_parents(spec, route.metadata.name_space);
  route.hostnames = parse_hostnames(spec);
  route.rules = parse_rules(spec, route.metadata);
  spec.unimplemented({"useDefaultGateways"});
  spec.finish();
  document.ignore({"status"});
  document.finish();
  resources.routes.push_back(std::make_shared<const HttpRoute>(std::move(route)));
}

}  // namespace weft::registry
