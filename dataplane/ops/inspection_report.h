// SPDX-License-Identifier: Apache-2.0
/// @file What an operator is told of policies of inspection: which look into a request, what they find in its head, and
/// how often each signature was found. For the thread of commands: it allocates.
#pragma once

#include <string>
#include <string_view>

#include "lb/inspection.h"
#include "node/node.h"
#include "ops/metrics.h"
#include "ops/render.h"

namespace weft::ops {

/// "default/own (Enforce), istio-system/starter (DryRun)"
std::string policies_of(const lb::Inspection& inspection);

struct HeadFindings {
  Json rows = Json::array();  ///< a signature each, in the order in which a worker finds them
  std::string denied_by;      ///< empty: the head is let in
};
/// @param of whose policies these are @param lines the fields as they came
HeadFindings look_into(const lb::Inspection& inspection, std::string_view of, std::string_view target,
                       std::string_view lines);

struct SignatureHits {
  uint64_t sum = 0;
  std::string most;  ///< "default/own forbidden 12, default/own noted 3": those found most often; empty: none was
};
SignatureHits hits_of(const lb::Inspection& inspection);

/// By policy and signature, of all that is compiled for services in force.
void add_inspection_metrics(node::Node& node, Metrics& metrics);
/// Pure.
void add_inspection_metrics(const lb::Snapshot& snapshot, Metrics& metrics);

}  // namespace weft::ops
