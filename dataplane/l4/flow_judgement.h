// SPDX-License-Identifier: Apache-2.0
/// @file Looks through flows when policies of access changed, a few records at a time: established flows never ask a
/// snapshot, and what is forbidden since they began is to end.
///
/// While no policy changes it costs a comparison a turn. One worker's.
#pragma once

#include <cstdint>

#include "lb/snapshot.h"

namespace weft::l4 {

class FlowJudgement {
 public:
  /// Looks at the next `budget` records of a pass over both tables.
  /// @param v4, v6 judge_flows(from, budget) of each: it looks at records from `from` on, and returns where to go on,
  /// or 0
  template <typename V4, typename V6>
  void advance(const lb::Snapshot& snapshot, uint32_t budget, V4&& v4, V6&& v6) {
    if (!passing_) {
      if (since_ == snapshot.authorized_since()) [[likely]] {
        return;
      }
      passing_ = true;
      in_v6_ = false;
      at_ = 0;
      since_ = snapshot.authorized_since();  // a change meanwhile has another pass follow this one
    }
    at_ = in_v6_ ? v6(at_, budget) : v4(at_, budget);
    passing_ = at_ != 0 || !in_v6_;
    in_v6_ = in_v6_ || at_ == 0;
  }

 private:
  bool passing_ = false;
  bool in_v6_ = false;
  uint32_t at_ = 0;
  uint64_t since_ = 0;  ///< Snapshot::authorized_since() when the last pass began
};

}  // namespace weft::l4
