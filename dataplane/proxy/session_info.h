// SPDX-License-Identifier: Apache-2.0
/// @file What a relayed session is like, for whoever shows it.
#pragma once

#include <cstdint>

#include "tcp/segment.h"
#include "time/clock.h"

namespace weft::proxy {

struct SessionInfo {
  tcp::SocketPair client;    ///< as weft has it: its remote end is the client
  tcp::SocketPair endpoint;  ///< its local end is the node's own; nothing yet while there is no port for it
  uint32_t service_slot = 0;
  uint32_t endpoint_slot = 0;
  bool is_read = false;    ///< by requests: the endpoint is that of the one under way; either end may be nobody
  bool connected = false;  ///< to the endpoint
  bool client_closed = false;
  bool endpoint_closed = false;
  time::Millis began_at = 0;
  time::Millis moved_at = 0;
  uint64_t requested = 0;  ///< bytes that were relayed to the endpoint,
  uint64_t replied = 0;    ///< and to the client
};

/// One of a session's two connections.
struct SessionSide {
  SessionInfo session;
  bool is_client = false;  ///< it is the client's
};

}  // namespace weft::proxy
