// SPDX-License-Identifier: Apache-2.0
#include "packet_port.h"

#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <stdexcept>
#include <system_error>

namespace weft::link {
namespace {

// Beyond an Ethernet frame: so is what the kernel has joined (GRO) or not yet cut (TSO).
constexpr size_t kRoom = 1 << 16;
constexpr int kSocketBytes = 64 << 20;  // a busy machine lets us wait

[[noreturn]] void fail(const std::string& what) {
  throw std::system_error(errno, std::generic_category(), what);
}

}  // namespace

PacketPort::PacketPort(const std::string& interface)
    : fd_(socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0)), interface_(interface), frame_(kRoom) {
  if (fd_ < 0) {
    fail("a packet socket");
  }
  const int yes = 1;
  const sockaddr_ll name{.sll_family = AF_PACKET,
                         .sll_protocol = htons(ETH_P_ALL),
                         .sll_ifindex = static_cast<int>(if_nametoindex(interface.c_str()))};
  if (name.sll_ifindex == 0 || setsockopt(fd_, SOL_PACKET, PACKET_IGNORE_OUTGOING, &yes, sizeof yes) != 0 ||
      setsockopt(fd_, SOL_SOCKET, SO_RCVBUFFORCE, &kSocketBytes, sizeof kSocketBytes) != 0 ||
      setsockopt(fd_, SOL_SOCKET, SO_SNDBUFFORCE, &kSocketBytes, sizeof kSocketBytes) != 0 ||
      bind(fd_, reinterpret_cast<const sockaddr*>(&name), sizeof name) != 0) {
    const int error = errno;
    close(fd_);
    errno = error;
    fail(interface);
  }
}

PacketPort::~PacketPort() {
  close(fd_);
}

std::optional<std::span<const std::byte>> PacketPort::receive() {
  const ssize_t length = recv(fd_, frame_.data(), frame_.size(), MSG_DONTWAIT | MSG_TRUNC);
  if (length < 0) {
    if (errno == EAGAIN || errno == EINTR) {
      return std::nullopt;
    }
    fail(interface_);
  }
  if (length > ETH_FRAME_LEN) {
    throw std::runtime_error(interface_ + ": a frame of " + std::to_string(length) + " bytes: turn offloads off");
  }
  return std::span(frame_).first(static_cast<size_t>(length));
}

bool PacketPort::send(std::span<const std::byte> frame) {
  return ::send(fd_, frame.data(), frame.size(), 0) == static_cast<ssize_t>(frame.size());
}

uint64_t PacketPort::missed() {
  tpacket_stats statistics{};
  socklen_t length = sizeof statistics;
  return getsockopt(fd_, SOL_PACKET, PACKET_STATISTICS, &statistics, &length) == 0 ? statistics.tp_drops : 0;
}

}  // namespace weft::link
