// SPDX-License-Identifier: Apache-2.0
/// @file What the network says of segments of ours: path MTU (RFC 1191, 8201) and unreachable peers (RFC 5927).
#include <algorithm>
#include <array>

#include "tcp/engine.h"

namespace weft::tcp {
namespace {

/// RFC 1191, section 3, and RFC 8200, section 5: links carry that much; who says otherwise wants many small segments.
constexpr uint16_t kLeastMtuIpv4 = 552;
constexpr uint16_t kLeastMtuIpv6 = 1280;

/// RFC 1191, section 7.1: what paths bear, for routers that do not say it.
uint16_t plateau_below(uint32_t mtu) {
  constexpr std::array<uint16_t, 5> kPlateaus = {8166, 4352, 2002, 1492, 1006};
  const auto below = std::find_if(kPlateaus.begin(), kPlateaus.end(), [&](uint16_t each) { return each < mtu; });
  return below == kPlateaus.end() ? kLeastMtuIpv4 : *below;
}

}  // namespace

void Engine::input(const NetworkError& error, time::Time now, Output& output) {
  begin(now, output);
  const uint64_t place = keyed_.place_of(error.pair);
  const Reference found = find(error.pair, place);
  if (found.kind() == Reference::Kind::connection) {
    hear_network(found.index(), error);
  }
  tell_events();
  output_ = nullptr;
}

void Engine::hear_network(uint32_t c, const NetworkError& error) {
  Connection& connection = connections_[c];
  // RFC 5927, section 4: of what is on its way, or it is forged or late.
  if (error.sequence < connection.send_unacknowledged || error.sequence >= connection.send_next) {
    return;
  }
  switch (error.kind) {
    case NetworkError::Kind::too_big:
      return shrink(c, error.mtu);
    case NetworkError::Kind::hard:
      if (connection.state == State::syn_sent) {  // RFC 1122, section 4.2.3.9
        details_[c].flags |= Details::unreachable;
        return end(c, event::reset);
      }
      [[fallthrough]];
    case NetworkError::Kind::soft:
      details_[c].flags |= Details::unreachable;
  }
}

/// The path's MTU is smaller: what did not come through is sent again, smaller, and that is no sign of congestion.
void Engine::shrink(uint32_t c, uint16_t mtu) {
  Connection& connection = connections_[c];
  Details& details = details_[c];
  const bool is_ipv4 = connection.pair.remote.is_ipv4();
  const uint16_t least = is_ipv4 ? kLeastMtuIpv4 : kLeastMtuIpv6;
  const auto headers = static_cast<uint16_t>(config_.mtu - our_mss(connection.pair) +
                                             (connection.has(Connection::timestamps) ? kTimestampBytes : 0));
  const uint16_t told = mtu != 0 ? mtu : plateau_below(uint32_t{connection.mss} + headers);
  const auto mss = static_cast<uint16_t>(std::max(told, least) - headers);
  if (connection.state == State::syn_sent || mss >= connection.mss) {
    return;
  }
  const uint16_t before = connection.mss;
  connection.mss = mss;
  for (uint32_t at = connection.to_send.head; at != connection.unsent && at != kNone; at = pieces_[at].next) {
    Piece& piece = pieces_[at];
    if (!piece.is(Piece::sacked | Piece::lost)) {
      lose(details, piece);
    }
  }
  connection.congestion_window = std::max<uint32_t>(connection.congestion_window, 2U * before);
  touch(c);
}

}  // namespace weft::tcp
