// SPDX-License-Identifier: Apache-2.0
/// @file The ports of one worker as the pipeline sees them: where a packet can leave, and with which Ethernet
/// addresses.
///
/// Filled at start, then read only. Ports are counted in each worker's own order.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "lb/address.h"

namespace weft::l4 {

constexpr uint8_t kMaxPorts = 16;

struct Egress {
  std::array<uint8_t, 12> addresses = {};  ///< as a frame begins: the next hop's, the port's own
  bool kernel_behind = false;              ///< a frame sent unchanged reaches this host's kernel
};

/// Destinations that lie behind a port.
struct Network {
  uint32_t prefix = 0;  ///< host order, masked
  uint32_t mask = 0;    ///< host order
  uint8_t port = 0;
};

struct Egresses {
  std::vector<Egress> ports;
  std::vector<Network> networks;  ///< longest prefix first

  /// The port to send towards an address; without a network for it, back where the packet came from (one-armed).
  uint8_t route(lb::Ipv4Address address, uint8_t ingress) const {
    for (const Network& network : networks) {
      if ((to_host(address) & network.mask) == network.prefix) {
        return network.port;
      }
    }
    return ingress;
  }
};

}  // namespace weft::l4
