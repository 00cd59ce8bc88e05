// SPDX-License-Identifier: Apache-2.0
#include "lb/address.h"

#include <arpa/inet.h>

#include <array>
#include <charconv>
#include <cstring>

namespace weft::lb {

std::optional<Ipv4Address> parse_ipv4(std::string_view text) {
  std::array<char, INET_ADDRSTRLEN> buffer{};
  if (text.size() >= buffer.size()) {
    return std::nullopt;
  }
  std::memcpy(buffer.data(), text.data(), text.size());
  in_addr address{};
  if (std::strlen(buffer.data()) != text.size() || inet_pton(AF_INET, buffer.data(), &address) != 1) {
    return std::nullopt;
  }
  return Ipv4Address{address.s_addr};
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
  std::array<char, INET_ADDRSTRLEN> buffer{};
  const in_addr raw{.s_addr = static_cast<uint32_t>(address)};
  inet_ntop(AF_INET, &raw, buffer.data(), buffer.size());
  return buffer.data();
}

std::string to_string(Ipv4Address address, Port port) {
  return to_string(address) + ":" + std::to_string(to_host(port));
}

std::string_view to_string(Protocol protocol) {
  switch (protocol) {
    case Protocol::tcp:
      return "tcp";
    case Protocol::udp:
      return "udp";
    case Protocol::icmp:
      return "icmp";
  }
  return "unknown";
}

}  // namespace weft::lb
