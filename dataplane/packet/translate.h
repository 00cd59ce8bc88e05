// SPDX-License-Identifier: Apache-2.0
/// @file Address translation in place: one address, one port, the time to live, and the checksums that cover them.
///
/// What the change does to the checksums is the same for all packets of a flow and direction, so it is computed once
/// (deltas_of) and added a packet (RFC 1624). Payloads are never read; a wrong transport checksum stays wrong.
#pragma once

#include <cstddef>
#include <cstdint>

#include "lb/flow_key.h"
#include "packet/checksum.h"
#include "packet/headers.h"

namespace weft::packet {

struct Deltas {
  uint16_t ip = 0;         ///< of the address
  uint16_t transport = 0;  ///< of the address (by the pseudo header) and the port

  constexpr Deltas reversed() const { return {static_cast<uint16_t>(~ip), static_cast<uint16_t>(~transport)}; }
};

constexpr Deltas deltas_of(lb::Ipv4Address from, lb::Port from_port, lb::Ipv4Address to, lb::Port to_port) {
  const uint64_t before = static_cast<uint32_t>(from);
  const uint64_t after = static_cast<uint32_t>(to);
  return {.ip = delta(before, after),
          .transport = delta(before + static_cast<uint16_t>(from_port), after + static_cast<uint16_t>(to_port))};
}

enum class End : uint8_t { source, destination };

/// Precondition: parse() called it transport, and the time to live is above 0; it goes down by one.
template <End end>
void translate(std::byte* ip_header, std::byte* transport_header, lb::Protocol protocol, lb::Ipv4Address address,
               lb::Port port, Deltas deltas) {
  auto* ip = view<Ipv4Header>(ip_header);
  // The time to live is the first byte of its 16-bit word: one less of it is this change of the sum.
  constexpr uint32_t kOneHop = static_cast<uint16_t>(~swap16(0x0100));
  ip->time_to_live = static_cast<uint8_t>(ip->time_to_live - 1);
  ip->checksum = static_cast<uint16_t>(~fold(static_cast<uint16_t>(~ip->checksum) + kOneHop + deltas.ip));
  (end == End::source ? ip->source : ip->destination) = address;
  if (protocol == lb::Protocol::tcp) {
    auto* tcp = view<TcpHeader>(transport_header);
    (end == End::source ? tcp->source_port : tcp->destination_port) = port;
    tcp->checksum = update(tcp->checksum, deltas.transport);
  } else {
    auto* udp = view<UdpHeader>(transport_header);
    (end == End::source ? udp->source_port : udp->destination_port) = port;
    if (udp->checksum != 0) {  // RFC 768: 0 says that there is none, so a computed 0 is sent as its other form
      const uint16_t updated = update(udp->checksum, deltas.transport);
      udp->checksum = updated == 0 ? 0xffff : updated;
    }
  }
}

}  // namespace weft::packet
