// SPDX-License-Identifier: Apache-2.0
#include "dns/reverse.h"

#include <charconv>

namespace weft::dns {
namespace {

using namespace std::string_view_literals;

constexpr size_t kBytes4 = 4;
constexpr size_t kNibbles6 = 32;

std::optional<lb::Address> ipv4_of(const Query& query) {
  uint32_t address = 0;
  for (size_t i = 0; i < kBytes4; ++i) {
    const std::string_view text = query.label(i);
    uint8_t byte = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), byte);
    const bool is_plain = text.size() == 1 || text[0] != '0';
    if (error != std::errc{} || end != text.data() + text.size() || !is_plain) {
      return std::nullopt;
    }
    address |= uint32_t{byte} << 8 * i;  // the last byte comes first
  }
  return lb::Address(lb::address_from_host(address));
}

std::optional<lb::Address> ipv6_of(const Query& query) {
  lb::Ipv6Address address{};
  for (size_t i = 0; i < kNibbles6; ++i) {
    const std::string_view text = query.label(i);
    uint8_t nibble = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), nibble, 16);
    if (text.size() != 1 || error != std::errc{}) {
      return std::nullopt;
    }
    address.bytes[15 - i / 2] = static_cast<uint8_t>(address.bytes[15 - i / 2] | nibble << 4 * (i % 2));
  }
  const lb::Address result(address);
  return result.is_ipv4() ? std::nullopt : std::optional(result);  // the mapped form is nobody's name
}

}  // namespace

std::optional<lb::Address> address_of_reverse(const Query& query) {
  if (query.labels == kBytes4 + 2 && query.part(kBytes4, query.labels) == "\7in-addr\4arpa"sv) {
    return ipv4_of(query);
  }
  if (query.labels == kNibbles6 + 2 && query.part(kNibbles6, query.labels) == "\3ip6\4arpa"sv) {
    return ipv6_of(query);
  }
  return std::nullopt;
}

}  // namespace weft::dns
