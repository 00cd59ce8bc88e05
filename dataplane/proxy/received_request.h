// SPDX-License-Identifier: Apache-2.0
/// @file A request as an endpoint is to get it: what the policies of access of its service judge, as a proxy beside it
/// would. What the client sent is judged by those of the service that it asked.
///
/// A route's URLRewrite and RequestHeaderModifier are in it; what weft adds by itself (x-forwarded-for and the like) is
/// not. No allocation. One thread.
#pragma once

#include <array>
#include <cstdint>
#include <optional>

#include "http/head.h"
#include "lb/http_request.h"
#include "lb/http_route.h"
#include "proxy/header_edits.h"

namespace weft::proxy {

/// The one in force: a backend's own takes the place of its rule's. @param backend null: of a mirror, or there is none
inline const std::optional<lb::Rewrite>& rewrite_of(const lb::HttpRule& rule, const lb::HttpBackend* backend) {
  return backend != nullptr && backend->filters.rewrite ? backend->filters.rewrite : rule.filters.rewrite;
}

/// Does another request go on than the one that came?
inline bool is_edited(const lb::HttpRule& rule, const lb::HttpBackend* backend) {
  return rewrite_of(rule, backend).has_value() || !rule.filters.request.empty() ||
         (backend != nullptr && !backend->filters.request.empty());
}

class ReceivedRequest {
 public:
  /// @param request its path in its normal form @param match null: of no rule of a route
  /// @returns views into the request, the rule, and this, until the next call; its path is in its normal form too.
  /// nullopt: the rewritten path is too long, or is another one to some endpoints (http_path.h)
  std::optional<lb::HttpRequest> make(const lb::HttpRequest& request, const lb::HttpMatch* match,
                                      const lb::HttpRule& rule, const lb::HttpBackend* backend);

 private:
  /// Of the longest path of a request, and what the longest replacement adds.
  static constexpr size_t kLongestPath = (16 + 4) << 10;

  std::array<char, 2 * kLongestPath> path_;  ///< as it was rewritten, and in its normal form
  EditList edits_;
  std::array<lb::HttpField, http::kMaxFields + EditList::kMost + 1> fields_;
};

/// By which two forms of one request can be told apart; never 0.
uint64_t fingerprint(const lb::HttpRequest& request);

}  // namespace weft::proxy
