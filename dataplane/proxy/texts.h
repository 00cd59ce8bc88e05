// SPDX-License-Identifier: Apache-2.0
/// @file Short-lived texts of one request: room that is taken from the front and given back at once.
#pragma once

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdint>
#include <initializer_list>
#include <span>
#include <string_view>
#include <system_error>

namespace weft::proxy {

class Texts {
 public:
  std::span<char> rest() { return std::span(room_).subspan(used_); }
  /// What was written to the front of rest() stays. A text from elsewhere is left where it is.
  std::string_view take(std::string_view written) {
    if (written.data() >= room_.data() + used_ && written.data() < room_.data() + room_.size()) {
      used_ = static_cast<size_t>(written.data() - room_.data()) + written.size();
    }
    return written;
  }
  /// One behind the other; empty: no room.
  std::string_view take_copy(std::initializer_list<std::string_view> parts) {
    const std::span<char> room = rest();
    size_t at = 0;
    for (const std::string_view part : parts) {
      if (room.size() - at < part.size()) {
        return {};
      }
      at += part.copy(room.data() + at, part.size());
    }
    return take({room.data(), at});
  }
  /// 16 digits; empty: no room.
  std::string_view take_hex(uint64_t value) {
    constexpr size_t kDigits = 16;
    if (rest().size() < kDigits) {
      return {};
    }
    char* const at = rest().data();
    for (size_t i = 0; i < kDigits; ++i) {
      at[i] = "0123456789abcdef"[value >> 4 * (kDigits - 1 - i) & 15];
    }
    return take({at, kDigits});
  }
  /// In decimal digits.
  std::string_view take_number(uint64_t value) {
    const std::span<char> room = rest();
    const std::to_chars_result written = std::to_chars(room.data(), room.data() + room.size(), value);
    return written.ec == std::errc() ? take({room.data(), static_cast<size_t>(written.ptr - room.data())})
                                     : std::string_view();
  }
  /// Half of what is left: for texts whose places are not known.
  void take_all() { used_ += rest().size() / 2; }
  void clear() { used_ = 0; }

 private:
  /// Two targets of the longest that a node's limits allow, and some.
  std::array<char, (2 * 16 + 4) << 10> room_;
  size_t used_ = 0;
};

}  // namespace weft::proxy
