// SPDX-License-Identifier: Apache-2.0
/// @file Which rule is a request's? All rules of one listener, compiled; equal to trying them one by one.
///
/// Precedence is Gateway API's (HTTPRouteSpec, HTTPRouteRule): the most specific host name first (exact before
/// wildcard, longer before shorter), and among its rules an exact path, then a regular expression, then the longest
/// prefix; then a method; then the most headers; then the most query parameters; then the older route, the first by
/// namespace and name, and the first rule. The specification leaves a regular expression's place to us; that of two
/// which match the longer is the better one would say nothing, so length does not count.
///
/// The specification orders rules that match. So where none of a host name's rules matches, those of the next less
/// specific name are tried, and those of routes without host names last. (Between listeners it is otherwise: a request
/// belongs to the most specific listener, whose table knows nothing of others.)
///
/// Paths are compared as they are: give find() what normalize_path() made of the request's. Those of exact and prefix
/// matches are brought into the same form here. Expressions see the path, or the value, whole and as bytes.
///
/// Exact names are hashed, prefixes lie in a radix tree of whole segments, and all regular expressions of paths are one
/// Hyperscan database, those of headers and parameters another: in one database each path would be tried against what
/// was meant for headers. Immutable, read by any number of threads, each with a scratch of its own (route_scratch.h).
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "lb/http_request.h"
#include "lb/http_route.h"

namespace weft::lb {

struct RouteIndex;

class RouteTable {
 public:
  struct Match {
    const HttpRule* rule = nullptr;    ///< null: no rule matches
    const HttpMatch* match = nullptr;  ///< the one that held: its prefix is what a PathEdit replaces
  };

  /// What a thread needs to look things up: route_scratch.h. One a thread; it fits the tables that it was prepared for.
  class Scratch;

  /// Throws std::invalid_argument that names the expression and its rule, if one does not compile.
  /// @param before a table whose databases are shared if the expressions are the same: to compile a thousand takes 1.5
  /// s
  explicit RouteTable(std::vector<HttpRoute> routes, const RouteTable* before = nullptr);
  ~RouteTable();
  RouteTable(const RouteTable&) = delete;
  RouteTable& operator=(const RouteTable&) = delete;

  /// No allocation, whatever the request. Precondition: the scratch fits.
  Match find(const HttpRequest& request, Scratch& scratch) const;

  const std::vector<HttpRoute>& routes() const { return routes_; }
  size_t memory_bytes() const;

 private:
  std::vector<HttpRoute> routes_;
  std::unique_ptr<const RouteIndex> index_;
};

}  // namespace weft::lb
