// SPDX-License-Identifier: Apache-2.0
// What HTTPRoutes and GRPCRoutes have alike: whom they are attached to, and for which hosts.
#include "registry-sync/parse_http.h"
#include "registry-sync/parse_http_values.h"
#include "registry-sync/parse_kinds.h"

namespace weft::registry {
namespace {

constexpr size_t kMostParents = 32;
constexpr size_t kMostHostnames = 16;

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

}  // namespace

std::vector<ParentRef> parse_parents(Fields& spec, const std::string& name_space) {
  std::vector<ParentRef> parents;
  std::vector<Fields> items = spec.mappings("parentRefs");
  check_count(spec, "parentRefs", items.size(), kMostParents);
  for (Fields& item : items) {
    parents.push_back(parse_parent(item, name_space));
  }
  check_distinct(spec, parents);
  return parents;
}

std::vector<std::string> parse_hostnames(Fields& spec) {
  std::vector<std::string> hostnames = spec.strings("hostnames");
  check_count(spec, "hostnames", hostnames.size(), kMostHostnames);
  for (const std::string& name : hostnames) {
    check_hostname(spec, "hostnames", name, Wildcard::allowed);
  }
  return hostnames;
}

}  // namespace weft::registry
