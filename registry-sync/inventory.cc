// SPDX-License-Identifier: Apache-2.0
#include "registry-sync/inventory.h"

#include <algorithm>
#include <unordered_set>

namespace weft::registry {
namespace {

using Keys = std::set<std::string>;

Keys keys_of(const Service& service) {
  return {service.metadata.key()};
}
Keys keys_of(const EndpointSlice& slice) {
  return {slice.service};
}
Keys keys_of(const ServicePolicy& policy) {
  return {policy.service};
}
Keys keys_of(const HttpRoute& route) {
  Keys keys;
  for (const ParentRef& parent : route.parents) {
    keys.insert(parent.key());
  }
  return keys;
}
Keys keys_of(const DestinationRule& rule) {
  return {rule.service};
}
Keys keys_of(const Gateway& gateway) {
  return {gateway_key(gateway.metadata.key())};
}
Keys keys_of(const ReferenceGrant& grant) {
  return {grants_key(grant.metadata.name_space)};
}

Keys keys_of(const GrpcRoute& route) {
  Keys keys;
  for (const ParentRef& parent : route.parents) {
    keys.insert(parent.key());
  }
  return keys;
}
/// Of policies that may be about services, or about a whole namespace.
template <typename Policy>
Keys keys_of_policy(const Policy& policy) {
  return policy.services.empty() ? Keys{authorization_key(policy.metadata.name_space)}
                                 : Keys(policy.services.begin(), policy.services.end());
}
Keys keys_of(const AuthorizationPolicy& policy) {
  return keys_of_policy(policy);
}
Keys keys_of(const InspectionPolicy& policy) {
  return keys_of_policy(policy);
}

Keys keys_of(const FaultInjection& fault) {
  return {fault.key()};
}

auto& list_of(ServiceResources& resources, const Service&) {
  return resources.services;
}
auto& list_of(ServiceResources& resources, const EndpointSlice&) {
  return resources.slices;
}
auto& list_of(ServiceResources& resources, const ServicePolicy&) {
  return resources.policies;
}
auto& list_of(ServiceResources& resources, const HttpRoute&) {
  return resources.routes;
}
auto& list_of(ServiceResources& resources, const DestinationRule&) {
  return resources.rules;
}
auto& list_of(ServiceResources& resources, const Gateway&) {
  return resources.gateways;
}
auto& list_of(ServiceResources& resources, const ReferenceGrant&) {
  return resources.grants;
}
auto& list_of(ServiceResources& resources, const GrpcRoute&) {
  return resources.grpc_routes;
}
auto& list_of(ServiceResources& resources, const AuthorizationPolicy&) {
  return resources.authorizations;
}
auto& list_of(ServiceResources& resources, const FaultInjection&) {
  return resources.faults;
}
auto& list_of(ServiceResources& resources, const InspectionPolicy&) {
  return resources.inspections;
}

/// Of the documents' own kinds, with `each(document)`.
template <typename Each>
void for_each_of(const ResourceSet& documents, Each each) {
  const auto go_through = [&](const auto& list) {
    for (const auto& document : list) {
      each(*document);
    }
  };
  go_through(documents.services);
  go_through(documents.slices);
  go_through(documents.policies);
  go_through(documents.routes);
  go_through(documents.rules);
  go_through(documents.gateways);
  go_through(documents.grants);
  go_through(documents.grpc_routes);
  go_through(documents.authorizations);
  go_through(documents.faults);
  go_through(documents.inspections);
}

void append(ResourceSet& all, const ResourceSet& some) {
  const auto append_kind = [](auto& all_of_kind, const auto& some_of_kind) {
    all_of_kind.insert(all_of_kind.end(), some_of_kind.begin(), some_of_kind.end());
  };
  append_kind(all.services, some.services);
  append_kind(all.slices, some.slices);
  append_kind(all.policies, some.policies);
  append_kind(all.routes, some.routes);
  append_kind(all.rules, some.rules);
  append_kind(all.gateways, some.gateways);
  append_kind(all.grants, some.grants);
  append_kind(all.grpc_routes, some.grpc_routes);
  append_kind(all.authorizations, some.authorizations);
  append_kind(all.faults, some.faults);
  append_kind(all.inspections, some.inspections);
}

/// Addresses that others may claim too, with whether each is one of a front's; none of most kinds.
template <typename Resource, typename Each>
void for_each_address(const Resource&, Each) {}
template <typename Each>
void for_each_address(const Service& service, Each each) {
  std::for_each(service.addresses.begin(), service.addresses.end(), each);
}
template <typename Each>
void for_each_address(const Gateway& gateway, Each each) {
  std::for_each(gateway.addresses.begin(), gateway.addresses.end(), each);
}
template <typename Each>
void for_each_address(const EndpointSlice& slice, Each each) {
  for (const SliceEndpoint& endpoint : slice.endpoints) {
    each(endpoint.address);
  }
}

/// Of the first services kMaxDiagnostics, if there are so many: there may be one of each service, and it is asked after
/// each change.
std::vector<Diagnostic> gathered(const std::map<std::string, std::vector<Diagnostic>>& by_service) {
  std::vector<Diagnostic> first;
  for (auto each = by_service.begin(); each != by_service.end() && first.size() < kMaxDiagnostics; ++each) {
    first.insert(first.end(), each->second.begin(), each->second.end());
  }
  return first;
}

}  // namespace

void Inventory::replace(Files files) {
  for (auto before = files_.begin(); before != files_.end();) {
    const std::string& name = (before++)->first;  // set() may erase it
    if (!files.contains(name)) {
      set(std::string(name), nullptr);
    }
  }
  for (auto& [name, documents] : files) {
    set(name, std::move(documents));
  }
}

void Inventory::set(const std::string& file, std::shared_ptr<const ResourceSet> documents) {
  std::set<std::string> touched;
  replace_one(file, std::move(documents), touched);
  revalidate(std::move(touched));
}

void Inventory::apply(const Edits& edits) {
  stage(edits);
  revalidate({});
}

void Inventory::stage(const Edits& edits) {
  for (const auto& [file, documents] : edits) {
    replace_one(file, documents, unvalidated_);
  }
}

std::shared_ptr<const ResourceSet> Inventory::find(const std::string& file) const {
  const auto known = files_.find(file);
  return known == files_.end() ? nullptr : known->second;
}

void Inventory::replace_one(const std::string& file, std::shared_ptr<const ResourceSet> documents,
                            std::set<std::string>& touched) {
  const auto known = files_.find(file);
  const std::shared_ptr<const ResourceSet> before = known == files_.end() ? nullptr : known->second;
  if (before == documents) {
    return;
  }
  if (before != nullptr) {
    put(*before, documents.get(), -1, touched);
  }
  if (documents != nullptr) {
    put(*documents, before.get(), 1, touched);
    files_[file] = std::move(documents);
  } else {
    files_.erase(known);
  }
}

void Inventory::put(const ResourceSet& documents, const ResourceSet* but, int sign, std::set<std::string>& touched) {
  const auto put_each = [&](const auto& list, const auto* others) {
    std::unordered_set<const void*> unchanged;
    if (others != nullptr) {
      for (const auto& document : *others) {
        unchanged.insert(document.get());
      }
    }
    for (const auto& document : list) {
      if (unchanged.contains(document.get())) {
        continue;
      }
      for (const std::string& key : keys_of(*document)) {
        touched.insert(key);
        auto& own = list_of(entries_[key].resources, *document);
        if (sign > 0) {
          own.push_back(document);
        } else {
          own.erase(std::find(own.begin(), own.end(), document));
        }
      }
      claims_.change(*document, sign);
    }
  };
  put_each(documents.services, but == nullptr ? nullptr : &but->services);
  put_each(documents.slices, but == nullptr ? nullptr : &but->slices);
  put_each(documents.policies, but == nullptr ? nullptr : &but->policies);
  put_each(documents.routes, but == nullptr ? nullptr : &but->routes);
  put_each(documents.rules, but == nullptr ? nullptr : &but->rules);
  put_each(documents.gateways, but == nullptr ? nullptr : &but->gateways);
  put_each(documents.grants, but == nullptr ? nullptr : &but->grants);
  put_each(documents.grpc_routes, but == nullptr ? nullptr : &but->grpc_routes);
  put_each(documents.authorizations, but == nullptr ? nullptr : &but->authorizations);
  put_each(documents.faults, but == nullptr ? nullptr : &but->faults);
  put_each(documents.inspections, but == nullptr ? nullptr : &but->inspections);
}

void Inventory::revalidate(std::set<std::string> touched) {
  touched.merge(unvalidated_);
  unvalidated_.clear();
  for (const std::string& key : touched) {
    Entry& entry = entries_[key];
    Validation validation = validate(key, entry.resources, abilities_);
    endpoints_ += validation.endpoints - entry.endpoints;
    entry.endpoints = validation.endpoints;
    errors_.erase(key);
    if (!validation.errors.empty()) {
      errors_[key] = std::move(validation.errors);
    }
    warnings_changed_ |= warnings_.erase(key) > 0 || !validation.warnings.empty();
    if (!validation.warnings.empty()) {
      warnings_[key] = std::move(validation.warnings);
    }
    if (entry.resources.empty()) {
      entries_.erase(key);
    }
    changed_.insert(key);
  }
}

std::vector<Diagnostic> Inventory::errors() const {
  std::vector<Diagnostic> all = gathered(errors_);
  const std::vector<Diagnostic> conflicts = contradictions();
  all.insert(all.end(), conflicts.begin(), conflicts.end());
  return in_order(std::move(all));
}

std::vector<Diagnostic> Inventory::contradictions() const {
  ResourceSet documents;
  for (const std::string& file : claims_.files_in_conflict()) {
    const auto held = files_.find(file);
    if (held == files_.end()) {
      // A folder's files are held by name, and their documents know the path. There are few: all are looked at.
      ResourceSet all;
      for (const auto& [name, each] : files_) {
        append(all, *each);
      }
      return find_conflicts(all);
    }
    append(documents, *held->second);
  }
  return find_conflicts(documents);
}

bool Inventory::agrees() {
  if (claims_.in_conflict()) {
    return false;
  }
  revalidate({});
  return errors_.empty();
}

std::vector<Diagnostic> Inventory::disagreements() const {
  return in_order(claims_.in_conflict() ? contradictions() : gathered(errors_));
}

std::set<std::string> Inventory::contested() const {
  std::set<std::string> files = claims_.files_in_conflict();
  for (const auto& [key, ignored] : errors_) {
    const auto entry = entries_.find(key);
    if (entry == entries_.end()) {
      continue;
    }
    ResourceSet all;
    const ServiceResources& own = entry->second.resources;
    append(all, {own.services, own.slices, own.policies, own.routes, own.rules, own.gateways, own.grants,
                 own.grpc_routes, own.authorizations, own.faults, own.inspections});
    for_each_of(all, [&](const auto& document) { files.insert(document.metadata.file); });
  }
  return files;
}

std::set<std::string> subjects_of(const ResourceSet& documents) {
  std::set<std::string> subjects;
  for_each_of(documents, [&](const auto& document) {
    subjects.merge(keys_of(document));
    for_each_address(document, [&](const lb::Address& address) { subjects.insert(to_string(address)); });
  });
  return subjects;
}

const std::vector<Diagnostic>& Inventory::warnings() {
  if (warnings_changed_) {
    ordered_warnings_ = in_order(gathered(warnings_));
    warnings_changed_ = false;
  }
  return ordered_warnings_;
}

std::map<std::string, ServiceResources> Inventory::take_changes() {
  std::map<std::string, ServiceResources> changes;
  for (const std::string& key : changed_) {
    const auto entry = entries_.find(key);
    changes[key] = entry == entries_.end() ? ServiceResources{} : entry->second.resources;
  }
  changed_.clear();
  return changes;
}

}  // namespace weft::registry
