// SPDX-License-Identifier: Apache-2.0
#include "registry-sync/admission.h"

#include <algorithm>
#include <iterator>

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

/// Of one key.
constexpr size_t kMostMessages = 3;
/// Names of keys without room that are remembered, so that each counts once.
constexpr size_t kMostLeftOut = 100'000;

std::string guarded_service(const std::string& key) {
  return is_instance_key(key) ? service_in(key) : "";
}

constexpr std::string_view kServices = "/weft/v1/resources/Service/";

}  // namespace

void Admission::apply(KeyBatch batch, Time now) {
  Keys touched;
  for (const std::string& key : guard_.forget_before(now)) {
    vanished_.erase(key);
  }
  if (batch.whole) {
    batch = take_part(std::move(batch), touched);
  }
  if (batch.whole && batch.begins) {
    left_out_.clear();
    sweep(batch, now, touched);
  }
  for (KeyEdit& edit : batch.edits) {
    if (edit.gone) {
      remove(edit.key, edit.by_lease, now, touched);
    } else {
      put(edit, touched);
    }
  }
  settle(touched);
  release_replaced(touched);
}

KeyBatch Admission::take_part(KeyBatch part, Keys& touched) {
  if (part.begins) {
    if (list_ == List::decided) {
      while (!entries_.empty()) {
        erase(std::string(entries_.begin()->first), touched);
      }
    }
    gathered_.clear();
    list_ = entries_.empty() ? List::decided : List::gathered;
  }
  const bool is_last = part.ends;
  if (list_ == List::gathered && !(part.begins && part.ends)) {
    std::move(part.edits.begin(), part.edits.end(), std::back_inserter(gathered_));
    part.edits.clear();
    if (is_last) {
      part = {.whole = true, .revision = part.revision, .edits = std::exchange(gathered_, {})};
    } else {
      part.begins = false;
    }
  }
  list_ = is_last ? List::none : list_;
  return part;
}

void Admission::accept() {
  Keys touched;
  for (const std::string& key : Keys(guard_.held())) {
    erase(key, touched);
  }
  for (const std::string& key : guard_.forget_all()) {
    vanished_.erase(key);
  }
  settle(touched);
}

bool Admission::is_beyond_bounds(const KeyEdit& edit, const Entry* known) const {
  if (known == nullptr) {
    return entries_.size() >= bounds_.keys || bytes_ + edit.key.size() + edit.value.size() > bounds_.bytes;
  }
  // If it grows. The value before it may stay in force, and is counted then too.
  const size_t before = known->good != nullptr ? 0 : known->value.size();
  return edit.value.size() > known->value.size() && bytes_ + edit.value.size() > bounds_.bytes + before;
}

void Admission::count_bytes(const std::string& key, Entry& entry) {
  bytes_ -= entry.bytes;
  entry.bytes = key.size() + entry.value.size() + entry.good_value.size();
  for (const std::vector<Diagnostic>* each : {&entry.misread, &entry.misfit, &entry.refusal}) {
    for (const Diagnostic& message : *each) {
      entry.bytes += message.file.size() + message.field.size() + message.message.size();
    }
  }
  bytes_ += entry.bytes;
}

void Admission::put(KeyEdit& edit, Keys& touched) {
  std::vector<Diagnostic>& errors = edit.reading.errors;
  if (!errors.empty() && edit.value.size() > kMostOfRefused) {
    edit.value = std::string();
  }
  if (errors.size() > kMostMessages) {
    const std::string more = "and " + std::to_string(errors.size() - kMostMessages) + " more";
    errors.resize(kMostMessages);
    errors.push_back({.file = edit.key, .message = more});
  }
  const auto known = entries_.find(edit.key);
  const bool is_new = known == entries_.end();
  if (is_beyond_bounds(edit, is_new ? nullptr : &known->second)) {
    if (is_new) {
      if (left_out_.size() < kMostLeftOut) {
        left_out_.insert(edit.key);
      }
      return;
    }
    errors = {{.file = edit.key,
               .field = "value",
               .message = "there is no room for its " + std::to_string(edit.value.size()) +
                          " bytes: all keys together may have " + std::to_string(bounds_.bytes >> 20) + " MiB"}};
    edit.value = std::string();
    edit.reading.instance = nullptr;
    edit.reading.documents = nullptr;
  }
  left_out_.erase(edit.key);
  Entry& entry = is_new ? entries_[edit.key] : known->second;
  if (!is_new && entry.value == edit.value && entry.created == edit.created && !entry.held && entry.misread == errors) {
    entry.lease = edit.lease;
    return;
  }
  if (is_new && is_instance_key(edit.key) && parse_key(edit.key)) {
    instances_[service_in(edit.key)].insert(edit.key);
    ++instance_count_;
    guard_.come_back(edit.key, service_in(edit.key));
    vanished_.erase(edit.key);
  }
  if (entry.created != edit.created && entry.created != 0) {
    // Deleted and made anew: what was good of the old one is gone with it. Of what a cache had one can't tell.
    entry.good = nullptr;
    entry.good_value.clear();
    entry.good_instance = nullptr;
  }
  if (entry.good != nullptr && !entry.refused()) {
    entry.good_value = std::move(entry.value);
  }
  entry.value = std::move(edit.value);
  entry.created = edit.created;
  entry.lease = edit.lease;
  if (entry.held) {
    entry.held = false;
    guard_.release(edit.key, guarded_service(edit.key));
  }
  entry.misread = std::move(errors);
  entry.misfit.clear();
  entry.refusal.clear();
  // Of a value that was replaced before it was in force, nothing may come into force later.
  entry.instance = entry.misread.empty() ? std::move(edit.reading.instance) : entry.good_instance;
  entry.wanted = std::move(edit.reading.documents);
  count_bytes(edit.key, entry);
  touched.insert(touched.end(), edit.key);  // of a list, in order
}

