// SPDX-License-Identifier: Apache-2.0
/// @file What an HTTPRoute's rule says, in words.
#pragma once

#include <string>

#include "lb/http_route.h"
#include "lb/route_table.h"
#include "ops/render.h"

namespace weft::ops {

/// All that held for the match to hold: "path begins with /cart; method is GET; header x-canary is always".
std::string conditions_of(const lb::HttpMatch& match);
/// The match's place in its rule, from 0. Precondition: it is of the table.
size_t number_of(const lb::RouteTable& table, const lb::RouteTable::Match& match);

/// Appends a row a thing that the filters do to a request and its response. @param of whose they are: the rule, or a
/// backend. Redirects and rewrites are told of by whoever knows the request.
void add_filters(Json& rows, const std::string& of, const lb::HttpFilters& filters);
void add_filter(Json& rows, const std::string& of, const std::string& filter, const std::string& does);

/// "1.5s"; what the rule does not bound: nothing.
Json timeout_of(std::chrono::milliseconds timeout);
/// "2 more, if the connection fails or for 500 or 503, after up to 25ms, later ten times that"; nothing: none.
Json retries_of(const lb::HttpRule& rule);

}  // namespace weft::ops
