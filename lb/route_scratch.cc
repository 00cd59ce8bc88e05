// SPDX-License-Identifier: Apache-2.0
#include "lb/route_scratch.h"

#include <algorithm>

#include "lb/route_index.h"

namespace weft::lb {
namespace {

template <typename T>
void grow(std::vector<T>& vector, size_t size) {
  vector.resize(std::max(vector.size(), size));
}

bool is(const std::weak_ptr<const Expressions>& known, const std::shared_ptr<const Expressions>& expressions) {
  return !known.owner_before(expressions) && !expressions.owner_before(known);
}

}  // namespace

void RouteTable::Scratch::prepare(const RouteTable& table) {
  const RouteIndex& index = *table.index_;
  grow(values_, index.asked.size());
  grow(holds_, index.value_expressions->size());
  grow(found_, index.value_expressions->size());
  grow(paths_, index.path_expressions->size());
  if (index.asked.size() > 0 && text_ == nullptr) {
    text_ = std::make_unique_for_overwrite<char[]>(kTextBytes);
  }
  std::erase_if(fitted_, [](const auto& known) { return known.expired(); });
  for (const auto& expressions : {index.path_expressions, index.value_expressions}) {
    if (!expressions->empty()) {
      expressions->prepare(matcher_);
      fitted_.push_back(expressions);
    }
  }
}

bool RouteTable::Scratch::fits(const RouteTable& table) const {
  const RouteIndex& index = *table.index_;
  const auto fits = [&](const std::shared_ptr<const Expressions>& expressions) {
    return expressions->empty() ||
           std::any_of(fitted_.begin(), fitted_.end(), [&](const auto& known) { return is(known, expressions); });
  };
  return values_.size() >= index.asked.size() && holds_.size() >= index.value_expressions->size() &&
         paths_.size() >= index.path_expressions->size() && (index.asked.size() == 0 || text_ != nullptr) &&
         fits(index.path_expressions) && fits(index.value_expressions);
}

size_t RouteTable::Scratch::memory_bytes() const {
  return sizeof *this + values_.capacity() * sizeof(Value) + holds_.capacity() * sizeof(uint64_t) +
         (found_.capacity() + paths_.capacity()) * sizeof(uint32_t) + (text_ != nullptr ? kTextBytes : 0) +
         Expressions::scratch_bytes(matcher_);
}

std::shared_ptr<RouteScratches> RouteScratches::fitting(const std::shared_ptr<RouteScratches>& before,
                                                        const std::vector<const RouteTable*>& came,
                                                        const std::vector<const RouteTable*>& all) {
  // All of them are alike.
  if (before->scratches_.empty() ||
      std::all_of(came.begin(), came.end(), [&](const RouteTable* t) { return before->scratches_[0].fits(*t); })) {
    return before;
  }
  auto result = std::make_shared<RouteScratches>(before->workers());
  for (RouteTable::Scratch& scratch : result->scratches_) {
    for (const RouteTable* table : all) {
      scratch.prepare(*table);
    }
  }
  return result;
}

}  // namespace weft::lb
