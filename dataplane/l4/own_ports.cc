// SPDX-License-Identifier: Apache-2.0
#include "l4/own_ports.h"

#include <tuple>

namespace weft::l4 {
namespace {

/// Coprime to kPorts: steps of it come to every port before any twice, in an order that is not the next port's.
constexpr uint32_t kStep = 25033;

}  // namespace

OwnPorts::OwnPorts(std::vector<lb::Address> addresses, uint32_t worker, uint64_t seed)
    : worker_(worker), seed_(seed), queues_(addresses.size() * kClasses) {
  static_assert(kMaxAddresses < std::tuple_size_v<decltype(places_)>);
  places_.fill(kNone);
  for (size_t i = 0; i < addresses.size(); ++i) {
    addresses_.push_back({.address = addresses[i]});
    size_t place = home_of(addresses[i]);
    while (places_[place] != kNone) {
      place = (place + 1) % places_.size();
    }
    places_[place] = static_cast<uint8_t>(i);
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
