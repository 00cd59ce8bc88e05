// SPDX-License-Identifier: Apache-2.0
#include "registrar/instance.h"

#include <algorithm>

#include "lb/address.h"
#include "registrar/document.h"
#include "registry-sync/instance.h"
#include "registry-sync/key.h"
#include "registry-sync/parse_kinds.h"

namespace weft::registrar {
namespace {

struct PortText {
  std::string name;
  int64_t port = 0;
  std::string protocol = "TCP";
};

bool is_label(const std::string& text) {
  constexpr size_t kMost = 63;
  return text.size() <= kMost && text.find('.') == std::string::npos && registry::is_subdomain(text);
}

std::optional<PortText> parse_port_text(std::string text) {
  PortText result;
  if (const size_t colon = text.find(':'); colon != std::string::npos) {
    result.name = text.substr(0, colon);
    text = text.substr(colon + 1);
    if (!is_label(result.name)) {
      return std::nullopt;
    }
  }
  if (const size_t slash = text.find('/'); slash != std::string::npos) {
    result.protocol = text.substr(slash + 1);
    text = text.substr(0, slash);
  }
  const std::optional<int64_t> port = registry::parse_integer(text, 1, 65535);
  if (!port || (result.protocol != "TCP" && result.protocol != "UDP")) {
    return std::nullopt;
  }
  result.port = *port;
  return result;
}

}  // namespace

tl::expected<std::string, std::string> service_called(const std::string& text) {
  const size_t slash = text.find('/');
  const std::string name_space = slash == std::string::npos ? "default" : text.substr(0, slash);
  const std::string name = slash == std::string::npos ? text : text.substr(slash + 1);
  if (!is_label(name_space) || !is_label(name)) {
    return tl::make_unexpected("expected a service such as shop/web, got " + registry::in_quotes(text));
  }
  return name_space + "/" + name;
}

tl::expected<Instance, std::string> checked(Instance instance) {
  const tl::expected<std::string, std::string> service = service_called(instance.service);
  if (!service) {
    return tl::make_unexpected("--service: " + service.error());
  }
  instance.service = *service;
  for (std::string& text : instance.addresses) {
    const std::optional<lb::Address> address = lb::parse_address(text);
    if (!address) {
      return tl::make_unexpected("--address: expected an address such as 10.1.0.7, got " + registry::in_quotes(text));
    }
    if (const std::string_view problem = registry::unicast_problem(*address); !problem.empty()) {
      return tl::make_unexpected("--address: expected a unicast address, got " + registry::in_quotes(text) + ", " +
                                 std::string(problem));
    }
    text = lb::to_string(*address);
  }
  for (const std::string& text : instance.ports) {
    const std::optional<PortText> port = parse_port_text(text);
    if (!port || (instance.ports.size() > 1 && port->name.empty())) {
      return tl::make_unexpected(
          std::string("--port: expected 1 to 65535, or of each port of the service its name too, "
                      "such as http:8080 or dns:53/UDP, got ") +
          registry::in_quotes(text));
    }
  }
  if (instance.id.empty()) {
    // Of DNS's characters alone, the same whenever it is the same program at the same place.
    instance.id = instance.addresses.at(0) + "-" + instance.ports.at(0);
    std::transform(instance.id.begin(), instance.id.end(), instance.id.begin(), [](char c) {
      return c == ':' || c == '/' ? '-' : c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c;
    });
    // "fd00::1" and "::1"
    for (size_t at = 0; (at = instance.id.find("--")) != std::string::npos;) {
      instance.id.replace(at, 2, "-x-");
    }
    instance.id = "i-" + instance.id;
  }
  if (!registry::is_subdomain(instance.id)) {
    return tl::make_unexpected("--id: expected a DNS name of a-z, 0-9, \"-\" and \".\", got " +
                               registry::in_quotes(instance.id));
  }
  // As weftd will read it.
  std::vector<registry::Diagnostic> errors;
  if (registry::parse_instance("the instance", value_of(instance, {}), errors) == nullptr) {
    return tl::make_unexpected(errors.empty() ? "the instance is not good" : to_string(errors.front()));
  }
  return instance;
}

std::string instance_key(const std::string& service, const std::string& id) {
  return std::string(registry::kInstancePrefix) + service + "/" + id;
}

std::string key_of(const Instance& instance) {
  return instance_key(instance.service, instance.id);
}

std::string value_of(const Instance& instance, Conditions conditions) {
  Json value = {{"addresses", instance.addresses}};
  const std::optional<PortText> only = parse_port_text(instance.ports.at(0));
  if (instance.ports.size() == 1 && only->name.empty() && only->protocol == "TCP") {
    value["port"] = only->port;
  } else {
    value["ports"] = Json::array();
    for (const std::string& text : instance.ports) {
      const std::optional<PortText> port = parse_port_text(text);
      value["ports"].push_back({{"name", port->name}, {"port", port->port}, {"protocol", port->protocol}});
    }
  }
  value["weight"] = instance.weight;
  if (!instance.zone.empty()) {
    value["zone"] = instance.zone;
  }
  if (!instance.host_name.empty()) {
    value["hostname"] = instance.host_name;
  }
  value["conditions"] = {{"ready", conditions.ready},
                         {"serving", conditions.ready || conditions.terminating},
                         {"terminating", conditions.terminating}};
  return value.dump();
}

}  // namespace weft::registrar
