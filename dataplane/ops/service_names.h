// SPDX-License-Identifier: Apache-2.0
/// @file Services and endpoints by the names that operators know them by.
#pragma once

#include <string>
#include <tl/expected.hpp>
#include <vector>

#include "lb/snapshot.h"

namespace weft::ops {

/// "namespace/name"; a name alone is in namespace default, as is "gateway name".
std::string full_name(const std::string& service);

/// Of each port and address of the service; never empty. @param name as full_name() takes it
tl::expected<std::vector<const lb::Service*>, std::string> services_named(const lb::Snapshot& snapshot,
                                                                          const std::string& name);

/// By slot: "namespace/name/endpoint"; empty where the snapshot knows none.
std::vector<std::string> endpoint_names(const lb::Snapshot& snapshot);
std::string name_of(const std::vector<std::string>& names, uint32_t slot);

}  // namespace weft::ops
