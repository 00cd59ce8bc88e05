// SPDX-License-Identifier: Apache-2.0
/// @file Segments as packets: from a parsed frame, and to headers in front of a payload.
///
/// Checksums of payloads go along with their slices: what was verified on its way in is not read again on its way out.
#pragma once

#include <cstddef>
#include <span>

#include "buffer/slice.h"
#include "packet/parse.h"
#include "tcp/segment.h"

namespace weft::tcp {

enum class Checksum : uint8_t {
  unknown,  ///< verify it here
  right,    ///< the device says so
};

/// From the Ethernet header on; options at most.
constexpr size_t kMaxHeaders = 14 + 40 + 60;

/// Precondition: parse() says of the frame that it is Kind::transport, and TCP.
/// @param frame all of it; the segment's payload becomes a part of it, and segment.options lie in it
/// @returns false: its checksum is wrong, or an address is an IPv4-mapped one, which no packet may have
bool read_segment(const buffer::Slice& frame, const packet::Parsed& parsed, Checksum checksum, Segment& segment);

/// Bytes of IP and TCP headers.
size_t header_size(const Transmission& transmission);

/// Writes IP and TCP headers with right checksums; of a payload that does not know its sum, its bytes are read.
/// Don't fragment is set (RFC 1191), and there is no identification (RFC 6864).
/// @param at header_size() bytes, in front of which Ethernet's go, and behind which the payload
void write_headers(const Transmission& transmission, std::span<const buffer::Slice> payload, std::byte* at);
/// The same for a device that writes TCP's checksum: in its place is the pseudo-header's sum.
void write_headers(const Transmission& transmission, std::byte* at);

}  // namespace weft::tcp
