// SPDX-License-Identifier: Apache-2.0
/// @file Numbers in network byte order, at any address.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

namespace weft::dns {

/// Precondition: two bytes are there.
inline uint16_t get16(const std::byte* at) {
  uint16_t value;
  std::memcpy(&value, at, sizeof value);
  return __builtin_bswap16(value);
}
inline void put16(std::byte* at, uint16_t value) {
  value = __builtin_bswap16(value);
  std::memcpy(at, &value, sizeof value);
}
inline void put32(std::byte* at, uint32_t value) {
  value = __builtin_bswap32(value);
  std::memcpy(at, &value, sizeof value);
}

}  // namespace weft::dns
