// SPDX-License-Identifier: Apache-2.0
/// @file The Internet checksum's sum over payloads, a vector register at a time.
///
/// What is always short, as headers are, is summed with sum_of(), which inlines. The build's architecture (-Darch) says
/// whether this is AVX2 or AVX-512, as it does for all of weft: no packet pays for a choice at run time, and all of a
/// binary's instructions are tested wherever it runs.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "packet/checksum.h"

namespace weft::packet {

constexpr size_t kLongSum = 64;  ///< in bytes: from here on, vectors are no slower than sum_of()

/// sum_of_payload() of at least kLongSum bytes.
uint64_t sum_of_long(std::span<const std::byte> bytes);

/// Folded, the same as sum_of(). Any alignment, any length; nothing beyond the last byte is read.
inline uint64_t sum_of_payload(std::span<const std::byte> bytes, uint64_t sum = 0) {
  return bytes.size() < kLongSum ? sum_of(bytes, sum) : sum + sum_of_long(bytes);
}

}  // namespace weft::packet
