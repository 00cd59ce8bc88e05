// SPDX-License-Identifier: Apache-2.0
#include <map>
#include <set>

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

std::optional<lb::Ipv4Address> parse_cluster_ip(Fields& spec) {
  const std::string text = spec.required_string("clusterIP");
  const std::vector<std::string> all = spec.strings("clusterIPs");
  if (!all.empty() && (all.size() > 1 || all[0] != text)) {
    spec.error("clusterIPs", "expected clusterIP alone: weft does not implement a second address");
  }
  if (text == "None" || !spec.has("clusterIP")) {
    return std::nullopt;
  }
  const std::optional<lb::Ipv4Address> address = lb::parse_ipv4(text);
  if (!address) {
    spec.error("clusterIP", "expected an IPv4 address or None, got " + in_quotes(text));
    return std::nullopt;
  }
  if (const std::string_view problem = unicast_problem(*address); !problem.empty()) {
    spec.error("clusterIP", "expected a unicast address, got " + in_quotes(text) + ", " + std::string(problem));
  }
  return address;
}

/// Slices say where endpoints listen, so the value is checked and not kept.
void check_target_port(Fields& port) {
  if (port.has_integer("targetPort")) {
    port.integer("targetPort", 1, 65535);
  } else {
    check_label(port, "targetPort", port.string("targetPort").value_or(""));
  }
}

std::vector<ServicePort> parse_ports(Fields& spec) {
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
    item.string("appProtocol");
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
  service.address = parse_cluster_ip(spec);
  service.ports = parse_ports(spec);
  spec.word("type", {"ClusterIP"}, {"NodePort", "LoadBalancer", "ExternalName"});
  spec.word("sessionAffinity", {"None"}, {"ClientIP"});
  spec.word("internalTrafficPolicy", {"Cluster"}, {"Local"});
  spec.word("ipFamilyPolicy", {"SingleStack", "PreferDualStack"}, {"RequireDualStack"});
  for (const std::string& family : spec.strings("ipFamilies")) {
    if (family != "IPv4") {
      spec.error("ipFamilies", "weft implements IPv4 only, got " + in_quotes(family));
    }
  }
  Fields selector = spec.mapping("selector");
  for (const std::string& key : selector.keys()) {
    selector.string(key);
  }
  spec.unimplemented({"externalIPs", "externalName", "externalTrafficPolicy", "healthCheckNodePort",
                      "allocateLoadBalancerNodePorts", "loadBalancerClass", "loadBalancerIP",
                      "loadBalancerSourceRanges", "publishNotReadyAddresses", "sessionAffinityConfig",
                      "trafficDistribution"});
  spec.finish();
  document.ignore({"status"});
  document.finish();
  resources.services.push_back(std::move(service));
}

}  // namespace weft::registry
