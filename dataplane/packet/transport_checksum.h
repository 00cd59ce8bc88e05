// SPDX-License-Identifier: Apache-2.0
/// @file TCP's and UDP's checksums, over all of a packet. Forwarding needs no such sum, as it updates what is there:
/// this is for packets of which a device says that their checksum is wrong, or still to be written.
#pragma once

#include <cstddef>
#include <span>

namespace weft::packet {

/// Is the frame a whole TCP or UDP packet whose checksum is wrong? A fragment has none of its own; a UDP packet over
/// IPv4 without one is not wrong (RFC 768), over IPv6 it is (RFC 8200, section 8.1).
bool transport_checksum_wrong(std::span<const std::byte> frame);

/// Writes the checksum of a whole TCP or UDP packet, whatever stands in its place. Leaves all else alone.
void write_transport_checksum(std::span<std::byte> frame);

}  // namespace weft::packet
