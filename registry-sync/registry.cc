// SPDX-License-Identifier: Apache-2.0
#include "registry-sync/registry.h"

#include "registry-sync/resolve.h"
#include "registry-sync/validate.h"

namespace weft::registry {
namespace {

size_t endpoints_of(const lb::Snapshot& snapshot) {
  size_t count = 0;
  for (const lb::Service& service : snapshot.services()) {
    count += service.endpoints.size();
  }
  return count;
}

std::vector<std::string> service_names(const lb::Snapshot& snapshot) {
  std::vector<std::string> names;
  for (const lb::Service& service : snapshot.services()) {
    if (names.empty() || names.back() != service.name) {
      names.push_back(service.name);
    }
  }
  return names;
}

std::string what_exists(const std::string& kind, const std::vector<std::string>& names) {
  return names.empty() ? "there are no " + kind : kind + ": " + listed(names, ", ");
}

}  // namespace

Registry::Registry(std::filesystem::path folder, uint64_t seed, SlotLimits limits, SlotUse in_use)
    : source_(std::move(folder)), in_use_(std::move(in_use)), builder_(seed, limits) {
  status_.folder = source_.folder();
}

std::string Registry::hold_reason(const FolderReading& reading) const {
  if (!reading.folder_error.empty()) {
    return "the registry folder can't be read: " + reading.folder_error;
  }
  const size_t before = builder_.snapshot() == nullptr ? 0 : endpoints_of(*builder_.snapshot());
  size_t after = 0;
  for (const ResolvedPort& port : resolve(reading.resources)) {
    after += port.endpoints.size();
  }
  if (!accepting_ && before >= kGuardedEndpoints && after * 2 < before) {
    return std::to_string(before - after) + " of " + std::to_string(before) +
           " endpoints would vanish at once, so all is kept as it was; if that is meant: weftctl set registry accept";
  }
  return "";
}

bool Registry::load(Status::Time now) {
  FolderReading reading = source_.read();
  status_.last_attempt = now;
  load_errors_ = std::move(reading.errors);
  const std::string reason = hold_reason(reading);
  status_.holding = !reason.empty();
  if (status_.holding) {
    load_errors_ = {{.file = source_.folder().native(), .message = reason}};
  } else {
    status_.files = reading.files;
    Validation validation = validate(reading.resources);
    status_.holding = !validation.errors.empty();
    load_errors_.insert(load_errors_.end(), validation.errors.begin(), validation.errors.end());
    if (!status_.holding) {
      status_.documents = reading.documents;
      status_.warnings = std::move(validation.warnings);
      in_force_ = std::move(reading.resources);
    }
  }
  // Also when nothing new is in force: the first load must leave a snapshot, if an empty one.
  const bool changed = build();
  if (status_.errors.empty()) {
    status_.last_good = now;
  }
  return changed;
}

bool Registry::accept(Status::Time now) {
  accepting_ = true;
  const bool changed = load(now);
  accepting_ = false;
  return changed;
}

bool Registry::build() {
  Builder::Outcome outcome = builder_.build(in_force_, drains_, in_use_);
  status_.errors = load_errors_;
  status_.errors.insert(status_.errors.end(), outcome.errors.begin(), outcome.errors.end());
  status_.epoch = builder_.snapshot()->epoch();
  status_.drains.assign(drains_.begin(), drains_.end());
  status_.lingering = builder_.lingering();
  some_left_out_ = !outcome.errors.empty();
  return outcome.changed;
}

bool Registry::reclaim() {
  if (!builder_.has_lingering()) {
    return false;
  }
  const bool freed = builder_.reclaim(in_use_);
  status_.lingering = builder_.lingering();
  return (some_left_out_ && build()) || freed;
}

tl::expected<bool, std::string> Registry::set_endpoint(const std::string& service, const std::string& endpoint,
                                                       Override wish) {
  const std::optional<lb::Ipv4Address> address = lb::parse_ipv4(endpoint);
  const lb::Snapshot& snapshot = *builder_.snapshot();
  std::set<std::string> others;
  std::set<lb::Ipv4Address> meant;
  bool service_exists = false;
  for (const lb::Service& each : snapshot.services()) {
    if (each.name != service) {
      continue;
    }
    service_exists = true;
    for (const lb::Endpoint& candidate : each.endpoints) {
      if (candidate.name == endpoint || candidate.address == address) {
        meant.insert(candidate.address);
      }
      others.insert(candidate.name);
    }
  }
  if (!service_exists) {
    return tl::make_unexpected("no service " + in_quotes(service) + "; " +
                               what_exists("services", service_names(snapshot)));
  }
  if (meant.empty()) {
    return tl::make_unexpected("service " + service + " has no endpoint " + in_quotes(endpoint) + "; " +
                               what_exists("endpoints", {others.begin(), others.end()}));
  }
  for (lb::Ipv4Address each : meant) {
    if (wish == Override::drain) {
      drains_.insert({.service = service, .endpoint = each});
    } else {
      drains_.erase({.service = service, .endpoint = each});
    }
  }
  return build();
}

Publication Registry::publication() const {
  return {.snapshot = builder_.snapshot(), .endpoints = builder_.tracked()};
}

}  // namespace weft::registry
