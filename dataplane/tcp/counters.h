// SPDX-License-Identifier: Apache-2.0
/// @file What an engine counts. Each is a number of events since it was made.
#pragma once

#include <cstdint>

namespace weft::tcp {

struct Counters {
  uint64_t segments_received = 0;
  uint64_t segments_sent = 0;
  uint64_t bytes_received = 0;  ///< accepted, in order or not
  uint64_t bytes_sent = 0;      ///< the first time
  uint64_t predicted = 0;       ///< segments that header prediction took

  uint64_t accepted = 0;
  uint64_t connected = 0;
  uint64_t closed = 0;  ///< in order
  uint64_t resets_received = 0;
  uint64_t resets_sent = 0;
  uint64_t timeouts = 0;  ///< connections given up

  uint64_t cookies_sent = 0;
  uint64_t cookies_accepted = 0;
  uint64_t half_open_expired = 0;
  uint64_t refused = 0;  ///< handshakes that found no connection free
  uint64_t time_waits_recycled = 0;

  uint64_t retransmitted = 0;  ///< segments, of any reason
  uint64_t fast_recoveries = 0;
  uint64_t rto_fired = 0;
  uint64_t tail_probes = 0;
  uint64_t spurious = 0;  ///< recoveries that turned out needless, and were undone
  uint64_t window_probes = 0;
  uint64_t keepalives = 0;
  uint64_t black_holes = 0;  ///< segments made smaller because nothing came through

  uint64_t out_of_order = 0;
  uint64_t duplicates = 0;    ///< segments of which all bytes were there
  uint64_t unacceptable = 0;  ///< outside the window
  uint64_t paws_dropped = 0;
  uint64_t bad_acknowledgments = 0;
  uint64_t challenges = 0;           ///< RFC 5961
  uint64_t out_of_memory = 0;        ///< payloads not taken
  uint64_t invalid = 0;              ///< flags that can't be
  uint64_t beyond_share = 0;         ///< connections that their group has no share for
  uint64_t pieces_beyond_share = 0;  ///< of out_of_memory, those
};

}  // namespace weft::tcp
