// SPDX-License-Identifier: Apache-2.0
/// @file A few services that tests of the DNS ask for.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "dns/zone.h"
#include "lb/name_table.h"

namespace weft::test {

inline dns::Zone dns_zone(bool forwards = false) {
  dns::Zone zone = *dns::make_zone("cluster.local",
                                   {lb::parse_address("10.96.0.10").value(), lb::parse_address("fd00:96::10").value()});
  zone.forwards = forwards;
  return zone;
}

inline lb::NamedService vip_service(const std::string& name, const std::string& name_space, const std::string& ipv4,
                                    const std::string& ipv6 = "") {
  lb::NamedService service{.name = lb::wire_name(name, name_space),
                           .ipv4 = {lb::parse_ipv4(ipv4).value()},
                           .ports = {{"http", lb::Protocol::tcp, lb::port_from_host(80)},
                                     {"quic", lb::Protocol::udp, lb::port_from_host(443)}}};
  if (!ipv6.empty()) {
    service.ipv6.push_back(lb::parse_ipv6(ipv6).value());
  }
  return service;
}

struct HostAt {
  std::string host;
  std::string address;
};

/// @param hosts sorted by host and address
inline lb::NamedService headless_service(const std::string& name, const std::string& name_space,
                                         const std::vector<HostAt>& hosts) {
  lb::NamedService service{.name = lb::wire_name(name, name_space),
                           .headless = true,
                           .ports = {{"peer", lb::Protocol::tcp, lb::port_from_host(7000)}}};
  for (const HostAt& each : hosts) {
    const lb::Address address = lb::parse_address(each.address).value();
    service.endpoints.push_back({each.host, address, {lb::port_from_host(7001)}});
    if (address.is_ipv4()) {
      service.ipv4.push_back(address.ipv4());
    } else {
      service.ipv6.push_back(address.ipv6());
    }
  }
  std::sort(service.ipv4.begin(), service.ipv4.end());
  std::sort(service.ipv6.begin(), service.ipv6.end());
  service.arrange();
  return service;
}

inline std::shared_ptr<const lb::NameTable> name_table(const std::vector<lb::NamedService>& services) {
  std::vector<lb::NameTable::Edit> edits;
  for (const lb::NamedService& service : services) {
    edits.push_back({nullptr, std::make_shared<const lb::NamedService>(service)});
  }
  return lb::NameTable().with(edits);
}

/// web.default (both families), plain.default (IPv4), db.data (headless, both families), idle.data (headless, nobody).
inline std::shared_ptr<const lb::NameTable> few_services() {
  return name_table(
      {vip_service("web", "default", "10.96.0.1", "fd00:96::1"), vip_service("plain", "default", "10.96.0.2"),
       headless_service("db", "data", {{"db-0", "10.1.0.5"}, {"db-0", "fd00:1::5"}, {"db-1", "10.1.0.6"}}),
       headless_service("idle", "data", {})});
}

}  // namespace weft::test
