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
/// Resources are decided first, and then instances against the resources that are in force by then: a Service's edit
/// that is refused does not reach its instances.
///
/// Held: when more than a share of a Service's instances (or of all together) go within a window because their leases
/// ended, they stay in force (expiry_guard.h): that is far more often a store that was away, or a network, than so many
/// deaths. They go when the operator accepts it, when their keys come back, when others register their addresses, when
/// as many others as there were before are in force, or with their Service. An instance that said that it terminates,
/// or whose key was deleted, goes at once; so does a resource, whatever lease it was on. When a new list lacks more
/// than half of the keys, and nobody saw them go, all of these are held: a store that was lost.
///
/// One thread; the clock is an argument. Memory: with the inventory and the snapshot, 3.4 KB an
/// instance (bench registry).
#pragma once

#include <set>
#include <string>
#include <unordered_map>
#include <utility>

#include "registry-sync/expiry_guard.h"
#include "registry-sync/inventory.h"
#include "registry-sync/key_edits.h"

namespace weft::registry {

/// What an operator is told.
struct AdmissionStatus {
  size_t keys = 0;
  size_t instances = 0;
  size_t in_force = 0;               ///< keys of which a value is in force, the newest or not
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

  /// Leaves the inventory clean: without errors. Parts of a list are decided as they come if there is nothing that they
  /// could be held against, and all together otherwise: while is_within_list(), the inventory says less than the store.
  void apply(KeyBatch batch, Time now);
  /// Does the inventory say a part of a list, whose rest is still to come?
  bool is_within_list() const { return list_ == List::decided; }
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
  using Keys = std::set<std::string>;

  struct Entry {
    std::string value;  ///< the newest
    int64_t created = 0;
    int64_t lease = 0;
    std::shared_ptr<const Instance> instance;       ///< the newest that could be read; if `value` can't, good_instance
    std::shared_ptr<const Instance> good_instance;  ///< what `good` was made of
    Documents wanted;                               ///< what it asks for; null: it can't be read, or fits no Service
    Documents good;                                 ///< in force; null: nothing
    std::string good_value;                         ///< what `good` was read from, if not `value`
    std::vector<Diagnostic> misread;                ///< what is wrong with the newest value by itself
    std::vector<Diagnostic> misfit;                 ///< why an instance does not fit its Service
    std::vector<Diagnostic> refusal;                ///< what `wanted` contradicts
    bool held = false;
    size_t bytes = 0;  ///< as counted in bytes_

    bool refused() const { return !misread.empty() || !misfit.empty() || !refusal.empty(); }
  };
  /// What had to be decided when documents last disagreed.
  struct Contest {
    Keys keys;
    Keys subjects;  ///< what that spoke of: when it changes, it is decided anew

    bool speaks_of(const Documents& documents) const;
  };
  /// What is still to be decided.
  struct Pending {
    Keys resources;
    Keys instances;
    bool contested_instances = false;  ///< those that are contested, too
  };

  enum class List : uint8_t {
    none,
    decided,   ///< part by part
    gathered,  ///< until its end
  };

  /// @returns what is to be decided now
  KeyBatch take_part(KeyBatch part, Keys& touched);
  /// What is in force of it.
  static KeyEdit shown(const std::string& key, const Entry& entry);
  void put(KeyEdit& edit, Keys& touched);
  /// Is there no room for it?
  bool is_beyond_bounds(const KeyEdit& edit, const Entry* known) const;
  void count_bytes(const std::string& key, Entry& entry);
  void remove(const std::string& key, bool by_lease, Time now, Keys& touched);
  void sweep(const KeyBatch& batch, Time now, Keys& touched);
  void erase(const std::string& key, Keys& touched);
  size_t instances_of(const std::string& service) const;
  void hold(const std::string& key);
  /// Puts back what vanished.
  void revive(const std::string& key, Keys& touched);
  /// Lets go of who is held of these instances' Services, if they have been replaced.
  void release_replaced(const Keys& touched);

  void settle(const Keys& touched);
  /// Decides resources, or instances. What that leaves to be decided is added to `pending`.
  void decide(bool instances, const Keys& touched, bool again, Pending& pending);
  /// What a key asks to be in force.
  Documents desired(const std::string& key) const;
  /// What an instance is to its Service.
  void derive(const std::string& key, Entry& entry);
  /// Admits one after another what disagrees. @returns what it decided
  Keys resolve(bool instances, Pending& pending);
  void admit(const std::vector<std::string>& ordered, size_t first, size_t last);
  void refuse(const std::string& key, Entry& entry);
  void record(const Keys& decided, Pending& pending);
  void record(const std::string& key, Pending& pending);
  void add_instances_of(const std::string& service_resource, Keys& instances) const;

  Inventory& inventory_;
  Abilities abilities_;
  ExpiryGuard guard_;
  Bounds bounds_;
  std::unordered_map<std::string, Entry> entries_;
  std::unordered_map<std::string, Entry> vanished_;  ///< within the guard's window
  std::unordered_map<std::string, Keys> instances_;  ///< by "namespace/service"
  size_t instance_count_ = 0;
  size_t bytes_ = 0;
  Keys refused_;
  Contest contested_resources_;
  Contest contested_instances_;  ///< and held resources
  uint64_t refusals_ = 0;
  bool keeps_changes_ = false;
  Keys changed_;            ///< for take_changes()
  List list_ = List::none;  ///< that is coming in parts
  std::vector<KeyEdit> gathered_;
  Keys left_out_;  ///< keys that found no room; at most kMostLeftOut
};

}  // namespace weft::registry
