// SPDX-License-Identifier: Apache-2.0
/// @file Packets that weft sends in a virtual address's name, each written over the packet that it answers.
///
/// All take a frame that parse() accepted, of either family, and return the new frame's length. Ethernet's addresses
/// are left to the sender. An answer comes from the address that the packet was sent to, and has no options or
/// extension headers, whatever the packet had (but for an IPv4 echo reply, which is the request turned round).
///
/// Errors are not sent about everything (RFC 1122, section 3.2.2; RFC 4443, section 2.4(e)). That it is no ICMP error
/// and no later fragment follows from the kinds that each function takes. That source and destination are unicast
/// addresses of one host each is the caller's to know: it answers for virtual addresses, to those that can be clients.
/// So is the rate.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "packet/parse.h"

namespace weft::packet {

/// Is it an echo request, the one ICMP message that a virtual address answers? Precondition: Kind::icmp.
bool is_echo_request(std::span<const std::byte> frame, const Parsed& parsed);

/// Is the ICMP checksum right? Precondition: Kind::icmp.
bool verify_icmp(std::span<const std::byte> frame, const Parsed& parsed);

/// RFC 1122, section 3.2.2.6; RFC 4443, section 4.2: the request's data comes back unchanged.
/// Precondition: is_echo_request().
size_t answer_echo(std::span<std::byte> frame, const Parsed& parsed);

/// What a UDP datagram carries: of its length, not the packet's. Precondition: Kind::transport, UDP.
std::span<const std::byte> payload_of(std::span<const std::byte> frame, const Parsed& parsed);

/// Is the datagram's checksum right? None is, over IPv4 alone (RFC 768; RFC 8200, section 8.1). Precondition as above.
bool verify_datagram(std::span<const std::byte> frame, const Parsed& parsed);

/// From the address and port that a datagram was sent to.
/// @param buffer with as much room behind the frame as the payload takes, which may stand where the datagram's own
/// stood
size_t answer_datagram(std::span<std::byte> buffer, const Parsed& parsed, std::span<const std::byte> payload);

/// Headers around a payload that is there already, behind kDatagramHeaders bytes.
/// @param answered what it answers: source and destination are its destination and source
size_t write_datagram(std::span<std::byte> frame, const lb::Tuple& answered, size_t payload);
constexpr size_t kDatagramHeaders = kIpOffset + 28;
constexpr size_t kDatagramHeaders6 = kIpOffset + 48;

/// RFC 9293, section 3.10.7.1: the reset that a closed port sends. Precondition: a TCP segment without RST.
size_t answer_reset(std::span<std::byte> frame, const Parsed& parsed);

/// RFC 9293, section 3.10.7.4: the segment becomes a reset by its own sender, as it would send it at this point of the
/// connection. Precondition: a TCP segment.
/// @param as the tuple under which its receiver knows the connection, in the segment's direction
size_t turn_into_reset(std::span<std::byte> frame, const Parsed& parsed, const lb::FlowKey4& as);
size_t turn_into_reset(std::span<std::byte> frame, const Parsed& parsed, const lb::FlowKey6& as);

/// RFC 1812, section 4.3.2.3; RFC 4443, section 3.1: as much of the packet is quoted as fits 576 or 1280 bytes.
/// Precondition: Kind::transport.
/// @param buffer the frame, with as much room behind it as there is
/// @returns 0, and leaves the frame alone, if the room does not suffice; kUnreachableRoom (or, for
/// IPv6, kUnreachableRoom6) behind the frame always does
size_t answer_port_unreachable(std::span<std::byte> buffer, const Parsed& parsed);
constexpr size_t kUnreachableRoom = 28;
constexpr size_t kUnreachableRoom6 = 48;

/// RFC 1191, section 4; RFC 4443, section 3.2. Precondition: Kind::transport, or a first fragment; of IPv4, one that
/// may not be fragmented.
/// @param buffer,returns as answer_port_unreachable()'s
/// @param mtu what would fit: of IPv6, at least 1280
size_t answer_too_big(std::span<std::byte> buffer, const Parsed& parsed, uint16_t mtu);

}  // namespace weft::packet
