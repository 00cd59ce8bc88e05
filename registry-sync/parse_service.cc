// SPDX-License-Identifier: Apache-2.0
#include <map>
#include <set>

#include "registry-sync/parse_http_values.h"
#include "registry-sync/parse_kinds.h"

namespace weft::registry {
namespace {

uint32_t parse_table_size(Fields& annotations) {
  // Absence and errors of type: parse_metadata() has reported the latter for all annotations.
  if (!annotations.has(kTableSizeAnnotation)) {
    return lb::MaglevTable::kDefaultSize;
  }
  const std::string text = annotations.text(kTableSizeAnnotation);
  const auto size = static_cast<uint32_t>(parse_integer(text, 0, UINT32_MAX).value_or(0));
  if (!lb::MaglevTable::valid_size(size)) {
    std::vector<std::string> sizes;
    for (uint32_t each : lb::MaglevTable::kSizes) {
      sizes.push_back(std::to_string(each));
    }
    annotations.error(kTableSizeAnnotation, "expected one of " + listed(sizes) + ", got " + in_quotes(text));
    return lb::MaglevTable::kDefaultSize;
  }
  return size;
}

std::optional<lb::Address> parse_vip(Fields& spec, std::string_view key, const std::string& text) {
  const std::optional<lb::Address> address = lb::parse_address(text);
  if (!address) {
    spec.error(key, "expected an IPv4 or IPv6 address or None, got " + in_quotes(text));
    return std::nullopt;
  }
  if (const std::string_view problem = unicast_problem(*address); !problem.empty()) {
    spec.error(key, "expected a unicast address, got " + in_quotes(text) + ", " + std::string(problem));
  }
  return address;
}

/// clusterIP is the first of clusterIPs, as in Kubernetes.
std::vector<lb::Address> parse_cluster_ips(Fields& spec) {
  std::vector<lb::Address> addresses;
  const std::string first = spec.required_string("clusterIP");
  const std::vector<std::string> all = spec.strings("clusterIPs");
  if (!all.empty() && all[0] != first) {
    spec.error("clusterIPs", "expected clusterIP, " + in_quotes(first) + ", as the first, got " + in_quotes(all[0]));
    return addresses;
  }
  if (first == "None" || !spec.has("clusterIP")) {
    if (all.size() > 1) {
      spec.error("clusterIPs", "expected None alone");
    }
    return addresses;
  }
  if (const auto address = parse_vip(spec, "clusterIP", first)) {
    addresses.push_back(*address);
  }
  if (all.size() > 2) {
    spec.error("clusterIPs", "expected at most one address of each family, got " + std::to_string(all.size()));
  } else if (all.size() == 2) {
    if (const auto address = parse_vip(spec, "clusterIPs", all[1])) {
      addresses.push_back(*address);
    }
  }
  if (addresses.size() == 2 && addresses[0].family() == addresses[1].family()) {
    spec.error("clusterIPs", "expected addresses of different families, got two of " +
                                 std::string(lb::to_string(addresses[0].family())));
  }
  return addresses;
}

/// Both fields say again what clusterIPs says; Kubernetes would have chosen addresses by them.
void check_families(Fields& spec, const std::vector<lb::Address>& addresses) {
  const std::optional<std::string> policy =
      spec.word("ipFamilyPolicy", {"SingleStack", "PreferDualStack", "RequireDualStack"});
  const std::vector<std::string> families = spec.strings("ipFamilies");
  for (const std::string& family : families) {
    if (family != "IPv4" && family != "IPv6") {
      spec.error("ipFamilies", "expected IPv4 or IPv6, got " + in_quotes(family));
      return;
    }
  }
  if (families.size() > 2 || (families.size() == 2 && families[0] == families[1])) {
    spec.error("ipFamilies", "expected each family once at most");
  } else if (!families.empty() && !addresses.empty()) {
    std::vector<std::string> own;
    for (const lb::Address& address : addresses) {
      own.push_back(std::string(lb::to_string(address.family())));
    }
    if (own != families) {
      spec.error("ipFamilies",
                 "expected the families of the addresses, " + listed(own, ", ") + ", got " + listed(families, ", "));
    }
  }
  if (policy == "SingleStack" && addresses.size() == 2) {
    spec.error("ipFamilyPolicy", "SingleStack contradicts clusterIPs, which has two addresses");
  } else if (policy == "RequireDualStack" && addresses.size() == 1) {
    spec.error("ipFamilyPolicy", "RequireDualStack needs an address of each family in clusterIPs, which has one");
  }
}

uint32_t parse_affinity(Fields& spec) {
  constexpr int64_t kDefault = 10800;  // Kubernetes' own: 3 hours
  constexpr int64_t kMost = 86400;
  const bool by_client = spec.word("sessionAffinity", {"None", "ClientIP"}) == "ClientIP";
  Fields config = spec.mapping("sessionAffinityConfig");
  Fields client_ip = config.mapping("clientIP");
  const int64_t timeout = client_ip.integer("timeoutSeconds", 1, kMost).value_or(kDefault);
  client_ip.finish();
  config.finish();
  if (config && !by_client) {
    spec.error("sessionAffinityConfig", "expected no configuration without sessionAffinity: ClientIP");
  }
  return by_client ? static_cast<uint32_t>(timeout) : 0;
}

/// Slices say where endpoints listen, so the value is checked and not kept.
void check_target_port(Fields& port) {
  if (port.has_integer("targetPort")) {
    port.integer("targetPort", 1, 65535);
  } else {
    check_label(port, "targetPort", port.string("targetPort").value_or(""));
  }
}

/// A known word, alone or before a dash: "http" of "http-admin".
std::optional<PortProtocol> protocol_of(std::string_view word) {
  constexpr std::pair<std::string_view, PortProtocol> kWords[] = {
      {"http", PortProtocol::http},
      {"http2", PortProtocol::http2},
      {"grpc", PortProtocol::http2},
      {"grpc-web", PortProtocol::http2},
      {"https", PortProtocol::tls},
      {"tls", PortProtocol::tls},
      {"tcp", PortProtocol::opaque},
      {"mongo", PortProtocol::opaque},
      {"mysql", PortProtocol::opaque},
      {"redis", PortProtocol::opaque},
      {"udp", PortProtocol::opaque},
      {"kubernetes.io/ws", PortProtocol::http},
      {"kubernetes.io/h2c", PortProtocol::http2},
      {"kubernetes.io/wss", PortProtocol::tls},
  };
  for (const auto& [known, protocol] : kWords) {
    if (word == known) {
      return protocol;
    }
  }
  return std::nullopt;
}

/// appProtocol wins over the name (KEP-3726); names are Istio's convention, "<protocol>[-<suffix>]".
PortProtocol parse_carried(Fields& port, const std::string& name) {
  if (const std::optional<std::string> said = port.string("appProtocol")) {
    // Any other word is one of IANA's or a vendor's: not HTTP, whatever it is.
    return protocol_of(in_lower_case(*said)).value_or(PortProtocol::opaque);
  }
  if (name.starts_with("grpc-web")) {
    return PortProtocol::http2;
  }
  return protocol_of(std::string_view(name).substr(0, name.find('-'))).value_or(PortProtocol::unsaid);
}

std::vector<ServicePort> parse_service_ports(Fields& spec) {
  std::vector<ServicePort> ports;
  std::set<std::string> names;
  std::map<std::pair<lb::Protocol, lb::Port>, std::string> numbers;
  std::vector<Fields> items = spec.required_mappings("ports");
  for (size_t i = 0; i < items.size(); ++i) {
    Fields& item = items[i];
    ServicePort port{.name = item.string("name").value_or(""), .protocol = parse_port_protocol(item)};
    const int64_t number = item.required_integer("port", 1, 65535);
    port.port = lb::port_from_host(static_cast<uint16_t>(number));
    check_target_port(item);
    port.carries = parse_carried(item, port.name);
    item.unimplemented({"nodePort"});
    item.finish();
    check_label(item, "name", port.name);
    if (items.size() > 1 && item && port.name.empty()) {
      item.error("name", "required field is missing: the service has more than one port");
    } else if (!names.insert(port.name).second && !port.name.empty()) {
      item.error("name", "duplicate port name " + in_quotes(port.name));
    }
    const auto [first, is_new] =
        numbers.emplace(std::pair(port.protocol, port.port), "spec.ports[" + std::to_string(i) + "]");
    if (!is_new && number != 0) {
      item.error("port",
                 "duplicate port: " + first->second + " has " + std::to_string(number) + " of the protocol too");
    }
    ports.push_back(std::move(port));
  }
  return ports;
}

}  // namespace

void parse_service(Fields& document, ResourceSet& resources) {
  ParsedMetadata parsed = parse_metadata(document, check_label, kTableSizeAnnotation);
  Service service{.metadata = std::move(parsed.metadata), .table_size = parse_table_size(parsed.annotations)};

  Fields spec = document.required_mapping("spec");
  service.addresses = parse_cluster_ips(spec);
  service.ports = parse_service_ports(spec);
  check_families(spec, service.addresses);
  service.affinity_s = parse_affinity(spec);
  service.source_ranges = spec.prefixes("loadBalancerSourceRanges");
  service.prefer_own_zone =
      spec.word("trafficDistribution", {"PreferClose", "PreferSameZone"}, {"PreferSameNode"}).has_value();
  service.publish_not_ready = spec.boolean("publishNotReadyAddresses").value_or(false);
  spec.word("type", {"ClusterIP"}, {"NodePort", "LoadBalancer", "ExternalName"});
  spec.word("internalTrafficPolicy", {"Cluster"}, {"Local"});
  Fields selector = spec.mapping("selector");
  for (const std::string& key : selector.keys()) {
    service.selector.emplace(key, selector.string(key).value_or(""));
  }
  spec.unimplemented({"externalIPs", "externalName", "externalTrafficPolicy", "healthCheckNodePort",
                      "allocateLoadBalancerNodePorts", "loadBalancerClass", "loadBalancerIP"});
  spec.finish();
  document.ignore({"status"});
  document.finish();
  resources.services.push_back(std::make_shared<const Service>(std::move(service)));
}

}  // namespace weft::registry
