// SPDX-License-Identifier: Apache-2.0
/// @file Headers as they stand on the wire. All fields are in network byte order; the structs may lie at any address.
///
/// A header is only ever reached through view(), after a length check.
#pragma once

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

struct [[gnu::packed]] IcmpHeader {  // RFC 792
  uint8_t type;
  uint8_t code;
  uint16_t checksum;
  uint32_t rest;
};
static_assert(sizeof(IcmpHeader) == 8);

namespace icmp_type {
constexpr uint8_t echo_reply = 0;
constexpr uint8_t unreachable = 3;
constexpr uint8_t echo_request = 8;
}  // namespace icmp_type
constexpr uint8_t kIcmpPortUnreachable = 3;

constexpr uint16_t swap16(uint16_t value) {
  return __builtin_bswap16(value);
}
constexpr uint32_t swap32(uint32_t value) {
  return __builtin_bswap32(value);
}

constexpr uint16_t kEtherTypeIpv4 = swap16(0x0800);
constexpr uint16_t kFragmentMask = swap16(0x3fff);  ///< more-fragments and the offset; any set: a fragment

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
