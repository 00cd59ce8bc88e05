// SPDX-License-Identifier: Apache-2.0
/// @file The names of headers and query parameters that any rule of a table asks for, numbered: a request is read once,
/// whatever the number of rules, and what no rule asks for is passed over. Filled, and then read.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "lb/text_table.h"

namespace weft::lb {

class AskedNames {
 public:
  static constexpr uint32_t kNone = TextTable::kNone;
  static constexpr size_t kMaxHeaderName = 256;  ///< Gateway API's

  struct Name {
    bool is_header;
    std::string text;  ///< of a header in lower case

    auto operator<=>(const Name&) const = default;
  };

  AskedNames() = default;
  /// Numbers are places in `names`, in which each is once.
  explicit AskedNames(const std::vector<Name>& names);

  size_t size() const { return size_; }
  uint32_t find_header(std::string_view name) const;
  uint32_t find_query(std::string_view decoded_name) const { return names_.find(kQuery, decoded_name); }
  size_t memory_bytes() const { return names_.memory_bytes(); }

 private:
  enum Space : uint32_t { kHeader, kQuery };

  TextTable names_{2, 0};
  size_t size_ = 0;
};

}  // namespace weft::lb
