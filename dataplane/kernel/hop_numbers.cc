// SPDX-License-Identifier: Apache-2.0
#include "kernel/hop_numbers.h"

namespace weft::kernel {

HopNumbers::HopNumbers(uint32_t first, uint32_t end) : next_(first), end_(end) {}

std::optional<uint16_t> HopNumbers::number(const HopIdentity& identity) {
  if (const auto found = numbers_.find(identity); found != numbers_.end()) {
    return found->second;
  }
  uint16_t number = 0;
  if (!free_.empty()) {
    number = free_.back();
    free_.pop_back();
  } else if (next_ < end_) {
    number = static_cast<uint16_t>(next_++);
  } else {
    return std::nullopt;
  }
  numbers_.emplace(identity, number);
  return number;
}

void HopNumbers::retire(const HopIdentity& identity, uint64_t epoch) {
  if (const auto found = numbers_.find(identity); found != numbers_.end()) {
    retired_.push_back({.number = found->second, .port = identity.port, .epoch = epoch});
    numbers_.erase(found);
  }
}

void HopNumbers::retire_all_but(const std::set<HopIdentity>& kept, uint64_t epoch) {
  for (auto each = numbers_.begin(); each != numbers_.end();) {
    if (kept.contains(each->first)) {
      ++each;
      continue;
    }
    retired_.push_back({.number = each->second, .port = each->first.port, .epoch = epoch});
    each = numbers_.erase(each);
  }
}

void HopNumbers::reclaim(uint64_t epoch) {
  while (!retired_.empty() && retired_.front().epoch <= epoch) {
    free_.push_back(retired_.front().number);
    retired_.pop_front();
  }
}

}  // namespace weft::kernel
