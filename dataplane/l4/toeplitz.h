// SPDX-License-Identifier: Apache-2.0
/// @file The receive-side scaling hash of network cards, in software: which queue will a packet come in on?
///
/// Toeplitz (Microsoft's RSS specification, "RSS hashing types"): over source address, destination address, source
/// port, destination port, in network order. It is linear over XOR: the hash of a tuple is the XOR of what each of its
/// bytes contributes at its place, so the contribution of a port that is still to be chosen can be tried alone.
///
/// Immutable after construction: 36 KiB of tables.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include "lb/flow_key.h"

namespace weft::l4 {

class Toeplitz {
 public:
  static constexpr size_t kKeyBytes = 40;

  /// @param key as the card has it; of a longer one, the first 40 bytes count
  explicit Toeplitz(std::span<const uint8_t, kKeyBytes> key);

  uint32_t hash(const lb::FlowKey4& key) const;
  uint32_t hash(const lb::FlowKey6& key) const;

 private:
  static constexpr size_t kInputBytes = 36;  // two IPv6 addresses and two ports

  uint32_t hash(std::span<const uint8_t> bytes) const;

  std::array<std::array<uint32_t, 256>, kInputBytes> contribution_;  ///< by place, by value
};

}  // namespace weft::l4
