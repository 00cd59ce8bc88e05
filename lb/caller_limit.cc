// SPDX-License-Identifier: Apache-2.0
#include "lb/caller_limit.h"

#include <algorithm>

#define XXH_INLINE_ALL
#include <xxhash.h>

namespace weft::lb {
namespace {

bool has_said(const std::vector<std::string>& sorted, const std::string& one) {
  return std::binary_search(sorted.begin(), sorted.end(), one);
}

}  // namespace

const CallerBounds& CallerLimits::of(const Caller* caller) const {
  if (caller != nullptr) {
    for (const Override& each : overrides) {
      if (each.principal.empty() ? has_said(caller->namespaces, each.name_space)
                                 : has_said(caller->principals, each.principal)) {
        return each.bounds;
      }
    }
  }
  return bounds;
}

uint64_t caller_key(const CallerLimits& limits, const Caller* caller) {
  uint64_t hash = limits.id;
  if (caller != nullptr) {
    for (const std::string& each : caller->principals) {
      hash = XXH3_64bits_withSeed(each.data(), each.size(), hash);
    }
  }
  return hash | 1;
}

}  // namespace weft::lb
