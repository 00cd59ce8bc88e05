// SPDX-License-Identifier: Apache-2.0
/// @file GRPCRoute of Gateway API (v1). Values only, as in resources.h.
///
/// weft speaks no HTTP/2 yet, so none of these decides anything: each is in the model, draws a warning, and its status
/// says that it is not accepted (route_status.h).
#pragma once

#include "registry-sync/http_resources.h"

namespace weft::registry {

/// Why.
inline constexpr std::string_view kNoGrpc = "weft does not speak HTTP/2, which gRPC needs, yet";

/// At least one of the two texts is there; one that is empty matches all.
struct GrpcMethodMatch {
  lb::MatchType type = lb::MatchType::exact;  ///< or regular_expression
  std::string service;                        ///< such as "shop.v1.Orders"
  std::string method;

  bool operator==(const GrpcMethodMatch&) const = default;
};

/// All of it must hold.
struct GrpcMatch {
  std::optional<GrpcMethodMatch> method;
  std::vector<lb::ValueMatch> headers;

  bool operator==(const GrpcMatch&) const = default;
};

struct GrpcRouteRule {
  std::string name;
  std::vector<GrpcMatch> matches;  ///< none: every request
  lb::HttpFilters filters;         ///< edits of headers, and mirrors
  std::vector<lb::HttpBackend> backends;
  std::optional<lb::SessionPersistence> session;

  bool operator==(const GrpcRouteRule&) const = default;
};

struct GrpcRoute {
  Metadata metadata;
  int64_t created = 0;  ///< seconds since 1970
  std::vector<ParentRef> parents;
  std::vector<std::string> hostnames;  ///< in lower case; "*." in front stands for one label or more
  std::vector<GrpcRouteRule> rules;

  bool operator==(const GrpcRoute&) const = default;
};

}  // namespace weft::registry
