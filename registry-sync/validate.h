// SPDX-License-Identifier: Apache-2.0
/// @file What resources say together: what contradicts itself, and what is odd.
///
/// An error means that no snapshot may be built of the set: there is no telling which of two contradicting documents
/// the operator meant. A warning changes nothing. In particular, a slice or a policy may come before its service.
///
/// What one service's documents say is told from them alone, so that an edit costs what it touches. What documents of
/// different services may contradict each other in (names, virtual addresses) is for all of them: inventory.h knows
/// whether there is anything to find.
///
/// Pure; the same for any order of documents, but for which of two equals is called the first.
#pragma once

#include "registry-sync/diagnostic.h"
#include "registry-sync/resolve.h"

namespace weft::registry {

struct Validation {
  std::vector<Diagnostic> errors;
  std::vector<Diagnostic> warnings;
  size_t endpoints = 0;  ///< each counted at every port of every virtual address
};

/// @param service "namespace/name": what they all speak of
Validation validate(const std::string& service, const ServiceResources& resources, const Abilities& abilities);

/// Names that two documents have, virtual addresses that two services have, endpoints that are virtual addresses,
/// instances with one address and port.
std::vector<Diagnostic> find_conflicts(const ResourceSet& all);

/// "instance default/web 10.0.0.1:80/TCP", of each port of an instance that registered itself: no two may have one the
/// same. Of other slices: nothing.
std::vector<std::string> instance_names(const EndpointSlice& slice);

/// Sorts by file and line, and keeps the first kMaxDiagnostics.
std::vector<Diagnostic> in_order(std::vector<Diagnostic> diagnostics);

}  // namespace weft::registry
