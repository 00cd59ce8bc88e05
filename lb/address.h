// SPDX-License-Identifier: Apache-2.0
/// @file Addresses and ports in network byte order, as types of their own.
///
/// A value of these types has the bytes that stand on the wire, so the packet path stores and compares without
/// swapping. There is no implicit way in or out: the conversion is always visible.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace weft::lb {

enum class Ipv4Address : uint32_t {};  ///< network byte order
enum class Port : uint16_t {};         ///< network byte order; a TCP or UDP port

enum class Protocol : uint8_t { icmp = 1, tcp = 6, udp = 17 };

constexpr Port port_from_host(uint16_t value) {
  return Port{__builtin_bswap16(value)};
}
constexpr uint16_t to_host(Port port) {
  return __builtin_bswap16(static_cast<uint16_t>(port));
}
constexpr Ipv4Address address_from_host(uint32_t value) {
  return Ipv4Address{__builtin_bswap32(value)};
}
constexpr uint32_t to_host(Ipv4Address address) {
  return __builtin_bswap32(static_cast<uint32_t>(address));
}

/// Dotted quad, nothing else: no names, no octal, no missing parts.
std::optional<Ipv4Address> parse_ipv4(std::string_view text);
/// A decimal number from 1 to 65535.
std::optional<Port> parse_port(std::string_view text);
/// "tcp", "udp" or "icmp", in any case.
std::optional<Protocol> parse_protocol(std::string_view text);

std::string to_string(Ipv4Address address);
std::string to_string(Ipv4Address address, Port port);  ///< "10.0.0.1:80"
std::string_view to_string(Protocol protocol);

}  // namespace weft::lb
