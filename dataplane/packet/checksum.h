// SPDX-License-Identifier: Apache-2.0
/// @file The Internet checksum (RFC 1071) and its incremental update (RFC 1624).
///
/// Sums are over 16-bit words as they lie in memory: one's complement addition does not care about byte order.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

#include "lb/address.h"
#include "packet/headers.h"

namespace weft::packet {

/// From a sum with carries in its upper half to the one's complement sum. Adding a number to itself with its halves
/// swapped leaves their sum, end-around carry included, in the upper half.
constexpr uint16_t fold(uint32_t sum) {
  return static_cast<uint16_t>((sum + std::rotl(sum, 16)) >> 16);
}
constexpr uint16_t fold(uint64_t sum) {
  return fold(static_cast<uint32_t>((sum + std::rotl(sum, 32)) >> 32));
}

/// The unfolded sum, for headers; an odd last byte counts as if a zero followed. For what may be long: packet/sum.h.
inline uint64_t sum_of(std::span<const std::byte> bytes, uint64_t sum = 0) {
  const std::byte* at = bytes.data();
  size_t left = bytes.size();
  for (; left >= 4; at += 4, left -= 4) {
    uint32_t word;
    std::memcpy(&word, at, 4);
    sum += word;
  }
  // Not up to three bytes copied into a zeroed word: to read it, the processor has to wait until they are written.
  if (left >= 2) {
    uint16_t word;
    std::memcpy(&word, at, 2);
    sum += word;
    at += 2;
    left -= 2;
  }
  return left == 0 ? sum : sum + std::to_integer<uint8_t>(*at);
}

inline uint16_t checksum_of(std::span<const std::byte> bytes) {
  return static_cast<uint16_t>(~fold(sum_of(bytes)));
}

/// What a part's folded sum adds to that of the whole, in which the part begins at `offset`. At an odd one its even
/// bytes are odd ones of the whole; and the sum of words with their bytes swapped is the swapped sum (RFC 1071,
/// section 2 (B)).
constexpr uint16_t sum_at(size_t offset, uint16_t sum) {
  return offset % 2 == 0 ? sum : swap16(sum);
}

// A payload's sum is carried over, not computed again, as it is cut and joined. All are folded, and each part's is
// counted from its own beginning. A difference of zero may be 0xffff: the same, once a pseudo header is added.

/// Of `head`, which is head_length long, and `tail` behind it.
constexpr uint16_t sum_of_both(uint16_t head, size_t head_length, uint16_t tail) {
  return fold(uint32_t{head} + sum_at(head_length, tail));
}

/// Of the first head_length bytes of a whole, all others being `tail`.
constexpr uint16_t sum_of_head(uint16_t whole, size_t head_length, uint16_t tail) {
  return fold(uint32_t{whole} + static_cast<uint16_t>(~sum_at(head_length, tail)));
}

/// Of what is behind the first head_length bytes of a whole, they being `head`.
constexpr uint16_t sum_of_tail(uint16_t whole, size_t head_length, uint16_t head) {
  return sum_at(head_length, fold(uint32_t{whole} + static_cast<uint16_t>(~head)));
}

/// The pseudo header of TCP and UDP (RFC 9293, section 3.1; RFC 768). @param length of header and payload, host order
inline uint64_t pseudo_header_sum(lb::Ipv4Address source, lb::Ipv4Address destination, lb::Protocol protocol,
                                  uint16_t length) {
  return uint64_t{static_cast<uint32_t>(source)} + static_cast<uint32_t>(destination) +
         swap16(static_cast<uint16_t>(protocol)) + swap16(length);
}

/// IPv6's (RFC 8200, section 8.1).
inline uint64_t pseudo_header_sum(const lb::Ipv6Address& source, const lb::Ipv6Address& destination,
                                  lb::Protocol protocol, uint16_t length) {
  return sum_of(std::as_bytes(std::span(source.bytes)), sum_of(std::as_bytes(std::span(destination.bytes)))) +
         swap16(static_cast<uint16_t>(protocol)) + swap16(length);
}

/// Is a 20-byte header's checksum right?
inline bool verify_plain_ipv4(const Ipv4Header* header) {
  uint64_t words[2];
  uint32_t last;
  const auto* at = reinterpret_cast<const std::byte*>(header);
  std::memcpy(words, at, 16);
  std::memcpy(&last, at + 16, 4);
  const uint64_t sum = (words[0] & 0xffffffff) + (words[0] >> 32) + (words[1] & 0xffffffff) + (words[1] >> 32) + last;
  return fold(sum) == 0xffff;
}

/// What a change of words does to a checksum: one's complement, so that ~delta is the change back.
/// @param from,to sums of the words before and after
constexpr uint16_t delta(uint64_t from, uint64_t to) {
  return fold(uint32_t{fold(to)} + static_cast<uint16_t>(~fold(from)));
}

/// RFC 1624, equation 3.
constexpr uint16_t update(uint16_t checksum, uint16_t delta) {
  return static_cast<uint16_t>(~fold(uint32_t{static_cast<uint16_t>(~checksum)} + delta));
}

}  // namespace weft::packet
