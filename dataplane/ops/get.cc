// SPDX-License-Identifier: Apache-2.0
#include "ops/get.h"

#include "ops/http_report.h"
#include "registry-sync/diagnostic.h"

namespace weft::ops {
namespace {

Answer get(node::Node& node, const Words& arguments, const std::string& kind, Json (*rows)(const registry::HttpStatus&),
           Json (*conditions)(const registry::HttpStatus&, const std::string&)) {
  if (arguments.size() > 1) {
    return tl::unexpected(std::string());
  }
  const tl::expected<registry::HttpStatus, std::string> status = node.registry().http_status();
  if (!status) {
    return tl::unexpected(status.error());
  }
  if (arguments.empty()) {
    return rows(*status);
  }
  Json answer = conditions(*status, arguments[0]);
  if (answer.is_null()) {
    return tl::unexpected("no " + kind + " " + registry::in_quotes(arguments[0]) + " is in force");
  }
  return answer;
}

}  // namespace

Answer get_httproute(node::Node& node, const Words& arguments) {
  return get(node, arguments, "HTTPRoute", route_rows, route_conditions);
}

Answer get_grpcroute(node::Node& node, const Words& arguments) {
  return get(node, arguments, "GRPCRoute", grpc_route_rows, grpc_route_conditions);
}

Answer get_gateway(node::Node& node, const Words& arguments) {
  return get(node, arguments, "Gateway", gateway_rows, gateway_conditions);
}

}  // namespace weft::ops
