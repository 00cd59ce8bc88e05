// SPDX-License-Identifier: Apache-2.0
/// @file `weftctl validate`: are resources fit for a registry? Needs no node.
#pragma once

namespace weft {

/// 0: they are; 1: they are not, and standard output says why; 2: there is nothing to read, or the arguments are wrong.
/// @param argv "validate" and what follows it
int validate_command(int argc, const char* const* argv);

}  // namespace weft
