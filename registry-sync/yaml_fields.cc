// SPDX-License-Identifier: Apache-2.0
#include "registry-sync/yaml_fields.h"

#include <algorithm>
#include <charconv>

#include "registry-sync/ascii.h"

namespace weft::registry {
namespace {

/// Would a Kubernetes client read this plain scalar as a number?
bool looks_like_number(std::string_view text) {
  if (!text.empty() && (text[0] == '-' || text[0] == '+')) {
    text.remove_prefix(1);
  }
  if (text.empty() || !(is_digit(text[0]) || (text[0] == '.' && text.size() > 1 && is_digit(text[1])))) {
    return false;
  }
  const bool hexadecimal = text.size() > 2 && text[0] == '0' && (text[1] == 'x' || text[1] == 'X');
  text.remove_prefix(hexadecimal ? 2 : 0);
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value,
                                            hexadecimal ? std::chars_format::hex : std::chars_format::general);
  return error != std::errc::invalid_argument && end == text.data() + text.size();
}

std::optional<bool> parse_boolean(std::string_view text) {
  if (text == "true" || text == "True" || text == "TRUE") {
    return true;
  }
  if (text == "false" || text == "False" || text == "FALSE") {
    return false;
  }
  return std::nullopt;
}

/// Names the type where quotes alone would not.
std::string found(const YamlNode& node) {
  switch (node.kind) {
    case YamlNode::Kind::null:
      return "nothing";
    case YamlNode::Kind::list:
      return "a list";
    case YamlNode::Kind::mapping:
      return "a mapping";
    case YamlNode::Kind::scalar:
      return (node.quoted ? "the string " : "") + in_quotes(node.text);
  }
  return "";
}

std::string join(std::initializer_list<std::string_view> words) {
  std::vector<std::string> copies;
  for (std::string_view word : words) {
    copies.push_back(std::string(word));
  }
  return listed(copies);
}

bool contains(std::initializer_list<std::string_view> words, std::string_view word) {
  return std::find(words.begin(), words.end(), word) != words.end();
}

std::string item_path(const std::string& path, size_t index) {
  return path + "[" + std::to_string(index) + "]";
}

}  // namespace

std::optional<int64_t> parse_integer(std::string_view text, int64_t least, int64_t most) {
  const std::string_view digits = text.substr(text.starts_with('-') ? 1 : 0);
  if (digits.starts_with('0') && text.size() > 1) {
    return std::nullopt;
  }
  int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size() || value < least || value > most) {
    return std::nullopt;
  }
  return value;
}

Fields::Fields(uint32_t line, std::string path, std::string file, std::vector<Diagnostic>& errors)
    : path_(std::move(path)), file_(std::move(file)), line_(line), errors_(&errors) {}

Fields::Fields(const YamlNode& node, std::string path, std::string file, std::vector<Diagnostic>& errors)
    : Fields(node.line, std::move(path), std::move(file), errors) {
  if (node.kind != YamlNode::Kind::mapping) {
    wrong(node, path_, "a mapping");
    return;
  }
  node_ = &node;
  asked_.resize(node.keys.size());
  for (size_t i = 0; i < node.keys.size(); ++i) {
    const YamlNode& key = node.keys[i];
    if (key.kind != YamlNode::Kind::scalar) {
      asked_[i] = true;
      report(*errors_, {.file = file_, .line = key.line, .field = path_, .message = "a field's name must be a string"});
      continue;
    }
    const auto [first, is_new] = index_.emplace(key.text, i);
    if (!is_new) {
      asked_[i] = true;
      report(*errors_,
             {.file = file_,
              .line = key.line,
              .field = path_to(key.text),
              .message = "duplicate field; the first is on line " + std::to_string(node.keys[first->second].line)});
    }
  }
}

std::vector<std::string> Fields::keys() const {
  std::vector<std::string> result;
  for (size_t i = 0; node_ != nullptr && i < node_->keys.size(); ++i) {
    const auto entry = index_.find(node_->keys[i].text);
    if (entry != index_.end() && entry->second == i) {
      result.push_back(node_->keys[i].text);
    }
  }
  return result;
}

const YamlNode* Fields::find(std::string_view key) const {
  const auto entry = index_.find(key);
  if (entry == index_.end() || node_->items[entry->second].kind == YamlNode::Kind::null) {
    return nullptr;
  }
  return &node_->items[entry->second];
}

const YamlNode* Fields::ask(std::string_view key) {
  expected_.push_back(std::string(key));
  const auto entry = index_.find(key);
  if (entry != index_.end()) {
    asked_[entry->second] = true;
  }
  return find(key);
}

