// SPDX-License-Identifier: Apache-2.0
/// @file The node's own addresses and ports that rewritten sources are taken from (fullnat), as one worker has them.
///
/// A port is picked so that the reply lands at this worker (landing.h), so two workers never use the same port towards
/// the same endpoint, without a word between them. Towards endpoints of different classes (eight, by hash) one port
/// serves several flows at once. Freed ports queue up behind all others: the far end has time to forget.
///
/// 1 MiB an address, taken at construction. One thread.
#pragma once

#include <array>
#include <bit>
#include <cstdint>
#include <optional>
#include <vector>

#include "flow/pages.h"
#include "l4/landing.h"
#include "lb/flow_key.h"

namespace weft::l4 {

class OwnPorts {
 public:
  static constexpr uint16_t kFirst = 1024;  ///< the ports below are left alone (RFC 6056, section 3.2)
  static constexpr uint32_t kPorts = 65536 - kFirst;
  static constexpr uint32_t kClasses = 8;
  static constexpr size_t kMaxAddresses = 16;

  /// @param addresses at most kMaxAddresses. Throws std::bad_alloc.
  OwnPorts(std::vector<lb::Address> addresses, uint32_t worker, uint64_t seed);

  /// The endpoint's replies to a source of its own: (endpoint, port) to (an address of ours, a port of ours). Nothing
  /// if no port is left that would land here.
  /// @param hash of the flow: which address is tried first
  template <typename Key>
  std::optional<Key> take(const typename Key::Address& endpoint, lb::Port endpoint_port, lb::Protocol protocol,
                          const Landing& landing, uint64_t hash) {
    for (size_t i = 0; i < addresses_.size(); ++i) {
      const size_t at = (static_cast<uint32_t>(hash) + i) % addresses_.size();
      if (!addresses_[at].address.is<typename Key::Address>()) {
        continue;
      }
      const auto address = addresses_[at].address.as<typename Key::Address>();
      Queue& queue = queue_of(at, class_of(endpoint, endpoint_port, protocol));
      for (uint32_t tries = std::min(queue.size(), kTries); tries > 0; --tries) {
        const lb::Port port = queue.pop();
        const Key reply = Key::make(endpoint, endpoint_port, address, port, protocol);
        if (landing.owner_of_own(reply) == worker_) {
          ++addresses_[at].used;
          return reply;
        }
        queue.push(port);
      }
    }
    return std::nullopt;
  }

  /// @param reply as take() gave it
  template <typename Key>
  void give_back(const Key& reply) {
    const size_t at = index_of(reply.destination);
    if (at < addresses_.size()) {
      queue_of(at, class_of(reply.source, reply.source_port, reply.protocol)).push(reply.destination_port);
      --addresses_[at].used;
    }
  }

  bool is_own(const lb::Address& address) const { return index_of(address) < addresses_.size(); }
  bool empty() const { return addresses_.empty(); }
  size_t addresses() const { return addresses_.size(); }
  uint32_t used(size_t i) const { return addresses_[i].used; }

 private:
  /// However many workers there are (16 at most), some of so many ports in a row land here, or very few are left.
  static constexpr uint32_t kTries = 256;

  struct Own {
    lb::Address address;
    uint32_t used = 0;
  };
  /// The free ports of one address and class, first in, first out.
  struct Queue {
    std::array<lb::Port, 65536> ports;
    uint32_t head;
    uint32_t tail;

    uint32_t size() const { return tail - head; }
    lb::Port pop() { return ports[head++ % ports.size()]; }
    void push(lb::Port port) { ports[tail++ % ports.size()] = port; }
  };

  Queue& queue_of(size_t address, uint32_t its_class) { return queues_[address * kClasses + its_class]; }
  uint32_t class_of(const lb::Address& endpoint, lb::Port port, lb::Protocol protocol) const {
    const uint64_t rest = static_cast<uint64_t>(port) << 8 | static_cast<uint64_t>(protocol);
    return static_cast<uint32_t>(lb::hash_of(endpoint, seed_ ^ rest)) % kClasses;
  }
  static size_t home_of(const lb::Address& address) {
    const auto words = std::bit_cast<std::array<uint64_t, 2>>(address.ipv6());
    return (words[0] ^ words[1]) * 0x9e37'79b9'7f4a'7c15 >> 58;
  }
  /// Asked of each client: most stop at the first place.
  size_t index_of(const lb::Address& address) const {
    size_t place = home_of(address);
    while (places_[place] != kNone && addresses_[places_[place]].address != address) {
      place = (place + 1) % places_.size();
    }
    return places_[place] == kNone ? addresses_.size() : places_[place];
  }

  static constexpr uint8_t kNone = UINT8_MAX;

  std::vector<Own> addresses_;
  std::array<uint8_t, 64> places_;  ///< of addresses_, by a hash, or at the next free one
  uint32_t worker_;
  uint64_t seed_;
  flow::Pages<Queue> queues_;
};

}  // namespace weft::l4
