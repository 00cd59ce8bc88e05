// SPDX-License-Identifier: Apache-2.0
/// @file What an operator reads of routes and Gateways: the status that a cluster's controller would write into them.
#pragma once

#include <string>

#include "ops/render.h"
#include "registry-sync/route_status.h"

namespace weft::ops {

/// A row a parent that the route names, or a listener; a condition is "True", or "False" with its reason.
Json route_rows(const registry::HttpStatus& status);
Json grpc_route_rows(const registry::HttpStatus& status);
Json gateway_rows(const registry::HttpStatus& status);

/// All conditions of one, a row each. Nothing, if there is none of the name.
/// @param name "namespace/name", or the name alone in namespace default
Json route_conditions(const registry::HttpStatus& status, const std::string& name);
Json grpc_route_conditions(const registry::HttpStatus& status, const std::string& name);
Json gateway_conditions(const registry::HttpStatus& status, const std::string& name);

}  // namespace weft::ops
