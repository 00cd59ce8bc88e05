// SPDX-License-Identifier: Apache-2.0
/// @file What protections did, in metrics. For the thread of commands: it allocates.
#pragma once

#include "lb/snapshot.h"
#include "ops/metrics.h"
#include "proxy/protections.h"

namespace weft::ops {

/// By service and address; of what never happened there is no sample, as a node may have 10,000 services. A service's
/// counters begin with it, and end with it.
void add_protection_metrics(const lb::Snapshot& snapshot, const proxy::Protections& protections, Metrics& metrics);

}  // namespace weft::ops
