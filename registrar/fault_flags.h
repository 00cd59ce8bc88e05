// SPDX-License-Identifier: Apache-2.0
/// @file What `weftctl fault start` and `fault stop` are called with, as words of the runtime socket: flags are words
/// with dashes in front, and a file of YAML becomes one word of JSON.
#pragma once

#include <string>
#include <tl/expected.hpp>
#include <vector>

namespace weft::registrar {

/// What weftctl is called with, its own flags (--socket, --json) left as they are; anything but these two commands as
/// it is. The error: the file can't be read, or has not one document.
tl::expected<std::vector<std::string>, std::string> with_fault_words(const std::vector<std::string>& called);

/// JSON in one word: without blanks.
std::string in_one_word(const std::string& json);

}  // namespace weft::registrar
