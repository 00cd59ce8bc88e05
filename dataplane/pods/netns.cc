// SPDX-License-Identifier: Apache-2.0
#include "pods/netns.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <linux/nsfs.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/vfs.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>

namespace weft::pods {
namespace {

constexpr const char* kNamedNamespaces = "/run/netns";

bool is_netns(const Fd& file) {
  struct statfs info {};
  return fstatfs(file.get(), &info) == 0 && info.f_type == NSFS_MAGIC &&
         ioctl(file.get(), NS_GET_NSTYPE) == CLONE_NEWNET;
}

std::optional<Netns> if_numbered(const Netlink& here, int id, const std::string& path, const std::string& name) {
  Fd file(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (!file || !is_netns(file) || here.id_of(file) != id) {
    return std::nullopt;
  }
  return Netns{.fd = std::move(file), .name = name};
}

/// What can't be listed is taken for empty.
std::vector<std::string> names_in(const char* folder) {
  std::vector<std::string> names;
  std::error_code error;
  std::filesystem::directory_iterator entry(folder, error);
  for (; !error && entry != std::filesystem::directory_iterator(); entry.increment(error)) {
    names.push_back(entry->path().filename());
  }
  return names;
}

bool is_number(const std::string& text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
}

}  // namespace

std::string canonical_name(const std::string& name) {
  const std::filesystem::path path(name);
  const bool named = path.parent_path() == kNamedNamespaces || path.parent_path() == "/var/run/netns";
  return named ? path.filename().string() : name;
}

tl::expected<Netns, std::string> open_netns(const std::string& name) {
  const bool is_path = name.starts_with('/');
  if (name.empty() || (!is_path && name.find('/') != std::string::npos) || name == "." || name == "..") {
    return tl::unexpected("`" + name + "` names no network namespace: give a name under " + kNamedNamespaces +
                          " (see `ip netns`) or an absolute path");
  }
  const std::string path = is_path ? name : std::string(kNamedNamespaces) + "/" + name;
  Fd file(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (!file) {
    return tl::unexpected("cannot open the network namespace " + path + ": " + std::strerror(errno));
  }
  if (!is_netns(file)) {
    return tl::unexpected(path + " is not a network namespace");
  }
  return Netns{.fd = std::move(file), .name = canonical_name(name)};
}

std::optional<Netns> find_netns(const Netlink& here, int id) {
  for (const std::string& name : names_in(kNamedNamespaces)) {
    if (auto found = if_numbered(here, id, std::string(kNamedNamespaces) + "/" + name, name)) {
      return found;
    }
  }
  for (const std::string& name : names_in("/proc")) {
    const std::string path = "/proc/" + name + "/ns/net";
    if (is_number(name)) {
      if (auto found = if_numbered(here, id, path, path)) {
        return found;
      }
    }
  }
  return std::nullopt;
}

tl::expected<std::vector<PodVeth>, std::string> veths_between(const Netlink& here, const Netns& netns) {
  auto there = Netlink::open_in(netns.fd);
  if (!there) {
    return tl::unexpected(there.error());
  }
  auto links = there->links();
  if (!links) {
    return tl::unexpected(links.error());
  }
  std::vector<PodVeth> found;
  for (Link& link : *links) {
    if (!link.veth || !link.peer_netns_id) {
      continue;
    }
    auto host = here.find(link.peer);
    if (!host) {
      return tl::unexpected(host.error());
    }
    if (!*host || !(*host)->veth || (*host)->peer != link.ifindex || !(*host)->peer_netns_id ||
        (*host)->peer_netns_id != here.id_of(netns.fd)) {
      continue;
    }
    auto addresses = there->addresses(link.ifindex);
    if (!addresses) {
      return tl::unexpected(addresses.error());
    }
    found.push_back({.host = std::move(**host), .pod = std::move(link), .addresses = std::move(*addresses)});
  }
  return found;
}

}  // namespace weft::pods
