// SPDX-License-Identifier: Apache-2.0
#include "ops/service_names.h"

#include <algorithm>

#include "registry-sync/diagnostic.h"

namespace weft::ops {

std::string full_name(const std::string& service) {
  constexpr std::string_view kGateway = "gateway ";
  const bool is_gateway = service.starts_with(kGateway);
  const std::string name = is_gateway ? service.substr(kGateway.size()) : service;
  return (is_gateway ? std::string(kGateway) : "") + (name.find('/') == std::string::npos ? "default/" : "") + name;
}

tl::expected<std::vector<const lb::Service*>, std::string> services_named(const lb::Snapshot& snapshot,
                                                                          const std::string& name) {
  std::vector<const lb::Service*> services;
  for (const lb::Service& service : snapshot.services()) {
    if (service.name == full_name(name)) {
      services.push_back(&service);
    }
  }
  if (services.empty()) {
    const std::string gateway = "gateway " + full_name(name);
    const bool is_one = std::any_of(snapshot.services().begin(), snapshot.services().end(),
                                    [&](const lb::Service& service) { return service.name == gateway; });
    return tl::unexpected("no service " + registry::in_quotes(full_name(name)) +
                          (is_one ? "; the Gateway of that name is \"" + gateway + "\"" : ""));
  }
  return services;
}

std::vector<std::string> endpoint_names(const lb::Snapshot& snapshot) {
  std::vector<std::string> names;
  for (const lb::Service& service : snapshot.services()) {
    for (const lb::Endpoint& endpoint : service.endpoints) {
      names.resize(std::max<size_t>(names.size(), endpoint.slot + 1));
      names[endpoint.slot] = service.name + "/" + endpoint.name;
    }
  }
  return names;
}

std::string name_of(const std::vector<std::string>& names, uint32_t slot) {
  return slot < names.size() ? names[slot] : "";
}

}  // namespace weft::ops
