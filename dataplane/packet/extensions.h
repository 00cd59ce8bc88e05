// SPDX-License-Identifier: Apache-2.0
/// @file The chain of IPv6 extension headers (RFC 8200, section 4), followed to what stands behind it.
///
/// The walk is bounded in headers and in bytes: a packet of nothing but extension headers is an attack, and parsers
/// that follow it for long are its target (RFC 9098, section 6). Options are not looked at. Headers that weft cannot
/// look behind (ESP, AH) end the chain as a protocol of their own.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "lb/address.h"

namespace weft::packet {

constexpr size_t kMaxExtensions = 8;
constexpr size_t kMaxExtensionBytes = 256;

struct ExtensionChain {
  enum class End : uint8_t {
    upper,           ///< at a transport header, or at something that has none
    later_fragment,  ///< at the data of a fragment that is not the first
    cut,             ///< the bytes end within the chain
    bad,             ///< out of order, or too long
  };

  End end = End::upper;
  lb::Protocol protocol{};   ///< of what stands at `offset`; of a later fragment, what its fragment header names
  uint16_t offset = 0;       ///< from the IPv6 header's start
  bool is_fragment = false;  ///< the three below are set
  bool more_fragments = false;
  uint16_t fragment_offset = 0;    ///< in bytes
  uint16_t fragmentable_from = 0;  ///< where the fragment's data begins
  uint32_t fragment_id = 0;        ///< as it stands
};

/// @param packet from the IPv6 header on, at least that; a chain of no headers is one too
ExtensionChain walk_extensions(std::span<const std::byte> packet);

}  // namespace weft::packet
