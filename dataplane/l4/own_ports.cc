// SPDX-License-Identifier: Apache-2.0
#include "l4/own_ports.h"

namespace weft::l4 {
namespace {

/// Coprime to kPorts: steps of it come to every port before any twice, in an order that is not the next port's.
constexpr uint32_t kStep = 25033;

}  // namespace

OwnPorts::OwnPorts(std::vector<lb::Address> addresses, uint32_t worker, uint64_t seed)
    : worker_(worker), seed_(seed), queues_(addresses.size() * kClasses) {
  for (size_t i = 0; i < addresses.size(); ++i) {
    addresses_.push_back({.address = addresses[i]});
    for (uint32_t its_class = 0; its_class < kClasses; ++its_class) {
      uint32_t port = static_cast<uint32_t>(lb::hash_of(addresses[i], seed + its_class)) % kPorts;
      for (uint32_t n = 0; n < kPorts; ++n) {
        queue_of(i, its_class).push(lb::port_from_host(static_cast<uint16_t>(kFirst + port)));
        port = (port + kStep) % kPorts;
      }
    }
  }
}

}  // namespace weft::l4
