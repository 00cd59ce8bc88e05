// SPDX-License-Identifier: Apache-2.0
/// @file JSON gives the trees that YAML gives of the same text, and what is no JSON is refused.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

#include "registry-sync/yaml_document.h"
#include "registry_fixture.h"
#include "registry_http_fixture.h"

namespace weft::registry {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

/// A tree, all that it says in one line.
std::string drawn(const YamlNode& node) {
  std::string text = std::to_string(node.line) + ":";
  switch (node.kind) {
    case YamlNode::Kind::null:
      return text + "null";
    case YamlNode::Kind::scalar:
      return text + (node.quoted ? "'" + node.text + "'" : node.text);
    case YamlNode::Kind::list:
    case YamlNode::Kind::mapping:
      break;
  }
  const bool is_mapping = node.kind == YamlNode::Kind::mapping;
  text += is_mapping ? "{" : "[";
  for (size_t i = 0; i < node.items.size(); ++i) {
    text += (is_mapping ? drawn(node.keys.at(i)) + "=" : "") + drawn(node.items[i]) + ",";
  }
  return text + (is_mapping ? "}" : "]");
}

/// All documents of a text, or what is wrong with it.
std::string read(const std::string& file, const std::string& text) {
  std::vector<Diagnostic> errors;
  std::string trees;
  for_each_document(file, text, errors, [&](const YamlNode& node) { trees += drawn(node); });
  for (const std::string& line : lines(errors)) {
    trees += line;
  }
  return trees;
}

std::string as_json(const std::string& text) {
  return read("f.json", text);
}
/// A text that begins so is no JSON, and the same YAML on the same lines.
std::string as_yaml(const std::string& text) {
  return read("f.yaml", "--- " + text);
}

class Writer {
 public:
  explicit Writer(uint32_t seed) : random_(seed) {}

  std::string document() {
    text_.clear();
    left_ = below(60);
    nest(below(2) == 0, 0);
    return text_;
  }

 private:
  uint32_t below(uint32_t most) { return static_cast<uint32_t>(random_() % most); }

  void blank() {
    for (uint32_t count = below(3); count > 0; --count) {
      text_ += below(3) == 0 ? '\n' : ' ';
    }
  }

  void nest(bool is_mapping, int depth) {
    text_ += is_mapping ? '{' : '[';
    const uint32_t count = below(6);
    for (uint32_t i = 0; i < count && left_ > 0; ++i, --left_) {
      text_ += i > 0 ? "," : "";
      blank();
      if (is_mapping) {
        string();
        text_ += below(2) == 0 ? ":" : ": ";
        blank();
      }
      value(depth);
      blank();
    }
    text_ += is_mapping ? '}' : ']';
  }

  void value(int depth) {
    constexpr std::string_view kLiterals[] = {"true", "false", "null"};
    constexpr std::string_view kNumbers[] = {"0",
                                             "-0",
                                             "7",
                                             "-12",
                                             "65535",
                                             "1.50",
                                             "-0.0",
                                             "1e5",
                                             "2E-3",
                                             "1.0e+10",
                                             "9223372036854775807",
                                             "-9223372036854775808",
                                             "18446744073709551615",
                                             "18446744073709551616",
                                             "123456789012345678901234567890"};
    switch (below(depth < 6 ? 7 : 4)) {
      case 0:
        text_ += kLiterals[below(3)];
        break;
      case 1:
        text_ += kNumbers[below(std::size(kNumbers))];
        break;
      case 2:
      case 3:
        string();
        break;
      default:
        nest(below(2) == 0, depth + 1);
    }
  }

  void string() {
    constexpr std::string_view kParts[] = {"a",       "name",    " ",       "null", "80",  "true", ":",    ": ",  "#",
                                           " #x",     "{",       "]",       ",",    "'",   "-",    "*a",   "!b",  "&c",
                                           "~",       "\\\"",    "\\\\",    "\\/",  "\\n", "\\t",  "\\b",  "\\f", "\\r",
                                           "\\u0041", "\\u00e9", "\\u20ac", "é",    "€",   "😀",    "\x7f", "%",   "@"};
    text_ += '"';
    for (uint32_t count = below(5); count > 0; --count) {
      text_ += kParts[below(std::size(kParts))];
    }
    text_ += '"';
  }

