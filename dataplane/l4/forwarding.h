// SPDX-License-Identifier: Apache-2.0
/// @file Ports and next hops as the pipeline sees them: where a packet can leave, and with which Ethernet addresses.
///
/// Immutable; a change of routes or neighbours is a new one. Flows hold on to the numbers of their next hops, so a
/// number keeps its meaning from one to the next. When a route changes, the hops that its flows may hold get new
/// numbers, and the old ones are retired: they are there, and lead nowhere (NextHop::in_force()). Whoever meets one
/// asks for the route again (FamilyPipeline::renew). A retired number means something else only after every worker has
/// found none of its flows holding it (hop_renewal.h). Ports are the node's, in the same order for all workers.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "l4/landing.h"
#include "l4/route_table.h"
#include "lb/policy.h"
#include "lb/prefix.h"

namespace weft::l4 {

constexpr uint8_t kMaxPorts = 16;

struct NextHop {
  std::array<uint8_t, 12> addresses = {};  ///< as a frame begins: the next hop's, the port's own
  uint16_t mtu = 1500;                     ///< of an IP packet; 0: not in force, so that no packet fits
  uint8_t port = 0;

  /// False: retired, or its Ethernet address is not known yet. A flow that holds its number must ask for the route
  /// again.
  bool in_force() const { return mtu != 0; }
};
static_assert(sizeof(NextHop) == 16);

struct Route {
  lb::Prefix prefix;
  uint32_t hop = 0;  ///< a next hop's number; Forwarding::kGroups and above: a group; RouteTable::kNone: none of ours
};

struct Port {
  /// What becomes of a packet that is not weft's.
  enum class Others : uint8_t {
    drop,
    kernel,       ///< sent to `others_hop`, where a kernel is
    from_kernel,  ///< this port is a kernel's: sent to `others_hop` as if the kernel's own card had sent it
  };
  Landing landing;
  uint16_t default_hop = 0;  ///< for destinations without a route: back where they came from (one-armed)
  uint16_t others_hop = 0;
  Others others = Others::drop;
  bool keep_addresses = false;  ///< others' frames go on unchanged
  lb::Rate others_rate = {};    ///< of others' packets to the kernel, a worker; none: without bound
};

class Forwarding {
 public:
  static constexpr uint32_t kGroups = 1 << 16;
  using Group = std::vector<uint16_t>;  ///< next hops, of which each address has one; not empty

  /// @param routes where several match, the longest prefix wins; of equals, the first
  /// @param retires whether a flow may hold a number that was retired
  Forwarding(std::vector<Port> ports, std::vector<NextHop> hops, const std::vector<Route>& routes,
             std::vector<Group> groups = {}, uint64_t epoch = 0, bool retires = false);

  const Port& port(uint8_t number) const { return ports_[number]; }
  size_t ports() const { return ports_.size(); }
  const NextHop& operator[](uint16_t hop) const { return hops_[hop]; }
  size_t hops() const { return hops_.size(); }
  /// The way to an address; without a route, back through the port that the packet came in by.
  uint16_t route(const lb::Address& address, uint8_t ingress) const {
    const uint32_t found = routes_.find(address);
    if (found < kGroups) [[likely]] {
      return static_cast<uint16_t>(found);
    }
    return found == RouteTable::kNone ? ports_[ingress].default_hop : member(groups_[found - kGroups], address);
  }
  uint64_t epoch() const { return epoch_; }
  bool retires() const { return retires_; }

 private:
  /// By the address alone: all of a destination's packets go one way, whatever worker or flow they are of.
  static uint16_t member(const Group& group, const lb::Address& address);

  std::vector<Port> ports_;
  std::vector<NextHop> hops_;
  RouteTable routes_;
  std::vector<Group> groups_;
  uint64_t epoch_;
  bool retires_;
};

}  // namespace weft::l4
