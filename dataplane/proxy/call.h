// SPDX-License-Identifier: Apache-2.0
/// @file What a proxy asks of its worker: connections to be made, which need ports of the node's own, and counting.
/// Lists of them are the worker's to empty.
#pragma once

#include <cstdint>

#include "tcp/segment.h"

namespace weft::proxy {

/// A connection that is to be made.
struct Call {
  uint32_t number = 0;      ///< of whoever asks, in what it keeps
  uint32_t generation = 0;  ///< of that number's owner: it may have gone before there is an answer
  lb::Address endpoint;
  lb::Port port{};
  uint8_t path = 0;  ///< the client's
};

/// What happened to a connection to an endpoint; or to a client, before there was one.
struct Change {
  enum class What : uint8_t {
    began,
    moved,
    ended,
    denied,          ///< a policy of access did not let it in,
    dry_run_denied,  ///< or would not have; of both, the service alone is said
  };
  What what = What::began;
  uint32_t service_slot = 0;
  uint32_t endpoint_slot = 0;
  bool called = false;          ///< of one that ended: it was made,
  tcp::SocketPair to_endpoint;  ///< by this pair, whose port is free again
  uint64_t requested = 0;       ///< bytes from the client since the last change,
  uint64_t replied = 0;         ///< and to it
};

}  // namespace weft::proxy
