// SPDX-License-Identifier: Apache-2.0
#include <set>

#include "registry-sync/parse_kinds.h"

namespace weft::registry {
namespace {

constexpr size_t kMaxLabel = 63;  // RFC 1035, section 2.3.4

uint32_t parse_weight(Fields& annotations) {
  if (!annotations.has(kWeightAnnotation)) {
    return 1;
  }
  const std::string text = annotations.text(kWeightAnnotation);
  const std::optional<int64_t> weight = parse_integer(text, 0, lb::MaglevTable::kMaxWeight);
  if (!weight) {
    annotations.error(kWeightAnnotation, "expected an integer from 0 to " +
                                             std::to_string(lb::MaglevTable::kMaxWeight) + ", got " + in_quotes(text));
  }
  return static_cast<uint32_t>(weight.value_or(1));
}

std::vector<std::string> parse_hints(Fields hints) {
  std::vector<std::string> zones;
  for (Fields& zone : hints.mappings("forZones")) {
    zones.push_back(zone.required_string("name"));
    zone.finish();
  }
  hints.ignore({"forNodes"});
  hints.finish();
  return zones;
}

SliceEndpoint parse_endpoint(Fields& item, lb::Family family) {
  SliceEndpoint endpoint;
  // The API says that all addresses of an endpoint are interchangeable and that consumers use the first.
  const std::vector<lb::Address> addresses = item.required_addresses("addresses", family);
  for (const lb::Address& address : addresses) {
    if (const std::string_view problem = unicast_problem(address); !problem.empty()) {
      item.error("addresses",
                 "expected unicast addresses, got " + in_quotes(to_string(address)) + ", " + std::string(problem));
    }
  }
  endpoint.address = addresses.empty() ? lb::Address{} : addresses[0];
  endpoint.state = parse_conditions(item.mapping("conditions"));

  const std::string host_name = item.string("hostname").value_or("");
  check_label(item, "hostname", host_name);
  Fields target = item.mapping("targetRef");
  const std::string target_name = target.string("name").value_or("");
  check_subdomain(target, "name", target_name);
  target.ignore({"kind", "namespace", "uid", "apiVersion", "resourceVersion", "fieldPath"});
  target.finish();
  endpoint.name = !target_name.empty() ? target_name : host_name;
  endpoint.has_name = !endpoint.name.empty();
  endpoint.host = !host_name.empty() || target_name.find('.') != std::string::npos || target_name.size() > kMaxLabel
                      ? host_name
                      : target_name;
  if (!endpoint.has_name) {
    endpoint.name = to_string(endpoint.address);
  }

  item.string("nodeName");
  endpoint.zone = item.string("zone").value_or("");
  endpoint.for_zones = parse_hints(item.mapping("hints"));
  item.ignore({"deprecatedTopology"});
  item.finish();
  return endpoint;
}

}  // namespace

std::vector<ServicePort> parse_endpoint_ports(Fields& document) {
  std::vector<ServicePort> ports;
  std::set<std::pair<std::string, lb::Protocol>> seen;
  for (Fields& item : document.mappings("ports")) {
    ServicePort port{.name = item.string("name").value_or(""), .protocol = parse_port_protocol(item)};
    port.port = lb::port_from_host(static_cast<uint16_t>(item.required_integer("port", 1, 65535)));
    item.string("appProtocol");
    item.finish();
    check_label(item, "name", port.name);
    if (!seen.insert({port.name, port.protocol}).second) {
      item.error("name", "duplicate port name " + in_quotes(port.name) + " of the same protocol");
    }
    ports.push_back(std::move(port));
  }
  return ports;
}

lb::EndpointState parse_conditions(Fields conditions) {
  const bool ready = conditions.boolean("ready").value_or(true);
  const bool serving = conditions.boolean("serving").value_or(ready);
  const bool terminating = conditions.boolean("terminating").value_or(false);
  conditions.finish();
  if (terminating) {
    return serving ? lb::EndpointState::draining : lb::EndpointState::not_ready;
  }
  return ready ? lb::EndpointState::ready : lb::EndpointState::not_ready;
}

void parse_endpoint_slice(Fields& document, ResourceSet& resources) {
  ParsedMetadata parsed = parse_metadata(document, check_subdomain, kWeightAnnotation);
  EndpointSlice slice{.metadata = std::move(parsed.metadata), .weight = parse_weight(parsed.annotations)};
  const std::string service = parsed.labels.text(kServiceNameLabel);
  if (service.empty()) {
    parsed.labels.error(kServiceNameLabel, "required label is missing");
  }
  check_label(parsed.labels, kServiceNameLabel, service);
  slice.service = slice.metadata.name_space + "/" + service;

  const std::string family = document.required_word("addressType", {"IPv4", "IPv6"}, {"FQDN"});
  slice.family = family == "IPv6" ? lb::Family::ipv6 : lb::Family::ipv4;
  slice.ports = parse_endpoint_ports(document);
  for (Fields& item : document.mappings("endpoints")) {
    slice.endpoints.push_back(parse_endpoint(item, slice.family));
  }
  document.finish();
  resources.slices.push_back(std::make_shared<const EndpointSlice>(std::move(slice)));
}

}  // namespace weft::registry
