// SPDX-License-Identifier: Apache-2.0
/// @file How large a regular expression is once its counted repetitions are written out: (ab){30} is 60 characters.
/// Compiling takes time and memory by this, not by the length of the text.
#pragma once

#include <cstddef>
#include <string_view>

namespace weft::lb {

/// In characters, classes and escapes count as one each. Of what is no expression, some number. At least as large as it
/// is, at most kMostExpressionSize.
size_t expression_size(std::string_view expression);

constexpr size_t kMostExpressionSize = size_t{1} << 30;

}  // namespace weft::lb
