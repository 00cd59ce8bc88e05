// SPDX-License-Identifier: Apache-2.0
#include "registry-sync/admission.h"

#include <algorithm>

namespace weft::registry {
namespace {

bool is_instance_key(const std::string& key) {
  return std::string_view(key).substr(kKeyPrefix.size()).starts_with("endpoints/");
}

/// "namespace/service" of an instance's key, which is well-formed.
std::string service_in(const std::string& key) {
  constexpr size_t kStart = kKeyPrefix.size() + std::string_view("endpoints/").size();
  return key.substr(kStart, key.rfind('/') - kStart);
}

/// Bytes of a value that can't be read, to know it again; of a larger one nothing is kept.
constexpr size_t kMostOfRefused = 65536;

constexpr std::string_view kServices = "/weft/v1/resources/Service/";

}  // namespace

void Admission::apply(KeyBatch batch, Time now) {
  Keys touched;
  forget_vanished_before(now - guard_.window);
  if (batch.whole) {
    beyond_bounds_ = 0;
    sweep(batch, now, touched);
  }
  for (KeyEdit& edit : batch.edits) {
    if (edit.gone) {
      remove(edit.key, edit.by_lease, now, touched);
    } else {
      put(edit, touched);
    }
  }
  add_instances_of_services(touched);
  settle(touched);
}

void Admission::accept() {
  Keys touched;
  for (const std::string& key : Keys(held_)) {
    erase(key, touched);
  }
  vanished_.clear();
  vanished_of_.clear();
  vanished_order_.clear();
  add_instances_of_services(touched);
  settle(touched);
}

void Admission::put(KeyEdit& edit, Keys& touched) {
  if (!edit.reading.errors.empty() && edit.value.size() > kMostOfRefused) {
    edit.value = std::string();
  }
  const auto known = entries_.find(edit.key);
  const bool is_new = known == entries_.end();
  const size_t before = is_new ? 0 : known->second.value.size();
  const size_t added = (is_new ? edit.key.size() : 0) + edit.value.size();
  if ((is_new && entries_.size() >= bounds_.keys) || bytes_ + added > bounds_.bytes + before) {
    ++beyond_bounds_;
    return;
  }
  Entry& entry = entries_[edit.key];
  if (!is_new && entry.value == edit.value && entry.created == edit.created && !entry.held) {
    entry.lease = edit.lease;
    return;
  }
  if (is_new) {
    bytes_ += edit.key.size();
    if (is_instance_key(edit.key) && parse_key(edit.key)) {
      instances_[service_in(edit.key)].insert(edit.key);
      ++instance_count_;
      forget_vanished(edit.key);
    }
  }
  if (entry.created != edit.created) {
    // Deleted and made anew: what was good of the old one is gone with it.
    entry.good = nullptr;
    entry.good_value.clear();
    entry.instance = nullptr;
  }
  bytes_ += edit.value.size();
  bytes_ -= entry.value.size();
  if (entry.good != nullptr && !entry.refused()) {
    entry.good_value = std::move(entry.value);
  }
  entry.value = std::move(edit.value);
  entry.created = edit.created;
  entry.lease = edit.lease;
  if (entry.held) {
    set_held(edit.key, false);
  }
  entry.misread = std::move(edit.reading.errors);
  entry.misfit.clear();
  entry.refusal.clear();
  if (edit.reading.instance != nullptr) {
    entry.instance = std::move(edit.reading.instance);
  }
  entry.wanted = std::move(edit.reading.documents);
  touched.insert(edit.key);
}

void Admission::remove(const std::string& key, bool by_lease, Time now, Keys& touched) {
  const auto known = entries_.find(key);
  if (known == entries_.end() || known->second.held) {
    return;
  }
  const Entry& entry = known->second;
  const bool meant = !by_lease || entry.good == nullptr || (entry.instance != nullptr && entry.instance->terminating);
  if (meant || guard_.percent >= 100) {
    erase(key, touched);
    return;
  }
  const std::string service = service_in(key);
  vanished_[key] = {.at = now, .entry = entry};
  vanished_of_[service].insert(key);
  vanished_order_.emplace_back(now, key);
  erase(key, touched);
  guard(service, touched);
}

/// Of a whole list, what it lacks. Who follows the store says itself what it knew of; this is of what it did not.
void Admission::sweep(const KeyBatch& batch, Time now, Keys& touched) {
  Keys present;
  for (const KeyEdit& edit : batch.edits) {
    present.insert(edit.key);  // also those of which it says that they are gone
  }
  std::vector<std::string> missing;
  for (const auto& [key, entry] : entries_) {
    if (!entry.held && !present.contains(key)) {
      missing.push_back(key);
    }
  }
  const bool lost = missing.size() >= guard_.least && missing.size() * 100 > guard_.percent * entries_.size();
  for (const std::string& key : missing) {
    Entry& entry = entries_[key];
    if (lost && guard_.percent < 100 && entry.good != nullptr) {
      set_held(key, true);
    } else {
      remove(key, entry.lease != 0, now, touched);
    }
  }
}

void Admission::erase(const std::string& key, Keys& touched) {
  const auto known = entries_.find(key);
  if (known->second.held) {
    set_held(key, false);
  }
  bytes_ -= key.size() + known->second.value.size();
  entries_.erase(known);
  refused_.erase(key);
  contested_.erase(key);
  if (parse_key(key) && is_instance_key(key)) {
    const auto siblings = instances_.find(service_in(key));
    siblings->second.erase(key);
    --instance_count_;
    if (siblings->second.empty()) {
      instances_.erase(siblings);
    }
  }
  touched.insert(key);
}

bool Admission::too_many(size_t vanished, size_t left) const {
  return vanished + left >= guard_.least && vanished * 100 > guard_.percent * (vanished + left);
}

void Admission::guard(const std::string& service, Keys& touched) {
  const auto siblings = instances_.find(service);
  const size_t left = siblings == instances_.end() ? 0 : siblings->second.size();
  // Who is held is still among the instances, and is gone nevertheless: or the next to go would be let go.
  const auto held = held_of_.find(service);
  const size_t gone = held == held_of_.end() ? 0 : held->second;
  if (too_many(vanished_.size() + held_instances_, instance_count_ - held_instances_)) {
    for (const auto& [each, keys] : std::exchange(vanished_of_, {})) {
      hold(keys, touched);
    }
  } else if (too_many(vanished_of_[service].size() + gone, left - gone)) {
    hold(vanished_of_.extract(service).mapped(), touched);
  }
}

void Admission::hold(const Keys& vanished, Keys& touched) {
  for (const std::string& key : vanished) {
    Entry& entry = entries_[key];
    entry = std::move(vanished_.extract(key).mapped().entry);
    bytes_ += key.size() + entry.value.size();
    instances_[service_in(key)].insert(key);
    ++instance_count_;
    set_held(key, true);
    touched.insert(key);
  }
}

void Admission::set_held(const std::string& key, bool held) {
  entries_[key].held = held;
  if (held) {
    held_.insert(key);
    ++holds_;
  } else {
    held_.erase(key);
  }
  if (!is_instance_key(key)) {
    return;
  }
  held_instances_ += held ? 1 : -1;
  size_t& of_service = held_of_[service_in(key)];
  of_service += held ? 1 : -1;
  if (of_service == 0) {
    held_of_.erase(service_in(key));
  }
}

void Admission::forget_vanished(const std::string& key) {
  if (vanished_.erase(key) == 0) {
    return;
  }
  const auto others = vanished_of_.find(service_in(key));
  others->second.erase(key);
  if (others->second.empty()) {
    vanished_of_.erase(others);
  }
}

void Admission::forget_vanished_before(Time then) {
  while (!vanished_order_.empty() && vanished_order_.front().first < then) {
    const auto& [at, key] = vanished_order_.front();
    // It may have come back and gone again: then a later one is of it.
    if (const auto known = vanished_.find(key); known != vanished_.end() && known->second.at == at) {
      forget_vanished(key);
    }
    vanished_order_.pop_front();
  }
}

void Admission::add_instances_of_services(Keys& touched) const {
  Keys instances;
  for (auto each = touched.lower_bound(std::string(kServices)); each != touched.end() && each->starts_with(kServices);
       ++each) {
    const auto of_service = instances_.find(each->substr(kServices.size()));
    if (of_service != instances_.end()) {
      instances.insert(of_service->second.begin(), of_service->second.end());
    }
  }
  touched.merge(instances);
}

const Service* Admission::service_of(const Key& key) const {
  const auto entry = entries_.find(service_resource_key(key.service_key()));
  if (entry == entries_.end()) {
    return nullptr;
  }
  const Documents& documents = entry->second.wanted != nullptr ? entry->second.wanted : entry->second.good;
  return documents == nullptr || documents->services.empty() ? nullptr : documents->services.front().get();
}

void Admission::derive(const std::string& key, Entry& entry) {
  const Key parts = *parse_key(key);
  entry.wanted = nullptr;
  entry.misfit.clear();
  const Service* service = service_of(parts);
  if (service == nullptr) {
    entry.good = nullptr;
    entry.misfit = {{.file = key, .field = "key", .message = "there is no service " + parts.service_key()}};
    return;
  }
  for (const lb::Address& address : entry.instance->addresses) {
    const auto& own = abilities_.own_addresses;
    if (std::find(own.begin(), own.end(), address) != own.end()) {
      entry.misfit = {{.file = key,
                       .field = "addresses",
                       .message = to_string(address) + " is an address of this node's own: snat.addresses has it"}};
      return;
    }
  }
  Documents documents = slices_of(key, parts, *entry.instance, *service, entry.misfit);
  const auto same = [](const auto& a, const auto& b) { return *a == *b; };
  if (documents != nullptr && entry.good != nullptr &&
      std::equal(documents->slices.begin(), documents->slices.end(), entry.good->slices.begin(),
                 entry.good->slices.end(), same)) {
    documents = entry.good;
  }
  entry.wanted = std::move(documents);
}

void Admission::settle(const Keys& touched) {
  Inventory::Edits edits;
  bool again = false;  // must what was contested be decided anew?
  const auto note_subjects = [&](const Documents& documents) {
    if (documents != nullptr && !contested_subjects_.empty() && !again) {
      const Keys subjects = subjects_of(*documents);
      again = std::any_of(subjects.begin(), subjects.end(),
                          [&](const std::string& each) { return contested_subjects_.contains(each); });
    }
  };
  for (const std::string& key : touched) {
    note_subjects(inventory_.find(key));
    const auto known = entries_.find(key);
    if (known == entries_.end()) {
      edits[key] = nullptr;
      continue;
    }
    Entry& entry = known->second;
    if (entry.instance != nullptr) {
      derive(key, entry);
    }
    edits[key] = entry.wanted != nullptr ? entry.wanted : entry.good;
    note_subjects(edits[key]);
  }
  const auto want_contested = [&] {
    for (const std::string& key : contested_) {
      const Entry& entry = entries_[key];
      edits[key] = entry.wanted != nullptr ? entry.wanted : entry.good;
    }
  };
  Keys decided = touched;
  if (again) {
    want_contested();
    decided.insert(contested_.begin(), contested_.end());
  }
  inventory_.apply(edits);
  if (!inventory_.clean()) {
    if (!again) {
      want_contested();
      inventory_.apply(edits);
      decided.insert(contested_.begin(), contested_.end());
    }
    again = true;
  }
  if (again) {
    for (const std::string& key : decided) {
      if (const auto known = entries_.find(key); known != entries_.end()) {
        known->second.refusal.clear();
      }
    }
    contested_.clear();
    contested_subjects_.clear();
    resolve();
    decided.insert(contested_.begin(), contested_.end());
  }
  for (const std::string& key : decided) {
    record(key);
  }
  if (keeps_changes_) {
    changed_.merge(decided);
  }
}

void Admission::resolve() {
  if (inventory_.clean()) {
    return;
  }
  const Keys among = inventory_.contested();
  std::vector<std::string> ordered(among.begin(), among.end());
  const auto order = [&](const std::string& key) {
    const Entry& entry = entries_[key];
    return std::tuple(entry.held, is_instance_key(key), entry.created, std::string_view(key));
  };
  std::sort(ordered.begin(), ordered.end(),
            [&](const std::string& a, const std::string& b) { return order(a) < order(b); });
  Inventory::Edits none;
  for (const std::string& key : ordered) {
    none[key] = nullptr;
    Entry& entry = entries_[key];
    entry.refusal.clear();
    contested_.insert(key);
    for (const Documents& each : {entry.wanted, entry.good}) {
      if (each != nullptr) {
        contested_subjects_.merge(subjects_of(*each));
      }
    }
  }
  inventory_.apply(none);
  admit(ordered, 0, ordered.size(), among);
}

/// All at once if they agree, else half by half: a few bad ones among many cost little more than the many do.
void Admission::admit(const std::vector<std::string>& ordered, size_t first, size_t last,
                      const std::set<std::string>& among) {
  if (first == last) {
    return;
  }
  Inventory::Edits edits;
  Inventory::Edits none;
  for (size_t i = first; i < last; ++i) {
    const Entry& entry = entries_[ordered[i]];
    edits[ordered[i]] = entry.wanted != nullptr ? entry.wanted : entry.good;
    none[ordered[i]] = nullptr;
  }
  inventory_.apply(edits);
  if (inventory_.clean()) {
    return;
  }
  if (last - first == 1) {
    refuse(ordered[first], entries_[ordered[first]], among);
    return;
  }
  inventory_.apply(none);
  const size_t middle = first + (last - first) / 2;
  admit(ordered, first, middle, among);
  admit(ordered, middle, last, among);
}

void Admission::refuse(const std::string& key, Entry& entry, const std::set<std::string>& among) {
  const std::vector<Diagnostic> all = inventory_.errors_among(among);
  for (const Diagnostic& each : all) {
    if (each.file == key) {
      report(entry.refusal, each);
    }
  }
  if (entry.refusal.empty() && !all.empty()) {
    // Of two that disagree, the message may be about the other one.
    report(entry.refusal, {.file = key,
                           .field = all.front().field,
                           .message = "contradicts what was there before: " + to_string(all.front())});
  }
  const Documents good = entry.wanted != nullptr ? entry.good : nullptr;
  inventory_.apply({{key, good}});
  if (!inventory_.clean()) {
    inventory_.apply({{key, nullptr}});
  }
}

/// Remembers what became of a key.
void Admission::record(const std::string& key) {
  const auto known = entries_.find(key);
  if (known == entries_.end()) {
    return;
  }
  Entry& entry = known->second;
  entry.good = inventory_.find(key);
  const bool is_refused = entry.refused();
  if (entry.held && is_refused) {
    Keys ignored;
    erase(key, ignored);  // others have what it had
    return;
  }
  if (!is_refused || entry.good == nullptr) {
    entry.good_value.clear();
  }
  if (!is_refused) {
    refused_.erase(key);
  } else if (refused_.insert(key).second) {
    ++refusals_;
  }
}

AdmissionStatus Admission::status() const {
  AdmissionStatus status{.keys = entries_.size(),
                         .instances = instance_count_,
                         .refused = refused_.size() + beyond_bounds_,
                         .held = held_.size(),
                         .held_of = {},
                         .refusals = refusals_ + beyond_bounds_,
                         .holds = holds_,
                         .messages = {}};
  if (beyond_bounds_ > 0) {
    status.messages.push_back({.file = std::string(kKeyPrefix),
                               .message = std::to_string(beyond_bounds_) + " keys are beyond the bounds of " +
                                          std::to_string(bounds_.keys) + " keys and " +
                                          std::to_string(bounds_.bytes >> 20) + " MiB"});
  }
  for (auto key = refused_.begin(); key != refused_.end() && status.messages.size() < kMaxDiagnostics; ++key) {
    const Entry& entry = entries_.at(*key);
    for (const std::vector<Diagnostic>* each : {&entry.misread, &entry.misfit, &entry.refusal}) {
      for (const Diagnostic& message : *each) {
        report(status.messages, message);
      }
    }
  }
  Keys held_of;
  for (auto key = held_.begin(); key != held_.end() && held_of.size() < kMaxDiagnostics; ++key) {
    held_of.insert(is_instance_key(*key) ? service_in(*key) : *key);
  }
  status.held_of.assign(held_of.begin(), held_of.end());
  return status;
}

KeyEdit Admission::shown(const std::string& key, const Entry& entry) {
  return {.key = key,
          .gone = entry.good == nullptr,
          .value = entry.good_value.empty() ? entry.value : entry.good_value,
          .created = entry.created,
          .lease = entry.lease,
          .reading = {}};
}

std::vector<KeyEdit> Admission::take_changes() {
  std::vector<KeyEdit> changes;
  for (const std::string& key : changed_) {
    const auto known = entries_.find(key);
    changes.push_back(known == entries_.end() ? KeyEdit{.key = key, .gone = true} : shown(key, known->second));
  }
  changed_.clear();
  return changes;
}

std::vector<KeyEdit> Admission::in_force() const {
  std::vector<KeyEdit> all;
  for (const auto& [key, entry] : entries_) {
    if (entry.good != nullptr) {
      all.push_back(shown(key, entry));
    }
  }
  std::sort(all.begin(), all.end(), [](const KeyEdit& a, const KeyEdit& b) { return a.key < b.key; });
  return all;
}

}  // namespace weft::registry
