// SPDX-License-Identifier: Apache-2.0
/// @file The part of the builder that compiles policies of access, and knows who clients are.
#include <algorithm>
#include <stdexcept>

#include "lb/authorization.h"
#include "registry-sync/builder.h"

namespace weft::registry {
namespace {

constexpr std::string_view kGatewayLabel = "gateway.networking.k8s.io/gateway-name";

using Policies = std::vector<std::shared_ptr<const AuthorizationPolicy>>;

/// Does a policy's selector mean what these labels are known of?
enum class Selected : uint8_t {
  no,
  yes,
  unsaid,  ///< they agree as far as they go
};

/// weft knows no pods, but that all of a Service's have the labels of its selector. One without a selector says nothing
/// of them, and none of its endpoints has a label.
Selected selects(const std::map<std::string, std::string>& wanted, const std::map<std::string, std::string>& labels) {
  Selected selected = labels.empty() ? Selected::no : Selected::yes;
  for (const auto& [key, value] : wanted) {
    const auto known = labels.find(key);
    if (known == labels.end()) {
      selected = selected == Selected::no ? Selected::no : Selected::unsaid;
    } else if (known->second != value) {
      return Selected::no;
    }
  }
  return selected;
}

std::string namespace_of_group(const std::string& key) {
  const size_t begin = key.find(' ') == std::string::npos ? 0 : key.find(' ') + 1;
  return key.substr(begin, key.find('/') - begin);
}

/// The same policies, wherever they were read.
bool same_policies(const Policies& a, const Policies& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](const auto& x, const auto& y) {
    return x == y || (x->metadata.key() == y->metadata.key() && x->action == y->action && x->dry_run == y->dry_run &&
                      x->rules == y->rules);
  });
}

std::vector<lb::AuthorizationRules> rules_of(const Policies& policies) {
  std::vector<lb::AuthorizationRules> rules;
  for (const auto& policy : policies) {
    rules.push_back({.name = policy->metadata.key(),
                     .deny = policy->action == AuthorizationPolicy::Action::deny,
                     .dry_run = policy->dry_run,
                     .rules = policy->rules});
  }
  return rules;
}

}  // namespace

/// Those that name it, those of its namespace, and those of all namespaces; in the order of their names.
template <typename Policy>
std::vector<std::shared_ptr<const Policy>> Builder::policies_about(
    const std::string& key, Group& group, std::vector<std::shared_ptr<const Policy>> ServiceResources::*kind,
    bool notes) const {
  std::vector<std::shared_ptr<const Policy>> policies;
  const bool of_gateway = !group.resources.gateways.empty();
  if (!of_gateway && group.resources.services.empty()) {
    return policies;
  }
  policies = group.resources.*kind;
  const std::map<std::string, std::string> labels =
      of_gateway ? std::map<std::string, std::string>{{std::string(kGatewayLabel),
                                                       group.resources.gateways.front()->metadata.name}}
                 : group.resources.services.front()->selector;
  const std::string name_space = namespace_of_group(key);
  std::set<std::string> of = {name_space, std::string(kRootNamespace)};
  for (const std::string& each : of) {
    const auto others = groups_.find(authorization_key(each));
    if (others == groups_.end()) {
      continue;
    }
    for (const auto& policy : others->second.resources.*kind) {
      const Selected selected = policy->labels.empty() ? Selected::yes : selects(policy->labels, labels);
      if (selected != Selected::no) {
        policies.push_back(policy);
      }
      if (selected == Selected::unsaid && notes) {
        // To leave it out would open what it closes.
        group.unsure.push_back({.file = policy->metadata.file,
                                .line = policy->metadata.line,
                                .field = "spec.selector",
                                .message = "the selector of Service " + key +
                                           " does not say whether its endpoints have all of these labels, so the "
                                           "policy is taken to be about all of them"});
      }
    }
  }
  std::sort(policies.begin(), policies.end(),
            [](const auto& a, const auto& b) { return a->metadata.key() < b->metadata.key(); });
  return policies;
}
template std::vector<std::shared_ptr<const AuthorizationPolicy>> Builder::policies_about(
    const std::string&, Group&, std::vector<std::shared_ptr<const AuthorizationPolicy>> ServiceResources::*,
    bool) const;
template std::vector<std::shared_ptr<const InspectionPolicy>> Builder::policies_about(
    const std::string&, Group&, std::vector<std::shared_ptr<const InspectionPolicy>> ServiceResources::*, bool) const;

