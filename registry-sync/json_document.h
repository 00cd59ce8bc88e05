// SPDX-License-Identifier: Apache-2.0
/// @file JSON text (RFC 8259) to the tree that yaml_document.h makes of the same text, many times faster. Internal to
/// for_each_document() and read_json_document(), which bound the text's size.
///
/// Strict: one value, no comments, no commas too many, UTF-8 alone. Keys that are there twice are both in the tree. A
/// string is a quoted scalar; a number is an unquoted one of the text's own digits, and true and false are unquoted
/// too.
#pragma once

#include <tl/expected.hpp>

#include "registry-sync/tree_builder.h"

namespace weft::registry {

tl::expected<YamlNode, Refusal> read_json(std::string_view text);

}  // namespace weft::registry
