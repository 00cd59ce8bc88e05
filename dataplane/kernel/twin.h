// SPDX-License-Identifier: Apache-2.0
/// @file Sets up an uplink's kernel twin as an interface, once DPDK has made it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <tl/expected.hpp>
#include <vector>

#include "lb/address.h"
#include "lb/prefix.h"

namespace weft::kernel {

/// An address of the node's own, with the length of its network.
struct InterfaceAddress {
  lb::Address address;
  uint8_t length = 0;
};
/// "192.0.2.1/24", "2001:db8::1/64"; without a length, the full one.
std::optional<InterfaceAddress> parse_interface_address(std::string_view text);
std::string to_string(const InterfaceAddress& address);

struct TwinConfig {
  std::string name;
  uint32_t mtu = 1500;
  std::vector<InterfaceAddress> addresses;
};

constexpr size_t kMaxTwinName = 15;  // IFNAMSIZ, less the end

/// MTU, addresses, up. The interface is of the caller's network namespace.
tl::expected<void, std::string> set_up_twin(const TwinConfig& config);

}  // namespace weft::kernel
