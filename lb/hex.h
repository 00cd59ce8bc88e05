// SPDX-License-Identifier: Apache-2.0
/// @file Hexadecimal digits, as percent signs have them behind them (RFC 3986, section 2.1).
#pragma once

namespace weft::lb {

/// @returns -1: it is none
constexpr int hex_value_of(char c) {
  if (c >= '0' && c <= '9') {
    return c - '0';
  }
  const int letter = c | 0x20;
  return letter >= 'a' && letter <= 'f' ? letter - 'a' + 10 : -1;
}

}  // namespace weft::lb
