// SPDX-License-Identifier: Apache-2.0
#include "runtime/access.h"

#include <algorithm>
#include <cstring>

namespace weft::runtime {

bool has_failed(const proxy::AccessRecord& record) {
  return record.flags != 0 || record.status == 0 || record.status >= 500;
}

bool AccessFilter::wants(const proxy::AccessRecord& record) const {
  return (!only_failed || has_failed(record)) &&
         (service_slots.empty() ||
          std::find(service_slots.begin(), service_slots.end(), record.service_slot) != service_slots.end());
}

Access::Access(uint32_t workers, AccessFilter filter) : filter_(std::move(filter)) {
  for (uint32_t worker = 0; worker < workers; ++worker) {
    rings_.push_back(std::make_unique<RecordRing>(kRecords, sizeof(proxy::AccessRecord)));
  }
}

void Access::finished(uint32_t worker, const proxy::AccessRecord& record) {
  if (!filter_.wants(record)) {
    return;
  }
  if (std::byte* place = rings_[worker]->reserve(); place != nullptr) {
    std::memcpy(place, &record, sizeof record);
    rings_[worker]->commit();
  }
}

bool Access::take(proxy::AccessRecord& record) {
  for (size_t asked = 0; asked < rings_.size(); ++asked) {
    RecordRing& ring = *rings_[next_];
    next_ = next_ + 1 == rings_.size() ? 0 : next_ + 1;
    if (const std::byte* front = ring.front(); front != nullptr) {
      std::memcpy(static_cast<void*>(&record), front, sizeof record);
      ring.pop();
      return true;
    }
  }
  return false;
}

uint64_t Access::missed() const {
  uint64_t sum = 0;
  for (const auto& ring : rings_) {
    sum += ring->missed();
  }
  return sum;
}

}  // namespace weft::runtime
