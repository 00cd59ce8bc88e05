// SPDX-License-Identifier: Apache-2.0
/// @file Which faults that are injected on purpose a request or a flow would meet, as `where` tells it. Pure.
#pragma once

#include <string>

#include "lb/fault.h"
#include "lb/snapshot.h"

namespace weft::ops {

/// "shop/slow (delay 100ms, of 10%)", of several with "; " between; empty: none. Chance apart, which the share tells.
/// @param backend where a route leads; the service itself if it leads nowhere else
std::string faults_met(const lb::Service& service, const lb::Service& backend, const lb::FaultScope& scope);

}  // namespace weft::ops
