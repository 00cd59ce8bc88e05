// SPDX-License-Identifier: Apache-2.0
/// @file Cookies of a request.
#pragma once

#include <algorithm>
#include <optional>
#include <string_view>

namespace weft::lb {

/// The value of this name in a Cookie field. RFC 6265, section 4.2.1: pairs behind "; ". Leniently, as servers are: any
/// white space, and quotes stay.
inline std::optional<std::string_view> cookie(std::string_view field, std::string_view name) {
  while (!field.empty()) {
    std::string_view pair = field.substr(0, field.find(';'));
    field.remove_prefix(std::min(pair.size() + 1, field.size()));
    pair.remove_prefix(std::min(pair.find_first_not_of(" \t"), pair.size()));
    const size_t equals = pair.find('=');
    if (equals != std::string_view::npos && pair.substr(0, equals) == name) {
      return pair.substr(equals + 1);
    }
  }
  return std::nullopt;
}

}  // namespace weft::lb
