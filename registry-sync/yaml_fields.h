// SPDX-License-Identifier: Apache-2.0
/// @file A strict reader of one YAML mapping: for resources and for a node's configuration.
///
/// Every field is asked for by name and type; what is missing, of the wrong type, out of range, there twice or never
/// asked for becomes a diagnostic with file, line, the field's path, what was expected and what was found. Reading goes
/// on after an error, so that a person sees all of them at once:
///
///     Fields port(node, "spec.ports[0]", "web.yaml", errors);
///     const int64_t number = port.required_integer("port", 1, 65535);
///     const std::string name = port.string("name").value_or("");
///     port.finish();  // "web.yaml:9: spec.ports[0].prot: unknown field; expected one of port or name"
///
/// A value that is wrong is reported once and returned as absent; whoever finds errors at the end discards what was
/// read. The value `null` is the same as absence, as in Kubernetes. One thread; refers to the node and the vector of
/// errors.
#pragma once

#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "lb/address.h"
#include "lb/prefix.h"
#include "registry-sync/yaml_document.h"

namespace weft::registry {

inline constexpr size_t kMaxItems = 65536;  ///< of any list that is read

/// A decimal number without sign games: no "+", no leading zeros, no hexadecimal, no exponent.
std::optional<int64_t> parse_integer(std::string_view text, int64_t least, int64_t most);

class Fields {
 public:
  /// A node that is no mapping is an error, and reads as if nothing were there.
  /// @param path of the mapping; empty for a document's root
  Fields(const YamlNode& node, std::string path, std::string file, std::vector<Diagnostic>& errors);

  /// Is there a mapping to read? If not, every getter returns nothing and no error.
  explicit operator bool() const { return node_ != nullptr; }
  const std::string& file() const { return file_; }
  uint32_t line() const { return line_; }
  /// In the file's order, each once.
  std::vector<std::string> keys() const;

  std::optional<std::string> string(std::string_view key);
  std::optional<int64_t> integer(std::string_view key, int64_t least, int64_t most);
  std::optional<bool> boolean(std::string_view key);
  /// Of either family.
  std::optional<lb::Address> address(std::string_view key);
  /// One of `words`. One of `unimplemented` is refused as valid elsewhere, but not in weft.
  std::optional<std::string> word(std::string_view key, std::initializer_list<std::string_view> words,
                                  std::initializer_list<std::string_view> unimplemented = {});
  std::vector<std::string> strings(std::string_view key);
  std::vector<int64_t> integers(std::string_view key, int64_t least, int64_t most);
  std::vector<lb::Address> addresses(std::string_view key, lb::Family family);
  /// Of either family.
  std::vector<lb::Prefix> prefixes(std::string_view key);
  /// A list of mappings.
  std::vector<Fields> mappings(std::string_view key);
  /// False if absent.
  Fields mapping(std::string_view key);

  /// As above, but absence is an error; the value returned in that case is empty.
  std::string required_string(std::string_view key);
  int64_t required_integer(std::string_view key, int64_t least, int64_t most);
  lb::Address required_address(std::string_view key);
  std::string required_word(std::string_view key, std::initializer_list<std::string_view> words,
                            std::initializer_list<std::string_view> unimplemented = {});
  Fields required_mapping(std::string_view key);
  /// At least one item.
  std::vector<Fields> required_mappings(std::string_view key);
  std::vector<lb::Address> required_addresses(std::string_view key, lb::Family family);

  /// These are accepted and not read.
  void ignore(std::initializer_list<std::string_view> keys);
  /// These have a meaning that weft does not implement: an error if they are there.
  void unimplemented(std::initializer_list<std::string_view> keys);
  /// Is there a value that is not null? Does not count as asking for the field.
  bool has(std::string_view key) const;
  /// Is the value there a number? For fields that may be a number or a string.
  bool has_integer(std::string_view key) const;
  /// Is there a list without items? Reports nothing.
  bool is_empty_list(std::string_view key) const;
  /// A scalar's text whatever its type, empty if there is none; reports nothing. For fields asked for before.
  std::string text(std::string_view key) const;

  /// An error of the caller's own about a field, at the field's line.
  void error(std::string_view key, std::string message);
  /// Reports the fields that nobody asked for. Call it when all have been asked for.
  void finish();

 private:
  /// Nothing to read.
  Fields(uint32_t line, std::string path, std::string file, std::vector<Diagnostic>& errors);

  const YamlNode* find(std::string_view key) const;
  const YamlNode* ask(std::string_view key);
  const YamlNode* ask_list(std::string_view key);
  void require(std::string_view key);
  void require_items(std::string_view key);
  std::string path_to(std::string_view key) const;
  void wrong(const YamlNode& node, const std::string& path, const std::string& expected);

  std::optional<std::string> as_string(const YamlNode& node, const std::string& path);
  std::optional<int64_t> as_integer(const YamlNode& node, const std::string& path, int64_t least, int64_t most);
  /// Of either family if none is given.
  std::optional<lb::Address> as_address(const YamlNode& node, const std::string& path,
                                        std::optional<lb::Family> family);
  std::optional<lb::Prefix> as_prefix(const YamlNode& node, const std::string& path);

  const YamlNode* node_ = nullptr;
  std::string path_;
  std::string file_;
  uint32_t line_ = 0;
  std::vector<Diagnostic>* errors_;
  std::unordered_map<std::string_view, size_t> index_;  ///< into the node's keys and items
  std::vector<bool> asked_;                             ///< one a key of the node
  std::vector<std::string> expected_;                   ///< names asked for, in order
};

}  // namespace weft::registry
