// SPDX-License-Identifier: Apache-2.0
#include "tcp_forgery.h"

#include <algorithm>

namespace weft::simulation {
namespace {

/// Farther than any window.
constexpr uint32_t kFar = 1U << 30;

buffer::Slice garbage(Host& host) {
  buffer::Buffer* const taken = host.received.pool().take();
  if (taken == nullptr) {
    return {};
  }
  buffer::Slice slice(taken, 0, static_cast<uint16_t>(1 + host.random.below(100)));
  std::fill(slice.writable().begin(), slice.writable().end(), std::byte{0xee});
  return slice;
}

}  // namespace

std::optional<tcp::Segment> forge(Host& host, const Packet& packet, const WireWatch& watch) {
  const std::optional<WireWatch::Receiving> receiving = watch.receiving(mirrored(packet.pair));
  if (!receiving) {
    return std::nullopt;
  }
  tcp::Segment forged;
  forged.pair = mirrored(packet.pair);
  forged.acknowledgment = packet.acknowledgment;
  forged.window = packet.window;
  forged.options = packet.options.data();
  forged.options_length = static_cast<uint8_t>(packet.options.size());
  const uint32_t open = receiving->edge > receiving->received_to ? receiving->edge - receiving->received_to : 0;
  // In the window, but not where the next segment begins.
  const tcp::Seq within =
      receiving->received_to + 1 + static_cast<uint32_t>(open > 2 ? host.random.below(open - 2) : 0);
  const tcp::Seq beyond = receiving->edge + kFar + static_cast<uint32_t>(host.random.below(kFar / 2));
  switch (host.random.below(5)) {
    case 0:  // a reset, near enough to be challenged
      forged.sequence = within;
      forged.flags = tcp::flag::rst;
      break;
    case 1:  // a reset from anywhere
      forged.sequence = beyond;
      forged.flags = tcp::flag::rst | tcp::flag::ack;
      break;
    case 2:  // a SYN in the window
      forged.sequence = within;
      forged.flags = tcp::flag::syn;
      forged.options_length = 0;
      break;
    case 3:  // bytes from anywhere
      forged.sequence = beyond;
      forged.flags = tcp::flag::ack;
      forged.payload = garbage(host);
      break;
    default:  // bytes in the window, that acknowledge what was never sent
      forged.sequence = within;
      forged.acknowledgment += kFar;
      forged.flags = tcp::flag::ack | tcp::flag::psh;
      forged.payload = garbage(host);
  }
  return forged;
}

tcp::NetworkError forge_error(Host& host, const Packet& packet) {
  return {.pair = mirrored(packet.pair),
          .sequence = packet.acknowledgment + kFar + static_cast<uint32_t>(host.random.below(kFar / 2)),
          .kind = host.random.chance(50) ? tcp::NetworkError::Kind::too_big : tcp::NetworkError::Kind::hard,
          .mtu = static_cast<uint16_t>(host.random.below(1500))};
}

}  // namespace weft::simulation
