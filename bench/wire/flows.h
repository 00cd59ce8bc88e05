// SPDX-License-Identifier: Apache-2.0
/// @file The frames that a generator sends: UDP from many clients to one virtual address, 60 bytes each.
///
/// A flow is a client's address and port. Flows come in a random order, the same in each round, so that no flow is met
/// again before all others, and their order says nothing about where a flow table has them.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <vector>

#include "lb/address.h"

namespace weft::bench {

class Flows {
 public:
  static constexpr uint16_t kFrameLength = 60;  ///< and 4 of the Ethernet check sequence

  struct Service {
    lb::Ipv4Address address;
    lb::Port port;
  };
  Flows(uint32_t count, const Service& service);

  /// Writes the next flow's frame. Precondition: 64 writable bytes.
  void write_next(std::byte* buffer) {
    const Client& client = clients_[next_];
    next_ = next_ + 1 == clients_.size() ? 0 : next_ + 1;
    Frame frame = template_;
    std::memcpy(&frame[kIpChecksumAt], &client.ip_checksum, 2);
    std::memcpy(&frame[kSourceAt], &client.address, 4);
    std::memcpy(&frame[kSourcePortAt], &client.port, 2);
    std::memcpy(&frame[kUdpChecksumAt], &client.udp_checksum, 2);
    std::memcpy(buffer, frame.data(), frame.size());
  }

  uint32_t count() const { return static_cast<uint32_t>(clients_.size()); }

 private:
  using Frame = std::array<std::byte, 64>;  // whole cache lines are written faster

  static constexpr size_t kIpChecksumAt = 24;
  static constexpr size_t kSourceAt = 26;
  static constexpr size_t kSourcePortAt = 34;
  static constexpr size_t kUdpChecksumAt = 40;

  struct Client {
    lb::Ipv4Address address;
    lb::Port port;
    uint16_t ip_checksum;
    uint16_t udp_checksum;
  };

  alignas(64) Frame template_{};
  std::vector<Client> clients_;
  size_t next_ = 0;
};

}  // namespace weft::bench
