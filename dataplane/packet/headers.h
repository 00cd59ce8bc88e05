// SPDX-License-Identifier: Apache-2.0
/// @file Headers as they stand on the wire. All fields are in network byte order; the structs may lie at any address.
///
/// A header is only ever reached through view(), after a length check.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "lb/address.h"

namespace weft::packet {

struct [[gnu::packed]] EthernetHeader {
  uint8_t destination[6];
  uint8_t source[6];
  uint16_t type;
};
static_assert(sizeof(EthernetHeader) == 14);

constexpr uint8_t kTimeToLive = 64;  ///< of what weft itself sends: RFC 1700's default

struct [[gnu::packed]] Ipv4Header {  // RFC 791, section 3.1
  uint8_t version_and_length;        // in the low half: header length in 32-bit words
  uint8_t type_of_service;
  uint16_t total_length;
  uint16_t identification;
  uint16_t fragment;  // flags and offset
  uint8_t time_to_live;
  lb::Protocol protocol;
  uint16_t checksum;
  lb::Ipv4Address source;
  lb::Ipv4Address destination;
};
static_assert(sizeof(Ipv4Header) == 20);

struct [[gnu::packed]] Ipv6Header {  // RFC 8200, section 3
  uint32_t version_class_label;      // 4 bits, 8 bits, 20 bits
  uint16_t payload_length;
  lb::Protocol next_header;
  uint8_t hop_limit;
  std::array<uint8_t, 16> source;  // of an Ipv6Address
  std::array<uint8_t, 16> destination;
};
static_assert(sizeof(Ipv6Header) == 40);

/// What hop-by-hop options, destination options and routing headers begin with (RFC 8200, sections 4.3 to 4.6).
struct [[gnu::packed]] Ipv6Extension {
  lb::Protocol next_header;
  uint8_t length;         // in units of 8 bytes, the first not counted
  uint8_t type;           // of a routing header
  uint8_t segments_left;  // of a routing header
  uint32_t rest;
};
static_assert(sizeof(Ipv6Extension) == 8);

struct [[gnu::packed]] Ipv6Fragment {  // RFC 8200, section 4.5
  lb::Protocol next_header;
  uint8_t reserved;
  uint16_t offset_and_flags;
  uint32_t identification;
};
static_assert(sizeof(Ipv6Fragment) == 8);

/// What stands in a protocol field beside the protocols that weft forwards (IANA, Assigned Internet Protocol Numbers).
namespace ip_protocol {
constexpr lb::Protocol hop_by_hop{0};
constexpr lb::Protocol ipv4{4};
constexpr lb::Protocol ipv6{41};
constexpr lb::Protocol routing{43};
constexpr lb::Protocol fragment{44};
constexpr lb::Protocol destination_options{60};
}  // namespace ip_protocol

struct [[gnu::packed]] TcpHeader {  // RFC 9293, section 3.1
  lb::Port source_port;
  lb::Port destination_port;
  uint32_t sequence;
  uint32_t acknowledgment;
  uint8_t data_offset;  // in the high half: header length in 32-bit words
  uint8_t flags;
  uint16_t window;
  uint16_t checksum;
  uint16_t urgent;
};
static_assert(sizeof(TcpHeader) == 20);

namespace tcp_flag {
constexpr uint8_t fin = 0x01;
constexpr uint8_t syn = 0x02;
constexpr uint8_t rst = 0x04;
constexpr uint8_t ack = 0x10;
}  // namespace tcp_flag

struct [[gnu::packed]] UdpHeader {  // RFC 768
  lb::Port source_port;
  lb::Port destination_port;
  uint16_t length;
  uint16_t checksum;  // 0: none
};
static_assert(sizeof(UdpHeader) == 8);

namespace tcp_option {
constexpr uint8_t end = 0;
constexpr uint8_t no_operation = 1;
constexpr uint8_t max_segment_size = 2;
}  // namespace tcp_option

struct [[gnu::packed]] IcmpHeader {  // RFC 792, RFC 4443
  uint8_t type;
  uint8_t code;
  uint16_t checksum;
  uint32_t rest;
};
static_assert(sizeof(IcmpHeader) == 8);

namespace icmp_type {
constexpr uint8_t echo_reply = 0;
constexpr uint8_t unreachable = 3;
constexpr uint8_t source_quench = 4;
constexpr uint8_t echo_request = 8;
constexpr uint8_t time_exceeded = 11;
constexpr uint8_t parameter_problem = 12;
}  // namespace icmp_type
constexpr uint8_t kIcmpPortUnreachable = 3;
constexpr uint8_t kIcmpFragmentationNeeded = 4;  // RFC 1191, section 4

namespace icmpv6_type {
constexpr uint8_t unreachable = 1;
constexpr uint8_t packet_too_big = 2;
constexpr uint8_t parameter_problem = 4;
constexpr uint8_t echo_request = 128;
constexpr uint8_t echo_reply = 129;
}  // namespace icmpv6_type
constexpr uint8_t kIcmpv6PortUnreachable = 4;

constexpr uint16_t swap16(uint16_t value) {
  return __builtin_bswap16(value);
}
constexpr uint32_t swap32(uint32_t value) {
  return __builtin_bswap32(value);
}

constexpr uint16_t kEtherTypeIpv4 = swap16(0x0800);
constexpr uint16_t kEtherTypeIpv6 = swap16(0x86dd);

constexpr uint8_t kPlainIpv4 = 0x45;  ///< version 4, a header of 20 bytes
constexpr uint16_t kDontFragment = swap16(0x4000);
constexpr uint16_t kMoreFragments = swap16(0x2000);
constexpr uint16_t kFragmentMask = swap16(0x3fff);  ///< more-fragments and the offset; any set: a fragment
constexpr uint16_t kFragmentOffset = 0x1fff;        ///< in host order, and units of 8 bytes

constexpr uint32_t kIpv6Version = swap32(0x60000000);
constexpr uint32_t kIpv6VersionMask = swap32(0xf0000000);
constexpr uint16_t kMoreFragments6 = swap16(0x0001);
constexpr uint16_t kFragmentOffset6 = 0xfff8;  ///< in host order, and bytes

/// Precondition: sizeof(Header) bytes are there.
template <typename Header>
Header* view(std::byte* bytes) {
  return reinterpret_cast<Header*>(bytes);
}
template <typename Header>
const Header* view(const std::byte* bytes) {
  return reinterpret_cast<const Header*>(bytes);
}

}  // namespace weft::packet
