// SPDX-License-Identifier: Apache-2.0
/// @file The Date field's value (RFC 9110, sections 5.6.7 and 6.6.1), made anew once a second and not for each
/// response.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

namespace weft::http {

class Date {
 public:
  static constexpr size_t kLength = 29;

  /// "Sun, 06 Nov 1994 08:49:37 GMT"; good until the next call. No allocation.
  /// @param seconds since 1970, without leap seconds; up to the year 9999
  std::string_view at(int64_t seconds) {
    if (seconds != written_) [[unlikely]] {
      write(seconds);
    }
    return {text_.data(), text_.size()};
  }

 private:
  void write(int64_t seconds);

  int64_t written_ = -1;
  std::array<char, kLength> text_;
};

}  // namespace weft::http
