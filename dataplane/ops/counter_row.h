// SPDX-License-Identifier: Apache-2.0
/// @file Counters as they are shown: each with its name, its unit and what it means, summed over workers.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "ops/render.h"

namespace weft::ops {

template <typename Books>
struct CounterRow {
  std::string_view name;
  std::string_view unit;
  uint64_t (*count)(const Books&);
  std::string_view meaning;
};

/// @param books one a worker
template <typename Rows, typename Books>
Json counters_of(const Rows& rows, const std::vector<Books>& books) {
  Json counters = Json::array();
  for (const CounterRow<Books>& row : rows) {
    uint64_t sum = 0;
    for (const Books& each : books) {
      sum += row.count(each);
    }
    counters.push_back({{"name", row.name}, {"count", sum}, {"unit", row.unit}, {"meaning", row.meaning}});
  }
  return counters;
}

}  // namespace weft::ops
