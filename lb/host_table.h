// SPDX-License-Identifier: Apache-2.0
/// @file From a host name to the most specific of the names that rules were given for.
///
/// Exact before wildcard, longer wildcard before shorter: Gateway API counts characters, and of suffixes that match the
/// same name the one with more characters has more labels. "*." stands for one label or more. Immutable.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "lb/text_table.h"

namespace weft::lb {

class HostTable {
 public:
  static constexpr uint32_t kAny = 0;  ///< what any host has, and a request that names none
  static constexpr uint32_t kNone = UINT32_MAX;

  /// @param names in lower case, each once, numbered from 1 on: "example.com", "*.example.com"
  explicit HostTable(const std::vector<std::string>& names);

  /// Never kNone.
  uint32_t find(std::string_view host) const {
    const uint32_t number = names_.find(kExact, host);
    return number != kNone ? number : find_wildcard(host);
  }
  /// The next less specific one that matches all that this one does: kAny in the end, and after it kNone.
  uint32_t next(uint32_t number) const { return next_[number]; }

  size_t memory_bytes() const { return names_.memory_bytes() + next_.capacity() * sizeof(uint32_t); }

 private:
  enum Space : uint32_t { kExact, kWildcard };  // a wildcard without its "*"

  uint32_t find_wildcard(std::string_view host) const { return names_.has(kWildcard) ? find_suffix(host) : kAny; }
  uint32_t find_suffix(std::string_view host) const;

  TextTable names_;
  std::vector<uint32_t> next_;
};

}  // namespace weft::lb