const YamlNode* Fields::ask_list(std::string_view key) {
  const YamlNode* node = ask(key);
  if (node != nullptr && node->kind != YamlNode::Kind::list) {
    wrong(*node, path_to(key), "a list");
    return nullptr;
  }
  if (node != nullptr && node->items.size() > kMaxItems) {
    error(key, "expected at most " + std::to_string(kMaxItems) + " items, got " + std::to_string(node->items.size()));
    return nullptr;
  }
  return node;
}

void Fields::require(std::string_view key) {
  if (node_ != nullptr && find(key) == nullptr) {
    error(key, "required field is missing");
  }
}

void Fields::require_items(std::string_view key) {
  require(key);
  const YamlNode* node = find(key);
  if (node != nullptr && node->kind == YamlNode::Kind::list && node->items.empty()) {
    error(key, "expected at least one item");
  }
}

std::string Fields::path_to(std::string_view key) const {
  const bool plain =
      std::all_of(key.begin(), key.end(), [](char c) { return is_digit(c) || is_letter(c) || c == '_' || c == '-'; });
  if (!plain || key.empty()) {
    return path_ + "[" + in_quotes(key) + "]";
  }
  return path_ + (path_.empty() ? "" : ".") + escaped(key);
}

void Fields::wrong(const YamlNode& node, const std::string& path, const std::string& expected) {
  report(*errors_,
         {.file = file_, .line = node.line, .field = path, .message = "expected " + expected + ", got " + found(node)});
}

std::optional<std::string> Fields::as_string(const YamlNode& node, const std::string& path) {
  if (node.kind == YamlNode::Kind::scalar && !node.quoted) {
    const bool number = looks_like_number(node.text);
    if (number || parse_boolean(node.text)) {
      report(*errors_, {.file = file_,
                        .line = node.line,
                        .field = path,
                        .message = std::string("expected a string, got the ") + (number ? "number " : "boolean ") +
                                   escaped(node.text) + "; put it in quotes"});
      return std::nullopt;
    }
  }
  if (node.kind != YamlNode::Kind::scalar) {
    wrong(node, path, "a string");
    return std::nullopt;
  }
  return node.text;
}

std::optional<int64_t> Fields::as_integer(const YamlNode& node, const std::string& path, int64_t least, int64_t most) {
  std::optional<int64_t> value;
  if (node.kind == YamlNode::Kind::scalar && !node.quoted) {
    value = parse_integer(node.text, least, most);
  }
  if (!value) {
    wrong(node, path, "an integer from " + std::to_string(least) + " to " + std::to_string(most));
  }
  return value;
}

std::optional<lb::Address> Fields::as_address(const YamlNode& node, const std::string& path,
                                              std::optional<lb::Family> family) {
  std::optional<lb::Address> value;
  if (node.kind == YamlNode::Kind::scalar) {
    value = lb::parse_address(node.text);
  }
  if (!value || (family && value->family() != *family)) {
    wrong(node, path, "an " + (family ? std::string(lb::to_string(*family)) : "IPv4 or IPv6") + " address");
    return std::nullopt;
  }
  return value;
}

std::optional<lb::Prefix> Fields::as_prefix(const YamlNode& node, const std::string& path) {
  std::optional<lb::Prefix> value;
  if (node.kind == YamlNode::Kind::scalar) {
    value = lb::parse_prefix(node.text);
  }
  if (!value) {
    wrong(node, path, "an address prefix without bits behind its length, such as 10.0.0.0/8 or fd00::/8");
  }
  return value;
}

std::optional<std::string> Fields::string(std::string_view key) {
  const YamlNode* node = ask(key);
  return node == nullptr ? std::nullopt : as_string(*node, path_to(key));
}

std::optional<int64_t> Fields::integer(std::string_view key, int64_t least, int64_t most) {
  const YamlNode* node = ask(key);
  return node == nullptr ? std::nullopt : as_integer(*node, path_to(key), least, most);
}

std::optional<bool> Fields::boolean(std::string_view key) {
  const YamlNode* node = ask(key);
  std::optional<bool> value;
  if (node != nullptr && node->kind == YamlNode::Kind::scalar && !node->quoted) {
    value = parse_boolean(node->text);
  }
  if (node != nullptr && !value) {
    wrong(*node, path_to(key), "true or false");
  }
  return value;
}

std::optional<lb::Address> Fields::address(std::string_view key) {
  const YamlNode* node = ask(key);
  return node == nullptr ? std::nullopt : as_address(*node, path_to(key), std::nullopt);
}

std::optional<std::string> Fields::word(std::string_view key, std::initializer_list<std::string_view> words,
                                        std::initializer_list<std::string_view> unimplemented) {
  const YamlNode* node = ask(key);
  if (node == nullptr) {
    return std::nullopt;
  }
  if (node->kind == YamlNode::Kind::scalar && contains(words, node->text)) {
    return node->text;
  }
  if (node->kind == YamlNode::Kind::scalar && contains(unimplemented, node->text)) {
    error(key, "weft does not implement " + node->text + "; expected " + join(words));
  } else {
    wrong(*node, path_to(key), join(words));
  }
  return std::nullopt;
}

