// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <set>

#include "registry-sync/parse_http.h"
#include "registry-sync/parse_http_values.h"
#include "registry-sync/parse_kinds.h"

namespace weft::registry {
namespace {

constexpr size_t kMostParents = 32;
constexpr size_t kMostHostnames = 16;
constexpr size_t kMostRules = 16;
constexpr size_t kMostMatchesOfRoute = 128;  ///< of all rules

ParentRef parse_parent(Fields& ref, const std::string& name_space) {
  ParentRef parent;
  const std::string group = ref.string("group").value_or(std::string(kGatewayGroup));
  const std::string kind = ref.has("kind") ? ref.required_word("kind", {"Gateway", "Service"}) : "Gateway";
  const bool is_service = kind == "Service";
  ref.ignore({"kind"});
  parent.kind = is_service ? ParentRef::Kind::service : ParentRef::Kind::gateway;
  if (is_service && !group.empty()) {
    ref.error(ref.has("group") ? "group" : "kind", R"(expected group: "" with kind: Service, got )" + in_quotes(group));
  } else if (kind == "Gateway" && group != kGatewayGroup) {
    ref.error("group", "expected " + std::string(kGatewayGroup) + ", the group of Gateway, got " + in_quotes(group));
  }
  parent.name_space = ref.string("namespace").value_or(name_space);
  parent.name = ref.required_string("name");
  parent.section = ref.string("sectionName").value_or("");
  parent.port = static_cast<uint16_t>(ref.integer("port", 1, 65535).value_or(0));
  if (ref.has("name") && parent.name.empty()) {
    ref.error("name", "required field is empty");
  }
  check_label(ref, "namespace", parent.name_space);
  is_service ? check_label(ref, "name", parent.name) : check_subdomain(ref, "name", parent.name);
  check_subdomain(ref, "sectionName", parent.section);
  ref.finish();
  return parent;
}

/// As the CRD has it: of references to one parent each names another section or port, and none names all.
void check_distinct(Fields& spec, const std::vector<ParentRef>& parents) {
  for (size_t i = 0; i < parents.size(); ++i) {
    for (size_t j = 0; j < i; ++j) {
      const ParentRef& a = parents[j];
      const ParentRef& b = parents[i];
      const bool all = (a.section.empty() && a.port == 0) || (b.section.empty() && b.port == 0);
      if (a.key() == b.key() && (all || (a.section == b.section && a.port == b.port))) {
        spec.error("parentRefs", "expected references to one parent to differ in sectionName or port, got " +
                                     in_quotes(b.name) + " again");
        return;
      }
    }
  }
}

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
  std::vector<Fields> parents = spec.mappings("parentRefs");
  check_count(spec, "parentRefs", parents.size(), kMostParents);
  for (Fields& parent : parents) {
    route.parents.push_back(parse_parent(parent, route.metadata.name_space));
  }
  check_distinct(spec, route.parents);
  route.hostnames = spec.strings("hostnames");
  check_count(spec, "hostnames", route.hostnames.size(), kMostHostnames);
  for (const std::string& name : route.hostnames) {
    check_hostname(spec, "hostnames", name, Wildcard::allowed);
  }
  route.rules = parse_rules(spec, route.metadata);
  spec.unimplemented({"useDefaultGateways"});
  spec.finish();
  document.ignore({"status"});
  document.finish();
  resources.routes.push_back(std::make_shared<const HttpRoute>(std::move(route)));
}

}  // namespace weft::registry
