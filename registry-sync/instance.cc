// SPDX-License-Identifier: Apache-2.0
#include "registry-sync/instance.h"

#include <set>

#include "registry-sync/parse_kinds.h"

namespace weft::registry {
namespace {

/// It is written by many, often, and read by all: a small thing.
constexpr size_t kMaxInstanceBytes = 16384;

std::vector<lb::Address> parse_addresses(Fields& document) {
  std::vector<lb::Address> addresses;
  const std::vector<std::string> texts = document.strings("addresses");
  for (const std::string& text : texts) {
    const std::optional<lb::Address> address = lb::parse_address(text);
    if (!address) {
      document.error("addresses", "expected IPv4 or IPv6 addresses, got " + in_quotes(text));
    } else if (const std::string_view problem = unicast_problem(*address); !problem.empty()) {
      document.error("addresses", "expected unicast addresses, got " + in_quotes(text) + ", " + std::string(problem));
    } else {
      addresses.push_back(*address);
    }
  }
  if (texts.empty() && document) {
    document.error("addresses", "expected at least one address");
  }
  if (addresses.size() > 2 || (addresses.size() == 2 && addresses[0].family() == addresses[1].family())) {
    document.error("addresses",
                   "expected one address of a family, or one of each: another address is another instance");
  }
  return addresses;
}

void parse_ports(Fields& document, Instance& instance) {
  instance.ports = parse_endpoint_ports(document);
  instance.port = static_cast<uint16_t>(document.integer("port", 1, 65535).value_or(0));
  if (document.has("ports") && document.has("port")) {
    document.error("port", "say it in ports, or here: not both");
  } else if (document && instance.ports.empty() && !document.has("port")) {
    document.error("ports", "expected at least one, or port");
  }
}

const ServicePort* only_port(const Service& service) {
  return service.ports.size() == 1 ? &service.ports.front() : nullptr;
}

/// Its own, or its id if that may be one.
std::string host_of_instance(const Key& key, const Instance& instance) {
  constexpr size_t kMaxHost = 63;  // RFC 1035, section 2.3.4
  const bool is_label = key.name.size() <= kMaxHost && key.name.front() != '-' && key.name.back() != '-' &&
                        key.name.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789-") == std::string::npos;
  return !instance.host.empty() ? instance.host : is_label ? key.name : "";
}

}  // namespace

std::shared_ptr<const Instance> parse_instance(const std::string& file, std::string_view value,
                                               std::vector<Diagnostic>& errors) {
  if (value.size() > kMaxInstanceBytes) {
    errors.push_back({.file = file,
                      .field = "value",
                      .message = "an instance's value may have at most " + std::to_string(kMaxInstanceBytes) +
                                 " bytes, and this has " + std::to_string(value.size())});
    return nullptr;
  }
  const std::optional<YamlNode> tree = read_json_document(file, value, errors);
  if (!tree) {
    return nullptr;
  }
  Instance instance;
  Fields document(*tree, "", file, errors);
  instance.addresses = parse_addresses(document);
  parse_ports(document, instance);
  instance.weight = static_cast<uint32_t>(document.integer("weight", 0, lb::MaglevTable::kMaxWeight).value_or(1));
  instance.zone = document.string("zone").value_or("");
  Fields conditions = document.mapping("conditions");
  instance.terminating = conditions && conditions.boolean("terminating").value_or(false);
  instance.state = parse_conditions(std::move(conditions));
  document.string("nodeName");
  instance.host = document.string("hostname").value_or("");
  check_label(document, "hostname", instance.host);
  document.finish();
  return errors.empty() ? std::make_shared<const Instance>(std::move(instance)) : nullptr;
}

std::shared_ptr<const ResourceSet> slices_of(const std::string& file, const Key& key, const Instance& instance,
                                             const Service& service, std::vector<Diagnostic>& errors) {
  std::vector<ServicePort> ports = instance.ports;
  if (ports.empty()) {
    const ServicePort* only = only_port(service);
    if (only == nullptr) {
      errors.push_back({.file = file,
                        .field = "port",
                        .message = "service " + key.service_key() + " has " + std::to_string(service.ports.size()) +
                                   " ports: say in ports which is which"});
      return nullptr;
    }
    ports.push_back({.name = only->name, .protocol = only->protocol, .port = lb::port_from_host(instance.port)});
  }
  auto documents = std::make_shared<ResourceSet>();
  for (const lb::Address& address : instance.addresses) {
    EndpointSlice slice;
    slice.metadata = {.file = file,
                      .name = key.service + "/" + key.name + "/" + std::string(lb::to_string(address.family())),
                      .name_space = key.name_space};
    slice.service = key.service_key();
    slice.family = address.family();
    slice.weight = instance.weight;
    slice.ports = ports;
    slice.registered = true;
    slice.endpoints = {{.name = key.name,
                        .has_name = true,
                        .host = host_of_instance(key, instance),
                        .address = address,
                        .state = instance.state,
                        .zone = instance.zone,
                        .for_zones = {}}};
    documents->slices.push_back(std::make_shared<const EndpointSlice>(std::move(slice)));
  }
  return documents;
}

}  // namespace weft::registry
