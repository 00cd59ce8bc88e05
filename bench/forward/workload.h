// SPDX-License-Identifier: Apache-2.0
/// @file What the packets of a benchmark are, and the service that they are for.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "lb/snapshot.h"

namespace weft::bench {

constexpr uint64_t kSeed = 7;
constexpr uint32_t kEndpoints = 100;

struct Workload {
  lb::Family family = lb::Family::ipv4;  ///< of the packets, and of tunnels around them
  lb::Protocol protocol = lb::Protocol::udp;
  lb::Mode mode = lb::Mode::nat;
  lb::Encapsulation encapsulation = lb::Encapsulation::ipip;

  /// "nat4/udp", "ipip6/tcp".
  std::string name() const;
};

/// One service with 100 endpoints of one weight, 65,537 slots.
std::shared_ptr<const lb::Snapshot> snapshot_of(const Workload& workload);

/// A frame without payload: 60 bytes (64 with Ethernet's check sequence), or as many as its headers need.
class Frame {
 public:
  /// @param flags TCP's
  explicit Frame(const Workload& workload, uint8_t flags = 0);

  size_t size() const { return bytes_.size(); }
  /// As the client of a flow sends it.
  void write_request(std::byte* frame, uint32_t flow) const;
  /// As an endpoint answers it. @param request as the endpoint got it
  void write_reply(std::byte* frame, const std::byte* request) const;

 private:
  lb::Family family_;
  std::vector<std::byte> bytes_;
};

}  // namespace weft::bench
