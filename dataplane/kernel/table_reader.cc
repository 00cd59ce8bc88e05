// SPDX-License-Identifier: Apache-2.0
#include "kernel/table_reader.h"

#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <netlink/msg.h>
#include <netlink/route/neighbour.h>
#include <netlink/route/route.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <memory>

namespace weft::kernel {
namespace {

constexpr int kAttempts = 10;  // the kernel breaks a dump off when what it lists changes meanwhile

template <typename Object>
using Owned = std::unique_ptr<Object, void (*)(Object*)>;

/// @param family of an address that has no bytes: a default route's
std::optional<lb::Address> address_of(nl_addr* address, int family) {
  if (family != AF_INET && family != AF_INET6) {
    return std::nullopt;
  }
  const uint32_t length = address == nullptr ? 0 : nl_addr_get_len(address);
  const size_t whole = family == AF_INET ? sizeof(lb::Ipv4Address) : sizeof(lb::Ipv6Address);
  if (length > whole) {
    return std::nullopt;
  }
  lb::Ipv6Address bytes{};
  if (length > 0) {
    std::memcpy(bytes.bytes.data(), nl_addr_get_binary_addr(address), length);
  }
  if (family == AF_INET) {
    lb::Ipv4Address ipv4{};
    std::memcpy(&ipv4, bytes.bytes.data(), sizeof ipv4);
    return ipv4;
  }
  return bytes;
}

std::optional<lb::Address> address_of(nl_addr* address) {
  return address == nullptr ? std::nullopt : address_of(address, nl_addr_get_family(address));
}

bool is_multicast(const lb::Address& address) {
  return address.is_ipv4() ? lb::to_host(address.ipv4()) >> 28 == 14 : address.ipv6().bytes[0] == 0xff;
}
/// Means something on its link alone.
bool is_link_local(const lb::Address& address) {
  const auto& bytes = address.ipv6().bytes;
  return bytes[0] == 0xfe && (bytes[1] & 0xc0) == 0x80;
}

/// Calls `use(message)` for each message of a dump. @returns libnl's error
template <typename Header, typename Use>
int dump(nl_sock* socket, int type, Header header, Use use) {
  const std::unique_ptr<nl_cb, decltype(&nl_cb_put)> callbacks(nl_cb_alloc(NL_CB_DEFAULT), nl_cb_put);
  const auto call = [](nl_msg* message, void* argument) {
    (*static_cast<Use*>(argument))(nlmsg_hdr(message));
    return static_cast<int>(NL_OK);
  };
  nl_cb_set(callbacks.get(), NL_CB_VALID, NL_CB_CUSTOM, call, &use);
  if (const int error = nl_send_simple(socket, type, NLM_F_DUMP, &header, sizeof header); error < 0) {
    return error;
  }
  return nl_recvmsgs(socket, callbacks.get());
}

/// The same until it goes through; `start()` throws away what came before.
template <typename Header, typename Start, typename Use>
tl::expected<void, std::string> dump_whole(nl_sock* socket, int type, Header header, std::string_view what, Start start,
                                           Use use) {
  int error = 0;
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    start();
    error = dump(socket, type, header, use);
    if (error >= 0) {
      return {};
    }
    if (error != -NLE_DUMP_INTR) {
      break;
    }
  }
  return tl::unexpected("cannot read the kernel's " + std::string(what) + ": " + nl_geterror(error));
}

std::optional<Via> via_of(rtnl_nexthop* hop) {
  if ((rtnl_route_nh_get_flags(hop) & (RTNH_F_DEAD | RTNH_F_LINKDOWN)) != 0) {
    return std::nullopt;
  }
  nl_addr* gateway = rtnl_route_nh_get_gateway(hop);
  gateway = gateway == nullptr ? rtnl_route_nh_get_via(hop) : gateway;  // IPv4 by way of IPv6: RFC 8950
  return Via{.ifindex = static_cast<uint32_t>(rtnl_route_nh_get_ifindex(hop)),
             .gateway = address_of(gateway),
             .weight = uint32_t{rtnl_route_nh_get_weight(hop)} + 1};
}

/// Nothing if it is not of the main table, or no way anywhere in particular.
std::optional<Route> route_of(rtnl_route* route) {
  const int type = rtnl_route_get_type(route);
  const bool unreachable = type == RTN_UNREACHABLE || type == RTN_PROHIBIT || type == RTN_BLACKHOLE;
  if (rtnl_route_get_table(route) != RT_TABLE_MAIN || rtnl_route_get_tos(route) != 0 ||
      (rtnl_route_get_flags(route) & RTM_F_CLONED) != 0 || (type != RTN_UNICAST && !unreachable)) {
    return std::nullopt;
  }
  nl_addr* destination = rtnl_route_get_dst(route);
  const auto address = address_of(destination, rtnl_route_get_family(route));
  if (!address || is_multicast(*address) || is_link_local(*address)) {
    return std::nullopt;
  }
  const uint32_t length = destination == nullptr ? 0 : nl_addr_get_prefixlen(destination);
  Route found{.destination = {.address = *address, .length = static_cast<uint8_t>(length)},
              .metric = rtnl_route_get_priority(route),
              .unreachable = unreachable};
  rtnl_route_get_metric(route, RTAX_MTU, &found.mtu);
  for (int i = 0; i < rtnl_route_get_nnexthops(route); ++i) {
    if (auto via = via_of(rtnl_route_nexthop_n(route, i))) {
      found.vias.push_back(*via);
    }
  }
  return found;
}

Neighbour::State state_of(int state) {
  if ((state & (NUD_PERMANENT | NUD_NOARP | NUD_REACHABLE | NUD_DELAY | NUD_PROBE)) != 0) {
    return Neighbour::State::good;
  }
  return (state & NUD_STALE) != 0        ? Neighbour::State::stale
         : (state & NUD_INCOMPLETE) != 0 ? Neighbour::State::resolving
                                         : Neighbour::State::failed;
}

}  // namespace

