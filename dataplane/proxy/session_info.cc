// SPDX-License-Identifier: Apache-2.0
#include "proxy/session_info.h"

#include "proxy/relay.h"

namespace weft::proxy {

/// @returns nothing of one that is about to end: its client is not known any more
std::optional<SessionInfo> Relay::info_of(const Session& session) const {
  const tcp::SocketPair* client = session.in_use ? engine_.pair(session.client.id) : nullptr;
  if (client == nullptr) {
    return std::nullopt;
  }
  const tcp::State endpoint = engine_.state(session.endpoint.id);
  return SessionInfo{.client = *client,
                     .endpoint = session.to_endpoint,
                     .service_slot = session.service_slot,
                     .endpoint_slot = session.endpoint_slot,
                     .connected = session.called && endpoint != tcp::State::syn_sent,
                     .client_closed = session.endpoint.ended,
                     .endpoint_closed = session.client.ended,
                     .began_at = session.began_at,
                     .moved_at = session.moved_at,
                     .requested = session.endpoint.in_all,
                     .replied = session.client.in_all};
}

std::optional<SessionSide> Relay::find(tcp::ConnectionId id) const {
  const tcp::Details* details = engine_.details(id);
  const ConnectionUser user = details == nullptr ? ConnectionUser{Role::undecided} : ConnectionUser::of(details->user);
  if ((user.role != Role::relay_client && user.role != Role::relay_endpoint) || user.number >= sessions_.size()) {
    return std::nullopt;
  }
  const Session& session = sessions_[user.number];
  if (session.client.id != id && session.endpoint.id != id) {
    return std::nullopt;  // its user is not the relay yet
  }
  const std::optional<SessionInfo> info = info_of(session);
  return info ? std::optional(SessionSide{*info, session.client.id == id}) : std::nullopt;
}

}  // namespace weft::proxy