std::vector<std::string> Fields::strings(std::string_view key) {
  std::vector<std::string> values;
  const YamlNode* node = ask_list(key);
  for (size_t i = 0; node != nullptr && i < node->items.size(); ++i) {
    if (auto value = as_string(node->items[i], item_path(path_to(key), i))) {
      values.push_back(std::move(*value));
    }
  }
  return values;
}

std::vector<int64_t> Fields::integers(std::string_view key, int64_t least, int64_t most) {
  std::vector<int64_t> values;
  const YamlNode* node = ask_list(key);
  for (size_t i = 0; node != nullptr && i < node->items.size(); ++i) {
    if (auto value = as_integer(node->items[i], item_path(path_to(key), i), least, most)) {
      values.push_back(*value);
    }
  }
  return values;
}

std::vector<lb::Address> Fields::addresses(std::string_view key, lb::Family family) {
  std::vector<lb::Address> values;
  const YamlNode* node = ask_list(key);
  for (size_t i = 0; node != nullptr && i < node->items.size(); ++i) {
    if (auto value = as_address(node->items[i], item_path(path_to(key), i), family)) {
      values.push_back(*value);
    }
  }
  return values;
}

std::vector<lb::Prefix> Fields::prefixes(std::string_view key) {
  std::vector<lb::Prefix> values;
  const YamlNode* node = ask_list(key);
  for (size_t i = 0; node != nullptr && i < node->items.size(); ++i) {
    if (auto value = as_prefix(node->items[i], item_path(path_to(key), i))) {
      values.push_back(*value);
    }
  }
  return values;
}

std::vector<Fields> Fields::mappings(std::string_view key) {
  std::vector<Fields> values;
  const YamlNode* node = ask_list(key);
  for (size_t i = 0; node != nullptr && i < node->items.size(); ++i) {
    values.push_back(Fields(node->items[i], item_path(path_to(key), i), file_, *errors_));
  }
  return values;
}

Fields Fields::mapping(std::string_view key) {
  const YamlNode* node = ask(key);
  return node == nullptr ? Fields(line_, path_to(key), file_, *errors_) : Fields(*node, path_to(key), file_, *errors_);
}

std::string Fields::required_string(std::string_view key) {
  require(key);
  return string(key).value_or("");
}

int64_t Fields::required_integer(std::string_view key, int64_t least, int64_t most) {
  require(key);
  return integer(key, least, most).value_or(0);
}

lb::Address Fields::required_address(std::string_view key) {
  require(key);
  return address(key).value_or(lb::Address{});
}

std::string Fields::required_word(std::string_view key, std::initializer_list<std::string_view> words,
                                  std::initializer_list<std::string_view> unimplemented) {
  require(key);
  return word(key, words, unimplemented).value_or("");
}

Fields Fields::required_mapping(std::string_view key) {
  require(key);
  return mapping(key);
}

std::vector<Fields> Fields::required_mappings(std::string_view key) {
  require_items(key);
  return mappings(key);
}

std::vector<lb::Address> Fields::required_addresses(std::string_view key, lb::Family family) {
  require_items(key);
  return addresses(key, family);
}

void Fields::ignore(std::initializer_list<std::string_view> keys) {
  for (std::string_view key : keys) {
    ask(key);
  }
}

void Fields::unimplemented(std::initializer_list<std::string_view> keys) {
  for (std::string_view key : keys) {
    const auto entry = index_.find(key);
    if (entry != index_.end()) {
      asked_[entry->second] = true;
      error(key, "weft does not implement this field");
    }
  }
}

bool Fields::has(std::string_view key) const {
  return find(key) != nullptr;
}

bool Fields::has_integer(std::string_view key) const {
  const YamlNode* node = find(key);
  return node != nullptr && node->kind == YamlNode::Kind::scalar && !node->quoted && looks_like_number(node->text);
}

bool Fields::is_empty_list(std::string_view key) const {
  const YamlNode* node = find(key);
  return node != nullptr && node->kind == YamlNode::Kind::list && node->items.empty();
}

std::string Fields::text(std::string_view key) const {
  const YamlNode* node = find(key);
  return node == nullptr ? "" : node->text;
}

void Fields::error(std::string_view key, std::string message) {
  const auto entry = index_.find(key);
  const uint32_t line = entry == index_.end() ? line_ : node_->keys[entry->second].line;
  report(*errors_, {.file = file_, .line = line, .field = path_to(key), .message = std::move(message)});
}

void Fields::finish() {
  for (size_t i = 0; i < asked_.size(); ++i) {
    if (!asked_[i]) {
      error(node_->keys[i].text, "unknown field; expected one of " + listed(expected_));
    }
  }
}

}  // namespace weft::registry
