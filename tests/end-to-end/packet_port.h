// SPDX-License-Identifier: Apache-2.0
/// @file A network interface's frames, as a packet socket has them (packet(7)).
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace weft::link {

class PacketPort {
 public:
  /// @throws std::system_error if there is no such interface, or who asks is not root
  explicit PacketPort(const std::string& interface);
  PacketPort(const PacketPort&) = delete;
  PacketPort& operator=(const PacketPort&) = delete;
  ~PacketPort();

  int fd() const { return fd_; }
  /// What comes from the wire, never what this machine itself sends there. Does not wait.
  /// @returns the frame, which stays whole until the next call; none if there is none
  /// @throws std::system_error if the interface is gone, std::runtime_error if it hands over what no wire would carry
  std::optional<std::span<const std::byte>> receive();
  /// @returns false if the interface did not take it
  bool send(std::span<const std::byte> frame);
  /// Frames that came and found no room, since the last call.
  uint64_t missed();

 private:
  int fd_;
  std::string interface_;
  std::vector<std::byte> frame_;
};

}  // namespace weft::link
