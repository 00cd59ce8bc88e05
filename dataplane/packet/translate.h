// SPDX-License-Identifier: Apache-2.0
/// @file Address translation in place: both addresses, both ports, one hop, and the checksums that cover them.
///
/// A packet gets a tuple, whole: addresses and ports lie in a key as they lie in the packet, so each pair is one store,
/// and it makes no difference which end a forwarding mode rewrites. What the change does to the checksums is the same
/// for all packets of a flow and direction, so it is computed once (deltas_of) and added a packet (RFC 1624). Payloads
/// are never read; a wrong transport checksum stays wrong.
///
/// Of a fragmented datagram only the first fragment has a transport header: its others get translate_ip() alone.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <type_traits>

#include "lb/flow_key.h"
#include "packet/checksum.h"
#include "packet/headers.h"

namespace weft::packet {

struct Deltas {
  uint16_t ip = 0;         ///< of the addresses, to the IPv4 header's checksum; IPv6's has none
  uint16_t transport = 0;  ///< of the addresses (by the pseudo header) and the ports

  constexpr Deltas reversed() const { return {static_cast<uint16_t>(~ip), static_cast<uint16_t>(~transport)}; }
};

/// Of both addresses, as words in memory.
inline uint64_t address_sum(const lb::FlowKey4& key) {
  return uint64_t{static_cast<uint32_t>(key.source)} + static_cast<uint32_t>(key.destination);
}
inline uint64_t address_sum(const lb::FlowKey6& key) {
  return sum_of(std::as_bytes(std::span(key.source.bytes)), sum_of(std::as_bytes(std::span(key.destination.bytes))));
}

inline uint64_t port_sum(const auto& key) {
  return uint64_t{static_cast<uint16_t>(key.source_port)} + static_cast<uint16_t>(key.destination_port);
}

template <typename Key>
Deltas deltas_of(const Key& from, const Key& to) {
  const uint64_t before = address_sum(from);
  const uint64_t after = address_sum(to);
  return {.ip = std::is_same_v<Key, lb::FlowKey4> ? delta(before, after) : uint16_t{0},
          .transport = delta(before + port_sum(from), after + port_sum(to))};
}

/// Precondition: an IP header of Key's family whose time to live (hop limit) is above 0; it goes down by one.
template <typename Key>
void translate_ip(std::byte* ip_header, const Key& to, Deltas deltas) {
  static_assert(offsetof(Key, destination) == sizeof to.source, "both addresses are one piece, as in the header");
  if constexpr (std::is_same_v<Key, lb::FlowKey4>) {
    auto* ip = view<Ipv4Header>(ip_header);
    // The time to live is the first byte of its 16-bit word: one less of it is this change of the sum.
    constexpr uint32_t kOneHop = static_cast<uint16_t>(~swap16(0x0100));
    ip->time_to_live = static_cast<uint8_t>(ip->time_to_live - 1);
    ip->checksum = static_cast<uint16_t>(~fold(static_cast<uint16_t>(~ip->checksum) + kOneHop + deltas.ip));
    std::memcpy(ip_header + offsetof(Ipv4Header, source), &to, 2 * sizeof to.source);
  } else {
    auto* ip = view<Ipv6Header>(ip_header);
    ip->hop_limit = static_cast<uint8_t>(ip->hop_limit - 1);
    std::memcpy(ip_header + offsetof(Ipv6Header, source), &to, 2 * sizeof to.source);
  }
}

/// Takes a change into a UDP checksum. 0 says that there is none, and stays; a computed 0 is sent as its other form
/// (RFC 768; of IPv6, RFC 6936, section 5: middleboxes forward both).
constexpr uint16_t update_udp(uint16_t checksum, uint16_t delta) {
  if (checksum == 0) {
    return 0;
  }
  const uint16_t updated = update(checksum, delta);
  return updated == 0 ? 0xffff : updated;
}

/// Precondition: a TCP or UDP header, as to.protocol says.
template <typename Key>
void translate_transport(std::byte* transport_header, const Key& to, Deltas deltas) {
  static_assert(offsetof(Key, destination_port) == offsetof(Key, source_port) + sizeof to.source_port);
  std::memcpy(transport_header, &to.source_port, sizeof to.source_port + sizeof to.destination_port);
  if (to.protocol == lb::Protocol::tcp) {
    auto* tcp = view<TcpHeader>(transport_header);
    tcp->checksum = update(tcp->checksum, deltas.transport);
  } else {
    auto* udp = view<UdpHeader>(transport_header);
    udp->checksum = update_udp(udp->checksum, deltas.transport);
  }
}

/// Both. Precondition: parse() called it transport, or a fragment that has its ports.
template <typename Key>
void translate(std::byte* ip_header, std::byte* transport_header, const Key& to, Deltas deltas) {
  translate_ip(ip_header, to, deltas);
  translate_transport(transport_header, to, deltas);
}

}  // namespace weft::packet
