// SPDX-License-Identifier: Apache-2.0
/// @file The 5-tuple of an IPv4 packet, and the one hash that weft takes of it.
///
/// The hash is keyed with a seed that all nodes of a mesh share, so that every node picks the same endpoint for the
/// same flow, while nobody without the seed can aim flows at one endpoint or at one bucket.
#pragma once

#include <array>
#include <bit>
#include <cstdint>
#include <cstring>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "lb/address.h"

namespace weft::lb {

/// 16 bytes without padding: compared and hashed as bytes.
struct alignas(16) FlowKey {
  Ipv4Address source{};
  Ipv4Address destination{};
  Port source_port{};
  Port destination_port{};
  Protocol protocol{};
  uint8_t zero[3] = {};

  /// From the bytes of a packet: source and destination address as they lie in the IPv4 header, and source and
  /// destination port as they lie in the transport header. Made of two words, so that the two loads of a hash or a
  /// comparison that follow find each word in one store; field by field, they would wait for the store buffer to drain.
  static FlowKey from_wire(uint64_t addresses, uint32_t ports, Protocol protocol) {
    return std::bit_cast<FlowKey>(std::array<uint64_t, 2>{addresses, ports | static_cast<uint64_t>(protocol) << 32});
  }

  static FlowKey make(Ipv4Address source, Port source_port, Ipv4Address destination, Port destination_port,
                      Protocol protocol) {
    return from_wire(static_cast<uint64_t>(source) | static_cast<uint64_t>(destination) << 32,
                     static_cast<uint32_t>(source_port) | static_cast<uint32_t>(destination_port) << 16, protocol);
  }

  bool operator==(const FlowKey& other) const { return std::memcmp(this, &other, sizeof *this) == 0; }
};
static_assert(sizeof(FlowKey) == 16);

/// XXH3, 64 bits. The upper half picks the endpoint (MaglevTable), the lower half the flow table's bucket.
inline uint64_t hash_of(const FlowKey& key, uint64_t seed) {
  return XXH3_64bits_withSeed(&key, sizeof key, seed);
}

}  // namespace weft::lb
