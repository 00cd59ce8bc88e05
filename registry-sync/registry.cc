// SPDX-License-Identifier: Apache-2.0
#include "registry-sync/registry.h"

namespace weft::registry {
namespace {

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

Registry::Registry(Options options, SlotUse in_use)
    : source_(std::move(options.folder)),
      in_use_(std::move(in_use)),
      inventory_(options.abilities),
      builder_(options.seed, options.limits, std::move(options.zone), options.abilities) {
  status_.folder = source_.folder();
  if (status_.folder.empty()) {
    admission_.emplace(inventory_, options.abilities, options.guard);
    if (!options.cache.empty()) {
      admission_->keep_changes();
    }
  }
}

std::string Registry::hold_reason(const std::string& folder_error) const {
  if (!folder_error.empty()) {
    return "the registry folder can't be read: " + folder_error;
  }
  const size_t before = builder_.endpoints();
  const size_t after = inventory_.endpoints();
  if (!accepting_ && before >= kGuardedEndpoints && after * 2 < before) {
    return std::to_string(before - after) + " of " + std::to_string(before) +
           " endpoints would vanish at once, so all is kept as it was; if that is meant: weftctl set registry accept";
  }
  return "";
}

bool Registry::load(Moment now) {
  FolderReading reading = source_.read();
  status_.last_attempt = now.wall;
  load_errors_ = std::move(reading.errors);
  if (reading.folder_error.empty()) {
    inventory_.replace(std::move(reading.resources));
  }
  Builder::Updates updates;
  const std::string reason = hold_reason(reading.folder_error);
  status_.holding = !reason.empty();
  if (status_.holding) {
    load_errors_ = {{.file = source_.folder().native(), .message = reason}};
  } else {
    status_.files = reading.files;
    status_.holding = !inventory_.clean();
    if (status_.holding) {
      const std::vector<Diagnostic> errors = inventory_.errors();
      load_errors_.insert(load_errors_.end(), errors.begin(), errors.end());
    } else {
      status_.whole = true;
      status_.documents = reading.documents;
      status_.warnings = inventory_.warnings();
      updates = inventory_.take_changes();
    }
  }
  // Also when nothing new is in force: the first load must leave a snapshot, if an empty one.
  const bool changed = build(std::move(updates), now.steady);
  if (status_.errors.empty()) {
    status_.last_good = now.wall;
  }
  return changed;
}

bool Registry::apply(KeyBatch batch, Moment now) {
  if (!batch.ends) {
    admission_->apply(std::move(batch), now.steady);
    return false;
  }
  status_.whole |= batch.whole;
  status_.revision = batch.revision;
  if (batch.whole) {
    status_.cached.reset();
  }
  admission_->apply(std::move(batch), now.steady);
  return take_admitted(now);
}

bool Registry::restore(const CacheContents& contents, Moment now) {
  KeyBatch batch{.whole = true, .revision = contents.revision};
  for (const auto& [key, text] : contents.documents) {
    // Whose instances had leases the store alone knows: a new list that lacks many of them is to be doubted.
    const tl::expected<Key, std::string> parts = parse_key(key);
    batch.edits.push_back({.key = key,
                           .value = *text,
                           .lease = parts && parts->is_instance ? int64_t{-1} : int64_t{0},
                           .reading = read_value(key, *text)});
  }
  const bool changed = apply(std::move(batch), now);
  status_.cached = contents.saved;
  return changed;
}

CacheWriter::Changes Registry::take_cache_changes() {
  CacheWriter::Changes changes;
  if (admission_ && !admission_->is_within_list()) {
    for (KeyEdit& edit : admission_->take_changes()) {
      changes[edit.key] = edit.gone ? nullptr : std::make_shared<const std::string>(std::move(edit.value));
    }
  }
  return changes;
}

bool Registry::begin(Moment now) {
  return build({}, now.steady);
}

bool Registry::take_admitted(Moment now) {
  status_.last_attempt = now.wall;
  status_.admission = admission_->status();
  load_errors_ = status_.admission->messages;
  if (status_.admission->held > 0) {
    report(load_errors_, {.file = std::string(kKeyPrefix),
                          .message = std::to_string(status_.admission->held) + " keys went at once, of " +
                                     listed(status_.admission->held_of, " and ") +
                                     ": they are kept in force; if that is meant: weftctl set registry accept"});
  }
  status_.holding = false;
  status_.documents = status_.admission->in_force;
  status_.warnings = inventory_.warnings();
  const bool changed = build(inventory_.take_changes(), now.steady);
  if (status_.errors.empty()) {
    status_.last_good = now.wall;
  }
  return changed;
}

tl::expected<bool, std::string> Registry::accept(Moment now) {
  if (admission_) {
    if (admission_->is_within_list()) {
      return tl::make_unexpected(std::string("the registry is being listed: try again"));
    }
    admission_->accept();
    return take_admitted(now);
  }
  accepting_ = true;
  const bool changed = load(now);
  accepting_ = false;
  return changed;
}

bool Registry::build(Builder::Updates updates, Time now) {
  Builder::Outcome outcome = builder_.build(std::move(updates), drains_, in_use_, now);
  status_.errors = load_errors_;
  status_.errors.insert(status_.errors.end(), outcome.errors.begin(), outcome.errors.end());
  status_.epoch = builder_.snapshot()->epoch();
  status_.drains.assign(drains_.begin(), drains_.end());
  status_.lingering = builder_.lingering();
  return outcome.changed;
}

bool Registry::reclaim(Time now) {
  return builder_.has_lingering() && build({}, now);
}

bool Registry::advance(Time now) {
  const std::optional<Time> due = builder_.next_deadline();
  return due && *due <= now && build({}, now);
}

tl::expected<bool, std::string> Registry::set_endpoint(const std::string& service, const std::string& endpoint,
                                                       Override wish, Time now) {
  const std::optional<lb::Address> address = lb::parse_address(endpoint);
  const lb::Snapshot& snapshot = *builder_.snapshot();
  std::set<std::string> others;
  std::set<lb::Address> meant;
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
  for (const lb::Address& each : meant) {
    if (wish == Override::drain) {
      drains_.insert({.service = service, .endpoint = each});
    } else {
      drains_.erase({.service = service, .endpoint = each});
    }
  }
  return build({}, now);
}

tl::expected<bool, std::string> Registry::start_fault(LiveFault live, Time now) {
  if (std::string problem = builder_.start_fault(std::move(live), now); !problem.empty()) {
    return tl::make_unexpected(std::move(problem));
  }
  return build({}, now);
}

tl::expected<bool, std::string> Registry::stop_fault(const std::optional<std::string>& name, Time now) {
  if (std::string problem = builder_.stop_fault(name); !problem.empty()) {
    return tl::make_unexpected(std::move(problem));
  }
  return build({}, now);
}

bool Registry::judge(const std::vector<CheckVerdict>& verdicts, Time now) {
  return builder_.judge(verdicts) && build({}, now);
}

Publication Registry::publish() {
  return {.snapshot = builder_.snapshot(), .endpoints = builder_.take_changes()};
}

}  // namespace weft::registry
