// SPDX-License-Identifier: Apache-2.0
/// @file What the filters RequestRedirect and URLRewrite make of a request (Gateway API v1), as text in buffers of the
/// caller's. Nothing is returned if the buffer is too small.
///
/// Requests have normal paths (http_path.h), as their matches do.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "lb/http_request.h"
#include "lb/http_route.h"

namespace weft::lb {

/// How the request came.
struct Listener {
  std::string_view scheme = "http";
  uint16_t port = 80;
};

/// The value of Location: absolute, with the query, and with the port unless it is the scheme's own. A request that
/// names no host (HTTP/1.0) and whose filter names none is redirected by a path alone (RFC 9110, section 10.2.2).
std::optional<std::string_view> redirect_location(const Redirect& redirect, const HttpMatch& match,
                                                  const HttpRequest& request, const Listener& listener,
                                                  std::span<char> buffer);

/// The request's target in origin form: path and query. The host is the filter's if that names one.
std::optional<std::string_view> rewritten_target(const Rewrite& rewrite, const HttpMatch& match,
                                                 const HttpRequest& request, std::span<char> buffer);

}  // namespace weft::lb