tl::expected<TableReader, std::string> TableReader::open(std::vector<std::string> twins) {
  auto netlink = pods::Netlink::open();
  auto asking = pods::Netlink::open();
  if (!netlink || !asking) {
    return tl::unexpected(netlink ? asking.error() : netlink.error());
  }
  nl_socket_disable_auto_ack(asking->socket());
  pods::Fd events(socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_ROUTE));
  constexpr uint32_t kNextHops = uint32_t{1} << (RTNLGRP_NEXTHOP - 1);
  const sockaddr_nl address{
      .nl_family = AF_NETLINK,
      .nl_pad = 0,
      .nl_pid = 0,
      .nl_groups = RTMGRP_LINK | RTMGRP_NEIGH | RTMGRP_IPV4_ROUTE | RTMGRP_IPV6_ROUTE | kNextHops};
  if (!events || bind(events.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    return tl::unexpected(std::string("cannot listen for changes of routes: ") + std::strerror(errno));
  }
  return TableReader(std::move(*netlink), std::move(*asking), std::move(events), std::move(twins));
}

Changes TableReader::take_changes() const {
  Changes changes;
  alignas(nlmsghdr) std::array<char, 16384> messages;
  for (;;) {
    const ssize_t received = recv(fd(), messages.data(), messages.size(), MSG_DONTWAIT);
    if (received < 0 && errno == ENOBUFS) {  // some were lost
      changes = Changes::all();
      continue;
    }
    if (received < 0) {
      return changes;
    }
    int left = static_cast<int>(received);
    for (auto* message = reinterpret_cast<nlmsghdr*>(messages.data()); nlmsg_ok(message, left) != 0;
         message = nlmsg_next(message, &left)) {
      const int type = message->nlmsg_type;
      changes.links |= type == RTM_NEWLINK || type == RTM_DELLINK;
      changes.neighbours |= type == RTM_NEWNEIGH || type == RTM_DELNEIGH;
      changes.routes |=
          type == RTM_NEWROUTE || type == RTM_DELROUTE || type == RTM_NEWNEXTHOP || type == RTM_DELNEXTHOP;
    }
  }
}

tl::expected<void, std::string> TableReader::read(const Changes& which, Tables& tables) const {
  tl::expected<void, std::string> done;
  if (which.links) {
    done = read_links(tables);
  }
  if (done && which.routes) {
    done = read_routes(tables);
  }
  return done && which.neighbours ? read_neighbours(tables) : done;
}

