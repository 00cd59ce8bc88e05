// SPDX-License-Identifier: Apache-2.0
/// @file Between a worker and who asks other name servers for it: queries one way, answers the other.
#pragma once

#include <cstring>
#include <type_traits>

#include "dns/message_ring.h"
#include "dns/responder.h"
#include "lb/flow_key.h"

namespace weft::dns {

/// Goes before a query, and comes back before its answer.
struct Ask {
  lb::Tuple tuple;  ///< the query's
  Transport transport = Transport::udp;
  uint8_t path = 0;         ///< the port that it came in by
  uint16_t most = 0;        ///< bytes that the answer may have
  uint32_t session = 0;     ///< over TCP: whose it is, in what the worker keeps
  uint32_t generation = 0;  ///< likewise: if another's has its place, nobody waits any more
};
static_assert(std::is_trivially_copyable_v<Ask>);

/// A worker's two rings.
struct ForwardingRings {
  MessageRing asks{1 << 17};
  MessageRing answers{1 << 19};  ///< a few of the longest answers over TCP, or some thousand plain ones
};

inline bool put(MessageRing& ring, const Ask& ask, std::span<const std::byte> message) {
  return ring.put(std::as_bytes(std::span(&ask, 1)), message);
}

/// Precondition: put() wrote it. @returns the message
inline std::span<const std::byte> take_apart(std::span<const std::byte> written, Ask& ask) {
  std::memcpy(&ask, written.data(), sizeof ask);
  return written.subspan(sizeof ask);
}

}  // namespace weft::dns
