// SPDX-License-Identifier: Apache-2.0
/// @file What a service is called by in the DNS, and what is told of it there: its virtual addresses, or if it is
/// headless its ready endpoints, each by a host name of its own.
///
/// An endpoint's host name is what its slice says; else its pod's name, if that is one label; else its address, with
/// dashes ("10-1-0-7"). Kubernetes' specification leaves the latter two open (section 2.1).
#pragma once

#include <memory>

#include "lb/name_table.h"
#include "registry-sync/resources.h"

namespace weft::registry {

/// Null: there is no service.
std::shared_ptr<const lb::NamedService> named_service(const ServiceResources& resources);

}  // namespace weft::registry
