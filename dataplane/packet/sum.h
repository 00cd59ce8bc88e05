// SPDX-License-Identifier: Apache-2.0
/// @file The Internet checksum's sum over payloads, a vector register at a time.
///
/// Headers are summed with sum_of(), which inlines. This is for what may be long.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "packet/checksum.h"

namespace weft::packet {

constexpr size_t kLongSum = 64;  ///< in bytes: what a vector is quicker for than sum_of()

/// sum_of_payload() of at least kLongSum bytes.
uint64_t sum_of_long(std::span<const std::byte> bytes);

/// Folded, the same as sum_of(). Any alignment, any length; nothing beyond the last byte is read.
inline uint64_t sum_of_payload(std::span<const std::byte> bytes, uint64_t sum = 0) {
  return bytes.size() < kLongSum ? sum_of(bytes, sum) : sum + sum_of_long(bytes);
}

}  // namespace weft::packet
