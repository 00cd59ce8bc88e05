// SPDX-License-Identifier: Apache-2.0
/// @file Percent-decoding of what comes in parts: "%41" is A wherever it is cut, "+" is a blank, and what is no escape
/// stays as it is.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "lb/hex.h"

namespace weft::lb {

/// Three bytes: one a body.
class PercentDecoder {
 public:
  /// How much longer the output of a call may be than its input: what was held back.
  static constexpr size_t kExcess = 2;

  /// @param out room for text.size() + kExcess bytes; it may not overlap the text. @returns bytes written
  size_t decode(std::string_view text, char* out) {
    char* const begin = out;
    for (const char c : text) {
      if (held_ == 0) {
        if (c == '%') {
          hold(c);
        } else {
          *out++ = c == '+' ? ' ' : c;
        }
      } else if (hex_value_of(c) >= 0) {
        if (held_ == 2) {
          *out++ = static_cast<char>(hex_value_of(held_text_[1]) * 16 + hex_value_of(c));
          held_ = 0;
        } else {
          hold(c);
        }
      } else {
        out += end(out);
        if (c == '%') {
          hold(c);
        } else {
          *out++ = c == '+' ? ' ' : c;
        }
      }
    }
    return static_cast<size_t>(out - begin);
  }
  /// What is held back is no escape: nothing follows it. @returns bytes written, kExcess at most
  size_t end(char* out) {
    const size_t count = held_;
    for (size_t i = 0; i < count; ++i) {
      out[i] = held_text_[i];
    }
    held_ = 0;
    return count;
  }

 private:
  void hold(char c) { held_text_[held_++] = c; }

  uint8_t held_ = 0;
  std::array<char, 2> held_text_;  // NOLINT: as far as held_ says
};

}  // namespace weft::lb
