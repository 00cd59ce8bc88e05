// SPDX-License-Identifier: Apache-2.0
/// @file What the kernel's tables say that concerns the twins: values, as they were dumped.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "lb/address.h"
#include "lb/prefix.h"

namespace weft::kernel {

using Mac = std::array<uint8_t, 6>;

/// A twin as a network interface.
struct Link {
  uint32_t ifindex = 0;
  std::string name;
  uint32_t mtu = 0;
  bool up = false;

  bool operator==(const Link&) const = default;
};

/// One way out of a route; without a gateway, the destination itself is on the link.
struct Via {
  uint32_t ifindex = 0;
  std::optional<lb::Address> gateway;
  uint32_t weight = 1;

  bool operator==(const Via&) const = default;
};

/// Of the main table.
struct Route {
  lb::Prefix destination;
  uint32_t metric = 0;       ///< of two to one destination, the lower counts
  uint32_t mtu = 0;          ///< of the path; 0: not said
  bool unreachable = false;  ///< unreachable, prohibit or blackhole: there is no way
  std::vector<Via> vias;

  bool operator==(const Route&) const = default;
};

struct Neighbour {
  enum class State : uint8_t {
    resolving,  ///< asked for
    good,
    stale,   ///< usable, and to be verified
    failed,  ///< did not answer
  };
  uint32_t ifindex = 0;
  lb::Address address;
  State state = State::failed;
  Mac mac = {};

  bool usable() const { return state == State::good || state == State::stale; }
  bool operator==(const Neighbour&) const = default;
};
std::string_view to_string(Neighbour::State state);

struct Tables {
  std::vector<Link> links;            ///< the twins'
  std::vector<Route> routes;          ///< at most kMaxRoutes
  std::vector<Neighbour> neighbours;  ///< of the twins

  static constexpr size_t kMaxRoutes = 1 << 18;
  uint64_t routes_left_out = 0;  ///< beyond that

  bool operator==(const Tables&) const = default;
};

}  // namespace weft::kernel
