// SPDX-License-Identifier: Apache-2.0
/// @file What becomes of a packet that is not weft's: on to the kernel, or from it, by the port that it came in by.
#pragma once

#include <cstdint>

#include "l4/burst.h"
#include "l4/context.h"
#include "l4/forwarding.h"

namespace weft::l4 {

/// What a packet that is not weft's is for.
enum class Claim : uint8_t {
  link,  ///< the link and its routes stand or fall with it: ARP and what else is not IP, neighbour discovery, routing
  any,
};

/// A kernel takes each packet in the worker's own time, so it gets no more than the port's rate, of each claim: what
/// floods it does not take the link down.
Verdict pass(Frame& frame, uint8_t ingress, uint8_t& egress, Claim claim, Context& context, const View& view);

}  // namespace weft::l4
