// SPDX-License-Identifier: Apache-2.0
/// @file The 5-tuple of an IPv4 packet, and the one hash that weft takes of it.
///
/// The hash is keyed with a seed that all nodes of a mesh share, so that every node picks the same endpoint for the same
/// flow, while nobody without the seed can aim flows at one endpoint or at one bucket.
#pragma once

#include <cstdint>

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

  bool operator==(const FlowKey&) const = default;
};
static_assert(sizeof(FlowKey) == 16);

/// The key of packets that flow the other way.
constexpr FlowKey reversed(const FlowKey& key) {
  return {.source = key.destination,
          .destination = key.source,
          .source_port = key.destination_port,
          .destination_port = key.source_port,
          .protocol = key.protocol};
}

/// XXH3, 64 bits. The upper half picks the endpoint (MaglevTable), the lower half the flow table's bucket.
inline uint64_t hash_of(const FlowKey& key, uint64_t seed) {
  return XXH3_64bits_withSeed(&key, sizeof key, seed);
}

}  // namespace weft::lb
