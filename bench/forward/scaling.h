// SPDX-License-Identifier: Apache-2.0
/// @file Two workers side by side, each with packets of its own flows: what they do to each other's speed.
#pragma once

namespace weft::bench {

/// Registers `scaling/...`. Needs an EAL with a worker on each of two cores.
void register_scaling();

}  // namespace weft::bench
