// SPDX-License-Identifier: Apache-2.0
/// @file What the CORS filter answers (GEP-1767; the Fetch standard, section 3.2): header values, for the exchange to
/// write, in place of those that the endpoint may have set.
#pragma once

#include <chrono>
#include <optional>
#include <span>
#include <string_view>

#include "lb/http_request.h"
#include "lb/http_route.h"

namespace weft::lb {

/// Empty: no such header.
struct CorsAnswer {
  /// Answered by weft with 204, whether it is allowed or not: without the headers the client goes no further.
  bool is_preflight = false;
  bool is_allowed = false;
  std::string_view allow_origin;  ///< Access-Control-Allow-Origin
  bool credentials = false;       ///< Access-Control-Allow-Credentials: true
  bool vary_by_origin = false;  ///< Vary: Origin; also of requests that are not allowed, so that caches tell them apart
  std::string_view allow_methods;
  std::string_view allow_headers;
  std::string_view expose_headers;
  std::optional<std::chrono::seconds> max_age;
};

/// @param buffer for lists; too small a one allows nothing
CorsAnswer cors_answer(const Cors& cors, const HttpRequest& request, std::span<char> buffer);

/// Is the origin (scheme://host[:port]) one that the pattern stands for? A port that is not said is the scheme's own.
bool origin_matches(std::string_view pattern, std::string_view origin);

}  // namespace weft::lb
