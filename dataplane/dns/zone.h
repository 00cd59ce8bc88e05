// SPDX-License-Identifier: Apache-2.0
/// @file What is answered beside the services: the domain they are under, and how long answers hold.
///
/// Made at start and never changed.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "lb/prefix.h"

namespace weft::dns {

struct Zone {
  std::string domain;                 ///< on the wire, in lower case, with the root
  uint32_t labels = 0;                ///< of the domain, without the root
  uint32_t ttl = 5;                   ///< seconds
  uint32_t negative_ttl = 5;          ///< seconds, of what is not there (RFC 2308)
  bool forwards = false;              ///< what is not under the domain is asked of others, and not refused
  std::vector<lb::Ipv4Address> ipv4;  ///< of the name server itself
  std::vector<lb::Ipv6Address> ipv6;
  lb::PrefixSet clients;  ///< whose queries are answered; empty: everybody's

  bool serves(const lb::Address& client) const { return clients.empty() || clients.contains(client); }
};

/// @param domain such as "cluster.local", with or without a dot at its end
/// Nothing: it is no domain, or too long for services under it (128 bytes).
std::optional<Zone> make_zone(std::string_view domain, const std::vector<lb::Address>& addresses);

}  // namespace weft::dns