  std::mt19937 random_;
  std::string text_;
  uint32_t left_ = 0;
};

TEST(Json, GivesTheTreesThatYamlGives) {
  Writer writer(17);
  for (int i = 0; i < 4000; ++i) {
    const std::string document = writer.document();
    const std::string tree = as_json(document);
    ASSERT_THAT(tree, Not(HasSubstr("not valid"))) << document;
    ASSERT_EQ(tree, as_yaml(document)) << document;
    ASSERT_EQ(tree, read("f.yaml", document)) << document;
  }
}

TEST(Json, KeepsLinesDigitsAndDuplicates) {
  EXPECT_EQ(as_json("\n{\n\"a\": 1,\n\"a\":\n[1.50, -0,\n2],\n\"b\": {}}"),
            "2:{3:'a'=3:1,4:'a'=5:[5:1.50,5:-0,6:2,],7:'b'=7:{},}");
  EXPECT_EQ(as_json("7\n"), "1:7");
  EXPECT_EQ(as_json("[7\n,\n8]"), "1:[1:7,3:8,]");
  EXPECT_EQ(as_json(R"(["\ud83d\ude00"])"), "1:[1:'😀',]");
  EXPECT_EQ(as_json("null"), "") << "an empty document";
  EXPECT_THAT(lines(parse_file("f.json", R"({"kind": "List", "apiVersion": "v1",
    "items": [], "kind": "List"})")
                        .errors),
              ElementsAre("f.json:2: kind: duplicate field; the first is on line 1"));
}

TEST(Json, IsWhatAFileOfThatNameHasToBe) {
  const std::pair<std::string, std::string> kBad[] = {
      {"",
       "f.json:1: not valid JSON: syntax error while parsing value - unexpected end of input; expected '[', '{', or "
       "a literal"},
      {"a: b", "f.json:1: not valid JSON: syntax error while parsing value - invalid literal; last read: 'a'"},
      {"{a: b}",
       "f.json:1: not valid JSON: syntax error while parsing object key - invalid literal; last read: '{a'; "
       "expected string literal"},
      {"{\"a\": 1,}",
       "f.json:1: not valid JSON: syntax error while parsing object key - unexpected '}'; expected "
       "string literal"},
      {"{\"a\": 1}\n{}",
       "f.json:2: not valid JSON: syntax error while parsing value - unexpected '{'; expected end of "
       "input"},
      {"[01]", "f.json:1: not valid JSON: syntax error while parsing array - unexpected number literal; expected ']'"},
      {"[\n1,\n// no\n2]",
       "f.json:3: not valid JSON: syntax error while parsing value - invalid literal; last read: "
       "'1,<U+000A>/'"},
      {"[\"a\nb\"]",
       "f.json:1: not valid JSON: syntax error while parsing value - invalid string: control character "
       "U+000A (LF) must be escaped to \\u000A or \\n; last read: '\"a<U+000A>'"},
      {"[\"\xff\"]",
       "f.json:1: not valid JSON: syntax error while parsing value - invalid string: ill-formed UTF-8 "
       "byte; last read: '\"\\xff'"},
      {"[\"\xc0\xaf\"]",
       "f.json:1: not valid JSON: syntax error while parsing value - invalid string: ill-formed UTF-8 "
       "byte; last read: '\"\\xc0'"},
      {R"(["\ud83d"])",
       "f.json:1: not valid JSON: syntax error while parsing value - invalid string: surrogate "
       "U+D800..U+DBFF must be followed by U+DC00..U+DFFF; last read: '\"\\ud83d\"'"},
      {"[1e999]", "f.json:1: not valid JSON: number overflow parsing '1e999'"},
      {std::string("[\"\0\"]", 5), "f.json: not UTF-8 text: it contains a NUL byte"},
      {"[\n\"a\\u0000b\"]", "f.json:2: a string must not contain NUL"},
      {"[",
       "f.json:1: not valid JSON: syntax error while parsing value - unexpected end of input; expected '[', '{', "
       "or a literal"},
  };
  for (const auto& [text, message] : kBad) {
    EXPECT_EQ(as_json(text), message);
  }
}

