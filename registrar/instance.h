// SPDX-License-Identifier: Apache-2.0
/// @file An instance as it is registered: where its key is, and what its value says.
#pragma once

#include <cstdint>
#include <string>
#include <tl/expected.hpp>
#include <vector>

namespace weft::registrar {

struct Instance {
  std::string service;  ///< "namespace/name"; a name alone is in namespace default
  std::string id;       ///< empty: made of the first address and port
  std::vector<std::string> addresses;
  std::vector<std::string> ports;  ///< "8080", or one for each of the service's: "http:8080", "dns:53/UDP"
  uint32_t weight = 1;
  std::string zone;
  std::string host_name;
};

struct Conditions {
  bool ready = true;
  bool terminating = false;

  bool operator==(const Conditions&) const = default;
};

/// Completes the service's name and the id. The error names the flag.
tl::expected<Instance, std::string> checked(Instance instance);

/// Of what checked() returned.
std::string key_of(const Instance& instance);
std::string value_of(const Instance& instance, Conditions conditions);

/// "namespace/name" from that or a name alone. The error says what is wrong with it.
tl::expected<std::string, std::string> service_called(const std::string& text);
std::string instance_key(const std::string& service, const std::string& id);

}  // namespace weft::registrar
