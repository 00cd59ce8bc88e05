// SPDX-License-Identifier: Apache-2.0
#include "registry-sync/json_document.h"

#include <algorithm>
#include <iterator>
#include <nlohmann/json.hpp>

#include "registry-sync/plain_json.h"

namespace weft::registry {
namespace {

/// A reader's place in the text, which others can see: the library says of no value where it stands.
class Cursor {
 public:
  using iterator_category = std::input_iterator_tag;
  using value_type = char;
  using difference_type = std::ptrdiff_t;
  using pointer = const char*;
  using reference = const char&;

  explicit Cursor(const char** at) : at_(at) {}
  reference operator*() const { return **at_; }
  Cursor& operator++() {
    ++*at_;
    return *this;
  }
  bool operator==(const Cursor& other) const { return *at_ == *other.at_; }
  bool operator!=(const Cursor& other) const { return *at_ != *other.at_; }

 private:
  const char** at_;
};

/// "[json.exception.parse_error.101] parse error at line 1, column 2: PROBLEM"
std::string_view problem_in(std::string_view what) {
  for (const std::string_view mark : {"column ", "] "}) {
    if (const size_t found = what.find(mark); found != std::string_view::npos) {
      what.remove_prefix(found + mark.size());
      const size_t colon = mark == "column " ? what.find(": ") : std::string_view::npos;
      return colon == std::string_view::npos ? what : what.substr(colon + 2);
    }
  }
  return what;
}

/// Takes the library's events. Each returns whether to read on.
class JsonEvents {
 public:
  JsonEvents(std::string_view text, const char* const& at) : counted_(text.data()), at_(at) {}

  bool null() { return leaf(YamlNode::Kind::null, line(at_), false, {}); }
  bool boolean(bool value) { return leaf(YamlNode::Kind::scalar, line(at_), false, value ? "true" : "false"); }
  // JSON has one way to write an integer, but for zero: without a sign it comes as unsigned.
  bool number_integer(int64_t value) { return number(value == 0 ? "-0" : std::to_string(value)); }
  bool number_unsigned(uint64_t value) { return number(std::to_string(value)); }
  bool number_float(double, const std::string& digits) { return number(digits); }
  bool string(std::string& value) { return leaf(YamlNode::Kind::scalar, line(at_), true, std::move(value)); }
  bool key(std::string& value) { return string(value); }
  bool start_object(size_t) { return open(YamlNode::Kind::mapping); }
  bool start_array(size_t) { return open(YamlNode::Kind::list); }
  bool end_object() { return close(); }
  bool end_array() { return close(); }
  bool binary(nlohmann::json::binary_t&) { return false; }  // not in text
  bool parse_error(size_t, const std::string&, const nlohmann::json::exception& error) {
    refusal_ = {.line = line(at_ - 1), .message = "not valid JSON: " + escaped(problem_in(error.what()), 200)};
    return false;
  }

  YamlNode take() { return tree_.take(); }
  Refusal refusal() { return std::move(refusal_); }

 private:
  /// Of what ends here: values end on the line on which they begin.
  uint32_t line(const char* end) {
    if (end > counted_) {
      line_ += static_cast<uint32_t>(std::count(counted_, end, '\n'));
      counted_ = end;
    }
    return line_;
  }
  /// A number ends where something else begins, which may be the end of its line.
  bool number(std::string digits) { return leaf(YamlNode::Kind::scalar, line(at_ - 1), false, std::move(digits)); }
  bool leaf(YamlNode::Kind kind, uint32_t line, bool quoted, std::string text) {
    return tree_.leaf(kind, line, quoted, std::move(text)) || refuse(line);
  }
  bool open(YamlNode::Kind kind) {
    const uint32_t here = line(at_);
    return tree_.open(kind, here) || refuse(here);
  }
  bool close() {
    tree_.close();
    return true;
  }
  bool refuse(uint32_t line) {
    refusal_ = {.line = line, .message = tree_.problem()};
    return false;
  }

  TreeBuilder tree_;
  Refusal refusal_;
  const char* counted_;  ///< lines up to here are in line_
  const char* const& at_;
  uint32_t line_ = 1;
};

}  // namespace

tl::expected<YamlNode, Refusal> read_json(std::string_view text) {
  if (std::optional<YamlNode> plain = read_plain_json(text)) {
    return std::move(*plain);
  }
  const char* at = text.data();
  const char* end = text.data() + text.size();
  JsonEvents events(text, at);
  if (!nlohmann::json::sax_parse(Cursor(&at), Cursor(&end), &events)) {
    return tl::make_unexpected(events.refusal());
  }
  return events.take();
}

}  // namespace weft::registry
