// SPDX-License-Identifier: Apache-2.0
#include "dns/zone.h"

#include <algorithm>

#include "dns/wire.h"

namespace weft::dns {
namespace {

/// A service's name under it, with a port, has 127 bytes left: what Kubernetes' labels need as a rule.
constexpr size_t kMaxDomain = 128;

bool is_host_label(std::string_view label) {
  const auto is_fine = [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-'; };
  return !label.empty() && label.size() <= kMaxLabel && std::all_of(label.begin(), label.end(), is_fine) &&
         label.front() != '-' && label.back() != '-';
}

}  // namespace

std::optional<Zone> make_zone(std::string_view domain, const std::vector<lb::Address>& addresses) {
  Zone zone;
  if (domain.ends_with('.')) {
    domain.remove_suffix(1);
  }
  for (;;) {
    const size_t dot = std::min(domain.find('.'), domain.size());
    std::string label(domain.substr(0, dot));
    std::transform(label.begin(), label.end(), label.begin(),
                   [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c | 0x20) : c; });
    if (!is_host_label(label)) {
      return std::nullopt;
    }
    zone.domain += static_cast<char>(label.size());
    zone.domain += label;
    ++zone.labels;
    if (dot == domain.size()) {
      break;
    }
    domain.remove_prefix(dot + 1);
  }
  zone.domain += '\0';
  if (zone.domain.size() > kMaxDomain) {
    return std::nullopt;
  }
  for (const lb::Address& address : addresses) {
    if (address.is_ipv4()) {
      zone.ipv4.push_back(address.ipv4());
    } else {
      zone.ipv6.push_back(address.ipv6());
    }
  }
  return zone;
}

}  // namespace weft::dns
