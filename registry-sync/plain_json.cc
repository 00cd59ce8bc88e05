// SPDX-License-Identifier: Apache-2.0
#include "registry-sync/plain_json.h"

#include "registry-sync/ascii.h"

namespace weft::registry {
namespace {

/// Room for what most mappings and lists have. Not in a document that could have a million of them.
void make_room(std::vector<YamlNode>& nodes, size_t nodes_so_far) {
  constexpr size_t kUsual = 4;
  constexpr size_t kSmall = 1024;
  if (nodes_so_far < kSmall) {
    nodes.reserve(kUsual);
  }
}

/// Each function reads one thing, and returns whether it was there and plain. Within kMaxDepth it may call itself.
class PlainJson {
 public:
  explicit PlainJson(std::string_view text) : at_(text.data()), end_(text.data() + text.size()) {}

  bool document(YamlNode& into) { return value(into, 0) && skip_blanks() == '\0'; }

 private:
  /// @returns what comes next; NUL, which no text has, at its end
  char skip_blanks() {
    for (; at_ != end_; ++at_) {
      if (*at_ == '\n') {
        ++line_;
      } else if (*at_ != ' ' && *at_ != '\t' && *at_ != '\r') {
        return *at_;
      }
    }
    return '\0';
  }

  bool value(YamlNode& into, size_t depth) {
    const char first = skip_blanks();
    into.line = line_;
    if (++nodes_ > kMaxNodes) {
      return false;
    }
    switch (first) {
      case '{':
        return depth < kMaxDepth && mapping(into, depth + 1);
      case '[':
        return depth < kMaxDepth && list(into, depth + 1);
      case '"':
        return string(into);
      case 't':
        return literal(into, "true");
      case 'f':
        return literal(into, "false");
      case 'n':
        return literal(into, "null");
      default:
        return integer(into);
    }
  }

  bool mapping(YamlNode& into, size_t depth) {
    into.kind = YamlNode::Kind::mapping;
    ++at_;
    if (skip_blanks() == '}') {
      ++at_;
      return true;
    }
    make_room(into.keys, nodes_);
    make_room(into.items, nodes_);
    for (;;) {
      YamlNode& key = into.keys.emplace_back();
      if (skip_blanks() != '"' || ++nodes_ > kMaxNodes) {
        return false;
      }
      key.line = line_;
      if (!string(key) || skip_blanks() != ':') {
        return false;
      }
      ++at_;
      if (!value(into.items.emplace_back(), depth)) {
        return false;
      }
      const char next = skip_blanks();
      at_ += next == ',' || next == '}';
      if (next != ',') {
        return next == '}';
      }
    }
  }

  bool list(YamlNode& into, size_t depth) {
    into.kind = YamlNode::Kind::list;
    ++at_;
    if (skip_blanks() == ']') {
      ++at_;
      return true;
    }
    make_room(into.items, nodes_);
    for (;;) {
      if (!value(into.items.emplace_back(), depth)) {
        return false;
      }
      const char next = skip_blanks();
      at_ += next == ',' || next == ']';
      if (next != ',') {
        return next == ']';
      }
    }
  }

  bool string(YamlNode& into) {
    const char* const first = ++at_;
    while (at_ != end_ && *at_ >= 0x20 && *at_ != '"' && *at_ != '\\') {
      ++at_;  // a char of 0x80 or more is negative here
    }
    if (at_ == end_ || *at_ != '"') {
      return false;
    }
    into.kind = YamlNode::Kind::scalar;
    into.quoted = true;
    into.text.assign(first, at_++);
    return true;
  }

  bool literal(YamlNode& into, std::string_view word) {
    if (!std::string_view(at_, static_cast<size_t>(end_ - at_)).starts_with(word)) {
      return false;
    }
    at_ += word.size();
    if (word != "null") {
      into.kind = YamlNode::Kind::scalar;
      into.text = word;
    }
    return true;
  }

  bool integer(YamlNode& into) {
    constexpr std::ptrdiff_t kMostDigits = 18;
    const char* const first = at_;
    at_ += at_ != end_ && *at_ == '-';
    const char* const digits = at_;
    while (at_ != end_ && is_digit(*at_)) {
      ++at_;
    }
    const std::ptrdiff_t count = at_ - digits;
    const bool goes_on = at_ != end_ && (*at_ == '.' || *at_ == 'e' || *at_ == 'E');
    if (count == 0 || count > kMostDigits || (count > 1 && *digits == '0') || goes_on) {
      return false;
    }
    into.kind = YamlNode::Kind::scalar;
    into.text.assign(first, at_);
    return true;
  }

  const char* at_;
  const char* end_;
  uint32_t line_ = 1;
  size_t nodes_ = 0;
};

}  // namespace

std::optional<YamlNode> read_plain_json(std::string_view text) {
  std::optional<YamlNode> root(std::in_place);
  if (!PlainJson(text).document(*root)) {
    root.reset();
  }
  return root;
}

}  // namespace weft::registry
