// SPDX-License-Identifier: Apache-2.0
/// @file The 5-tuple of a packet, and the one hash that weft takes of it.
///
/// The hash is keyed with a seed that all nodes of a mesh share, so that every node picks the same endpoint for the
/// same flow, while nobody without the seed can aim flows at one endpoint or at one bucket.
///
/// A key for each family, as keys are what flow tables are made of; a Tuple of either for decisions, which are rare.
#pragma once

#include <array>
#include <bit>
#include <cstdint>
#include <cstring>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "lb/address.h"

namespace weft::lb {

/// IPv4: 16 bytes without padding, compared and hashed as bytes.
struct alignas(16) FlowKey4 {
  using Address = Ipv4Address;

  Ipv4Address source{};
  Ipv4Address destination{};
  Port source_port{};
  Port destination_port{};
  Protocol protocol{};
  uint8_t zero[3] = {};

  /// From the bytes of a packet: source and destination address as they lie in the IPv4 header, and source and
  /// destination port as they lie in the transport header. Made of two words, so that the two loads of a hash or a
  /// comparison that follow find each word in one store; field by field, they would wait for the store buffer to drain.
  static FlowKey4 from_wire(uint64_t addresses, uint32_t ports, Protocol protocol) {
    return std::bit_cast<FlowKey4>(std::array<uint64_t, 2>{addresses, ports | static_cast<uint64_t>(protocol) << 32});
  }

  static FlowKey4 make(Ipv4Address source, Port source_port, Ipv4Address destination, Port destination_port,
                       Protocol protocol) {
    return from_wire(static_cast<uint64_t>(source) | static_cast<uint64_t>(destination) << 32,
                     static_cast<uint32_t>(source_port) | static_cast<uint32_t>(destination_port) << 16, protocol);
  }

  bool operator==(const FlowKey4& other) const { return std::memcmp(this, &other, sizeof *this) == 0; }
};
static_assert(sizeof(FlowKey4) == 16);

/// IPv6: 40 bytes without padding.
struct alignas(8) FlowKey6 {
  using Address = Ipv6Address;

  Ipv6Address source{};
  Ipv6Address destination{};
  Port source_port{};
  Port destination_port{};
  Protocol protocol{};
  uint8_t zero[3] = {};

  /// As FlowKey4's; the addresses are those two as they lie in the IPv6 header, in four words.
  static FlowKey6 from_wire(const std::array<uint64_t, 4>& addresses, uint32_t ports, Protocol protocol) {
    return std::bit_cast<FlowKey6>(std::array<uint64_t, 5>{addresses[0], addresses[1], addresses[2], addresses[3],
                                                           ports | static_cast<uint64_t>(protocol) << 32});
  }

  static FlowKey6 make(const Ipv6Address& source, Port source_port, const Ipv6Address& destination,
                       Port destination_port, Protocol protocol) {
    const auto from = std::bit_cast<std::array<uint64_t, 2>>(source);
    const auto to = std::bit_cast<std::array<uint64_t, 2>>(destination);
    return from_wire({from[0], from[1], to[0], to[1]},
                     static_cast<uint32_t>(source_port) | static_cast<uint32_t>(destination_port) << 16, protocol);
  }

  bool operator==(const FlowKey6& other) const { return std::memcmp(this, &other, sizeof *this) == 0; }
};
static_assert(sizeof(FlowKey6) == 40);

/// The tuple of the opposite direction.
template <typename Key>
Key reversed(const Key& key) {
  return Key::make(key.destination, key.destination_port, key.source, key.source_port, key.protocol);
}

/// XXH3, 64 bits. The upper half picks the endpoint (MaglevTable), the lower half the flow table's bucket.
template <typename Key>
uint64_t hash_of(const Key& key, uint64_t seed) {
  return XXH3_64bits_withSeed(&key, sizeof key, seed);
}

/// Of an address alone, for session affinity.
inline uint64_t hash_of(const Address& address, uint64_t seed) {
  return XXH3_64bits_withSeed(&address, sizeof address, seed);
}

/// A key of either family.
struct Tuple {
  Address source;
  Address destination;
  Port source_port{};
  Port destination_port{};
  Protocol protocol{};

  Tuple() = default;
  template <typename Key>
  explicit Tuple(const Key& key)
      : source(key.source),
        destination(key.destination),
        source_port(key.source_port),
        destination_port(key.destination_port),
        protocol(key.protocol) {}
  Tuple(const Address& from, Port from_port, const Address& to, Port to_port, Protocol its_protocol)
      : source(from), destination(to), source_port(from_port), destination_port(to_port), protocol(its_protocol) {}

  bool operator==(const Tuple&) const = default;
};

/// Precondition: the tuple is of the key's family.
template <typename Key>
Key key_of(const Tuple& tuple) {
  using A = typename Key::Address;
  return Key::make(tuple.source.as<A>(), tuple.source_port, tuple.destination.as<A>(), tuple.destination_port,
                   tuple.protocol);
}

/// What hash_of() says of the tuple's key.
uint64_t hash_of(const Tuple& tuple, uint64_t seed);

}  // namespace weft::lb
