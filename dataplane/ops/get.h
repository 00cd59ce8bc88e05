// SPDX-License-Identifier: Apache-2.0
/// @file `get`: what became of the registry's resources.
#pragma once

#include "ops/show.h"

namespace weft::ops {

/// `get httproute|grpcroute|gateway [<namespace>/<name>]`
Answer get_httproute(node::Node& node, const Words& arguments);
Answer get_grpcroute(node::Node& node, const Words& arguments);
Answer get_gateway(node::Node& node, const Words& arguments);

}  // namespace weft::ops
