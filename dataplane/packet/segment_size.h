// SPDX-License-Identifier: Apache-2.0
/// @file TCP's maximum segment size, lowered where the way to the endpoint is narrower than its ends know: inside a
/// tunnel (RFC 2923, section 3; RFC 4459, section 3.2).
///
/// The option is only ever lowered. A SYN without one means 536 (IPv4) or 1220 bytes (RFC 9293, section 3.7.1), which
/// any tunnel carries, and stays as it is.
#pragma once

#include <cstddef>
#include <cstdint>

namespace weft::packet {

/// Precondition: a SYN with all of its header.
/// @param header_length with options
/// @param max of the option, in host order
/// @returns whether it was above
bool clamp_segment_size(std::byte* tcp, size_t header_length, uint16_t max);

}  // namespace weft::packet
