// SPDX-License-Identifier: Apache-2.0
#include "pods/netlink.h"

#include <fcntl.h>
#include <linux/net_namespace.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <netlink/msg.h>
#include <netlink/route/addr.h>
#include <netlink/route/link.h>
#include <netlink/route/link/veth.h>
#include <netlink/route/route.h>
#include <sched.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <system_error>
#include <thread>

namespace weft::pods {
namespace {

using Cache = std::unique_ptr<nl_cache, decltype(&nl_cache_free)>;

Mac mac_of(nl_addr* address) {
  Mac mac{};
  if (address != nullptr && nl_addr_get_len(address) == mac.size()) {
    std::memcpy(mac.data(), nl_addr_get_binary_addr(address), mac.size());
  }
  return mac;
}

Link link_of(rtnl_link* link) {
  Link found{.ifindex = static_cast<uint32_t>(rtnl_link_get_ifindex(link)),
             .name = rtnl_link_get_name(link),
             .mac = mac_of(rtnl_link_get_addr(link)),
             .mtu = rtnl_link_get_mtu(link),
             .up = (rtnl_link_get_flags(link) & IFF_UP) != 0,
             .ethernet = rtnl_link_get_arptype(link) == ARPHRD_ETHER,
             .veth = rtnl_link_is_veth(link) != 0,
             .peer = static_cast<uint32_t>(rtnl_link_get_link(link))};
  int32_t id = 0;
  if (rtnl_link_get_link_netnsid(link, &id) == 0) {
    found.peer_netns_id = id;
  }
  return found;
}

std::optional<lb::Address> address_of(nl_addr* address) {
  if (address != nullptr && nl_addr_get_len(address) == sizeof(lb::Ipv4Address)) {
    lb::Ipv4Address ipv4{};
    std::memcpy(&ipv4, nl_addr_get_binary_addr(address), sizeof ipv4);
    return ipv4;
  }
  if (address != nullptr && nl_addr_get_len(address) == sizeof(lb::Ipv6Address)) {
    lb::Ipv6Address ipv6;
    std::memcpy(&ipv6, nl_addr_get_binary_addr(address), sizeof ipv6);
    return ipv6;
  }
  return std::nullopt;
}

bool is_link_local(const lb::Address& address) {
  const auto& bytes = address.ipv6().bytes;
  return bytes[0] == 0xfe && (bytes[1] & 0xc0) == 0x80;
}

/// The kernel breaks a dump off when what it lists changes meanwhile, which on a busy node is a matter of luck.
template <typename AllocateCache>
tl::expected<Cache, std::string> dump(AllocateCache allocate) {
  constexpr int kAttempts = 10;
  int error = 0;
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    nl_cache* raw = nullptr;
    error = allocate(&raw);
    if (error >= 0) {
      return Cache(raw, nl_cache_free);
    }
    if (error != -NLE_DUMP_INTR) {
      break;
    }
  }
  return tl::unexpected(std::string(nl_geterror(error)));
}

/// What RTM_GETNSID answered.
int keep_id(nl_msg* message, void* result) {
  std::array<nlattr*, NETNSA_MAX + 1> attributes{};
  if (nlmsg_parse(nlmsg_hdr(message), sizeof(rtgenmsg), attributes.data(), NETNSA_MAX, nullptr) == 0 &&
      attributes[NETNSA_NSID] != nullptr) {
    const auto id = static_cast<int>(nla_get_u32(attributes[NETNSA_NSID]));
    if (id != NETNSA_NSID_NOT_ASSIGNED) {
      *static_cast<std::optional<int>*>(result) = id;
    }
  }
  return NL_OK;
}

}  // namespace

std::string to_string(const Mac& mac) {
  std::array<char, 18> text{};
  std::snprintf(text.data(), text.size(), "%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1], mac[2], mac[3], mac[4],
                mac[5]);
  return text.data();
}

Fd::~Fd() {
  if (fd_ >= 0) {
    close(fd_);
  }
}

tl::expected<Netlink, std::string> Netlink::open() {
  Socket socket(nl_socket_alloc(), nl_socket_free);
  if (socket == nullptr) {
    return tl::unexpected(std::string("no memory for a netlink socket"));
  }
  if (const int error = nl_connect(socket.get(), NETLINK_ROUTE); error < 0) {
    return tl::unexpected(std::string("cannot open a netlink socket: ") + nl_geterror(error));
  }
  return Netlink(std::move(socket));
}

tl::expected<Netlink, std::string> Netlink::open_in(const Fd& netns) {
  tl::expected<Netlink, std::string> opened = tl::unexpected(std::string());
  try {
    std::thread visitor([&] {
      if (setns(netns.get(), CLONE_NEWNET) == 0) {
        opened = open();
      } else {
        opened = tl::unexpected(std::string("cannot enter a network namespace: ") + std::strerror(errno));
      }
    });
    visitor.join();
  } catch (const std::system_error& error) {
    opened = tl::unexpected(std::string("cannot start a thread to enter a network namespace: ") + error.what());
  }
  return opened;
}

tl::expected<std::vector<Link>, std::string> Netlink::links() const {
  const auto cache = dump([this](nl_cache** raw) { return rtnl_link_alloc_cache(socket_.get(), AF_UNSPEC, raw); });
  if (!cache) {
    return tl::unexpected("cannot list interfaces: " + cache.error());
  }
  std::vector<Link> all;
  for (nl_object* each = nl_cache_get_first(cache->get()); each != nullptr; each = nl_cache_get_next(each)) {
    all.push_back(link_of(reinterpret_cast<rtnl_link*>(each)));
  }
  return all;
}

tl::expected<std::optional<Link>, std::string> Netlink::find(const std::string& name) const {
  return find(0, name.c_str());
}

