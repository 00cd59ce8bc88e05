// SPDX-License-Identifier: Apache-2.0
/// @file A port that clients connect to: of a Service, a slice or a Gateway.
#pragma once

#include <cstdint>
#include <string>

#include "lb/flow_key.h"

namespace weft::registry {

/// What a port's connections carry, by its appProtocol or the beginning of its name.
enum class PortProtocol : uint8_t {
  unsaid,
  http,    ///< HTTP/1, WebSocket
  http2,   ///< with prior knowledge: gRPC too
  tls,     ///< HTTPS too
  opaque,  ///< says that it is something else
};

struct ServicePort {
  std::string name;  ///< may be empty if it is the only one
  lb::Protocol protocol = lb::Protocol::tcp;
  lb::Port port{};
  PortProtocol carries = PortProtocol::unsaid;

  bool operator==(const ServicePort&) const = default;
};

}  // namespace weft::registry
