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

char* put(char* at, unsigned number, int base) {
  return std::to_chars(at, at + 5, number, base).ptr;
}

char* write_ipv4(Ipv4Address address, char* at) {
  for (uint32_t shift = 32, host = to_host(address); shift > 0;) {
    shift -= 8;
    at = put(at, host >> shift & 0xff, 10);
    *at++ = '.';
  }
  return at - 1;
}

/// RFC 5952, section 4: the longest run of two groups or more that are zero, of equals the first, is left out.
char* write_ipv6(const Ipv6Address& address, char* at) {
  constexpr size_t kGroups = 8;
  std::array<unsigned, kGroups> groups;
  size_t longest = kGroups;
  size_t most = 1;
  for (size_t i = 0, run = 0; i < kGroups; ++i) {
    groups[i] = unsigned{address.bytes[2 * i]} << 8 | address.bytes[2 * i + 1];
    run = groups[i] == 0 ? run + 1 : 0;
    if (run > most) {
      most = run;
      longest = i + 1 - run;
    }
  }
  for (size_t i = 0; i < kGroups;) {
    if (i == longest) {
      *at++ = ':';
      i += most;
      if (i == kGroups) {
        *at++ = ':';
      }
      continue;
    }
    if (i > 0) {
      *at++ = ':';
    }
    at = put(at, groups[i++], 16);
  }
  return at;
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

std::string_view write(const Address& address, AddressText& room) {
  const char* const end =
      address.is_ipv4() ? write_ipv4(address.ipv4(), room.data()) : write_ipv6(address.ipv6(), room.data());
  return {room.data(), static_cast<size_t>(end - room.data())};
}

std::string to_string(Ipv4Address address) {
  return to_string(Address(address));
}

std::string to_string(const Ipv6Address& address) {
  return to_string(Address(address));
}

std::string to_string(const Address& address) {
  AddressText text;  // NOLINT: written as far as it is read
  return std::string(write(address, text));
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
