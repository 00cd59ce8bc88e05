// SPDX-License-Identifier: Apache-2.0
/// @file What of a key-value store is in force: each key by itself, so that one that is bad hurts nobody else.
///
/// A key is refused, with a message, if its value says something wrong, or something that contradicts what is in force
/// of other keys. Then the key's last good value stays in force, if that contradicts nothing. Who wins of keys that
/// contradict each other does not depend on when they were seen: resources come before instances, and of each the one
/// that was created first (etcd's create revision, then the key). A refused key is looked at again when what it spoke
/// of changes.
///
/// So what is in force follows from the store's content alone, with these exceptions, which a node that starts anew
/// does not have: last good values; and instances that are held.
///
/// Held: when more than a share of a Service's instances (or of all together) go within a window because their leases
/// ended, they stay in force: that is far more often a store that was away, or a network, than so many deaths. They go
/// when the operator accepts it, when their keys come back, when others register their addresses, or with their
/// Service. An instance that said that it terminates, or whose key was deleted, goes at once. When a new list lacks
/// more than half of the keys, and nobody saw them go, all of these are held: a store that was lost.
///
/// One thread; the clock is an argument. Memory: about 1.5 KB an instance, of which the inventory has most.
#pragma once

#include <deque>
#include <map>
#include <set>
#include <string>
#include <unordered_map>
#include <utility>

#include "registry-sync/choose.h"
#include "registry-sync/inventory.h"
#include "registry-sync/key_edits.h"

namespace weft::registry {

struct Guard {
  uint32_t percent = 50;  ///< of a Service's instances, which may go within the window; 100: the guard is off
  uint32_t least = 4;     ///< instances that there must be for the guard to look
  std::chrono::seconds window{30};
};

/// What an operator is told.
struct AdmissionStatus {
  size_t keys = 0;
  size_t instances = 0;
  size_t refused = 0;                ///< keys whose newest value is not in force
  size_t held = 0;                   ///< keys that are gone, and in force
  std::vector<std::string> held_of;  ///< services that have held instances, and resources; at most kMaxDiagnostics
  uint64_t refusals = 0;             ///< ever
  uint64_t holds = 0;                ///< ever: keys
  std::vector<Diagnostic> messages;  ///< of refused keys, in their order, at most kMaxDiagnostics
};

class Admission {
 public:
  struct Bounds {
    size_t keys = 1'000'000;
    size_t bytes = size_t{2} << 30;  ///< of keys and values
  };

  Admission(Inventory& inventory, Abilities abilities, Guard guard, Bounds bounds)
      : inventory_(inventory), abilities_(std::move(abilities)), guard_(guard), bounds_(bounds) {}
  Admission(Inventory& inventory, Abilities abilities, Guard guard)
      : Admission(inventory, std::move(abilities), guard, Bounds()) {}

  /// Leaves the inventory clean: without errors.
  void apply(KeyBatch batch, Time now);
  /// Lets go of all that is held.
  void accept();

  AdmissionStatus status() const;
  /// Keys and values that are in force, in the order of keys, for who keeps them: the last good values.
  std::vector<KeyEdit> in_force() const;
  /// From now on take_changes() has something to say.
  void keep_changes() { keeps_changes_ = true; }
  /// Keys of which another value is in force, or none, than at the last call: maybe some of which it is the same.
  std::vector<KeyEdit> take_changes();

 private:
  struct Entry {
    std::string value;  ///< the newest
    int64_t created = 0;
    int64_t lease = 0;
    std::shared_ptr<const Instance> instance;  ///< the newest that could be read
    Documents wanted;                          ///< what it asks for; null: it can't be read, or fits no Service
    Documents good;                            ///< in force; null: nothing
    std::string good_value;                    ///< what `good` was read from, if not `value`
    std::vector<Diagnostic> misread;           ///< what is wrong with the newest value by itself
    std::vector<Diagnostic> misfit;            ///< why an instance does not fit its Service
    std::vector<Diagnostic> refusal;           ///< what `wanted` contradicts
    bool held = false;

    bool refused() const { return !misread.empty() || !misfit.empty() || !refusal.empty(); }
  };
  using Entries = std::unordered_map<std::string, Entry>;
  /// An instance that went by its lease's end.
  struct Vanished {
    Time at;
    Entry entry;
  };
  using Keys = std::set<std::string>;

  /// What is in force of it.
  static KeyEdit shown(const std::string& key, const Entry& entry);
  void put(KeyEdit& edit, Keys& touched);
  void remove(const std::string& key, bool by_lease, Time now, Keys& touched);
  void sweep(const KeyBatch& batch, Time now, Keys& touched);
  void erase(const std::string& key, Keys& touched);
  /// Holds what vanished of late, if that is too much.
  void guard(const std::string& service, Keys& touched);
  bool too_many(size_t vanished, size_t left) const;
  void hold(const Keys& vanished, Keys& touched);
  void forget_vanished(const std::string& key);
  void forget_vanished_before(Time then);
  void set_held(const std::string& key, bool held);
  /// Instances whose Service changed are looked at again.
  void add_instances_of_services(Keys& touched) const;
  /// What an instance is to its Service.
  void derive(const std::string& key, Entry& entry);
  void settle(const Keys& touched);
  /// Admits one after another what disagrees.
  void resolve();
  void admit(const std::vector<std::string>& ordered, size_t first, size_t last, const std::set<std::string>& among);
  void refuse(const std::string& key, Entry& entry, const std::set<std::string>& among);
  void record(const std::string& key);
  const Service* service_of(const Key& key) const;

  Inventory& inventory_;
  Abilities abilities_;
  Guard guard_;
  Bounds bounds_;
  Entries entries_;
  std::unordered_map<std::string, Keys> instances_;  ///< by "namespace/service"
  size_t instance_count_ = 0;
  size_t bytes_ = 0;
  Keys refused_;
  Keys held_;
  size_t held_instances_ = 0;
  std::unordered_map<std::string, size_t> held_of_;          ///< by service
  std::unordered_map<std::string, Vanished> vanished_;       ///< within the window, by key
  std::unordered_map<std::string, Keys> vanished_of_;        ///< these, by service
  std::deque<std::pair<Time, std::string>> vanished_order_;  ///< these, and some that came back
  Keys contested_;                                           ///< what had to be decided when documents last disagreed
  Keys contested_subjects_;  ///< what that spoke of: when it changes, it is decided anew
  uint64_t refusals_ = 0;
  uint64_t holds_ = 0;
  bool keeps_changes_ = false;
  Keys changed_;              ///< for take_changes()
  size_t beyond_bounds_ = 0;  ///< edits of keys that found no room, since the last whole list
};

}  // namespace weft::registry
