// SPDX-License-Identifier: Apache-2.0
/// @file YAML or JSON to resources: Service (v1), EndpointSlice (discovery.k8s.io/v1), ServicePolicy, FaultInjection
/// and InspectionPolicy (weft.dev/v1), HTTPRoute, GRPCRoute, Gateway, GatewayClass and ReferenceGrant
/// (gateway.networking.k8s.io/v1), DestinationRule (networking.istio.io/v1), AuthorizationPolicy
/// (security.istio.io/v1), and List (v1) of them.
///
/// What Kubernetes' API server would refuse is refused here with the field's name, and so is what it would accept and
/// weft does not implement: to ignore such a field would be to do something else than the file says. What servers add
/// to an object (uid, managedFields, status and the like) is accepted, so that `kubectl get -o yaml` can be piped into
/// a file.
///
/// Pure: no clock, no files. A file with an error is not in force in part: callers discard its resources.
#pragma once

#include "registry-sync/diagnostic.h"
#include "registry-sync/resources.h"

namespace weft::registry {

struct ParsedFile {
  ResourceSet resources;           ///< incomplete if there are errors
  size_t documents = 0;            ///< that are not empty; a List counts as one
  std::vector<Diagnostic> errors;  ///< in the file's order, at most kMaxDiagnostics
};

/// @param file what diagnostics call it
ParsedFile parse_file(const std::string& file, std::string_view text);
/// One resource in JSON, as a key-value store holds it: no List.
/// @param name what diagnostics call it, such as its key
ParsedFile parse_document(const std::string& name, std::string_view text);

}  // namespace weft::registry
