// SPDX-License-Identifier: Apache-2.0
#include "lb/http_path.h"

#include <algorithm>
#include <array>

#include "lb/hex.h"

namespace weft::lb {
namespace {

/// RFC 3986, section 2.3.
constexpr bool is_unreserved(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '.' ||
         c == '_' || c == '~';
}

/// Characters without which a path is normal; of ".", only one that begins a segment counts.
constexpr std::array<bool, 256> kSuspect = [] {
  std::array<bool, 256> suspect{};
  for (const char c : {'%', '\\', '.', '/'}) {
    suspect[static_cast<uint8_t>(c)] = true;
  }
  return suspect;
}();

bool is_normal(std::string_view path, Slashes slashes) {
  for (size_t i = 1; i < path.size(); ++i) {
    if (!kSuspect[static_cast<uint8_t>(path[i])]) [[likely]] {
      continue;
    }
    const bool begins_segment = path[i - 1] == '/';
    if (path[i] == '%' || path[i] == '\\' || (begins_segment && path[i] == '.') ||
        (begins_segment && path[i] == '/' && slashes == Slashes::merge)) {
      return false;
    }
  }
  return true;
}

/// Decodes what may be, and writes the rest's digits in capitals. Returns the length, nothing if refused.
std::optional<size_t> decode(std::string_view path, char* out) {
  size_t length = 0;
  for (size_t i = 0; i < path.size(); ++i) {
    if (path[i] != '%') {
      out[length++] = path[i];
      continue;
    }
    const int high = i + 1 < path.size() ? hex_value_of(path[i + 1]) : -1;
    const int low = i + 2 < path.size() ? hex_value_of(path[i + 2]) : -1;
    if (high < 0 || low < 0 || (high == 0 && low == 0)) {
      return std::nullopt;
    }
    const char decoded = static_cast<char>(high << 4 | low);
    if (is_unreserved(decoded)) {
      out[length++] = decoded;
    } else {
      constexpr std::string_view kDigits = "0123456789ABCDEF";
      out[length++] = '%';
      out[length++] = kDigits[static_cast<size_t>(high)];
      out[length++] = kDigits[static_cast<size_t>(low)];
    }
    i += 2;
  }
  return length;
}

bool is_dots(std::string_view text) {
  return text == "." || text == "..";
}

/// May an endpoint see a dot segment in this segment, which is none?
bool hides_dots(std::string_view segment) {
  for (size_t begin = 0; begin <= segment.size();) {
    size_t end = begin;
    size_t separator = 0;
    for (; end < segment.size() && separator == 0; ++end) {
      const std::string_view rest = segment.substr(end);
      separator = rest.starts_with("%2F") || rest.starts_with("%5C") ? 3 : rest[0] == '\\' ? 1 : 0;
    }
    end -= separator > 0 ? 1 : 0;
    const std::string_view piece = segment.substr(begin, end - begin);
    const std::string_view bare = piece.substr(0, piece.find(';'));
    if (is_dots(bare) && bare.size() < segment.size()) {
      return true;
    }
    begin = end + std::max<size_t>(separator, 1);
  }
  return false;
}

}  // namespace

std::optional<std::string_view> normalize_path(std::string_view path, std::span<char> buffer, Slashes slashes) {
  if (path.empty() || path == "*") {
    return path;
  }
  if (path[0] != '/') {
    return std::nullopt;
  }
  if (is_normal(path, slashes)) [[likely]] {
    return path;
  }
  if (buffer.size() < path.size()) {
    return std::nullopt;
  }
  const std::optional<size_t> decoded_length = decode(path, buffer.data());
  if (!decoded_length) {
    return std::nullopt;
  }
  // Section 5.2.4, in place: what is written never overtakes what is read. `out` ends with the slash that the next
  // segment goes behind.
  const std::string_view decoded(buffer.data(), *decoded_length);
  size_t out = 1;
  for (size_t begin = 1; begin <= decoded.size();) {
    const size_t end = std::min(decoded.find('/', begin), decoded.size());
    const std::string_view segment = decoded.substr(begin, end - begin);
    const bool is_last = end == decoded.size();
    begin = end + 1;
    if (hides_dots(segment)) {
      return std::nullopt;
    }
    if (segment == ".") {
      continue;
    }
    if (segment == "..") {
      out = out == 1 ? 1 : std::string_view(buffer.data(), out - 1).rfind('/') + 1;
      continue;
    }
    if (segment.empty() && !is_last && slashes == Slashes::merge) {
      continue;
    }
    for (const char c : segment) {
      buffer[out++] = c;
    }
    if (!is_last) {
      buffer[out++] = '/';
    }
  }
  return std::string_view(buffer.data(), out);
}

}  // namespace weft::lb
