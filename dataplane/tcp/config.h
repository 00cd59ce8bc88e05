// SPDX-License-Identifier: Apache-2.0
/// @file What an engine is made with. Bounds first, as all memory is taken at the start.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>

namespace weft::tcp {

struct Config {
  using Duration = std::chrono::milliseconds;

  uint32_t connections = 1024;  ///< about 340 bytes each: 256, and its share of the table, the wheel and lists
  uint32_t half_open = 1024;    ///< 72 bytes each; beyond, and for a listener beyond its share: SYN cookies
  uint32_t time_waits = 4096;   ///< 32 bytes each; beyond, the oldest goes
  uint32_t pieces = 16384;      ///< of all queues, 32 bytes each, one a segment or slice
  uint32_t listeners = 64;
  uint32_t groups = 0;  ///< of connections, 8 bytes each, and 2 a connection: groups.h

  uint32_t receive_buffer = 1 << 20;  ///< bytes a connection, which the window grants; 4 KiB to 1 GiB
  uint32_t send_buffer = 4 << 20;     ///< bytes a connection at most: what is queued follows the congestion window
  uint32_t ranges = 4096;             ///< of bytes beyond gaps, all connections', 32 bytes each
  uint16_t max_ranges = 64;           ///< a connection's

  uint16_t mtu = 1500;  ///< of the link: the most that is ever sent or asked for
  bool timestamps = true;
  bool window_scale = true;
  bool selective_acks = true;
  /// After agreeing on timestamps a peer may stop sending them: its segments are taken none the less. RFC 7323, section
  /// 3.2 would have them dropped, and the connection hang; what is lost is the protection against old duplicates.
  bool tolerate_missing_timestamps = true;

  Duration initial_rto{1000};
  /// RFC 6298 wants a second. As everywhere today: over the smoothed round-trip time, 200 ms.
  Duration min_rto{200};
  Duration max_rto{60'000};
  uint8_t data_retries = 15;    ///< RFC 9293, section 3.8.3: R2
  uint8_t syn_ack_retries = 5;  ///< 63 s: each wait is twice the last
  Duration connect_timeout{180'000};
  Duration delayed_ack{40};     ///< RFC 9293, section 3.8.6.3: below 500 ms
  Duration time_wait{60'000};   ///< twice the maximum segment lifetime
  Duration fin_wait_2{60'000};  ///< for the peer to close, after close()
  Duration keepalive_idle{0};   ///< RFC 9293, section 3.8.4: off unless asked for
  Duration keepalive_interval{75'000};
  uint8_t keepalive_probes = 9;
};

/// Keys of what nobody outside may guess: initial sequence numbers (RFC 6528), timestamps' offsets, cookies, and the
/// place of a connection in its table.
struct Secret {
  std::array<uint8_t, 16> key{};
};

}  // namespace weft::tcp
