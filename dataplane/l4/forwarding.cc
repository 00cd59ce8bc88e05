// SPDX-License-Identifier: Apache-2.0
#include "l4/forwarding.h"

#include <bit>

namespace weft::l4 {
namespace {

std::vector<RouteTable::Entry> entries_of(const std::vector<Route>& routes) {
  std::vector<RouteTable::Entry> entries;
  entries.reserve(routes.size());
  for (const Route& route : routes) {
    entries.push_back({.prefix = route.prefix, .value = route.hop});
  }
  return entries;
}

}  // namespace

Forwarding::Forwarding(std::vector<Port> ports, std::vector<NextHop> hops, const std::vector<Route>& routes,
                       std::vector<Group> groups, uint64_t epoch, bool retires)
    : ports_(std::move(ports)),
      hops_(std::move(hops)),
      routes_(entries_of(routes)),
      groups_(std::move(groups)),
      epoch_(epoch),
      retires_(retires) {}

uint16_t Forwarding::member(const Group& group, const lb::Address& address) {
  const auto words = std::bit_cast<std::array<uint64_t, 2>>(address.ipv6());
  const uint64_t mixed = (words[0] ^ words[1] >> 7) * 0x9e3779b97f4a7c15 + words[1] * 0xd6e8feb86659fd93;
  return group[(mixed >> 32) % group.size()];
}

}  // namespace weft::l4
