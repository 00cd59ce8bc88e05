// SPDX-License-Identifier: Apache-2.0
#include "lb/prefix.h"

#include <algorithm>
#include <array>
#include <bit>
#include <charconv>

namespace weft::lb {
namespace {

constexpr uint32_t kMappedBits = 96;  // what stands before an IPv4 address in its mapped form

/// In bits of the 16-byte form.
uint32_t bits_of(const Prefix& prefix) {
  return prefix.address.is_ipv4() ? kMappedBits + prefix.length : prefix.length;
}

/// The address with all bits behind the first `bits` set to `value`.
Address filled(const Address& address, uint32_t bits, bool value) {
  auto words = std::bit_cast<std::array<uint64_t, 2>>(address.ipv6());
  for (uint32_t i = 0; i < words.size(); ++i) {
    const uint32_t kept = bits <= i * 64 ? 0 : std::min(64U, bits - i * 64);
    const uint64_t behind = __builtin_bswap64(kept == 64 ? 0 : ~uint64_t{0} >> kept);
    words[i] = value ? words[i] | behind : words[i] & ~behind;
  }
  return std::bit_cast<Ipv6Address>(words);
}

}  // namespace

bool Prefix::contains(const Address& other) const {
  return other.family() == address.family() && filled(other, bits_of(*this), false) == address;
}

std::optional<Prefix> parse_prefix(std::string_view text) {
  const size_t slash = text.find('/');
  const std::optional<Address> address = parse_address(text.substr(0, slash));
  if (!address) {
    return std::nullopt;
  }
  const uint8_t full = address->is_ipv4() ? 32 : 128;
  Prefix prefix{.address = *address, .length = full};
  if (slash != std::string_view::npos) {
    const std::string_view digits = text.substr(slash + 1);
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), prefix.length);
    if (error != std::errc{} || end != digits.data() + digits.size() || prefix.length > full) {
      return std::nullopt;
    }
  }
  return prefix.contains(*address) ? std::optional(prefix) : std::nullopt;
}

std::string to_string(const Prefix& prefix) {
  return to_string(prefix.address) + "/" + std::to_string(prefix.length);
}

PrefixSet::PrefixSet(const std::vector<Prefix>& prefixes) {
  std::vector<Range> all;
  for (const Prefix& prefix : prefixes) {
    all.push_back({.first = prefix.address, .last = filled(prefix.address, bits_of(prefix), true)});
  }
  std::sort(all.begin(), all.end(), [](const Range& a, const Range& b) { return a.first < b.first; });
  for (const Range& range : all) {  // two prefixes are disjoint, or one holds the other
    if (ranges_.empty() || ranges_.back().last < range.first) {
      ranges_.push_back(range);
    } else {
      ranges_.back().last = std::max(ranges_.back().last, range.last);
    }
  }
}

bool PrefixSet::contains(const Address& address) const {
  const auto after = std::upper_bound(ranges_.begin(), ranges_.end(), address,
                                      [](const Address& value, const Range& range) { return value < range.first; });
  return after != ranges_.begin() && address <= std::prev(after)->last;
}

}  // namespace weft::lb