std::set<std::string> Builder::to_authorize(const std::set<std::string>& keys) const {
  std::set<std::string> all = keys;
  const auto add = [&](const std::string& beginning) {
    for (auto group = groups_.lower_bound(beginning); group != groups_.end() && group->first.starts_with(beginning);
         ++group) {
      all.insert(group->first);
    }
  };
  for (const std::string& key : keys) {
    if (!key.starts_with(authorization_key(""))) {
      continue;
    }
    const std::string name_space = key.substr(authorization_key("").size());
    if (name_space == kRootNamespace) {
      add("");
      break;
    }
    add(name_space + "/");
    add(gateway_key(name_space + "/"));
  }
  return all;
}

bool Builder::authorize(const std::string& key, Group& group) {
  group.unsure.clear();
  Policies policies = policies_about(key, group, &ServiceResources::authorizations, true);
  const bool same = same_policies(policies, group.policies);
  if (policies.empty()) {
    authorized_.erase(key);
  } else {
    authorized_.insert(key);
  }
  if (!same) {
    group.refused.clear();
  }
  group.unsure.insert(group.unsure.end(), group.refused.begin(), group.refused.end());
  if (policies.empty() && group.policies.empty()) {
    return false;
  }
  const std::vector<lb::AuthorizationRules> rules = rules_of(policies);
  const bool anywhere = lb::Authorization::is_same_anywhere(rules);
  std::shared_ptr<const lb::Authorization> shared;
  bool changed = false;
  for (Port& port : group.ports) {
    const std::shared_ptr<const lb::Authorization>& current = port.service->authorization;
    std::shared_ptr<const lb::Authorization> wanted = same ? current : nullptr;
    if (!policies.empty() && wanted == nullptr) {
      wanted = anywhere && shared != nullptr
                   ? shared
                   : compile_policies(key, group, rules, *port.service, policies.front()->metadata);
      wanted = wanted == nullptr ? current : wanted;
    }
    shared = wanted;
    if (wanted != current) {
      lb::Service service = *port.service;
      service.authorization = std::move(wanted);
      port.service = std::make_shared<const lb::Service>(std::move(service));
      changed = true;
    }
  }
  group.policies = std::move(policies);
  return changed;
}

/// Null: the old ones stay. Without any, nobody may have anything: not less than what somebody wished.
std::shared_ptr<const lb::Authorization> Builder::compile_policies(const std::string& key, Group& group,
                                                                   const std::vector<lb::AuthorizationRules>& rules,
                                                                   const lb::Service& service, const Metadata& at) {
  try {
    return std::make_shared<const lb::Authorization>(++authorizations_, rules, service.address, service.port);
  } catch (const std::invalid_argument& error) {
    if (group.refused.empty()) {
      const bool keeps = service.authorization != nullptr;
      group.refused.push_back({.file = at.file,
                               .line = at.line,
                               .message = "the policies of " + key + " are refused: " + escaped(error.what(), 1024) +
                                          (keeps ? "; those before stay" : "; all of it is denied")});
      group.unsure.push_back(group.refused.back());
    }
    return service.authorization != nullptr
               ? nullptr
               : std::make_shared<const lb::Authorization>(++authorizations_,
                                                           std::vector<lb::AuthorizationRules>{{.name = "refused"}},
                                                           service.address, service.port);
  }
}

std::vector<std::string> Builder::authorize_all(const std::set<std::string>& keys) {
  std::vector<std::string> changed;
  for (const std::string& key : to_authorize(keys)) {
    const auto group = groups_.find(key);
    if (group == groups_.end() || key == kNameServers) {
      continue;
    }
    const bool authorized = authorize(key, group->second);
    if (inspect(key, group->second) || authorized) {
      changed.push_back(key);
    }
    if (group->second.unsure.empty()) {
      unsure_.erase(key);
    } else {
      unsure_.insert(key);
    }
  }
  know_callers();
  return changed;
}

/// Only while any service has policies, or limits or faults by service: else nobody asks.
void Builder::know_callers() {
  if (authorized_.empty() && limited_by_service_.empty() && faulted_by_source_.empty()) {
    if (caller_ledger_) {
      caller_ledger_.reset();
      callers_ = std::make_shared<const lb::CallerTable>();
      callers_changed_ = true;
    }
    return;
  }
  if (!caller_ledger_) {
    caller_ledger_.emplace();
    for (const auto& [key, group] : groups_) {
      caller_ledger_->replace(key, {}, group.resources.slices);
    }
  }
  if (const std::vector<lb::CallerTable::Edit> edits = caller_ledger_->take_edits(); !edits.empty()) {
    callers_ = callers_->with(edits);
    callers_changed_ = true;
  }
}

}  // namespace weft::registry