void Admission::remove(const std::string& key, bool by_lease, Time now, Keys& touched) {
  left_out_.erase(key);
  const auto known = entries_.find(key);
  if (known == entries_.end() || known->second.held) {
    return;
  }
  const Entry& entry = known->second;
  const bool meant = !by_lease || !is_instance_key(key) || entry.good == nullptr ||
                     (entry.instance != nullptr && entry.instance->terminating);
  if (meant || guard_.off()) {
    erase(key, touched);
    return;
  }
  const std::string service = service_in(key);
  vanished_[key] = entry;
  erase(key, touched);
  const Population rest{.of_service = instances_of(service), .of_all = instance_count_};
  for (const auto& [ignored, keys] : guard_.vanish(key, service, rest, now)) {
    for (const std::string& each : keys) {
      revive(each, touched);
    }
    for (const std::string& each : keys) {
      hold(each);
    }
  }
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
  const bool lost = guard_.is_lost(missing.size(), entries_.size());
  for (const std::string& key : missing) {
    const Entry& entry = entries_[key];
    if (lost && entry.good != nullptr) {
      hold(key);
    } else {
      remove(key, entry.lease != 0, now, touched);
    }
  }
}

void Admission::erase(const std::string& key, Keys& touched) {
  const auto known = entries_.find(key);
  if (known->second.held) {
    guard_.release(key, guarded_service(key));
  }
  bytes_ -= known->second.bytes;
  entries_.erase(known);
  refused_.erase(key);
  contested_resources_.keys.erase(key);
  contested_instances_.keys.erase(key);
  if (is_instance_key(key) && parse_key(key)) {
    const auto siblings = instances_.find(service_in(key));
    siblings->second.erase(key);
    --instance_count_;
    if (siblings->second.empty()) {
      instances_.erase(siblings);
    }
  }
  touched.insert(key);
}

size_t Admission::instances_of(const std::string& service) const {
  const auto siblings = instances_.find(service);
  return siblings == instances_.end() ? 0 : siblings->second.size();
}

void Admission::hold(const std::string& key) {
  entries_[key].held = true;
  const std::string service = guarded_service(key);
  guard_.hold(key, service, instances_of(service) - guard_.held_of(service));
}

void Admission::revive(const std::string& key, Keys& touched) {
  Entry& entry = entries_[key];
  entry = std::move(vanished_.extract(key).mapped());
  bytes_ += entry.bytes;
  instances_[service_in(key)].insert(key);
  ++instance_count_;
  if (entry.refused()) {
    refused_.insert(key);
  }
  touched.insert(key);
}

void Admission::release_replaced(const Keys& touched) {
  Keys services;
  for (const std::string& key : touched) {
    if (is_instance_key(key) && entries_.contains(key) && parse_key(key) && guard_.holds_of(service_in(key))) {
      services.insert(service_in(key));
    }
  }
  Keys released;
  for (const std::string& service : services) {
    size_t live = 0;
    Keys held;
    for (const std::string& key : instances_[service]) {
      const Entry& entry = entries_[key];
      if (entry.held) {
        held.insert(key);
      } else if (entry.good != nullptr && !entry.good_instance->terminating) {
        ++live;
      }
    }
    if (guard_.are_replaced(service, live)) {
      for (const std::string& key : held) {
        erase(key, released);
      }
    }
  }
  settle(released);
}

