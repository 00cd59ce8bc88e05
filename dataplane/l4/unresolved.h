// SPDX-License-Identifier: Apache-2.0
/// @file Addresses on the link whose Ethernet address packets waited for in vain: for the slow path, which asks.
///
/// Whoever runs the pipeline empties it, each turn. Bounded: what finds no room is asked for with its next
/// packet.
#pragma once

#include <array>
#include <cstdint>
#include <span>

#include "lb/address.h"

namespace weft::l4 {

class Unresolved {
 public:
  void add(const lb::Address& address) {
    if (count_ < addresses_.size()) {
      addresses_[count_++] = address;
    }
  }
  bool empty() const { return count_ == 0; }
  std::span<const lb::Address> addresses() const { return {addresses_.data(), count_}; }
  void clear() { count_ = 0; }

 private:
  std::array<lb::Address, 64> addresses_;
  uint32_t count_ = 0;
};

}  // namespace weft::l4
