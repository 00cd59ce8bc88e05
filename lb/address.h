// SPDX-License-Identifier: Apache-2.0
/// @file Addresses and ports in network byte order, as types of their own.
///
/// A value of these types has the bytes that stand on the wire, so the packet path stores and compares without
/// swapping. There is no implicit way in or out of integers: the conversion is always visible.
///
/// The packet path knows the family of what it holds (Ipv4Address, Ipv6Address); everything slower speaks of an Address
/// of either.
#pragma once

#include <array>
#include <bit>
#include <compare>
#include <cstdint>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>

namespace weft::lb {

enum class Ipv4Address : uint32_t {};  ///< network byte order
enum class Port : uint16_t {};         ///< network byte order; a TCP or UDP port

struct Ipv6Address {
  std::array<uint8_t, 16> bytes;

  auto operator<=>(const Ipv6Address&) const = default;
};

enum class Family : uint8_t { ipv4, ipv6 };
template <typename Address>
constexpr Family family_of = std::is_same_v<Address, Ipv4Address> ? Family::ipv4 : Family::ipv6;
enum class Protocol : uint8_t { icmp = 1, tcp = 6, udp = 17, icmpv6 = 58 };

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

/// Of either family, in 16 bytes: an IPv4 address as its IPv4-mapped form (RFC 4291, section 2.5.5.2), which no packet
/// on a wire may have. Ordered by family, then as numbers.
class Address {
 public:
  constexpr Address() : Address(Ipv4Address{}) {}
  constexpr Address(Ipv4Address address)  // NOLINT: an IPv4 address is an address
      : mapped_{{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff}} {
    const auto bytes = std::bit_cast<std::array<uint8_t, 4>>(address);
    for (size_t i = 0; i < bytes.size(); ++i) {
      mapped_.bytes[12 + i] = bytes[i];
    }
  }
  constexpr Address(Ipv6Address address) : mapped_(address) {}  // NOLINT: so is an IPv6 address

  constexpr Family family() const {
    constexpr uint32_t kMapped = std::bit_cast<uint32_t>(std::array<uint8_t, 4>{0, 0, 0xff, 0xff});
    const auto words = std::bit_cast<std::array<uint64_t, 2>>(mapped_);
    return words[0] == 0 && static_cast<uint32_t>(words[1]) == kMapped ? Family::ipv4 : Family::ipv6;
  }
  constexpr bool is_ipv4() const { return family() == Family::ipv4; }
  /// Precondition: is_ipv4().
  constexpr Ipv4Address ipv4() const {
    return std::bit_cast<Ipv4Address>(
        std::array<uint8_t, 4>{mapped_.bytes[12], mapped_.bytes[13], mapped_.bytes[14], mapped_.bytes[15]});
  }
  /// Is it of the family of type A, and as one.
  template <typename A>
  constexpr bool is() const {
    return is_ipv4() == std::is_same_v<A, Ipv4Address>;
  }
  template <typename A>
  constexpr A as() const {
    if constexpr (std::is_same_v<A, Ipv4Address>) {
      return ipv4();
    } else {
      return mapped_;
    }
  }
  /// The address itself, or the mapped form of an IPv4 address.
  constexpr const Ipv6Address& ipv6() const { return mapped_; }

  constexpr bool operator==(const Address& other) const {  // in words: of bytes the compiler makes a call
    const auto ours = std::bit_cast<std::array<uint64_t, 2>>(mapped_);
    const auto theirs = std::bit_cast<std::array<uint64_t, 2>>(other.mapped_);
    return ((ours[0] ^ theirs[0]) | (ours[1] ^ theirs[1])) == 0;
  }
  std::strong_ordering operator<=>(const Address& other) const {
    const auto by_family = family() <=> other.family();
    return by_family != 0 ? by_family : mapped_ <=> other.mapped_;
  }

 private:
  Ipv6Address mapped_;
};
static_assert(sizeof(Address) == 16);

/// Dotted quad, nothing else: no names, no octal, no missing parts.
std::optional<Ipv4Address> parse_ipv4(std::string_view text);
/// RFC 4291, section 2.2; without a zone, and not IPv4-mapped.
std::optional<Ipv6Address> parse_ipv6(std::string_view text);
std::optional<Address> parse_address(std::string_view text);
/// A decimal number from 1 to 65535.
std::optional<Port> parse_port(std::string_view text);
/// "tcp", "udp" or "icmp", in any case.
std::optional<Protocol> parse_protocol(std::string_view text);

/// Room for any address's text.
using AddressText = std::array<char, 40>;
/// As to_string(), without an allocation. @returns what it has written, to the front of `room`
std::string_view write(const Address& address, AddressText& room);
std::string to_string(Ipv4Address address);
std::string to_string(const Ipv6Address& address);  ///< RFC 5952
std::string to_string(const Address& address);
std::string to_string(const Address& address, Port port);  ///< "10.0.0.1:80", "[fd00::1]:80"
std::string_view to_string(Protocol protocol);
std::string_view to_string(Family family);  ///< "IPv4", "IPv6": as Kubernetes writes them

}  // namespace weft::lb
