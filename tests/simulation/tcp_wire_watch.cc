// SPDX-License-Identifier: Apache-2.0
#include "tcp_wire_watch.h"

#include <tuple>

namespace weft::simulation {
namespace {

/// Segments without a length that a connection may send while nothing moves, beyond one for each that has a length:
/// probes, keepalives (one a second, while a relay's other side backs off), window updates, and what old duplicates
/// provoke.
constexpr uint32_t kBare = 4000;
/// Segments with a length that may pass while nothing moves: windows of small segments, and their repetition.
constexpr uint32_t kLoaded = 20'000;

/// A window field's meaning: unscaled in a SYN (RFC 7323, section 2.2).
tcp::Seq edge_of(const Packet& packet, bool scaled, uint8_t shift) {
  return packet.acknowledgment + (uint32_t{packet.window} << (scaled && !packet.has(tcp::flag::syn) ? shift : 0));
}

}  // namespace

bool PairOrder::operator()(const tcp::SocketPair& a, const tcp::SocketPair& b) const {
  const auto key = [](const tcp::SocketPair& pair) {
    return std::tie(pair.local.ipv6(), pair.remote.ipv6(), pair.local_port, pair.remote_port);
  };
  return key(a) < key(b);
}

tcp::SocketPair mirrored(const tcp::SocketPair& pair) {
  return {.local = pair.remote, .remote = pair.local, .local_port = pair.remote_port, .remote_port = pair.local_port};
}

std::string WireWatch::sent(const Packet& packet) {
  if (packet.has(tcp::flag::rst)) {
    views_.erase(packet.pair);  // with cookies, what comes late may begin it again, without a SYN
    return {};
  }
  View& view = views_[packet.pair];
  if (packet.has(tcp::flag::syn) && (!view.spoke || view.first != packet.sequence)) {
    View fresh;
    if (packet.has(tcp::flag::ack)) {  // it answers the SYN that was heard
      fresh.heard = view.heard;
      fresh.peer_first = packet.acknowledgment - 1;
      fresh.peer_offers_scale = view.peer_offers_scale;
      fresh.peer_shift = view.peer_shift;
      fresh.received_to = view.received_to;
    }
    fresh.spoke = true;
    fresh.first = packet.sequence;
    fresh.offers_scale = packet.decoded.window_shift.has_value();
    fresh.shift = packet.decoded.window_shift.value_or(0);
    fresh.sent_to = packet.sequence + 1;
    view = fresh;
  }
  if (!view.spoke || !view.heard) {
    return {};
  }
  const bool scaled = view.offers_scale && view.peer_offers_scale;
  if (packet.has(tcp::flag::ack) && packet.acknowledgment < view.peer_first) {
    view = {};  // a forger's SYN came between: it goes on with an earlier handshake's cookie
    return {};
  }

  if (packet.has(tcp::flag::ack) && !(view.peer_closed && packet.acknowledgment >= view.peer_end)) {
    const tcp::Seq edge = edge_of(packet, scaled, view.shift);
    // A SYN's window is not scaled: what comes beside it can't always say the same.
    const uint32_t granularity = packet.has(tcp::flag::syn) || view.edge_of_syn ? 1U << view.shift : 1;
    if (view.has_edge && edge + granularity <= view.edge) {
      return "the right edge goes back by " + std::to_string(view.edge - edge);
    }
    view.edge_of_syn = packet.has(tcp::flag::syn);
    view.edge = edge;
    view.has_edge = true;
  }
  if (packet.has(tcp::flag::ack) && packet.acknowledgment > view.acknowledged) {
    view.acknowledged = packet.acknowledgment;
    view.moved();
  }
  if (packet.end() > view.sent_to) {
    view.sent_to = packet.end();
    view.moved();
  }

  if (packet.length() == 0) {
    if (++view.bare > kBare + view.loaded) {
      return std::to_string(view.bare) + " segments without a length, and nothing moves";
    }
    return {};
  }
  if (++view.loaded > kLoaded) {
    return std::to_string(view.loaded) + " segments, and nothing moves";
  }
  if (packet.has(tcp::flag::syn)) {
    return packet.payload.empty() ? std::string{} : "data in a SYN";
  }
  if (!view.peer_has_edge) {
    return "data before the handshake";
  }
  // A probe may be one beyond (RFC 9293, section 3.8.6.1), and a FIN: as BSD's, it is sent whatever the window.
  if (packet.end() > view.peer_edge + (packet.length() == 1 || packet.has(tcp::flag::fin) ? 1 : 0)) {
    return std::to_string(packet.end() - view.peer_edge) + " beyond what the peer allows";
  }
  return {};
}

void WireWatch::received(const Packet& packet) {
  if (packet.has(tcp::flag::rst)) {
    return;
  }
  View& view = views_[mirrored(packet.pair)];
  if (packet.has(tcp::flag::syn) && packet.has(tcp::flag::ack) && view.spoke &&
      packet.acknowledgment != view.first + 1) {
    return;  // to another SYN: an older one's, or one that is not the host's
  }
  if (packet.has(tcp::flag::syn) && (!view.heard || view.peer_first != packet.sequence)) {
    if (view.heard && view.spoke && !packet.has(tcp::flag::ack)) {
      view.spoke = false;  // a new connection, or an old duplicate: the host's next SYN tells
      view.has_edge = view.peer_has_edge = view.peer_closed = false;
    }
    view.heard = true;
    view.peer_first = packet.sequence;
    view.peer_offers_scale = packet.decoded.window_shift.has_value();
    view.peer_shift = packet.decoded.window_shift.value_or(0);
    view.acknowledged = packet.sequence;
    view.received_to = packet.end();
    view.peer_acknowledged = view.first;
  }
  if (packet.length() > 0) {
    ++view.loaded;
  }
  if (!view.heard) {
    return;
  }
  if (packet.end() > view.received_to) {
    view.received_to = packet.end();
  }
  if (packet.has(tcp::flag::fin)) {
    view.peer_closed = true;
    view.peer_end = packet.end();
  }
  if (!packet.has(tcp::flag::ack)) {
    return;
  }
  const tcp::Seq edge = edge_of(packet, view.offers_scale && view.peer_offers_scale, view.peer_shift);
  if (!view.peer_has_edge || edge > view.peer_edge) {
    view.peer_edge = edge;
    view.peer_has_edge = true;
    view.moved();
  }
  if (packet.acknowledgment > view.peer_acknowledged) {
    view.peer_acknowledged = packet.acknowledgment;
    view.moved();
  }
}

std::optional<WireWatch::Receiving> WireWatch::receiving(const tcp::SocketPair& pair) const {
  const auto found = views_.find(pair);
  if (found == views_.end()) {
    return std::nullopt;
  }
  const View& view = found->second;
  if (!view.spoke || !view.heard || !view.has_edge || !view.peer_has_edge || view.peer_closed) {
    return std::nullopt;
  }
  return Receiving{view.received_to, view.edge};
}

}  // namespace weft::simulation
