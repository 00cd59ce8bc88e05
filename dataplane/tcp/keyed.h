// SPDX-License-Identifier: Apache-2.0
/// @file Numbers that nobody can guess who does not have the secret: SipHash-2-4 (libsodium's) of a socket pair.
///
/// Initial sequence numbers (RFC 6528, section 3), offsets of timestamps (RFC 7323, section 5.4), cookies (RFC 4987,
/// section 3.6), and places in a table.
#pragma once

#include <cstdint>

#include "tcp/config.h"
#include "tcp/segment.h"
#include "time/clock.h"

namespace weft::tcp {

class Keyed {
 public:
  explicit Keyed(const Secret& secret);

  /// Of every segment that arrives: XXH3 with a seed of the secret's. Who could find collisions would have to see where
  /// connections lie.
  uint64_t place_of(const SocketPair& pair) const;
  /// Of a connection's first segments.
  uint32_t sequence_of(const SocketPair& pair) const;
  uint32_t timestamp_of(const SocketPair& pair) const;
  /// 24 bits over a pair, and what a cookie says.
  uint32_t cookie_of(const SocketPair& pair, Seq peer_first, uint32_t said) const;

 private:
  uint64_t hash(const SocketPair& pair, uint32_t purpose, uint32_t a = 0, uint32_t b = 0) const;

  Secret secret_;
  uint64_t seed_;
};

/// RFC 6528, section 3: M, a timer that ticks every 4 microseconds.
inline Seq initial_sequence(uint32_t hash, time::Time now) {
  return Seq(hash + static_cast<uint32_t>(now.count() / 4000));
}

}  // namespace weft::tcp
