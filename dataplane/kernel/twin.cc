// SPDX-License-Identifier: Apache-2.0
#include "kernel/twin.h"

#include <net/if.h>
#include <netlink/route/addr.h>
#include <netlink/route/link.h>
#include <sys/socket.h>

#include <charconv>
#include <memory>
#include <optional>

#include "pods/netlink.h"

namespace weft::kernel {
namespace {

static_assert(kMaxTwinName == IFNAMSIZ - 1);

template <typename Object>
using Owned = std::unique_ptr<Object, void (*)(Object*)>;

int add_address(nl_sock* socket, int ifindex, const InterfaceAddress& address) {
  const bool ipv4 = address.address.is_ipv4();
  const lb::Ipv6Address& mapped = address.address.ipv6();
  const Owned<nl_addr> local(
      nl_addr_build(ipv4 ? AF_INET : AF_INET6, mapped.bytes.data() + (ipv4 ? 12 : 0), ipv4 ? 4 : 16), nl_addr_put);
  const Owned<rtnl_addr> entry(rtnl_addr_alloc(), rtnl_addr_put);
  if (local == nullptr || entry == nullptr) {
    return -NLE_NOMEM;
  }
  nl_addr_set_prefixlen(local.get(), address.length);
  rtnl_addr_set_ifindex(entry.get(), ifindex);
  if (const int error = rtnl_addr_set_local(entry.get(), local.get()); error < 0) {
    return error;
  }
  return rtnl_addr_add(socket, entry.get(), 0);
}

}  // namespace

std::optional<InterfaceAddress> parse_interface_address(std::string_view text) {
  const size_t slash = text.find('/');
  const auto address = lb::parse_address(text.substr(0, slash));
  if (!address) {
    return std::nullopt;
  }
  const uint8_t full = address->is_ipv4() ? 32 : 128;
  InterfaceAddress parsed{.address = *address, .length = full};
  if (slash != std::string_view::npos) {
    const std::string_view digits = text.substr(slash + 1);
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), parsed.length);
    if (error != std::errc{} || end != digits.data() + digits.size() || parsed.length > full) {
      return std::nullopt;
    }
  }
  return parsed;
}

std::string to_string(const InterfaceAddress& address) {
  return lb::to_string(address.address) + "/" + std::to_string(address.length);
}

tl::expected<void, std::string> set_up_twin(const TwinConfig& config) {
  const auto failed = [&](const std::string& what, const std::string& why) {
    return tl::unexpected("twin " + config.name + ": cannot " + what + ": " + why);
  };
  const auto netlink = pods::Netlink::open();
  if (!netlink) {
    return tl::unexpected(netlink.error());
  }
  const auto found = netlink->find(config.name);
  if (!found || !*found) {
    return failed("find it", found ? "no such interface" : found.error());
  }
  const auto ifindex = static_cast<int>((*found)->ifindex);
  const Owned<rtnl_link> link(rtnl_link_alloc(), rtnl_link_put);
  const Owned<rtnl_link> change(rtnl_link_alloc(), rtnl_link_put);
  if (link == nullptr || change == nullptr) {
    return failed("set it up", "no memory");
  }
  rtnl_link_set_ifindex(link.get(), ifindex);
  rtnl_link_set_mtu(change.get(), config.mtu);
  rtnl_link_set_flags(change.get(), IFF_UP);
  if (const int error = rtnl_link_change(netlink->socket(), link.get(), change.get(), 0); error < 0) {
    return failed("set its MTU to " + std::to_string(config.mtu) + " and it up", nl_geterror(error));
  }
  for (const InterfaceAddress& address : config.addresses) {
    if (const int error = add_address(netlink->socket(), ifindex, address); error < 0) {
      return failed("add " + to_string(address), nl_geterror(error));
    }
  }
  return {};
}

}  // namespace weft::kernel
