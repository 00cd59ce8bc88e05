// SPDX-License-Identifier: Apache-2.0
/// @file What RouteTable looks things up in. Made once of all routes, and then only read.
///
/// An *entry* is one match of one rule under one host name. Those that a request can't be told apart by before its
/// method, headers and parameters are looked at (of one host name and exact path, say) lie side by side as a *group*,
/// in the order of precedence: the first that holds is the one.
#pragma once

#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

#include "lb/asked_names.h"
#include "lb/expressions.h"
#include "lb/host_table.h"
#include "lb/http_route.h"
#include "lb/path_tree.h"
#include "lb/text_table.h"

namespace weft::lb {

struct RouteIndex {
  static constexpr uint32_t kNone = UINT32_MAX;

  /// Of a header or a query parameter.
  struct Condition {
    uint32_t value;       ///< AskedNames' number
    uint32_t expression;  ///< of `value_expressions`; kNone: the text it is
    std::string_view text;
  };
  struct Entry {
    const HttpRule* rule;
    const HttpMatch* match;
    uint32_t first_condition;
    uint16_t conditions;
    bool has_method;
  };
  struct Group {
    uint32_t first;  ///< of `entries`
    uint32_t count;
  };
  /// Entries of one expression: those of a host name side by side, in order of precedence.
  struct Expressed {
    uint32_t host;
    uint32_t entry;
  };

  /// Brings the routes' paths into their normal form and points into them from then on. Throws std::invalid_argument.
  RouteIndex(std::vector<HttpRoute>& routes, const RouteIndex* before);

  size_t memory_bytes() const;

  HostTable hosts;
  std::vector<bool> host_has_expressions;
  TextTable exact_paths;  ///< by host name's number; of `groups`
  PathTree prefixes;      ///< a tree a host name; of `groups`
  std::vector<Group> groups;
  std::vector<Entry> entries;
  std::vector<Condition> conditions;
  AskedNames asked;
  std::shared_ptr<const Expressions> path_expressions;
  std::shared_ptr<const Expressions> value_expressions;  ///< of one value each: the same text under two names is two
  std::vector<Group> expressed_of;                       ///< by path expression; of `expressed`
  std::vector<Expressed> expressed;
  std::vector<uint32_t> value_of_expression;  ///< by value expression

 private:
  struct Draft;
  RouteIndex(const Draft& draft, const RouteIndex* before);
};

}  // namespace weft::lb
