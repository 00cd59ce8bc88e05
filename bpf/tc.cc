// SPDX-License-Identifier: Apache-2.0
#include "bpf/tc.h"

#include <bpf/libbpf.h>
#include <linux/pkt_sched.h>
#include <net/if.h>
#include <netlink/cache.h>
#include <netlink/netlink.h>
#include <netlink/route/classifier.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <memory>

namespace weft::bpf {
namespace {

std::string name_of(uint32_t ifindex) {
  std::array<char, IF_NAMESIZE> name{};
  return if_indextoname(ifindex, name.data()) != nullptr ? name.data() : "interface " + std::to_string(ifindex);
}

/// libbpf refuses its structs unless their padding is 0 too, which only an object filled in place can promise.
void fill(bpf_tc_hook& hook, uint32_t ifindex, int attach_points) {
  std::memset(&hook, 0, sizeof hook);
  hook.sz = sizeof hook;
  hook.ifindex = static_cast<int>(ifindex);
  hook.attach_point = static_cast<bpf_tc_attach_point>(attach_points);
}

void fill(bpf_tc_opts& filter) {
  std::memset(&filter, 0, sizeof filter);
  filter.sz = sizeof filter;
  filter.handle = kFilterHandle;
  filter.priority = kFilterPriority;
}

int point_of(Side side) {
  return side == Side::ingress ? BPF_TC_INGRESS : BPF_TC_EGRESS;
}
const char* name_of(Side side) {
  return side == Side::ingress ? "ingress" : "egress";
}

int destroy_clsact(uint32_t ifindex) {
  bpf_tc_hook both;
  fill(both, ifindex, BPF_TC_INGRESS | BPF_TC_EGRESS);
  return bpf_tc_hook_destroy(&both);
}

/// The kernel's answers when there is no such interface, no such filter, or no qdisc to have one.
bool gone(int error) {
  return error == -ENODEV || error == -ENOENT || error == -EINVAL;
}

/// How many filters hang on one side of the clsact qdisc, ours and others'. Or -1.
int count_filters(nl_sock* socket, uint32_t ifindex, uint32_t parent) {
  nl_cache* filters = nullptr;
  if (rtnl_cls_alloc_cache(socket, static_cast<int>(ifindex), parent, &filters) < 0) {
    return -1;
  }
  const int count = nl_cache_nitems(filters);
  nl_cache_free(filters);
  return count;
}

/// When it can't be told, the answer is yes: a qdisc left behind harms nobody.
bool others_use_clsact(uint32_t ifindex) {
  const std::unique_ptr<nl_sock, decltype(&nl_socket_free)> socket(nl_socket_alloc(), nl_socket_free);
  if (socket == nullptr || nl_connect(socket.get(), NETLINK_ROUTE) < 0) {
    return true;
  }
  return count_filters(socket.get(), ifindex, TC_H_MAKE(TC_H_CLSACT, TC_H_MIN_INGRESS)) != 0 ||
         count_filters(socket.get(), ifindex, TC_H_MAKE(TC_H_CLSACT, TC_H_MIN_EGRESS)) != 0;
}

}  // namespace

tl::expected<Clsact, std::string> attach_filter(uint32_t ifindex, Side side, int program_fd) {
  bpf_tc_hook hook;
  fill(hook, ifindex, point_of(side));
  const int made = bpf_tc_hook_create(&hook);
  if (made != 0 && made != -EEXIST) {
    return tl::unexpected("cannot give " + name_of(ifindex) + " a clsact qdisc: " + std::strerror(-made));
  }
  bpf_tc_opts filter;
  fill(filter);
  filter.prog_fd = program_fd;
  filter.flags = BPF_TC_F_REPLACE;
  if (const int error = bpf_tc_attach(&hook, &filter); error != 0) {
    if (made == 0) {
      destroy_clsact(ifindex);
    }
    return tl::unexpected(std::string("cannot attach to the ") + name_of(side) + " of " + name_of(ifindex) + ": " +
                          std::strerror(-error) + " (is there a filter of another kind at priority " +
                          std::to_string(kFilterPriority) + "? see `tc filter show dev " + name_of(ifindex) + " " +
                          name_of(side) + "`)");
  }
  return made == 0 ? Clsact::ours : Clsact::foreign;
}

bool has_filter(uint32_t ifindex, Side side) {
  bpf_tc_hook hook;
  fill(hook, ifindex, point_of(side));
  bpf_tc_opts filter;
  fill(filter);
  return bpf_tc_query(&hook, &filter) == 0;
}

tl::expected<void, std::string> detach_filter(uint32_t ifindex, Side side, Clsact clsact) {
  bpf_tc_hook hook;
  fill(hook, ifindex, point_of(side));
  bpf_tc_opts filter;
  fill(filter);
  if (const int error = bpf_tc_detach(&hook, &filter); error != 0 && !gone(error)) {
    return tl::unexpected(std::string("cannot detach from the ") + name_of(side) + " of " + name_of(ifindex) + ": " +
                          std::strerror(-error));
  }
  if (clsact == Clsact::foreign || others_use_clsact(ifindex)) {
    return {};
  }
  if (const int error = destroy_clsact(ifindex); error != 0 && !gone(error)) {
    return tl::unexpected("cannot remove the clsact qdisc of " + name_of(ifindex) + ": " + std::strerror(-error));
  }
  return {};
}

}  // namespace weft::bpf
