// SPDX-License-Identifier: Apache-2.0
#include "lb/expression_size.h"

#include <algorithm>
#include <charconv>
#include <optional>
#include <vector>

namespace weft::lb {
namespace {

struct Repetition {
  size_t most = 0;
  size_t length = 0;  ///< of its text
};

/// "{3}", "{3,}" or "{3,5}".
std::optional<Repetition> repetition_at(std::string_view text) {
  const char* const end = text.data() + text.size();
  size_t least = 0;
  auto read = std::from_chars(text.data() + 1, end, least);
  if (read.ec == std::errc::invalid_argument) {
    return std::nullopt;
  }
  size_t most = read.ec == std::errc() ? least : kMostExpressionSize;
  if (read.ptr != end && *read.ptr == ',') {
    size_t second = 0;
    const auto more = std::from_chars(read.ptr + 1, end, second);
    most = more.ec == std::errc::result_out_of_range ? kMostExpressionSize
           : more.ec == std::errc()                  ? std::max(most, second)
                                                     : most + 1;  // "{3,}": three, and one that is repeated
    read.ptr = more.ec == std::errc::invalid_argument ? read.ptr + 1 : more.ptr;
  }
  if (read.ptr == end || *read.ptr != '}') {
    return std::nullopt;
  }
  return Repetition{.most = std::min(most, kMostExpressionSize),
                    .length = static_cast<size_t>(read.ptr + 1 - text.data())};
}

/// "[...]": a bracket right behind the opening one, or behind "^", is a character of the class.
size_t class_length(std::string_view text) {
  size_t at = 1;
  at += at < text.size() && text[at] == '^' ? 1 : 0;
  at += at < text.size() && text[at] == ']' ? 1 : 0;
  while (at < text.size() && text[at] != ']') {
    const size_t posix = text.substr(at).starts_with("[:") ? text.find(":]", at + 2) : std::string_view::npos;
    at = posix != std::string_view::npos ? posix + 2 : at + (text[at] == '\\' ? 2 : 1);
  }
  return std::min(at + 1, text.size());
}

}  // namespace

size_t expression_size(std::string_view expression) {
  std::vector<size_t> outer;  // what stands before each group that is open
  size_t size = 0;            // of the group, so far
  size_t last = 0;            // of what a repetition would repeat
  const auto add = [&](size_t what) {
    last = what;
    size = std::min(size + what, kMostExpressionSize);
  };
  for (size_t at = 0; at < expression.size();) {
    const char c = expression[at];
    if (c == '(') {
      outer.push_back(size);
      size = last = 0;
      ++at;
    } else if (c == ')' && !outer.empty()) {
      const size_t group = size;
      size = outer.back();
      outer.pop_back();
      add(group);
      ++at;
    } else if (const auto repetition = c == '{' ? repetition_at(expression.substr(at)) : std::nullopt) {
      const size_t before = size - std::min(size, last);
      // Both factors are at most 2^30.
      const size_t repeated = std::min(last * repetition->most, kMostExpressionSize);
      size = before;
      add(repeated);
      at += repetition->length;
    } else if (c == '[') {
      add(1);
      at += class_length(expression.substr(at));
    } else {
      if (c != '|' && c != '*' && c != '+' && c != '?') {
        add(1);
      }
      at += c == '\\' ? 2 : 1;
    }
  }
  for (const size_t before : outer) {  // that nothing closes
    add(before);
  }
  return size;
}

}  // namespace weft::lb
