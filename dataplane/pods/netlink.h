// SPDX-License-Identifier: Apache-2.0
/// @file Interfaces, addresses and namespaces as the kernel tells them: what pods/ needs of libnl, with owners and
/// sentences.
///
/// A Netlink speaks for the network namespace in which it was opened, whatever the thread that uses it: that is how
/// weft looks into a pod without going there. Control thread only.
#pragma once

#include <netlink/netlink.h>

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <tl/expected.hpp>
#include <utility>
#include <vector>

#include "lb/address.h"
#include "lb/prefix.h"

namespace weft::pods {

using Mac = std::array<uint8_t, 6>;
std::string to_string(const Mac& mac);  ///< "02:00:00:00:00:01"

/// A file descriptor with an owner.
class Fd {
 public:
  explicit Fd(int fd) : fd_(fd) {}
  ~Fd();
  Fd(Fd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Fd& operator=(Fd&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  int get() const { return fd_; }
  explicit operator bool() const { return fd_ >= 0; }

 private:
  int fd_;
};

struct Link {
  uint32_t ifindex = 0;
  std::string name;
  Mac mac{};
  uint32_t mtu = 0;
  bool up = false;        ///< as an administrator set it, whatever the carrier
  bool ethernet = false;  ///< its frames have an Ethernet header
  bool veth = false;
  uint32_t peer = 0;                 ///< of a veth: its other end's index, in the other end's namespace
  std::optional<int> peer_netns_id;  ///< where the other end is, as this namespace numbers others; none if it is here
};

class Netlink {
 public:
  /// In the caller's network namespace.
  static tl::expected<Netlink, std::string> open();
  /// In another, which a short-lived thread of its own enters: the caller's thread stays where it is.
  static tl::expected<Netlink, std::string> open_in(const Fd& netns);

  tl::expected<std::vector<Link>, std::string> links() const;
  tl::expected<std::optional<Link>, std::string> find(const std::string& name) const;
  tl::expected<std::optional<Link>, std::string> find(uint32_t ifindex) const;
  /// The addresses of an interface but for IPv6 link-local ones, sorted.
  tl::expected<std::vector<lb::Address>, std::string> addresses(uint32_t ifindex) const;
  /// A route to all of a prefix, straight over an interface; it goes with the interface.
  tl::expected<void, std::string> add_route(const lb::Prefix& prefix, uint32_t ifindex) const;
  /// How this namespace numbers another; none if it never met it (then no veth leads there).
  std::optional<int> id_of(const Fd& netns) const;

  nl_sock* socket() const { return socket_.get(); }

 private:
  using Socket = std::unique_ptr<nl_sock, decltype(&nl_socket_free)>;
  explicit Netlink(Socket socket) : socket_(std::move(socket)) {}
  tl::expected<std::optional<Link>, std::string> find(int ifindex, const char* name) const;

  Socket socket_;
};

/// Readable whenever some interface of the caller's network namespace came, changed or went.
class LinkEvents {
 public:
  static tl::expected<LinkEvents, std::string> open();

  int fd() const { return fd_.get(); }
  /// Which interface it was is for the caller to ask: events can be lost, and then they are readable too.
  void drain() const;

 private:
  explicit LinkEvents(Fd fd) : fd_(std::move(fd)) {}
  Fd fd_;
};

}  // namespace weft::pods
