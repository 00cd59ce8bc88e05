// SPDX-License-Identifier: Apache-2.0
/// @file The JSON that programs write of resources, read in one pass: the rest is for json_document.cc, which reads all
/// of it and says what is wrong. Internal to that.
///
/// Plain are strings of ASCII without escapes, integers of up to 18 digits, and what is within all bounds.
#pragma once

#include "registry-sync/yaml_document.h"

namespace weft::registry {

/// Nothing if the text is not plain, whether or not it is JSON.
std::optional<YamlNode> read_plain_json(std::string_view text);

}  // namespace weft::registry
