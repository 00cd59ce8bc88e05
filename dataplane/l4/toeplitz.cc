// SPDX-License-Identifier: Apache-2.0
#include "l4/toeplitz.h"

#include <cstring>

namespace weft::l4 {

Toeplitz::Toeplitz(std::span<const uint8_t, kKeyBytes> key) {
  // The 32 bits of the key from bit n on are what bit n of the input contributes.
  const auto window = [&](size_t bit) {
    uint64_t bits = 0;
    for (size_t i = 0; i < 5; ++i) {
      const size_t byte = bit / 8 + i;
      bits = bits << 8 | (byte < key.size() ? key[byte] : 0);
    }
    return static_cast<uint32_t>(bits >> (8 - bit % 8));
  };
  for (size_t place = 0; place < kInputBytes; ++place) {
    for (uint32_t value = 0; value < 256; ++value) {
      uint32_t sum = 0;
      for (size_t bit = 0; bit < 8; ++bit) {
        sum ^= (value & 0x80U >> bit) != 0 ? window(place * 8 + bit) : 0;
      }
      contribution_[place][value] = sum;
    }
  }
}

uint32_t Toeplitz::hash(std::span<const uint8_t> bytes) const {
  uint32_t sum = 0;
  for (size_t place = 0; place < bytes.size(); ++place) {
    sum ^= contribution_[place][bytes[place]];
  }
  return sum;
}

uint32_t Toeplitz::hash(const lb::FlowKey4& key) const {
  std::array<uint8_t, 12> bytes;  // as they begin the key
  std::memcpy(bytes.data(), &key, bytes.size());
  return hash(bytes);
}

uint32_t Toeplitz::hash(const lb::FlowKey6& key) const {
  std::array<uint8_t, kInputBytes> bytes;
  std::memcpy(bytes.data(), &key, bytes.size());
  return hash(bytes);
}

}  // namespace weft::l4
