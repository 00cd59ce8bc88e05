// SPDX-License-Identifier: Apache-2.0
#include "registry-sync/parse_authorization.h"

#include <algorithm>

#include "registry-sync/parse_http_values.h"
#include "registry-sync/parse_kinds.h"

namespace weft::registry {
namespace {

constexpr size_t kMostTargets = 16;
constexpr size_t kMostLabels = 4096;
constexpr size_t kMostLabel = 63;
constexpr size_t kMostAuthorizationRules = 512;

/// weft knows a workload by the Service whose endpoint it is.
void parse_target(Fields target, const std::string& name_space, std::vector<std::string>& services) {
  if (!target) {
    return;
  }
  const std::string group = target.string("group").value_or("");
  const std::string kind = target.required_word("kind", {"Service"}, {"Gateway", "GatewayClass", "ServiceEntry"});
  if (kind == "Service" && !group.empty() && group != "core") {
    target.error("group", R"(expected "", the group of Service, got )" + in_quotes(group));
  }
  const std::string name = target.required_string("name");
  if (target.has("name") && name.empty()) {
    target.error("name", "required field is empty");
  }
  check_label(target, "name", name);
  target.ignore({"namespace"});
  if (target.has("namespace")) {
    target.error("namespace", "expected no namespace: a policy is for services of its own");
  }
  target.finish();
  const std::string key = name_space + "/" + name;
  if (std::find(services.begin(), services.end(), key) != services.end()) {
    target.error("name", "duplicate target " + in_quotes(name));
  }
  services.push_back(key);
}

void parse_selector(Fields selector, std::map<std::string, std::string>& wanted) {
  Fields labels = selector.mapping("matchLabels");
  const std::vector<std::string> keys = labels.keys();
  check_count(selector, "matchLabels", keys.size(), kMostLabels);
  for (const std::string& key : keys) {
    const std::string value = labels.string(key).value_or("");
    if (key.empty()) {
      labels.error(key, "expected a label, got \"\"");
    }
    if (key.find('*') != std::string::npos || value.find('*') != std::string::npos) {
      labels.error(key, "expected a label and its value without wildcards, got " + in_quotes(key + "=" + value));
    }
    check_length(labels, key, value, kMostLabel);
    wanted.emplace(key, value);
  }
  if (selector && keys.empty()) {
    selector.error("matchLabels", "expected at least one label: without a selector the whole namespace is meant");
  }
  selector.finish();
}

bool parse_dry_run(Fields& annotations) {
  const std::string text = annotations.text(kDryRunAnnotation);
  if (annotations.has(kDryRunAnnotation) && text != "true" && text != "false") {
    annotations.error(kDryRunAnnotation, R"(expected "true" or "false", got )" + in_quotes(text));
  }
  return text == "true";
}

}  // namespace

void parse_policy_targets(Fields& spec, const std::string& name_space, std::vector<std::string>& services,
                          std::map<std::string, std::string>& labels) {
  parse_selector(spec.mapping("selector"), labels);
  parse_target(spec.mapping("targetRef"), name_space, services);
  std::vector<Fields> targets = spec.mappings("targetRefs");
  check_count(spec, "targetRefs", targets.size(), kMostTargets);
  for (Fields& target : targets) {
    parse_target(std::move(target), name_space, services);
  }
  std::vector<std::string> given;
  for (const std::string_view key : {"selector", "targetRef", "targetRefs"}) {
    if (spec.has(key)) {
      given.emplace_back(key);
    }
  }
  if (given.size() > 1) {
    spec.error(given[1], "expected one of selector, targetRef or targetRefs, got " + listed(given, " and "));
  }
  if (spec.has("targetRefs") && targets.empty()) {
    spec.error("targetRefs", "expected at least one item");
  }
}

void parse_authorization_policy(Fields& document, ResourceSet& resources) {
  ParsedMetadata parsed = parse_metadata(document, check_subdomain, "");
  AuthorizationPolicy policy{.metadata = std::move(parsed.metadata)};
  policy.dry_run = parse_dry_run(parsed.annotations);
  // Without a spec it allows nothing.
  Fields spec = document.mapping("spec");
  const std::string action = spec.word("action", {"ALLOW", "DENY"}, {"AUDIT", "CUSTOM"}).value_or("ALLOW");
  policy.action = action == "DENY" ? AuthorizationPolicy::Action::deny : AuthorizationPolicy::Action::allow;
  parse_policy_targets(spec, policy.metadata.name_space, policy.services, policy.labels);
  std::vector<Fields> rules = spec.mappings("rules");
  check_count(spec, "rules", rules.size(), kMostAuthorizationRules);
  for (Fields& rule : rules) {
    policy.rules.push_back(parse_authorization_rule(rule));
  }
  if (action == "DENY" && rules.empty()) {
    spec.error(spec.has("rules") ? "rules" : "action",
               "a policy that denies needs rules: without any it denies nothing; [{}] denies all");
  }
  spec.unimplemented({"provider"});
  spec.finish();
  document.ignore({"status"});
  document.finish();
  resources.authorizations.push_back(std::make_shared<const AuthorizationPolicy>(std::move(policy)));
}

}  // namespace weft::registry
