// SPDX-License-Identifier: Apache-2.0
/// @file From the kernel's tables to the workers' forwarding: a pure function of what was dumped and of the numbers
/// that were given before.
///
/// - Networks of the configuration come before the kernel's routes. Of the kernel's, those over a twin lead to its
///   uplink; one over any other interface hides less specific ones, and is none for weft. But not within a network of
///   the configuration: there it is how the kernel reaches a pod.
/// - Of a route with several ways, each destination address has one, by weight (RFC 2992 without the flow's ports).
/// - On a link, each neighbour that the kernel knows is a next hop of its own; who is not known yet has none in force.
/// - When a route changes, the numbers of the hops that its flows may hold are retired, and their flows ask anew: so
///   established flows follow the kernel's routes.
///
/// Slow path, one thread.
#pragma once

#include <memory>
#include <optional>
#include <set>
#include <vector>

#include "kernel/hop_numbers.h"
#include "kernel/tables.h"
#include "l4/forwarding.h"

namespace weft::kernel {

/// What does not change while the node runs.
struct Base {
  struct Port {
    l4::Port view;      ///< but for its hops
    l4::NextHop fixed;  ///< whom the configuration names; not in force if nobody
    uint16_t mtu = 1500;
    Mac mac = {};
    uint8_t others_port = 0;     ///< where others' packets go
    std::string twin_name = {};  ///< the interface that is its twin; empty: none
  };
  struct Network {
    lb::Prefix prefix;
    uint8_t port = 0;
  };
  std::vector<Port> ports;
  std::vector<Network> networks;
};

/// Whom the kernel is to be asked for.
struct Wanted {
  uint32_t ifindex = 0;
  lb::Address address;

  auto operator<=>(const Wanted&) const = default;
};

class Router {
 public:
  /// On a link, more are left unresolved.
  static constexpr size_t kMaxNeighbours = 16384;

  /// @param most_hops numbers that there are: 2^16 at most
  explicit Router(Base base, uint32_t most_hops = l4::Forwarding::kGroups);

  /// @param renewed the latest epoch of which no worker's flows hold retired numbers
  /// @returns nothing if there is nothing new, or too few numbers are free for now: then postponed() says so
  std::shared_ptr<const l4::Forwarding> next(std::shared_ptr<const Tables> tables, uint64_t renewed);
  bool postponed() const { return postponed_; }
  /// What next() made last; null before.
  const std::shared_ptr<const l4::Forwarding>& current() const { return current_; }

  /// Gateways of all routes in force, whether they are resolved or not.
  std::vector<Wanted> gateways() const;
  /// The neighbour who stands for an address, in the last forwarding; none if none would help.
  std::optional<Wanted> neighbour_for(const lb::Address& address) const;

 private:
  using Target = std::vector<HopIdentity>;  ///< ways of one route; none: no way of ours
  struct Entry {
    lb::Prefix prefix;
    uint32_t target = 0;  ///< in targets
  };
  struct Plan {
    std::vector<Entry> entries;  ///< sorted, one a prefix
    std::vector<Target> targets;
  };
  class PlanBuilder;

  Plan plan(const Tables& tables) const;
  bool is_in_a_network(const lb::Prefix& prefix) const;
  Target target_of(const Route& route, const Tables& tables) const;
  std::optional<uint8_t> port_of(uint32_t ifindex, const Tables& tables) const;
  /// Identities whose flows may have to go elsewhere.
  std::set<HopIdentity> moved(const Plan& before, const Plan& after) const;
  std::set<HopIdentity> fixed_hops() const;
  /// Every number's hop.
  std::vector<l4::NextHop> hops(const Tables& tables) const;
  std::vector<l4::Port> ports();
  std::shared_ptr<const l4::Forwarding> build(const Plan& plan, const Tables& tables);

  const Base base_;
  HopNumbers numbers_;
  std::shared_ptr<const Tables> tables_ = std::make_shared<const Tables>();
  Plan plan_;
  std::vector<Wanted> gateways_;
  std::shared_ptr<const l4::Forwarding> current_;
  std::optional<l4::RouteTable> index_;  ///< of plan_'s entries' targets
  uint64_t epoch_ = 0;
  bool postponed_ = false;
};

}  // namespace weft::kernel
