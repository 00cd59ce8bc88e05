// SPDX-License-Identifier: Apache-2.0
/// @file Addresses of either family as keys of the eBPF maps: the same 16 bytes.
#pragma once

#include <bit>
#include <cstdint>

#include "bpf/abi.h"
#include "lb/address.h"

namespace weft::pods {

inline weft_address key_of(const lb::Address& address) {
  return std::bit_cast<weft_address>(address);
}
inline lb::Address address_of(const weft_address& key) {
  return std::bit_cast<lb::Address>(key);
}
inline weft_source source_of(uint32_t ifindex, const lb::Address& address) {
  return {.ifindex = ifindex, .address = key_of(address)};
}

}  // namespace weft::pods