tl::expected<std::optional<Link>, std::string> Netlink::find(uint32_t ifindex) const {
  return find(static_cast<int>(ifindex), nullptr);
}

tl::expected<std::optional<Link>, std::string> Netlink::find(int ifindex, const char* name) const {
  rtnl_link* raw = nullptr;
  const int error = rtnl_link_get_kernel(socket_.get(), ifindex, name, &raw);
  if (error == -NLE_OBJ_NOTFOUND || error == -NLE_NODEV) {
    return std::nullopt;
  }
  if (error < 0) {
    return tl::unexpected(std::string("cannot look up an interface: ") + nl_geterror(error));
  }
  const std::unique_ptr<rtnl_link, decltype(&rtnl_link_put)> link(raw, rtnl_link_put);
  return link_of(raw);
}

tl::expected<std::vector<lb::Address>, std::string> Netlink::addresses(uint32_t ifindex) const {
  const auto cache = dump([this](nl_cache** raw) { return rtnl_addr_alloc_cache(socket_.get(), raw); });
  if (!cache) {
    return tl::unexpected("cannot list addresses: " + cache.error());
  }
  std::vector<lb::Address> all;
  for (nl_object* each = nl_cache_get_first(cache->get()); each != nullptr; each = nl_cache_get_next(each)) {
    auto* entry = reinterpret_cast<rtnl_addr*>(each);
    const auto address = address_of(rtnl_addr_get_local(entry));
    if (static_cast<uint32_t>(rtnl_addr_get_ifindex(entry)) == ifindex && address && !is_link_local(*address)) {
      all.push_back(*address);
    }
  }
  std::sort(all.begin(), all.end());
  return all;
}

tl::expected<void, std::string> Netlink::add_route(const lb::Prefix& prefix, uint32_t ifindex) const {
  const bool ipv4 = prefix.address.is_ipv4();
  const std::unique_ptr<rtnl_route, decltype(&rtnl_route_put)> route(rtnl_route_alloc(), rtnl_route_put);
  const lb::Ipv6Address& mapped = prefix.address.ipv6();
  const std::unique_ptr<nl_addr, decltype(&nl_addr_put)> destination(
      nl_addr_build(ipv4 ? AF_INET : AF_INET6, mapped.bytes.data() + (ipv4 ? 12 : 0), ipv4 ? 4 : 16), nl_addr_put);
  rtnl_nexthop* hop = rtnl_route_nh_alloc();
  if (route == nullptr || destination == nullptr || hop == nullptr) {
    rtnl_route_nh_free(hop);
    return tl::unexpected("no memory for a route to " + to_string(prefix));
  }
  nl_addr_set_prefixlen(destination.get(), prefix.length);
  rtnl_route_nh_set_ifindex(hop, static_cast<int>(ifindex));
  rtnl_route_add_nexthop(route.get(), hop);  // takes it
  rtnl_route_set_family(route.get(), ipv4 ? AF_INET : AF_INET6);
  rtnl_route_set_dst(route.get(), destination.get());
  rtnl_route_set_table(route.get(), RT_TABLE_MAIN);
  rtnl_route_set_protocol(route.get(), RTPROT_STATIC);
  rtnl_route_set_scope(route.get(), ipv4 ? RT_SCOPE_LINK : RT_SCOPE_UNIVERSE);
  const int error = rtnl_route_add(socket_.get(), route.get(), NLM_F_CREATE | NLM_F_EXCL);
  if (error == -NLE_EXIST) {
    return tl::unexpected("there is a route to " + to_string(prefix) + " already: delete it, or leave the prefix out");
  }
  if (error < 0) {
    return tl::unexpected("cannot add a route to " + to_string(prefix) + ": " + nl_geterror(error));
  }
  return {};
}

std::optional<int> Netlink::id_of(const Fd& netns) const {
  const std::unique_ptr<nl_msg, decltype(&nlmsg_free)> message(nlmsg_alloc_simple(RTM_GETNSID, 0), nlmsg_free);
  rtgenmsg header{.rtgen_family = AF_UNSPEC};
  if (message == nullptr || nlmsg_append(message.get(), &header, sizeof header, NLMSG_ALIGNTO) < 0 ||
      nla_put_u32(message.get(), NETNSA_FD, static_cast<uint32_t>(netns.get())) < 0) {
    return std::nullopt;
  }
  std::optional<int> id;
  const std::unique_ptr<nl_cb, decltype(&nl_cb_put)> callbacks(nl_cb_alloc(NL_CB_DEFAULT), nl_cb_put);
  nl_cb_set(callbacks.get(), NL_CB_VALID, NL_CB_CUSTOM, keep_id, &id);
  // A good answer is followed by an acknowledgement, an error is its own.
  if (nl_send_auto(socket_.get(), message.get()) >= 0 && nl_recvmsgs(socket_.get(), callbacks.get()) >= 0) {
    nl_wait_for_ack(socket_.get());
  }
  return id;
}

tl::expected<LinkEvents, std::string> LinkEvents::open() {
  Fd fd(socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_ROUTE));
  const sockaddr_nl address{.nl_family = AF_NETLINK, .nl_pad = 0, .nl_pid = 0, .nl_groups = RTMGRP_LINK};
  if (!fd || bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    return tl::unexpected(std::string("cannot listen for changes of interfaces: ") + std::strerror(errno));
  }
  return LinkEvents(std::move(fd));
}

void LinkEvents::drain() const {
  std::array<char, 1> rest_is_cut_off{};
  // ENOBUFS says that some were lost, and takes their place.
  while (recv(fd_.get(), rest_is_cut_off.data(), rest_is_cut_off.size(), MSG_DONTWAIT) >= 0 || errno == ENOBUFS) {
  }
}

}  // namespace weft::pods
