// SPDX-License-Identifier: Apache-2.0
/// @file Packets that weft sends in a virtual address's name, each written over the packet that it answers.
///
/// All take a frame that parse() accepted and return the new frame's length. Ethernet's addresses are left to the
/// sender.
#pragma once

#include <cstddef>
#include <span>

#include "packet/parse.h"

namespace weft::packet {

/// Is it an echo request, the one ICMP message that a virtual address answers? Precondition: Kind::icmp.
bool is_echo_request(std::span<const std::byte> frame, const Parsed& parsed);

/// Is the ICMP checksum right? Precondition: Kind::icmp.
bool verify_icmp(std::span<const std::byte> frame, const Parsed& parsed);

/// RFC 1122, section 3.2.2.6: the request's data comes back unchanged. Precondition: is_echo_request().
size_t answer_echo(std::span<std::byte> frame, const Parsed& parsed);

/// RFC 9293, section 3.10.7.1: the reset that a closed port sends. Precondition: a TCP segment without RST.
size_t answer_reset(std::span<std::byte> frame, const Parsed& parsed);

/// RFC 1812, section 4.3.2.3: as much of the packet is quoted as fits 576 bytes. Precondition: Kind::transport.
/// @param buffer the frame, with as much room behind it as there is
/// @returns 0, and leaves the frame alone, if the room does not suffice; kUnreachableRoom behind the frame always does
size_t answer_port_unreachable(std::span<std::byte> buffer, const Parsed& parsed);
constexpr size_t kUnreachableRoom = 28;

}  // namespace weft::packet
