// SPDX-License-Identifier: Apache-2.0
/// @file From publications of the registry to edits of eBPF's maps, in the order that keeps every reply on its way.
///
/// A worker may choose an endpoint only once eBPF brings it the endpoint's replies, and eBPF asks for requests of a VIP
/// only once workers can choose; an endpoint that left stays while it has flows. So take() adds endpoints, publishes
/// the snapshot, adds VIPs, and then erases what nobody needs. It edits what changed: two services may share a VIP or
/// an endpoint, so uses are counted.
///
/// When an endpoint can't be added, the snapshot before stays in force (is_behind()), and a later take() or retry()
/// goes on. Until then no slot may be given to another: workers still choose by the older snapshot.
///
/// One thread: the registry's. About 250 bytes an endpoint.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <tl/expected.hpp>
#include <vector>

#include "pods/steering_maps.h"
#include "registry-sync/registry.h"

namespace weft::node {

/// What is to stand in a map, by how many it is used, and how that differs from what stands there.
template <typename Key>
class Wanted {
 public:
  /// It stands there, wanted or not.
  void found(const Key& key) { excess_.insert(key); }
  void use(const Key& key) {
    if (++uses_[key] == 1 && excess_.erase(key) == 0) {
      missing_.insert(key);
    }
  }
  /// Precondition: one use more was said than was taken back.
  void release(const Key& key) {
    const auto used = uses_.find(key);
    if (--used->second > 0) {
      return;
    }
    uses_.erase(used);
    if (missing_.erase(key) == 0) {
      excess_.insert(key);
    }
  }

  std::vector<Key> missing() const { return {missing_.begin(), missing_.end()}; }
  std::vector<Key> excess() const { return {excess_.begin(), excess_.end()}; }
  void added() { missing_.clear(); }
  void erased() { excess_.clear(); }

 private:
  std::map<Key, uint32_t> uses_;
  std::set<Key> missing_;
  std::set<Key> excess_;
};

class Steering {
 public:
  using Done = tl::expected<void, std::string>;
  /// Returns when no worker reads an older one.
  using Publish = std::function<void(const std::shared_ptr<const lb::Snapshot>&)>;

  /// @param maps outlive this; what stands there and is not wanted goes with the first take()
  Steering(pods::SteeringMaps& maps, Publish publish);

  /// @returns why something could not be done yet
  Done take(const registry::Publication& publication);
  /// Goes on where take() ended with an error; does nothing after one without.
  Done retry();

  /// Is a snapshot held back?
  bool is_behind() const { return pending_ != nullptr; }

 private:
  struct Slot {
    registry::TrackedEndpoint tracked;
    bool direct = false;  ///< flows were made for it while its service's mode was dsr, and may be there still
  };

  void note(const registry::TrackedChanges& changes);
  void note(const lb::ServiceList::Shared& services);
  void use(const lb::Service& service);
  void release(const Slot& slot);
  Done settle();
  Done add_replies();
  Done erase_replies();

  pods::SteeringMaps& maps_;
  Publish publish_;
  std::map<uint32_t, Slot> slots_;
  lb::ServiceList::Shared services_;  ///< of the latest snapshot taken
  Wanted<lb::Address> vips_;
  Wanted<pods::Endpoint> endpoints_;
  Wanted<pods::DirectEndpoint> direct_;
  std::shared_ptr<const lb::Snapshot> pending_;  ///< taken and not yet published
  bool settled_ = true;                          ///< the last settle() ended without an error
};

}  // namespace weft::node
