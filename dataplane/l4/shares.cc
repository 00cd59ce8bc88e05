// SPDX-License-Identifier: Apache-2.0
#include "l4/shares.h"

#include <algorithm>

namespace weft::l4 {

void Shares::renew(const lb::Snapshot& snapshot, lb::Family family, const SlotCounters& counters) {
  std::fill(guaranteed_.begin(), guaranteed_.end(), false);
  uint64_t services = 0;
  for (const lb::Service& service : snapshot.services()) {
    if (service.address.family() == family) {
      guaranteed_[service.slot] = true;
      ++services;
    }
  }
  guarantee_ = services == 0 ? 0 : capacity_ / 2 / services;
  owed_ = 0;
  for (const lb::Service& service : snapshot.services()) {
    if (guaranteed_[service.slot]) {
      owed_ += guarantee_ - std::min(guarantee_, counters.service[service.slot].active_flows.get());
    }
  }
}

}  // namespace weft::l4
