// SPDX-License-Identifier: Apache-2.0
/// @file The registry's resources as weft reads them: Kubernetes objects, cut down to what weft acts on.
///
/// Values only, checked one by one by parse.h and against each other by validate.h. Each knows the file and line that
/// it came from, for messages.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "lb/maglev.h"
#include "lb/snapshot.h"

namespace weft::registry {

/// Slices name their service with this label, as in Kubernetes.
inline constexpr std::string_view kServiceNameLabel = "kubernetes.io/service-name";
/// On a Service: the size of its Maglev tables.
inline constexpr std::string_view kTableSizeAnnotation = "weft.dev/maglev-table-size";
/// On an EndpointSlice: the weight of each of its endpoints.
inline constexpr std::string_view kWeightAnnotation = "weft.dev/weight";

struct Metadata {
  std::string file;
  uint32_t line = 0;  ///< of the document's first field
  std::string name;
  std::string name_space = "default";

  /// "namespace/name"
  std::string key() const { return name_space + "/" + name; }
};

struct ServicePort {
  std::string name;  ///< may be empty if it is the only one
  lb::Protocol protocol = lb::Protocol::tcp;
  lb::Port port{};
};

struct Service {
  Metadata metadata;
  std::optional<lb::Ipv4Address> address;  ///< the VIP; none if the service is headless
  uint32_t table_size = lb::MaglevTable::kDefaultSize;
  std::vector<ServicePort> ports;  ///< at least one, with unique names and unique (protocol, port)
};

struct SliceEndpoint {
  std::string name;  ///< of its pod, else its host name, else its address
  lb::Ipv4Address address{};
  lb::EndpointState state = lb::EndpointState::ready;
};

struct EndpointSlice {
  Metadata metadata;
  std::string service;  ///< "namespace/name"; the namespace is the slice's own
  uint32_t weight = 1;
  std::vector<ServicePort> ports;  ///< unique (name, protocol); matched with the service's by these
  std::vector<SliceEndpoint> endpoints;
};

struct ResourceSet {
  std::vector<Service> services;
  std::vector<EndpointSlice> slices;
};

}  // namespace weft::registry
