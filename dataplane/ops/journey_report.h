// SPDX-License-Identifier: Apache-2.0
/// @file What an operator reads of a traced packet.
#pragma once

#include <string>
#include <vector>

#include "lb/snapshot.h"
#include "ops/journey.h"
#include "ops/render.h"
#include "ops/wall_clock.h"

namespace weft::ops {

/// @param ports names, by the node's number of the port
Json as_json(const Journey& journey, uint64_t number, WallClock::Moment time, const std::vector<std::string>& ports,
             const lb::Snapshot& snapshot);

/// Drawn from as_json()'s: a paragraph, a line a step.
std::string journey_text(const Json& journey);

}  // namespace weft::ops