bool Admission::Contest::speaks_of(const Documents& documents) const {
  if (documents == nullptr || subjects.empty()) {
    return false;
  }
  const Keys own = subjects_of(*documents);
  return std::any_of(own.begin(), own.end(), [&](const std::string& each) { return subjects.contains(each); });
}

void Admission::add_instances_of(const std::string& service_resource, Keys& instances) const {
  if (!service_resource.starts_with(kServices)) {
    return;
  }
  const auto of_service = instances_.find(service_resource.substr(kServices.size()));
  if (of_service != instances_.end()) {
    instances.insert(of_service->second.begin(), of_service->second.end());
  }
}

void Admission::derive(const std::string& key, Entry& entry) {
  const Key parts = *parse_key(key);
  entry.wanted = nullptr;
  entry.misfit.clear();
  const Documents of_service = inventory_.find(service_resource_key(parts.service_key()));
  if (of_service == nullptr || of_service->services.empty()) {
    entry.good = nullptr;
    entry.misfit = {
        {.file = key, .field = "key", .message = "there is no service " + parts.service_key() + " in force"}};
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
  Documents documents = slices_of(key, parts, *entry.instance, *of_service->services.front(), entry.misfit);
  const auto same = [](const auto& a, const auto& b) { return *a == *b; };
  if (documents != nullptr && entry.good != nullptr &&
      std::equal(documents->slices.begin(), documents->slices.end(), entry.good->slices.begin(),
                 entry.good->slices.end(), same)) {
    documents = entry.good;
  }
  entry.wanted = std::move(documents);
}

Documents Admission::desired(const std::string& key) const {
  const auto known = entries_.find(key);
  if (known == entries_.end()) {
    return nullptr;
  }
  return known->second.wanted != nullptr ? known->second.wanted : known->second.good;
}

void Admission::settle(const Keys& touched) {
  Pending pending;
  for (const std::string& key : touched) {
    Keys& keys = is_instance_key(key) ? pending.instances : pending.resources;
    keys.insert(keys.end(), key);  // in order, as they are touched
  }
  while (!pending.resources.empty() || !pending.instances.empty() || pending.contested_instances) {
    decide(false, std::exchange(pending.resources, {}), false, pending);
    decide(true, std::exchange(pending.instances, {}), std::exchange(pending.contested_instances, false), pending);
  }
}

void Admission::decide(bool instances, const Keys& touched, bool again, Pending& pending) {
  Contest& contest = instances ? contested_instances_ : contested_resources_;
  Inventory::Edits edits;
  const auto note = [&](const Documents& documents) {
    again = again || contest.speaks_of(documents);
    pending.contested_instances |= !instances && contested_instances_.speaks_of(documents);
  };
  for (const std::string& key : touched) {
    note(inventory_.find(key));
    if (const auto known = entries_.find(key); known != entries_.end() && known->second.instance != nullptr) {
      derive(key, known->second);
    }
    const auto edit = edits.emplace_hint(edits.end(), key, desired(key));
    note(edit->second);
  }
  Keys reopened;
  const auto reopen = [&] {
    for (const std::string& key : contest.keys) {
      edits[key] = desired(key);
      reopened.insert(key);
    }
  };
  if (again) {
    reopen();
  }
  inventory_.apply(edits);
  if (!inventory_.clean()) {
    if (!again) {
      reopen();
      inventory_.apply(edits);
    }
    again = true;
  }
  if (!again) {
    record(touched, pending);
    return;
  }
  Keys decided = touched;
  decided.merge(reopened);
  for (const std::string& key : decided) {
    if (const auto known = entries_.find(key); known != entries_.end()) {
      known->second.refusal.clear();
    }
  }
  contest = {};
  decided.merge(resolve(instances, pending));
  record(decided, pending);
}

Admission::Keys Admission::resolve(bool instances, Pending& pending) {
  Keys decided;
  if (inventory_.clean()) {
    return decided;
  }
  Contest& contest = instances ? contested_instances_ : contested_resources_;
  Inventory::Edits none;
  for (const std::string& key : inventory_.contested()) {
    const auto known = entries_.find(key);
    if (known == entries_.end() || (!instances && is_instance_key(key))) {
      // Resources come first: against those that are in force then, it is decided next.
      none[key] = nullptr;
      pending.instances.insert(key);
      continue;
    }
    Entry& entry = known->second;
    if (instances && !is_instance_key(key) && !entry.held) {
      continue;  // in force, and to stay so
    }
    none[key] = nullptr;
    decided.insert(key);
    entry.refusal.clear();
    contest.keys.insert(key);
    for (const Documents& each : {entry.wanted, entry.good}) {
      if (each != nullptr) {
        contest.subjects.merge(subjects_of(*each));
      }
    }
  }
  inventory_.apply(none);
  if (!inventory_.clean()) {
    // Resources that agree only with some of these: of all of them, it is decided anew.
    for (const std::string& key : inventory_.contested()) {
      (is_instance_key(key) ? pending.instances : pending.resources).insert(key);
    }
    pending.instances.insert(decided.begin(), decided.end());
    return decided;
  }
  std::vector<std::string> ordered(decided.begin(), decided.end());
  const auto order = [&](const std::string& key) {
    const Entry& entry = entries_[key];
    return std::tuple(entry.held, is_instance_key(key), entry.created, std::string_view(key));
  };
  std::sort(ordered.begin(), ordered.end(),
            [&](const std::string& a, const std::string& b) { return order(a) < order(b); });
  admit(ordered, 0, ordered.size());
  inventory_.apply({});
  return decided;
}

/// All at once if they agree, else half by half: a few bad ones among many cost little more than the many do.
void Admission::admit(const std::vector<std::string>& ordered, size_t first, size_t last) {
  if (first == last) {
    return;
  }
  Inventory::Edits edits;
  Inventory::Edits none;
  for (size_t i = first; i < last; ++i) {
    edits[ordered[i]] = desired(ordered[i]);
    none[ordered[i]] = nullptr;
  }
  inventory_.stage(edits);
  if (inventory_.agrees()) {
    return;
  }
  if (last - first == 1) {
    refuse(ordered[first], entries_[ordered[first]]);
    return;
  }
  inventory_.stage(none);
  const size_t middle = first + (last - first) / 2;
  admit(ordered, first, middle);
  admit(ordered, middle, last);
}

void Admission::refuse(const std::string& key, Entry& entry) {
  const std::vector<Diagnostic> all = inventory_.disagreements();
  for (const Diagnostic& each : all) {
    if (each.file == key && entry.refusal.size() < kMostMessages) {
      entry.refusal.push_back(each);
    }
  }
  if (entry.refusal.empty() && !all.empty()) {
    // Of two that disagree, the message may be about the other one.
    report(entry.refusal, {.file = key,
                           .field = all.front().field,
                           .message = "contradicts what was there before: " + to_string(all.front())});
  }
  const Documents good = entry.wanted != nullptr ? entry.good : nullptr;
  inventory_.stage({{key, good}});
  if (good != nullptr && !inventory_.agrees()) {
    inventory_.stage({{key, nullptr}});
  }
}

void Admission::record(const Keys& decided, Pending& pending) {
  for (const std::string& key : decided) {
    record(key, pending);
  }
  if (keeps_changes_) {
    changed_.insert(decided.begin(), decided.end());
  }
}

/// Remembers what became of a key.
void Admission::record(const std::string& key, Pending& pending) {
  const auto known = entries_.find(key);
  if (known == entries_.end()) {
    add_instances_of(key, pending.instances);
    return;
  }
  Entry& entry = known->second;
  const Documents before = std::exchange(entry.good, inventory_.find(key));
  if (!is_instance_key(key) && before != entry.good) {
    add_instances_of(key, pending.instances);
    pending.contested_instances |= contested_instances_.speaks_of(before) || contested_instances_.speaks_of(entry.good);
  }
  if (entry.held && entry.good == nullptr) {
    Keys ignored;
    erase(key, ignored);  // others have what it had, or its Service went
    return;
  }
  const bool is_refused = entry.refused();
  if (!is_refused || entry.good == nullptr) {
    entry.good_value.clear();
    entry.good_instance = is_refused ? nullptr : entry.instance;
  }
  if (!entry.misread.empty() && entry.good == nullptr) {
    entry.instance = nullptr;
    entry.wanted = nullptr;
    entry.misfit.clear();
    entry.refusal.clear();
  }
  count_bytes(key, entry);
  if (!is_refused) {
    refused_.erase(key);
  } else if (refused_.insert(key).second) {
    ++refusals_;
  }
}

AdmissionStatus Admission::status() const {
  AdmissionStatus status{.keys = entries_.size(),
                         .instances = instance_count_,
                         .in_force = inventory_.files(),
                         .refused = refused_.size() + left_out_.size(),
                         .held = guard_.held().size(),
                         .held_of = {},
                         .refusals = refusals_,
                         .holds = guard_.holds(),
                         .messages = {}};
  if (!left_out_.empty()) {
    status.messages.push_back({.file = std::string(kKeyPrefix),
                               .message = std::to_string(left_out_.size()) + " keys are beyond the bounds of " +
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
  for (auto key = guard_.held().begin(); key != guard_.held().end() && held_of.size() < kMaxDiagnostics; ++key) {
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
