// SPDX-License-Identifier: Apache-2.0
#include "lb/address.h"

#include <arpa/inet.h>

#include <array>
#include <charconv>
#include <cstring>

namespace weft::lb {
namespace {

bool parse_by(int family, std::string_view text, void* address) {
  std::array<char, INET6_ADDRSTRLEN> buffer{};
  if (text.size() >= buffer.size()) {
    return false;
  }
  std::memcpy(buffer.data(), text.data(), text.size());
  return std::strlen(buffer.data()) == text.size() && inet_pton(family, buffer.data(), address) == 1;
}

std::string print_by(int family, const void* address) {
  std::array<char, INET6_ADDRSTRLEN> buffer{};
  return inet_ntop(family, address, buffer.data(), buffer.size());
}

}  // namespace

std::optional<Ipv4Address> parse_ipv4(std::string_view text) {
  Ipv4Address address{};
  return parse_by(AF_INET, text, &address) ? std::optional(address) : std::nullopt;
}

std::optional<Ipv6Address> parse_ipv6(std::string_view text) {
  Ipv6Address address;
  return parse_by(AF_INET6, text, &address) && !Address(address).is_ipv4() ? std::optional(address) : std::nullopt;
}

std::optional<Address> parse_address(std::string_view text) {
  if (const std::optional<Ipv4Address> address = parse_ipv4(text)) {
    return *address;
  }
  if (const std::optional<Ipv6Address> address = parse_ipv6(text)) {
    return *address;
  }
  return std::nullopt;
}

std::optional<Port> parse_port(std::string_view text) {
  uint16_t value = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size() || value == 0) {
    return std::nullopt;
  }
  return port_from_host(value);
}

std::optional<Protocol> parse_protocol(std::string_view text) {
  std::string lower(text);
  for (char& c : lower) {
    c = static_cast<char>(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
  }
  for (Protocol protocol : {Protocol::tcp, Protocol::udp, Protocol::icmp}) {
    if (lower == to_string(protocol)) {
      return protocol;
    }
  }
  return std::nullopt;
}

std::string to_string(Ipv4Address address) {
  return print_by(AF_INET, &address);
}

std::string to_string(const Ipv6Address& address) {
  return print_by(AF_INET6, &address);
}

std::string to_string(const Address& address) {
  return address.is_ipv4() ? to_string(address.ipv4()) : to_string(address.ipv6());
}

std::string to_string(const Address& address, Port port) {
  const std::string number = std::to_string(to_host(port));
  return address.is_ipv4() ? to_string(address) + ":" + number : "[" + to_string(address) + "]:" + number;
}

std::string_view to_string(Protocol protocol) {
  switch (protocol) {
    case Protocol::tcp:
      return "tcp";
    case Protocol::udp:
      return "udp";
    case Protocol::icmp:
      return "icmp";
    case Protocol::icmpv6:
      return "icmpv6";
  }
  return "unknown";
}

std::string_view to_string(Family family) {
  return family == Family::ipv4 ? "IPv4" : "IPv6";
}

}  // namespace weft::lb
