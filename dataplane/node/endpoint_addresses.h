// SPDX-License-Identifier: Apache-2.0
/// @file The addresses of all endpoints that packets are sent to, each once, kept up by what changed: a mesh of 100,000
/// endpoints has a thousand changes a second, and looking at all of them with each would take a core.
///
/// Those that left the registry are among them as long as flows hold them. One thread; about 150 bytes an endpoint.
#pragma once

#include <map>
#include <unordered_map>
#include <vector>

#include "kernel/follower.h"
#include "registry-sync/registry.h"

namespace weft::node {

class EndpointAddresses {
 public:
  /// What came and what went, in the order in which it did: several endpoints may have one address, and only the first
  /// and the last of them say something. Costs what `changes` have.
  std::vector<kernel::Follower::Wish> take(const registry::TrackedChanges& changes) {
    std::vector<kernel::Follower::Wish> wishes;
    for (const registry::TrackedEndpoint& endpoint : changes.gone) {
      if (const auto known = of_slot_.find(endpoint.slot); known != of_slot_.end()) {
        release(known->second, wishes);
        of_slot_.erase(known);
      }
    }
    for (const registry::TrackedEndpoint& endpoint : changes.changed) {
      const auto [known, is_new] = of_slot_.try_emplace(endpoint.slot, endpoint.address);
      if (!is_new && known->second == endpoint.address) {
        continue;
      }
      use(endpoint.address, wishes);
      if (!is_new) {
        release(std::exchange(known->second, endpoint.address), wishes);
      }
    }
    return wishes;
  }

 private:
  void use(const lb::Address& address, std::vector<kernel::Follower::Wish>& wishes) {
    if (++uses_[address] == 1) {
      wishes.push_back({.endpoint = address, .wanted = true});
    }
  }
  void release(const lb::Address& address, std::vector<kernel::Follower::Wish>& wishes) {
    const auto used = uses_.find(address);
    if (--used->second == 0) {
      uses_.erase(used);
      wishes.push_back({.endpoint = address, .wanted = false});
    }
  }

  std::unordered_map<uint32_t, lb::Address> of_slot_;
  std::map<lb::Address, uint32_t> uses_;
};

}  // namespace weft::node
