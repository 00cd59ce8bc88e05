// SPDX-License-Identifier: Apache-2.0
/// @file What is done about a packet between the device and the pipeline, at ports that ask for it; at all others
/// nothing is, at the cost of one branch a burst.
#pragma once

#include <optional>

#include "l4/verdict.h"

struct rte_mbuf;

namespace weft::runtime {

struct Intake {
  bool join = false;       ///< a packet may lie in several buffers, of which the first has room for all
  bool checksums = false;  ///< the device says whose checksums are wrong

  bool any() const { return join || checksums; }
};

/// @returns why the packet is not to be processed, if so; it is still the caller's then
std::optional<l4::Verdict> take_in(rte_mbuf* packet, Intake intake);

}  // namespace weft::runtime
