// SPDX-License-Identifier: Apache-2.0
/// @file One answer, two forms: every command makes JSON, and text for people is drawn from it.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

namespace weft::ops {

/// Keeps the order in which keys were put in: it is the order of columns.
using Json = nlohmann::ordered_json;

/// A list of objects is a table, with its keys as head; an object is a line a field, with tables in it under their
/// names; a list of anything else is a line an item.
std::string as_text(const Json& answer);

/// One line, with its end. What is not UTF-8, as names of a request's may be, is replaced.
std::string as_line(const Json& answer);

}  // namespace weft::ops
