// SPDX-License-Identifier: Apache-2.0
/// @file An instance of a Service as it registers itself: a key of its own, in whose value it says where it is.
///
///     {"addresses": ["10.1.0.7"], "ports": [{"name": "http", "port": 8080, "protocol": "TCP"}], "weight": 1, "zone":
///     "a",
///      "conditions": {"ready": true, "serving": true, "terminating": false}, "nodeName": "n1", "hostname": "web-1"}
///
/// `addresses` has one of a family, or one of each; "port": 8080 stands for the only port of its Service. All else may
/// be left out: a weight of 1, no zone, and conditions as of an EndpointSlice's endpoint.
///
/// It becomes an EndpointSlice of its own for each address, which no other document can be called like.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "registry-sync/diagnostic.h"
#include "registry-sync/key.h"
#include "registry-sync/resources.h"

namespace weft::registry {

struct Instance {
  std::vector<lb::Address> addresses;
  std::vector<ServicePort> ports;  ///< empty if it says `port` instead
  uint16_t port = 0;
  uint32_t weight = 1;
  std::string zone;
  std::string host;  ///< its name below a headless Service's; empty: its id is, or its address
  lb::EndpointState state = lb::EndpointState::ready;
  bool terminating = false;
};

/// @param file the key, as diagnostics call it
/// @returns nothing if there are errors
std::shared_ptr<const Instance> parse_instance(const std::string& file, std::string_view value,
                                               std::vector<Diagnostic>& errors);

/// @param service its Service
/// @returns nothing, with an error, if it does not fit the Service
std::shared_ptr<const ResourceSet> slices_of(const std::string& file, const Key& key, const Instance& instance,
                                             const Service& service, std::vector<Diagnostic>& errors);

}  // namespace weft::registry
