// SPDX-License-Identifier: Apache-2.0
/// @file TCP options as bytes, written and read without the engine's own codec, which is under test.
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "script.h"

namespace weft::conformance {

/// With every value a number.
struct PlainOptions {
  std::optional<uint16_t> mss;
  std::optional<uint8_t> shift;
  bool sack_permitted = false;
  std::optional<std::pair<uint32_t, uint32_t>> timestamps;
  std::vector<std::pair<uint32_t, uint32_t>> blocks;
};

/// In the order of today's senders, padded. @param raw bytes behind the others
std::vector<std::byte> write_options(const PlainOptions& options, const std::vector<uint8_t>& raw);
/// Throws Failure if they are not exactly such as a sender may write.
PlainOptions read_options(std::span<const std::byte> bytes);

}  // namespace weft::conformance
