// SPDX-License-Identifier: Apache-2.0
/// @file Commands about faults that are injected on purpose: started for a while, ended, and what they did. Arguments
/// are the words after the command's own.
#pragma once

#include "ops/metrics.h"
#include "ops/show.h"

namespace weft::ops {

/// `fault start ... for <time>`: fault_words.h
Answer fault_start(node::Node& node, const Words& arguments);
/// `fault stop <name>|all`
Answer fault_stop(node::Node& node, const Words& arguments);
/// `show faults [<service>]`, `fault list [<service>]`: those in force, a row each
Answer show_faults(node::Node& node, const Words& arguments);

void add_fault_metrics(node::Node& node, Metrics& metrics);

}  // namespace weft::ops
