// SPDX-License-Identifier: Apache-2.0
/// @file Where a node's tunnels come from: a prefix of its own, whose last bits tell flows apart.
///
/// A receiver's card spreads tunnelled packets over its queues by their outer headers alone, and all that go from one
/// node to one endpoint would look alike to it.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>
#include <vector>

#include "lb/prefix.h"

namespace weft::l4 {

template <typename Address>
class TunnelSource {
 public:
  /// @param prefixes of which the first of the address's family counts, if there is one
  explicit TunnelSource(const std::vector<lb::Prefix>& prefixes) {
    const auto own = std::find_if(prefixes.begin(), prefixes.end(), [](const lb::Prefix& prefix) {
      return prefix.address.family() == lb::family_of<Address>;
    });
    if (own == prefixes.end()) {
      return;
    }
    known_ = true;
    words_ = std::bit_cast<Words>(own->address.template as<Address>());
    const uint32_t host_bits = 8 * sizeof(Address) - own->length;
    spread_ = static_cast<uint16_t>((uint64_t{1} << std::min(host_bits, 16U)) - 1);
  }

  bool known() const { return known_; }
  /// Precondition: known().
  Address of(uint16_t entropy) const {
    using Word = typename Words::value_type;
    Words words = words_;
    words.back() |=
        static_cast<Word>(static_cast<Word>(__builtin_bswap16(entropy & spread_)) << (8 * sizeof(Word) - 16));
    return std::bit_cast<Address>(words);
  }

 private:
  /// As they lie in memory: the last two bytes are a word's upper half.
  using Words = std::conditional_t<sizeof(Address) == 4, std::array<uint32_t, 1>, std::array<uint64_t, 2>>;

  bool known_ = false;
  uint16_t spread_ = 0;
  Words words_{};
};

}  // namespace weft::l4
