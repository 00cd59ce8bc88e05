// SPDX-License-Identifier: Apache-2.0
/// @file InspectionPolicy, a kind of weft's own (weft.dev/v1): what requests and responses of which services are looked
/// through for. Values only, as in resources.h.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "lb/signature.h"
#include "registry-sync/metadata.h"

namespace weft::registry {

struct InspectionPolicy {
  Metadata metadata;
  std::vector<std::string> services;          ///< as AuthorizationPolicy's
  std::map<std::string, std::string> labels;  ///< as AuthorizationPolicy's
  lb::InspectionRules rules;                  ///< named by metadata.key()

  bool operator==(const InspectionPolicy&) const = default;
};

}  // namespace weft::registry
