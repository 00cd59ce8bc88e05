// SPDX-License-Identifier: Apache-2.0
/// @file What a service port's owner asks for its requests, from a DestinationRule and from the Service itself.
#pragma once

#include "registry-sync/resources.h"

namespace weft::registry {

/// A DestinationRule's for this port: the port's own, which takes the place of the rule's whole (Istio's
/// portLevelSettings), else the rule's; null if there is no rule.
const TrafficPolicy* traffic_policy_of(const ServiceResources& resources, const ServicePort& port);

/// @param traffic @param own may be null
lb::RequestPolicy request_policy(const Service& service, const TrafficPolicy* traffic, const ServicePolicy* own);

/// Of a port of mode proxy without routes. A PROXY header is for one client's connection, and connections for requests
/// are many clients': who asks for it and does not say HTTP has bytes relayed.
lb::AppProtocol protocol_of(const ServicePort& port, const lb::Policy& policy);

}  // namespace weft::registry
