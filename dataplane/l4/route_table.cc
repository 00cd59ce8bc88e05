// SPDX-License-Identifier: Apache-2.0
#include "l4/route_table.h"

namespace weft::l4 {
namespace {

using Number6 = std::array<uint64_t, 2>;

uint32_t next(uint32_t number) {
  return number + 1;
}
Number6 next(const Number6& number) {
  return {number[0] + (number[1] == UINT64_MAX ? 1 : 0), number[1] + 1};
}

/// All bits behind the first `length` set.
uint64_t filled(uint64_t word, int length) {
  return length >= 64 ? word : word | UINT64_MAX >> std::max(length, 0);
}

}  // namespace

template <typename Number>
void RouteTable::Ranges<Number>::build(std::vector<Prefix> prefixes) {
  // The outer before the inner, and of equals the first given first.
  std::stable_sort(prefixes.begin(), prefixes.end(), [](const Prefix& a, const Prefix& b) {
    return a.first != b.first ? a.first < b.first : b.last < a.last;
  });
  const auto begin_range = [this](const Number& first, uint32_t value) {
    if (ranges_.back().first == first) {
      ranges_.back().value = value;
    } else {
      ranges_.push_back({first, value});
    }
  };
  std::vector<const Prefix*> open;  // from the outermost to the innermost around the place at hand
  const auto close_innermost = [&] {
    const Number behind = next(open.back()->last);
    open.pop_back();
    if (behind != Number{}) {  // else that was the last address of all
      begin_range(behind, open.empty() ? kNone : open.back()->value);
    }
  };
  for (const Prefix& prefix : prefixes) {
    while (!open.empty() && open.back()->last < prefix.first) {
      close_innermost();
    }
    if (!open.empty() && open.back()->first == prefix.first && open.back()->last == prefix.last) {
      continue;
    }
    open.push_back(&prefix);
    begin_range(prefix.first, prefix.value);
  }
  while (!open.empty()) {
    close_innermost();
  }
}

RouteTable::RouteTable(const std::vector<Entry>& entries) {
  std::vector<Ranges<uint32_t>::Prefix> prefixes4;
  std::vector<Ranges<Number6>::Prefix> prefixes6;
  for (const Entry& entry : entries) {
    const int length = entry.prefix.length;
    if (entry.prefix.address.is_ipv4()) {
      const uint32_t first = lb::to_host(entry.prefix.address.ipv4());
      prefixes4.push_back({first, static_cast<uint32_t>(filled(first, 32 + length)), entry.value});
    } else {
      const Number6 first = number_of(entry.prefix.address.ipv6());
      prefixes6.push_back({first, {filled(first[0], length), filled(first[1], length - 64)}, entry.value});
    }
  }
  v4_.build(std::move(prefixes4));
  v6_.build(std::move(prefixes6));
}

}  // namespace weft::l4
