// SPDX-License-Identifier: Apache-2.0
/// @file `show metrics`: what other `show` commands count, in Prometheus' text format. See docs/operating.md.
#pragma once

#include "ops/metrics.h"
#include "ops/show.h"

namespace weft::ops {

/// All of a node's. Never an error: what can't be read is left out, as a scrape is worth more than one family of it.
std::string metrics_of(node::Node& node);

// Each beside the rows that its `show` has (show_tcp.cc, ...), so that a counter that is added there is a metric, too.
void add_tcp_metrics(node::Node& node, Metrics& metrics);
void add_http_metrics(node::Node& node, Metrics& metrics);
void add_dns_metrics(node::Node& node, Metrics& metrics);

/// What there is of the registry, which needs no node.
/// @param now of the wall
void add_registry_metrics(const registry::Status& status, registry::Status::Time now, Metrics& metrics);

}  // namespace weft::ops
