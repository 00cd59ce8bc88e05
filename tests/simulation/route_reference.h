// SPDX-License-Identifier: Apache-2.0
/// @file Routing written down as Gateway API says it, one rule after the other: what RouteTable must be equal to.
///
/// It shares nothing with RouteTable but the form of paths: std::regex instead of Hyperscan, maps instead of scratches.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "lb/http_request.h"
#include "lb/http_route.h"

namespace weft::lb {

struct ReferenceMatch {
  std::string route;
  size_t rule = 0;
  size_t match = 0;

  bool operator==(const ReferenceMatch&) const = default;
};

std::optional<ReferenceMatch> find_by_reference(const std::vector<HttpRoute>& routes, const HttpRequest& request);

}  // namespace weft::lb
