// SPDX-License-Identifier: Apache-2.0
/// @file `weftctl validate`: are resources fit for a registry? Needs no registry and no node.
#pragma once

#include <string>
#include <vector>

namespace weft::registrar {

/// 0: they are; 1: they are not, and standard output says why; 2: there is nothing to read, or the arguments are wrong.
/// @param arguments what follows "validate"
int validate(const std::vector<std::string>& arguments);

}  // namespace weft::registrar
