// SPDX-License-Identifier: Apache-2.0
#include "runtime/watch.h"

#include "runtime/worker.h"

namespace weft::runtime {

Watchers::~Watchers() {
  publish({});
}

void Watchers::publish(Watch next) {
  const bool nobody = next.traces.empty() && next.captures.empty();
  auto made = nobody ? nullptr : std::make_unique<const Watch>(std::move(next));
  for (Worker* worker : workers_) {
    worker->watch(made.get());
  }
  publisher_.wait_for_workers();
  current_ = std::move(made);
}

}  // namespace weft::runtime
