// SPDX-License-Identifier: Apache-2.0
/// @file From a frame to a 5-tuple. The one place that looks at unchecked bytes.
///
/// Every length is checked here, once: what follows may trust the key and the offsets, and that the bytes up to
/// `ip_offset + ip_length` are there.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "lb/flow_key.h"

namespace weft::packet {

enum class Kind : uint8_t {
  transport,          ///< TCP or UDP with all of its header: the key is whole
  icmp,               ///< ICMP with all of its header: the key has no ports
  fragment,           ///< any fragment: the key has no ports
  other_protocol,     ///< IPv4, but none of the above: the key has no ports
  not_ipv4,           ///< ARP, IPv6, VLAN, ...: no key
  truncated,          ///< shorter than its headers say
  bad_version,        ///< the type says IPv4, the header does not
  bad_header_length,  ///< an IPv4 or TCP header shorter than can be
  bad_total_length,   ///< an IPv4 total length shorter than its header, or a UDP length that does not fit
  bad_checksum,       ///< of the IPv4 header (RFC 1812, section 5.2.2: MUST verify)
};

struct Parsed {
  lb::FlowKey key;
  Kind kind = Kind::truncated;
  uint8_t tcp_flags = 0;
  uint8_t l4_offset = 0;   ///< from the frame's start
  uint16_t ip_length = 0;  ///< the IPv4 total length; the frame may be longer (padding)
};

constexpr uint8_t kIpOffset = 14;
constexpr size_t kMaxIpHeader = 60;

/// @param frame from the Ethernet header on, in one piece
/// @param parsed written over as far as its kind says: of a malformed packet, nothing but the kind counts
void parse(std::span<const std::byte> frame, Parsed& parsed);

}  // namespace weft::packet
