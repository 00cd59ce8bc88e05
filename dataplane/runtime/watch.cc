// SPDX-License-Identifier: Apache-2.0
#include "runtime/watch.h"

#include <algorithm>

namespace weft::runtime {

Watchers::~Watchers() {
  publish({});
}

size_t Watchers::remove_captures() {
  const size_t count = captures();
  if (count > 0) {
    Watch next = *current_;
    next.captures.clear();
    publish(std::move(next));
  }
  return count;
}

bool Watchers::has(const std::shared_ptr<Capture>& capture) const {
  return current_ &&
         std::find(current_->captures.begin(), current_->captures.end(), capture) != current_->captures.end();
}

void Watchers::publish(Watch next) {
  const bool nobody = next.traces.empty() && next.captures.empty() && next.accesses.empty();
  auto made = nobody ? nullptr : std::make_unique<const Watch>(std::move(next));
  for (WatchPoint* point : points_) {
    point->watch_.store(made.get(), std::memory_order_release);
  }
  publisher_.wait_for_workers();
  current_ = std::move(made);
}

}  // namespace weft::runtime
