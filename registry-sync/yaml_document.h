// SPDX-License-Identifier: Apache-2.0
/// @file YAML or JSON text to trees, one document at a time, within bounds.
///
/// The trees are built from yaml-cpp's events and not by its own loader: that one follows aliases without a bound,
/// takes the first of two equal keys in silence, and throws when a missing node is asked for its place. Aliases and
/// tags are refused, since no Kubernetes client writes them and a few lines of aliases can stand for gigabytes.
///
/// The worst 16 MiB that were found take 2 s and 750 MB while they are read.
///
/// JSON is YAML too, and gives the same trees by a reader of its own (json_document.h), which is many times faster:
/// what is in a *.json file has to be JSON, and elsewhere what begins with "{" or "[" is tried as such first. No
/// exception leaves these functions; what is wrong is appended to `errors`.
#pragma once

#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <tl/expected.hpp>
#include <vector>

#include "registry-sync/diagnostic.h"

namespace weft::registry {

inline constexpr size_t kMaxFileBytes = size_t{16} << 20;
inline constexpr size_t kMaxDocuments = 65536;        ///< in one file
inline constexpr size_t kMaxNodes = size_t{1} << 20;  ///< in one document: keys, values and lists; about 100 bytes each
inline constexpr size_t kMaxDepth = 64;               ///< of lists and mappings in each other

struct YamlNode {
  enum class Kind : uint8_t { null, scalar, list, mapping };

  Kind kind = Kind::null;
  bool quoted = false;          ///< a scalar that is a string whatever it looks like
  uint32_t line = 0;            ///< from 1
  std::string text;             ///< of a scalar
  std::vector<YamlNode> keys;   ///< of a mapping, in the file's order, duplicates too
  std::vector<YamlNode> items;  ///< a list's items, or a mapping's values in the order of its keys
};

/// Calls `each` with the documents that are not empty, in order, up to the first that can't be read.
/// @param file what diagnostics call it
void for_each_document(std::string_view file, std::string_view text, std::vector<Diagnostic>& errors,
                       const std::function<void(const YamlNode&)>& each);

/// The only document of a file, such as a node's configuration. No value, with a diagnostic, if there is another
/// number.
std::optional<YamlNode> read_document(std::string_view file, std::string_view text, std::vector<Diagnostic>& errors);

/// A text that has to be one value of JSON, whatever `file` is called: such as a value of a key-value store.
std::optional<YamlNode> read_json_document(std::string_view file, std::string_view text,
                                           std::vector<Diagnostic>& errors);

enum class ReadError : uint8_t {
  missing,     ///< there is no such file
  unreadable,  ///< there is, but it can't be read, is no regular file, or is too large
};
struct ReadFailure {
  ReadError error;
  std::string message;
};
/// A whole regular file of up to kMaxFileBytes. Does not block on pipes or devices.
tl::expected<std::string, ReadFailure> read_text_file(const std::filesystem::path& path);

}  // namespace weft::registry
