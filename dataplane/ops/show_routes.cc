// SPDX-License-Identifier: Apache-2.0
// What the kernel's routes and neighbours make of forwarding.
#include <fmt/format.h>

#include <charconv>

#include "ops/show.h"
#include "registry-sync/diagnostic.h"
#include "runtime/port.h"

namespace weft::ops {
namespace {

constexpr size_t kDefaultLimit = 1000;

std::string interface_of(const kernel::Tables& tables, uint32_t ifindex) {
  for (const kernel::Link& link : tables.links) {
    if (link.ifindex == ifindex) {
      return link.name;
    }
  }
  return "";
}

/// @param route as the configuration or the kernel has it
Json row_of(const kernel::Route& route, const kernel::Via* via, const kernel::Tables& tables) {
  const std::string interface = via == nullptr ? "" : interface_of(tables, via->ifindex);
  return {{"destination", to_string(route.destination)},
          {"via", via != nullptr && via->gateway ? to_string(*via->gateway) : ""},
          {"twin", interface},
          {"metric", route.metric},
          {"mtu", route.mtu == 0 ? Json("") : Json(route.mtu)},
          {"kind", route.unreachable   ? "unreachable"
                   : interface.empty() ? "not by a twin"
                   : via->gateway      ? "gateway"
                                       : "on the link"}};
}

/// The longest prefix's, and of those to one destination the one with the lowest metric.
const kernel::Route* best(const kernel::Tables& tables, const lb::Address& address) {
  const kernel::Route* found = nullptr;
  for (const kernel::Route& route : tables.routes) {
    const bool better = found == nullptr || route.destination.length > found->destination.length ||
                        (route.destination.length == found->destination.length && route.metric < found->metric);
    if (route.destination.contains(address) && better) {
      found = &route;
    }
  }
  return found;
}

}  // namespace

Answer show_routes(node::Node& node, const Words& arguments) {
  Json list = Json::array();
  std::optional<lb::Address> address;
  size_t limit = kDefaultLimit;
  if (arguments.size() == 2 && arguments[0] == "limit") {
    const std::string& text = arguments[1];
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), limit);
    if (error != std::errc{} || end != text.data() + text.size()) {
      return tl::unexpected(std::string());
    }
  } else if (arguments.size() == 1) {
    address = lb::parse_address(arguments[0]);
    if (!address) {
      return tl::unexpected("expected an address, got " + registry::in_quotes(arguments[0]));
    }
  } else if (!arguments.empty()) {
    return tl::unexpected(std::string());
  }
  if (node.routes() == nullptr) {
    return list;
  }
  const kernel::Follower::View view = node.routes()->view();
  const auto add = [&](const kernel::Route& route) {
    if (route.vias.empty()) {
      list.push_back(row_of(route, nullptr, *view.tables));
    }
    for (const kernel::Via& via : route.vias) {
      list.push_back(row_of(route, &via, *view.tables));
    }
  };
  if (address) {
    if (const kernel::Route* route = best(*view.tables, *address); route != nullptr) {
      add(*route);
    }
    return list;
  }
  for (const kernel::Route& route : view.tables->routes) {
    if (list.size() >= limit) {
      break;
    }
    add(route);
  }
  return list;
}

Answer show_neighbours(node::Node& node, const Words&) {
  Json list = Json::array();
  if (node.routes() == nullptr) {
    return list;
  }
  const kernel::Follower::View view = node.routes()->view();
  for (const kernel::Neighbour& neighbour : view.tables->neighbours) {
    list.push_back({{"address", to_string(neighbour.address)},
                    {"twin", interface_of(*view.tables, neighbour.ifindex)},
                    {"mac", neighbour.usable() ? runtime::to_string(neighbour.mac) : ""},
                    {"state", to_string(neighbour.state)}});
  }
  return list;
}

}  // namespace weft::ops
