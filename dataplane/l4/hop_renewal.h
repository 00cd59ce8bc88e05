// SPDX-License-Identifier: Apache-2.0
/// @file Finds the flows that hold retired next hops, a few records at a time, so that the numbers can be used again.
///
/// Flows that have packets ask for their routes by themselves; this is for those that are quiet. One worker's.
#pragma once

#include <algorithm>
#include <cstdint>

#include "l4/forwarding.h"

namespace weft::l4 {

class HopRenewal {
 public:
  /// Looks at the next `budget` records of a pass over both tables, as of `forwarding`.
  /// @param v4, v6 renew_hops(from, budget) of each: it looks at records from `from` on, and returns where to go on, or
  /// 0
  template <typename V4, typename V6>
  void advance(const Forwarding& forwarding, uint32_t budget, V4&& v4, V6&& v6) {
    if (!forwarding.retires()) [[likely]] {
      epoch_ = forwarding.epoch();
      passing_ = false;
      return;
    }
    if (!passing_) {
      if (epoch_ == forwarding.epoch()) {
        return;
      }
      passing_ = true;
      in_v6_ = false;
      at_ = 0;
      since_ = forwarding.epoch();
    }
    at_ = in_v6_ ? v6(at_, budget) : v4(at_, budget);
    if (at_ == 0 && in_v6_) {
      epoch_ = since_;
      passing_ = false;
    }
    in_v6_ = in_v6_ || at_ == 0;
  }

  uint64_t epoch() const { return epoch_; }

 private:
  bool passing_ = false;
  bool in_v6_ = false;
  uint32_t at_ = 0;
  uint64_t since_ = 0;  ///< the epoch in force when the pass began
  uint64_t epoch_ = 0;
};

}  // namespace weft::l4
