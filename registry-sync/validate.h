// SPDX-License-Identifier: Apache-2.0
/// @file What resources say together: what contradicts itself, and what is odd.
///
/// An error means that no snapshot may be built of this set: there is no telling which of two contradicting documents
/// the operator meant. A warning changes nothing. In particular, a slice may come before its service.
#pragma once

#include "registry-sync/diagnostic.h"
#include "registry-sync/resources.h"

namespace weft::registry {

struct Validation {
  std::vector<Diagnostic> errors;
  std::vector<Diagnostic> warnings;
};

/// Pure; the same for any order of `resources`, but for which of two equals is called the first.
Validation validate(const ResourceSet& resources);

}  // namespace weft::registry
