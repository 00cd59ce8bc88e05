// SPDX-License-Identifier: Apache-2.0
/// @file `capture`: packets as workers receive and send them, into a file.
#pragma once

#include "ops/trace.h"

namespace weft::ops {

/// `capture <file> [in|out] [packets <n>] [megabytes <n>] [for <seconds>] [snap <bytes>] [<filter>]`
Begun capture(node::Node& node, const Words& arguments, Form form);

/// `capture stop`: ends all that run, as if their time were up.
Answer capture_stop(node::Node& node, const Words& arguments);

}  // namespace weft::ops
