// SPDX-License-Identifier: Apache-2.0
#include <charconv>

#include "http/ascii_set.h"
#include "http/target.h"
#include "lb/address.h"

namespace weft::http {
namespace {

/// Names as DNS and services have them. A registered name of RFC 3986 may hold "%41" and "," too, which readers take
/// differently: decoded or not, one name or two.
constexpr AsciiSet kHost("azAZ09", "-._~");
constexpr AsciiSet kNoUpper(std::string_view("\x00@[\x7f", 4), "");

/// RFC 3986, section 3.2.3. "host:" has an empty port, which is the scheme's.
bool is_port(std::string_view text, PortIs port) {
  if (text.empty()) {
    return port == PortIs::optional;
  }
  unsigned number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  return error == std::errc() && end == text.data() + text.size() && number <= 65535 &&
         (number > 0 || port == PortIs::optional);
}

/// RFC 3986, section 3.2.2: IP-literal, without zone, and no IPvFuture.
[[gnu::cold]] size_t length_of_literal(std::string_view authority) {
  const size_t close = authority.find(']');
  return close != std::string_view::npos && lb::parse_ipv6(authority.substr(1, close - 1)) ? close + 1 : 0;
}

}  // namespace

size_t length_of_host(std::string_view authority, std::string_view within, PortIs port) {
  const bool is_literal = authority.starts_with('[');
  const size_t length = is_literal ? length_of_literal(authority) : kHost.span(authority, within);
  if (length > RequestHead::kMaxHost) {
    return 0;
  }
  if (length == authority.size()) {
    return port == PortIs::optional ? length : 0;
  }
  return authority[length] == ':' && is_port(authority.substr(length + 1), port) ? length : 0;
}

void set_authority(std::string_view authority, size_t host, std::string_view within, RequestHead& head) {
  head.authority = authority;
  // The root's dot makes a name absolute for resolvers; it is the same host (RFC 3986, section 3.2.2).
  if (host > 1 && authority[host - 1] == '.') [[unlikely]] {
    --host;
  }
  head.view.host = authority.substr(0, host);
  if (kNoUpper.span(head.view.host, within) < host) [[unlikely]] {
    std::transform(head.view.host.begin(), head.view.host.end(), head.host.begin(),
                   [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c | 0x20) : c; });
    head.view.host = {head.host.data(), host};
  }
}

}  // namespace weft::http