tl::expected<void, std::string> TableReader::read_links(Tables& tables) const {
  auto links = netlink_.links();
  if (!links) {
    return tl::unexpected(links.error());
  }
  tables.links.clear();
  for (const pods::Link& link : *links) {
    if (std::find(twins_.begin(), twins_.end(), link.name) != twins_.end()) {
      tables.links.push_back({.ifindex = link.ifindex, .name = link.name, .mtu = link.mtu, .up = link.up});
    }
  }
  return {};
}

tl::expected<void, std::string> TableReader::read_routes(Tables& tables) const {
  std::vector<Route> routes;
  uint64_t left_out = 0;
  for (const int family : {AF_INET, AF_INET6}) {
    const size_t before = routes.size();
    const uint64_t left_out_before = left_out;
    const auto done = dump_whole(
        netlink_.socket(), RTM_GETROUTE, rtmsg{.rtm_family = static_cast<uint8_t>(family)}, "routes",
        [&] {
          routes.resize(before);
          left_out = left_out_before;
        },
        [&](nlmsghdr* message) {
          rtnl_route* raw = nullptr;
          if (rtnl_route_parse(message, &raw) < 0) {
            return;
          }
          const Owned<rtnl_route> route(raw, rtnl_route_put);
          if (auto found = route_of(raw)) {
            if (routes.size() < Tables::kMaxRoutes) {
              routes.push_back(std::move(*found));
            } else {
              ++left_out;
            }
          }
        });
    if (!done) {
      return done;
    }
  }
  tables.routes = std::move(routes);
  tables.routes_left_out = left_out;
  return {};
}

tl::expected<void, std::string> TableReader::read_neighbours(Tables& tables) const {
  std::vector<Neighbour> neighbours;
  const auto is_twin = [&](uint32_t ifindex) {
    return std::any_of(tables.links.begin(), tables.links.end(),
                       [&](const Link& link) { return link.ifindex == ifindex; });
  };
  auto done = dump_whole(
      netlink_.socket(), RTM_GETNEIGH, ndmsg{.ndm_family = AF_UNSPEC}, "neighbours", [&] { neighbours.clear(); },
      [&](nlmsghdr* message) {
        rtnl_neigh* raw = nullptr;
        if (rtnl_neigh_parse(message, &raw) < 0) {
          return;
        }
        const Owned<rtnl_neigh> neighbour(raw, rtnl_neigh_put);
        const auto address = address_of(rtnl_neigh_get_dst(raw));
        const auto ifindex = static_cast<uint32_t>(rtnl_neigh_get_ifindex(raw));
        if (!address || is_multicast(*address) || !is_twin(ifindex)) {
          return;
        }
        Neighbour found{.ifindex = ifindex, .address = *address, .state = state_of(rtnl_neigh_get_state(raw))};
        nl_addr* mac = rtnl_neigh_get_lladdr(raw);
        if (mac != nullptr && nl_addr_get_len(mac) == found.mac.size()) {
          std::memcpy(found.mac.data(), nl_addr_get_binary_addr(mac), found.mac.size());
        } else if (found.usable()) {
          return;
        }
        neighbours.push_back(found);
      });
  if (done) {
    tables.neighbours = std::move(neighbours);
  }
  return done;
}

void TableReader::resolve(const Wanted& neighbour) const {
  const bool ipv4 = neighbour.address.is_ipv4();
  ndmsg header{.ndm_family = static_cast<uint8_t>(ipv4 ? AF_INET : AF_INET6),
               .ndm_ifindex = static_cast<int>(neighbour.ifindex),
               .ndm_state = NUD_NONE,
               .ndm_flags = NTF_USE};
  const lb::Ipv6Address& mapped = neighbour.address.ipv6();
  const std::unique_ptr<nl_msg, decltype(&nlmsg_free)> message(nlmsg_alloc_simple(RTM_NEWNEIGH, NLM_F_CREATE),
                                                               nlmsg_free);
  if (message != nullptr && nlmsg_append(message.get(), &header, sizeof header, NLMSG_ALIGNTO) == 0 &&
      nla_put(message.get(), NDA_DST, ipv4 ? 4 : 16, mapped.bytes.data() + (ipv4 ? 12 : 0)) == 0) {
    nl_send_auto(asking_.socket(), message.get());
  }
}

}  // namespace weft::kernel
