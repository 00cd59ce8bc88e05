// SPDX-License-Identifier: Apache-2.0
/// @file Address prefixes ("10.0.0.0/8", "fd00::/16"), and sets of them that answer whether an address is in any.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "lb/address.h"

namespace weft::lb {

struct Prefix {
  Address address;     ///< with no bit set behind the prefix
  uint8_t length = 0;  ///< of the address's own family: up to 32 or 128

  bool contains(const Address& other) const;
  auto operator<=>(const Prefix&) const = default;
};

/// "address/length", or an address alone for a prefix of its full length. Bits set behind the prefix are an error.
std::optional<Prefix> parse_prefix(std::string_view text);
std::string to_string(const Prefix& prefix);

/// Immutable. A look-up is a binary search over disjoint ranges: 32 bytes a prefix at most, O(log n).
class PrefixSet {
 public:
  PrefixSet() = default;
  explicit PrefixSet(const std::vector<Prefix>& prefixes);

  bool empty() const { return ranges_.empty(); }
  bool contains(const Address& address) const;
  bool operator==(const PrefixSet&) const = default;

 private:
  struct Range {
    Address first;
    Address last;
    bool operator==(const Range&) const = default;
  };
  std::vector<Range> ranges_;  ///< sorted, disjoint
};

}  // namespace weft::lb
