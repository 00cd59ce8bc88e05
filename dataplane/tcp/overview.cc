// SPDX-License-Identifier: Apache-2.0
/// @file All connections of an engine, for whoever ends them or shows them.
#include <algorithm>

#include "tcp/engine.h"

namespace weft::tcp {

uint32_t Engine::abort_from(uint32_t at, uint32_t at_most) {
  const uint32_t end = std::min<uint32_t>(at + at_most, static_cast<uint32_t>(connections_.size()));
  for (; at < end; ++at) {
    if (connections_[at].has(Connection::in_use)) {
      abort({at, connections_[at].generation});
    }
  }
  return at < connections_.size() ? at : 0;
}

std::optional<ConnectionId> Engine::connection_of(const SocketPair& pair) const {
  const Reference reference = find(pair, keyed_.place_of(pair));
  if (reference.kind() != Reference::Kind::connection) {
    return std::nullopt;
  }
  return ConnectionId{reference.index(), connections_[reference.index()].generation};
}

}  // namespace weft::tcp
