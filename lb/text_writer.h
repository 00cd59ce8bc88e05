// SPDX-License-Identifier: Apache-2.0
/// @file Text written into a buffer of the caller's: what does not fit makes all of it void, and nothing is cut short.
#pragma once

#include <array>
#include <charconv>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

namespace weft::lb {

class TextWriter {
 public:
  explicit TextWriter(std::span<char> buffer) : buffer_(buffer) {}

  TextWriter& operator<<(std::string_view text) {
    if (text.size() > buffer_.size() - size_) {
      is_full_ = true;
      return *this;
    }
    text.copy(buffer_.data() + size_, text.size());
    size_ += text.size();
    return *this;
  }
  TextWriter& operator<<(uint32_t number) {
    std::array<char, 10> digits;  // NOLINT: written as far as it is read
    const char* end = std::to_chars(digits.begin(), digits.end(), number).ptr;
    return *this << std::string_view(digits.data(), static_cast<size_t>(end - digits.data()));
  }

  size_t size() const { return size_; }
  bool is_full() const { return is_full_; }
  /// What was written from `begin` on; nothing if something did not fit.
  std::optional<std::string_view> text(size_t begin = 0) const {
    return is_full_ ? std::nullopt : std::optional(std::string_view(buffer_.data() + begin, size_ - begin));
  }

 private:
  std::span<char> buffer_;
  size_t size_ = 0;
  bool is_full_ = false;
};

}  // namespace weft::lb
