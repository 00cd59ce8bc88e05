// SPDX-License-Identifier: Apache-2.0
#include "pods/veth.h"

#include <fcntl.h>
#include <linux/ethtool.h>
#include <linux/rtnetlink.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <netlink/route/addr.h>
#include <netlink/route/link.h>
#include <netlink/route/link/veth.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>

namespace weft::pods {
namespace {

using RtnlLink = std::unique_ptr<rtnl_link, decltype(&rtnl_link_put)>;

tl::unexpected<std::string> failed(const std::string& what, int error) {
  return tl::unexpected("cannot " + what + ": " + std::strerror(error));
}

std::string kernel_end(const std::string& prefix, uint32_t worker) {
  return prefix + std::to_string(worker);
}
std::string afxdp_end(const std::string& prefix, uint32_t worker) {
  return kernel_end(prefix, worker) + "x";
}

/// @param required false for what this kernel may have been built without
tl::expected<void, std::string> write_sysctl(const std::string& path, const char* value, bool required) {
  const Fd file(open(("/proc/sys/net/" + path).c_str(), O_WRONLY | O_CLOEXEC));
  if (!file && errno == ENOENT && !required) {
    return {};
  }
  if (!file || write(file.get(), value, std::strlen(value)) < 0) {
    return failed("set /proc/sys/net/" + path + " to " + value, errno);
  }
  return {};
}

char read_sysctl(const std::string& path) {
  const Fd file(open(("/proc/sys/net/" + path).c_str(), O_RDONLY | O_CLOEXEC));
  char value = '0';
  return file && read(file.get(), &value, 1) == 1 ? value : '0';
}

tl::expected<void, std::string> switch_offloads_off(const std::string& name) {
  const Fd socket(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  // Receive checksums stay: "off" would make the kernel verify what veth's other end has just computed.
  for (const uint32_t offload : {ETHTOOL_STSO, ETHTOOL_SGSO, ETHTOOL_SGRO, ETHTOOL_STXCSUM, ETHTOOL_SSG}) {
    ethtool_value off{.cmd = offload, .data = 0};
    ifreq request{};
    std::strncpy(request.ifr_name, name.c_str(), IFNAMSIZ - 1);
    request.ifr_data = reinterpret_cast<char*>(&off);
    if (ioctl(socket.get(), SIOCETHTOOL, &request) != 0) {
      return failed("switch the offloads of " + name + " off (ethtool command " + std::to_string(offload) + ")", errno);
    }
  }
  return {};
}

tl::expected<void, std::string> prepare_afxdp_end(const std::string& name) {
  if (auto done = write_sysctl("ipv6/conf/" + name + "/disable_ipv6", "1", false); !done) {
    return done;
  }
  return switch_offloads_off(name);
}

tl::expected<void, std::string> prepare_kernel_end(const std::string& name) {
  const std::string conf = "ipv4/conf/" + name + "/";
  const char* filter = read_sysctl("ipv4/conf/all/rp_filter") == '0' ? "0" : "2";
  for (const auto& [key, value] : {std::pair{"forwarding", "1"}, {"accept_local", "1"}, {"rp_filter", filter}}) {
    if (auto done = write_sysctl(conf + key, value, true); !done) {
      return done;
    }
  }
  // No link-local address (mode 1), and with it no duplicate address detection; no router's advice; no groups of
  // routers, which would be reported: only once multicast is off may the interface forward.
  for (const auto& [key, value] :
       {std::pair{"addr_gen_mode", "1"}, {"accept_ra", "0"}, {"forwarding", "0"}, {"disable_ipv6", "0"}}) {
    if (auto done = write_sysctl("ipv6/conf/" + name + "/" + key, value, false); !done) {
      return done;
    }
  }
  return switch_offloads_off(name);
}

tl::expected<void, std::string> let_forward_ipv6(const std::string& name) {
  for (const char* key : {"forwarding", "force_forwarding"}) {
    if (auto done = write_sysctl("ipv6/conf/" + name + "/" + key, "1", false); !done) {
      return done;
    }
  }
  return {};
}

tl::expected<void, std::string> create(const Netlink& netlink, const std::string& name, const std::string& peer_name,
                                       uint32_t mtu) {
  const RtnlLink link(rtnl_link_veth_alloc(), rtnl_link_put);
  if (link == nullptr) {
    return tl::unexpected("no memory to make " + name);
  }
  const RtnlLink peer(rtnl_link_veth_get_peer(link.get()), rtnl_link_put);
  rtnl_link_set_name(link.get(), name.c_str());
  rtnl_link_set_name(peer.get(), peer_name.c_str());
  for (rtnl_link* end : {link.get(), peer.get()}) {
    rtnl_link_set_mtu(end, mtu);
    rtnl_link_set_num_tx_queues(end, 1);
    rtnl_link_set_num_rx_queues(end, 1);
  }
  if (const int error = rtnl_link_add(netlink.socket(), link.get(), NLM_F_CREATE | NLM_F_EXCL); error < 0) {
    return tl::unexpected("cannot make the veth pair " + name + " with an MTU of " + std::to_string(mtu) + ": " +
                          nl_geterror(error));
  }
  return {};
}

tl::expected<VethEnd, std::string> bring_up(const Netlink& netlink, const std::string& name) {
  const auto link = netlink.find(name);
  if (!link || !*link) {
    return tl::unexpected(name + " vanished while weft set it up");
  }
  const RtnlLink before(rtnl_link_alloc(), rtnl_link_put);
  const RtnlLink change(rtnl_link_alloc(), rtnl_link_put);
  rtnl_link_set_ifindex(before.get(), static_cast<int>((*link)->ifindex));
  rtnl_link_set_flags(change.get(), IFF_UP | IFF_NOARP);
  rtnl_link_unset_flags(change.get(), IFF_MULTICAST);
  if (const int error = rtnl_link_change(netlink.socket(), before.get(), change.get(), 0); error < 0) {
    return tl::unexpected("cannot bring " + name + " up: " + nl_geterror(error));
  }
  return VethEnd{.name = name, .ifindex = (*link)->ifindex, .mac = (*link)->mac};
}

/// In the scope of the host, so that nothing takes it for its source.
tl::expected<void, std::string> add_dummy_address(const Netlink& netlink, const VethEnd& end) {
  constexpr std::array<uint8_t, 4> kDummy = {192, 0, 0, 8};
  const std::unique_ptr<rtnl_addr, decltype(&rtnl_addr_put)> address(rtnl_addr_alloc(), rtnl_addr_put);
  const std::unique_ptr<nl_addr, decltype(&nl_addr_put)> dummy(nl_addr_build(AF_INET, kDummy.data(), kDummy.size()),
                                                               nl_addr_put);
  if (address == nullptr || dummy == nullptr) {
    return tl::unexpected("no memory for an address of " + end.name);
  }
  nl_addr_set_prefixlen(dummy.get(), 32);
  rtnl_addr_set_ifindex(address.get(), static_cast<int>(end.ifindex));
  rtnl_addr_set_local(address.get(), dummy.get());
  rtnl_addr_set_scope(address.get(), RT_SCOPE_HOST);
  if (const int error = rtnl_addr_add(netlink.socket(), address.get(), 0); error < 0) {
    return tl::unexpected("cannot give " + end.name + " an address: " + nl_geterror(error));
  }
  return {};
}

}  // namespace

tl::expected<WorkerVeth, std::string> make_worker_veth(const Netlink& netlink, const std::string& prefix,
                                                       uint32_t worker, uint32_t mtu) {
  const std::string kernel = kernel_end(prefix, worker);
  const std::string afxdp = afxdp_end(prefix, worker);
  if (auto removed = remove_worker_veth(netlink, prefix, worker); !removed) {
    return tl::unexpected(removed.error());
  }
  if (auto made = create(netlink, kernel, afxdp, mtu); !made) {
    return tl::unexpected(made.error());
  }
  auto set_up = [&]() -> tl::expected<WorkerVeth, std::string> {
    WorkerVeth pair;
    auto prepared = prepare_kernel_end(kernel);
    if (prepared) {
      prepared = prepare_afxdp_end(afxdp);
    }
    if (!prepared) {
      return tl::unexpected(prepared.error());
    }
    for (auto [end, name] : {std::pair{&pair.kernel, &kernel}, {&pair.afxdp, &afxdp}}) {
      auto up = bring_up(netlink, *name);
      if (!up) {
        return tl::unexpected(up.error());
      }
      *end = std::move(*up);
    }
    prepared = let_forward_ipv6(kernel);
    if (prepared) {
      prepared = add_dummy_address(netlink, pair.kernel);
    }
    if (!prepared) {
      return tl::unexpected(prepared.error());
    }
    return pair;
  };
  auto pair = set_up();
  if (!pair) {
    std::ignore = remove_worker_veth(netlink, prefix, worker);
  }
  return pair;
}

tl::expected<void, std::string> remove_worker_veth(const Netlink& netlink, const std::string& prefix, uint32_t worker) {
  const std::string name = kernel_end(prefix, worker);
  const auto link = netlink.find(name);
  if (!link) {
    return tl::unexpected(link.error());
  }
  if (!*link) {
    return {};
  }
  const auto peer = netlink.find((*link)->peer);
  if (!(*link)->veth || (*link)->peer_netns_id || !peer || !*peer || (*peer)->name != afxdp_end(prefix, worker)) {
    return tl::unexpected(name + " exists and is not weft's (a veth whose other end is " + afxdp_end(prefix, worker) +
                          "): rename or delete it, or give weft another prefix than `" + prefix + "`");
  }
  const RtnlLink doomed(rtnl_link_alloc(), rtnl_link_put);
  rtnl_link_set_ifindex(doomed.get(), static_cast<int>((*link)->ifindex));
  if (const int error = rtnl_link_delete(netlink.socket(), doomed.get()); error < 0) {
    return tl::unexpected("cannot delete the veth pair " + name + ": " + nl_geterror(error));
  }
  return {};
}

}  // namespace weft::pods
