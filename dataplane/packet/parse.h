// SPDX-License-Identifier: Apache-2.0
/// @file From a frame to a 5-tuple, IPv4 and IPv6. The one place that looks at unchecked bytes (and quote.h, for what
/// ICMP errors quote).
///
/// Every length is checked here, once: what follows may trust the key and the offsets, and that the bytes up to
/// `ip_offset + ip_length` are there.
///
/// IPv6 extension headers are walked to the transport header behind them (extensions.h). A datagram in one fragment
/// (RFC 6946) is taken for the whole packet that it is.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <type_traits>

#include "lb/flow_key.h"

namespace weft::packet {

enum class Kind : uint8_t {
  transport,          ///< TCP or UDP with all of its header: the key is whole
  icmp,               ///< the family's own ICMP with all of its header: the key has no ports
  fragment,           ///< one of several; the key has ports if has_ports says so
  other_protocol,     ///< IP, but none of the above, or still on its way (a routing header): the key has no ports
  not_ip,             ///< ARP, VLAN-tagged, ...: no key
  truncated,          ///< shorter than its headers say
  bad_version,        ///< the type says IPv4 or IPv6, the header does not
  bad_header_length,  ///< an IPv4 or TCP header shorter than can be
  bad_total_length,   ///< an IP length shorter than its header, a UDP length that does not fit, a fragment of a
                      ///< datagram longer than can be, a jumbogram
  bad_checksum,       ///< of the IPv4 header (RFC 1812, section 5.2.2: MUST verify)
  bad_extension,      ///< an IPv6 header chain that is out of order, or longer than weft follows
};

/// At most a cache line.
struct Parsed {
  union {
    lb::FlowKey6 key6;  ///< if family says IPv6
    lb::FlowKey4 key4;  ///< if it says IPv4
  };
  Kind kind = Kind::truncated;
  lb::Family family = lb::Family::ipv4;
  uint8_t tcp_flags = 0;
  uint16_t l4_offset = 0;  ///< from the frame's start
  uint16_t ip_length = 0;  ///< the IP packet's, header included; the frame may be longer (padding)

  // Of a Kind::fragment, and meaningless else.
  uint16_t fragment_offset = 0;  ///< in bytes
  bool more_fragments = false;
  bool has_ports = false;  ///< the first, with all of its TCP or UDP header: it can be translated as a whole packet is
  uint32_t fragment_id = 0;  ///< as it stands on the wire. What fragments of one datagram share beside both addresses,
                             ///< and with IPv4 the protocol (RFC 791; RFC 8200, section 4.5)

  Parsed() : key6() {}
};
static_assert(sizeof(Parsed) <= 64);

/// The key of the family that Key is of. Precondition: parsed.family says so.
template <typename Key, typename Result>
auto& key_of(Result& parsed) {
  if constexpr (std::is_same_v<Key, lb::FlowKey4>) {
    return parsed.key4;
  } else {
    static_assert(std::is_same_v<Key, lb::FlowKey6>);
    return parsed.key6;
  }
}

constexpr uint8_t kIpOffset = 14;

/// @param frame from the Ethernet header on, in one piece
/// @param parsed written over as far as its kind says: of a malformed packet, nothing but kind and family (IPv4, if
/// it is not even IP) counts
void parse(std::span<const std::byte> frame, Parsed& parsed);

}  // namespace weft::packet
