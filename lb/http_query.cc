// SPDX-License-Identifier: Apache-2.0
#include "lb/http_query.h"

#include <algorithm>

#include "lb/hex.h"

namespace weft::lb {
namespace {

/// Takes one decoded character off the text. Precondition: it is not empty.
char take_decoded(std::string_view& text) {
  if (text[0] == '%' && text.size() > 2 && hex_value_of(text[1]) >= 0 && hex_value_of(text[2]) >= 0) {
    const int byte = hex_value_of(text[1]) << 4 | hex_value_of(text[2]);
    text.remove_prefix(3);
    return static_cast<char>(byte);
  }
  const char c = text[0] == '+' ? ' ' : text[0];
  text.remove_prefix(1);
  return c;
}

}  // namespace

std::optional<QueryParameter> take_parameter(std::string_view& query) {
  while (!query.empty()) {
    const std::string_view part = query.substr(0, query.find('&'));
    query.remove_prefix(std::min(part.size() + 1, query.size()));
    if (!part.empty()) {
      const size_t equals = std::min(part.find('='), part.size());
      return QueryParameter{.name = part.substr(0, equals), .value = part.substr(std::min(equals + 1, part.size()))};
    }
  }
  return std::nullopt;
}

bool is_encoded(std::string_view text) {
  return text.find_first_of("%+") != std::string_view::npos;
}

size_t decode_form(std::string_view text, char* out) {
  size_t length = 0;
  while (!text.empty()) {
    out[length++] = take_decoded(text);
  }
  return length;
}

bool decodes_to(std::string_view text, std::string_view decoded) {
  if (text.size() < decoded.size()) {
    return false;
  }
  for (; !text.empty() && !decoded.empty(); decoded.remove_prefix(1)) {
    if (take_decoded(text) != decoded[0]) {
      return false;
    }
  }
  return text.empty() && decoded.empty();
}

}  // namespace weft::lb
