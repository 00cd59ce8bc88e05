// SPDX-License-Identifier: Apache-2.0
#include "l4/forwarding.h"

#include "lb/flow_key.h"

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
  return group[hash_of(address, 0) % group.size()];
}

}  // namespace weft::l4
