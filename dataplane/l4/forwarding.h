// SPDX-License-Identifier: Apache-2.0
/// @file Ports and next hops as the pipeline sees them: where a packet can leave, and with which Ethernet addresses.
///
/// Immutable; a change of routes or neighbours is a new one. A next hop keeps its number from one to the next, so that
/// flows may hold on to it. Ports are the node's, in the same order for all workers.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "l4/landing.h"
#include "lb/prefix.h"

namespace weft::l4 {

constexpr uint8_t kMaxPorts = 16;

struct NextHop {
  std::array<uint8_t, 12> addresses = {};  ///< as a frame begins: the next hop's, the port's own
  uint16_t mtu = 1500;                     ///< of an IP packet
  uint8_t port = 0;
  bool known = true;  ///< false: its Ethernet address is not
};
static_assert(sizeof(NextHop) == 16);

struct Route {
  lb::Prefix prefix;
  uint16_t hop = 0;
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
};

class Forwarding {
 public:
  /// @param routes where several match, the longest prefix wins
  Forwarding(std::vector<Port> ports, std::vector<NextHop> hops, std::vector<Route> routes);

  const Port& port(uint8_t number) const { return ports_[number]; }
  size_t ports() const { return ports_.size(); }
  const NextHop& operator[](uint16_t hop) const { return hops_[hop]; }
  /// The way to an address; without a route, back through the port that the packet came in by.
  uint16_t route(const lb::Address& address, uint8_t ingress) const {
    for (const Route& route : routes_) {
      if (route.prefix.contains(address)) {
        return route.hop;
      }
    }
    return ports_[ingress].default_hop;
  }

 private:
  std::vector<Port> ports_;
  std::vector<NextHop> hops_;
  std::vector<Route> routes_;  ///< longest prefix first
};

}  // namespace weft::l4
