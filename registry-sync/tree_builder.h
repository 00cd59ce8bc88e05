// SPDX-License-Identifier: Apache-2.0
/// @file What a reader finds in a text, put together to one tree within bounds: the same for YAML and JSON. Internal to
/// the readers.
#pragma once

#include <utility>

#include "registry-sync/yaml_document.h"

namespace weft::registry {

/// Why a text is not read on.
struct Refusal {
  uint32_t line = 0;  ///< from 1; 0 if the whole text is meant
  std::string message;
};

inline std::string too_many_values() {
  return "a document may have at most " + std::to_string(kMaxNodes) + " values: split it into several";
}

/// One document at a time. Each call returns whether the document is still within bounds; problem() says why not.
class TreeBuilder {
 public:
  void begin() {
    open_.clear();
    nodes_ = 0;
    root_ = {};
    problem_.clear();
  }
  /// A key, or a value that holds no others.
  bool leaf(YamlNode::Kind kind, uint32_t line, bool quoted, std::string text) {
    if (text.find('\0') != std::string::npos) {
      return refuse("a string must not contain NUL");
    }
    if (!count()) {
      return false;
    }
    add({.kind = kind, .quoted = quoted, .line = line, .text = std::move(text), .keys = {}, .items = {}});
    return true;
  }
  /// A list or a mapping.
  bool open(YamlNode::Kind kind, uint32_t line) {
    if (open_.size() == kMaxDepth) {
      return refuse("lists and mappings may be nested at most " + std::to_string(kMaxDepth) + " deep");
    }
    if (!count()) {
      return false;
    }
    open_.push_back({.kind = kind, .quoted = false, .line = line, .text = {}, .keys = {}, .items = {}});
    return true;
  }
  /// The one that was opened last.
  void close() {
    YamlNode closed = std::move(open_.back());
    open_.pop_back();
    add(std::move(closed));
  }
  YamlNode take() { return std::move(root_); }
  const std::string& problem() const { return problem_; }

 private:
  bool refuse(std::string problem) {
    problem_ = std::move(problem);
    return false;
  }
  bool count() { return ++nodes_ <= kMaxNodes || refuse(too_many_values()); }

  void add(YamlNode child) {
    if (open_.empty()) {
      root_ = std::move(child);
      return;
    }
    YamlNode& parent = open_.back();
    const bool is_key = parent.kind == YamlNode::Kind::mapping && parent.keys.size() == parent.items.size();
    (is_key ? parent.keys : parent.items).push_back(std::move(child));
  }

  std::vector<YamlNode> open_;  ///< the lists and mappings around what comes next, outermost first
  YamlNode root_;
  size_t nodes_ = 0;
  std::string problem_;
};

}  // namespace weft::registry
