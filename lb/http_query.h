// SPDX-License-Identifier: Apache-2.0
/// @file A query read as parameters, as applications read it: by the URL Standard's application/x-www-form-urlencoded
/// (section 5.1). Parts are cut at "&" and the first "="; "+" is a space, and "%" with two digits is a byte. A "%"
/// without them is itself; an empty part is none.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace weft::lb {

struct QueryParameter {
  std::string_view name;   ///< as it came: encoded
  std::string_view value;  ///< as it came; empty if there is no "="
};

/// Takes the next parameter off the query, nothing at its end.
std::optional<QueryParameter> take_parameter(std::string_view& query);

bool is_encoded(std::string_view text);
/// Writes at most text.size() bytes; returns how many.
size_t decode_form(std::string_view text, char* out);
/// Is the text, decoded, this name?
bool decodes_to(std::string_view text, std::string_view decoded);

}  // namespace weft::lb
