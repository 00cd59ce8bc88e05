// SPDX-License-Identifier: Apache-2.0
/// @file IP in IP, and IP in GUE: the outer headers that carry a packet unchanged to an endpoint that answers for
/// itself.
///
/// IPIP is RFC 2003 (4 in 4), RFC 4213 (6 in 4) and RFC 2473 (4 and 6 in 6). GUE is variant 1 of
/// draft-ietf-intarea-gue-09, section 4: the IP packet stands right behind the UDP header, its version nibble doubling
/// as GUE's variant. A packet of either family goes into an outer header of either.
#pragma once

#include <cstddef>
#include <cstdint>

#include "lb/address.h"
#include "lb/policy.h"

namespace weft::packet {

constexpr uint16_t kGuePort = 6080;  ///< host order; IANA's for GUE

/// The bytes that a tunnel's outer headers take.
constexpr uint16_t tunnel_overhead(lb::Family outer, lb::Encapsulation encapsulation) {
  return static_cast<uint16_t>((outer == lb::Family::ipv4 ? 20 : 40) +
                               (encapsulation == lb::Encapsulation::gue ? 8 : 0));
}

template <typename Address>
struct TunnelEnds {
  Address source;
  Address destination;
};

/// Writes the outer headers into the tunnel_overhead() bytes at outer_ip, behind which the inner packet stands.
///
/// Traffic class and ECN are copied (RFC 2983's uniform model; RFC 6040, normal mode). What may not be fragmented
/// inside may not outside (RFC 2003, section 3.1); other IPv4 packets give the outer header an identification made of
/// theirs. UDP has no checksum: over IPv6 too, by RFC 6935 and RFC 6936, as the inner packet's own covers what counts.
///
/// @param inner_length of the inner packet; with the overhead at most 65535
/// @param entropy the same for all packets of a flow, so that they stay in order, and different for others: it becomes
/// GUE's source port, and IPv6's flow label (RFC 6438), so that routers and the receiver's queues spread flows
template <typename Address>
void encapsulate(std::byte* outer_ip, lb::Family inner, size_t inner_length, TunnelEnds<Address> ends,
                 lb::Encapsulation encapsulation, uint16_t entropy);

extern template void encapsulate(std::byte*, lb::Family, size_t, TunnelEnds<lb::Ipv4Address>, lb::Encapsulation,
                                 uint16_t);
extern template void encapsulate(std::byte*, lb::Family, size_t, TunnelEnds<lb::Ipv6Address>, lb::Encapsulation,
                                 uint16_t);

}  // namespace weft::packet
