// SPDX-License-Identifier: Apache-2.0
/// @file What outlier detection has made of an endpoint, as operators read it.
#pragma once

#include <string>

#include "lb/outlier.h"

namespace weft::ops {

struct OutlierReport {
  std::string state;     ///< "", "ejected", "due" (the next request is its probe) or "on trial"
  std::string reason;    ///< why it was ejected; "": it is not
  uint32_t seconds = 0;  ///< that it is ejected for yet, rounded up
  uint32_t times = 0;    ///< that it was, as far as that is remembered

  /// "ejected for another 12 s: consecutive_5xx"; "": it is in service.
  std::string text() const;
};
/// @param now in milliseconds, as workers count it
OutlierReport outlier_report(const lb::OutlierBoard& board, uint32_t endpoint_slot, uint32_t now);

}  // namespace weft::ops
