// SPDX-License-Identifier: Apache-2.0
/// @file What `show` shows. Arguments are the words after its subject; each function checks its own.
#pragma once

#include <string>
#include <vector>

#include "ops/commands.h"

namespace weft::ops {

using Words = std::vector<std::string>;

Answer show_version(node::Node& node, const Words& arguments);
Answer show_workers(node::Node& node, const Words& arguments);
Answer show_ports(node::Node& node, const Words& arguments);
Answer show_snat(node::Node& node, const Words& arguments);
Answer show_services(node::Node& node, const Words& arguments);
Answer show_endpoints(node::Node& node, const Words& arguments);
Answer show_checks(node::Node& node, const Words& arguments);
Answer show_flows(node::Node& node, const Words& arguments);
Answer show_tcp(node::Node& node, const Words& arguments);
Answer show_protections(node::Node& node, const Words& arguments);
Answer show_http(node::Node& node, const Words& arguments);
Answer show_dns(node::Node& node, const Words& arguments);
Answer show_drops(node::Node& node, const Words& arguments);
Answer show_routes(node::Node& node, const Words& arguments);
Answer show_neighbours(node::Node& node, const Words& arguments);
Answer show_registry(node::Node& node, const Words& arguments);
Answer show_snapshot(node::Node& node, const Words& arguments);

/// `where <protocol> <source>:<port> <address>:<port>`, or of a request: where_request.h
Answer where(node::Node& node, const Words& arguments);

}  // namespace weft::ops
