// SPDX-License-Identifier: Apache-2.0
/// @file The words of `fault start`, as the document that a registry would have.
///
///     fault start service shop/cart delay 100ms percentage 50 for 30s
///     fault start spec {"apiVersion":"weft.dev/v1","kind":"FaultInjection",...} for 30s
///
/// Pure.
#pragma once

#include <chrono>
#include <string>
#include <string_view>
#include <tl/expected.hpp>
#include <vector>

namespace weft::ops {

struct FaultWords {
  std::string document;  ///< JSON, which nobody has looked at
  std::chrono::milliseconds lasts{};
};

/// @param otherwise what the fault is called if the words do not say
tl::expected<FaultWords, std::string> read_fault_words(const std::vector<std::string>& words,
                                                       std::string_view otherwise);

}  // namespace weft::ops
