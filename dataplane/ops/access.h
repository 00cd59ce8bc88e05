// SPDX-License-Identifier: Apache-2.0
/// @file `access`: requests as they finish, a line each.
#pragma once

#include "ops/trace.h"

namespace weft::ops {

/// `access [service <service>] [failed] [count <n>] [for <seconds>]`
Begun access(node::Node& node, const Words& arguments, Form form);

}  // namespace weft::ops
