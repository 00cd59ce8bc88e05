// SPDX-License-Identifier: Apache-2.0
/// @file Where a pod is: from its network namespace to the host's end of its veth, and back.
///
/// Both ends of a veth name each other by index, and by how each namespace numbers the other's; both are checked, as an
/// index alone says nothing (every namespace has an interface 2). Control thread only.
#pragma once

#include <string>
#include <string_view>
#include <tl/expected.hpp>
#include <vector>

#include "pods/netlink.h"

namespace weft::pods {

/// A network namespace that is open, and what to call it.
struct Netns {
  Fd fd;
  std::string name;  ///< under /run/netns, or else a path
};

/// What a Netns is called that was asked for so: `/run/netns/red` and `red` are one.
std::string canonical_name(const std::string& name);

/// @param name under /run/netns, or an absolute path, such as /proc/1234/ns/net
tl::expected<Netns, std::string> open_netns(const std::string& name);

/// The namespace that `here` numbers so: among those under /run/netns, then among those of the machine's processes.
/// None if neither shows it (another mount namespace or a file descriptor may hold it).
std::optional<Netns> find_netns(const Netlink& here, int id);

/// A veth between a pod and the host.
struct PodVeth {
  Link host;
  Link pod;
  std::vector<lb::Address> addresses;  ///< the pod's, sorted
};

/// All veths that lead from the namespace into that of `here`. May be none.
tl::expected<std::vector<PodVeth>, std::string> veths_between(const Netlink& here, const Netns& netns);

}  // namespace weft::pods
