// SPDX-License-Identifier: Apache-2.0
/// @file How an operator sees connections whose requests are read: a client's with the endpoint that its request is
/// under way to, and those to endpoints that serve no client now.
#include "proxy/http_proxy.h"

namespace weft::proxy {

std::optional<SessionInfo> HttpProxy::info_of(const Client& client) const {
  if (client.state == Client::State::free) {
    return std::nullopt;
  }
  SessionInfo info{.client = client.pair,
                   .service_slot = client.service_slot,
                   .endpoint_slot = kNobody,
                   .is_read = true,
                   .connected = true,
                   .client_closed = engine_.has_peer_closed(client.id),
                   .began_at = client.began_at,
                   .moved_at = client.moved_at};
  if (client.state == Client::State::busy) {
    const Exchange& x = exchanges_[client.exchange];
    info.moved_at = x.moved_at;
    if (x.upstream != kNobody && upstreams_[x.upstream].called) {
      info.endpoint = upstreams_[x.upstream].pair;
      info.endpoint_slot = upstreams_[x.upstream].endpoint_slot;
    }
  }
  return info;
}

std::optional<SessionInfo> HttpProxy::info_of(const Upstream& upstream) const {
  if (upstream.state == Upstream::State::free || !upstream.called) {
    return std::nullopt;
  }
  if (upstream.state == Upstream::State::busy && exchanges_[upstream.exchange].client != kNobody) {
    return info_of(clients_[exchanges_[upstream.exchange].client]);
  }
  return SessionInfo{.endpoint = upstream.pair,
                     .service_slot = upstream.service_slot,
                     .endpoint_slot = upstream.endpoint_slot,
                     .is_read = true,
                     .connected = upstream.connected,
                     .began_at = upstream.began_at,
                     .moved_at = upstream.moved_at};
}

std::optional<SessionInfo> HttpProxy::info_at(uint32_t place) const {
  if (place < clients_.size()) {
    return info_of(clients_[place]);
  }
  const Upstream& upstream = upstreams_[place - static_cast<uint32_t>(clients_.size())];
  const bool is_clients = upstream.state == Upstream::State::busy && exchanges_[upstream.exchange].client != kNobody;
  return is_clients ? std::nullopt : info_of(upstream);
}

std::optional<SessionSide> HttpProxy::find(tcp::ConnectionId id) const {
  const tcp::Details* const details = engine_.details(id);
  if (details == nullptr) {
    return std::nullopt;
  }
  const ConnectionUser user = ConnectionUser::of(details->user);
  const bool is_client =
      user.role == Role::http_client && user.number < clients_.size() && clients_[user.number].id == id;
  const bool is_endpoint =
      user.role == Role::http_upstream && user.number < upstreams_.capacity() && upstreams_[user.number].id == id;
  const std::optional<SessionInfo> info = is_client     ? info_of(clients_[user.number])
                                          : is_endpoint ? info_of(upstreams_[user.number])
                                                        : std::nullopt;
  return info ? std::optional(SessionSide{*info, is_client}) : std::nullopt;
}

}  // namespace weft::proxy