TEST(Json, IsBoundedAsYamlIs) {
  EXPECT_EQ(as_json(std::string(64, '[') + std::string(64, ']')).substr(0, 4), "1:[1");
  EXPECT_EQ(as_json(std::string(65, '[') + std::string(65, ']')),
            "f.json:1: lists and mappings may be nested at most 64 deep");
  EXPECT_EQ(as_json(std::string(1 << 20, '[')), "f.json:1: lists and mappings may be nested at most 64 deep");
  EXPECT_EQ(as_json(std::string(kMaxFileBytes + 1, ' ')), "f.json: a file may have at most 16777216 bytes");
  std::string wide = "[\n1";
  for (size_t i = 2; i < kMaxNodes; ++i) {
    wide += ",1";
  }
  EXPECT_THAT(as_json(wide + "]"), HasSubstr("2:1,]"));
  EXPECT_EQ(as_json(wide + ",1]"), "f.json:2: a document may have at most 1048576 values: split it into several");
}

TEST(Json, InOtherFilesIsTriedBeforeYaml) {
  EXPECT_EQ(read("f.yaml", " \n{\"a\": \"\\ud83d\\ude00\"}"), "2:{2:'a'=2:'😀',}") << "yaml-cpp knows no surrogates";
  EXPECT_EQ(read("f.yaml", "{a: b}"), "1:{1:a=1:b,}");
  EXPECT_EQ(read("f.yaml", "{\"a\": 1}\n---\n{\"b\": 2}"), "1:{1:'a'=1:1,}3:{3:'b'=3:2,}");
  EXPECT_EQ(read("f.yaml", "{\"a\": 1"), "f.yaml:1: not valid YAML: end of map flow not found");
  EXPECT_EQ(as_yaml("\"a\\0b\""), "f.yaml:1: a string must not contain NUL");
}

TEST(ParseDocument, TakesOneResourceInJson) {
  const std::string key = "/weft/v1/resources/Service/default/web";
  const std::string value = R"({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web"},
                                "spec": {"clusterIP": "10.96.0.10", "ports": [{"port": 80}]}})";
  const ParsedFile parsed = parse_document(key, value);
  EXPECT_THAT(lines(parsed.errors), IsEmpty());
  ASSERT_EQ(parsed.resources.services.size(), 1U);
  EXPECT_EQ(parsed.resources.services[0]->metadata.file, key);
  EXPECT_EQ(parsed.documents, 1U);
  const auto errors = [&](const std::string& text) { return lines(parse_document(key, text).errors); };
  EXPECT_THAT(errors("a: b"), ElementsAre(key + ":1: not valid JSON: syntax error while parsing value - invalid "
                                                "literal; last read: 'a'"));
  EXPECT_THAT(errors("{kind: Service}"), ElementsAre(HasSubstr("not valid JSON")));
  EXPECT_THAT(errors("null"), ElementsAre(key + ":1: expected a mapping, got nothing"));
  EXPECT_THAT(errors("[]"), ElementsAre(key + ":1: expected a mapping, got a list"));
  EXPECT_THAT(errors(R"({"apiVersion": "v1", "kind": "List", "items": []})"),
              ElementsAre(HasSubstr(key + R"(:1: kind: weft does not know kind "List" of apiVersion "v1")")));
  EXPECT_THAT(errors(edited(value, "\"port\": 80", "\"port\": \"80\"")),
              ElementsAre(key + R"(:2: spec.ports[0].port: expected an integer from 1 to 65535, got the string "80")"));
}

}  // namespace
}  // namespace weft::registry
