// SPDX-License-Identifier: Apache-2.0
/// @file Was met what was expected? A pure function of what was seen.
#pragma once

#include "rehearsal/ledger.h"

namespace weft::rehearsal {

/// One measure of an expectation, of one service.
struct Finding {
  std::string service;
  std::string measure;   ///< "successRate"
  std::string expected;  ///< "99.9 % at least"
  std::string found;     ///< "100 % of 812 requests"
  bool met = false;
};

struct Verdict {
  std::string name;  ///< the expectation's, or what it is about
  std::string phase;
  std::vector<Finding> findings;  ///< never empty

  bool met() const;
};

/// One an expectation, and one of the records themselves: too many that were missed are not met either. What nothing
/// was seen of is not met.
std::vector<Verdict> judge(const Ledger& ledger);

}  // namespace weft::rehearsal
