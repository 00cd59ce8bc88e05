// SPDX-License-Identifier: Apache-2.0
/// @file ICMP errors about a flow's packet: which packet they quote, and the quote translated back.
///
/// An error that an endpoint, or a router before it, sends quotes the packet as weft sent it on. Its receiver knows
/// only the packet as it was before: so the quoted addresses, ports and checksums are put back, and the error's own
/// follow (RFC 5508, section 4). What the quote cannot vouch for is left as it is: the quoted header checksum may be
/// wrong already (routers take hops off and do not always mind it), and a quote may end before the transport checksum.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "lb/flow_key.h"
#include "packet/parse.h"

namespace weft::packet {

/// Unreachable, too big, source quench, time exceeded, parameter problem; not a redirect, which is for one link
/// (RFC 792; RFC 4443, section 3). Precondition: Kind::icmp.
bool is_icmp_error(std::span<const std::byte> frame, const Parsed& parsed);

struct Quote {
  union {
    lb::FlowKey6 key6{};             ///< if family says IPv6
    lb::FlowKey4 key4;               ///< if it says IPv4
  };                                 ///< the quoted packet's, as it stands
  Kind kind = Kind::other_protocol;  ///< transport (also of a first fragment), or without ports: icmp, other_protocol
  lb::Family family = lb::Family::ipv4;  ///< the error's own
  uint16_t ip_offset = 0;                ///< of the quoted packet, from the frame's start
  uint16_t l4_offset = 0;                ///< of its transport header, from the frame's start
  bool has_transport_checksum = false;   ///< the quote reaches it

  Quote() : key6() {}
};

/// The packet that an error is about. Precondition: is_icmp_error().
/// @returns false, and leaves `quote` in any state, if what is quoted says no flow: less than a header and 8 bytes
/// behind it, a malformed header, or a later fragment
bool parse_quote(std::span<const std::byte> frame, const Parsed& error, Quote& quote);

/// Gives the quoted packet the tuple `to` and the error the addresses from `source` to `destination`, takes a hop off
/// it, and carries all that into the checksums of quote and error: a wrong one stays wrong. Preconditions:
/// parse_quote() found a transport quote of Key's family; the error's time to live (hop limit) is above 0.
template <typename Key>
void translate_quote(std::span<std::byte> frame, const Quote& quote, const Parsed& error, const Key& to,
                     const typename Key::Address& source, const typename Key::Address& destination);

}  // namespace weft::packet
