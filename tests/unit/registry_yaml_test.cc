// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "registry-sync/yaml_fields.h"
#include "registry_fixture.h"

namespace weft::registry {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

/// Reads one field of each type from one document.
std::vector<std::string> read_all(const std::string& text) {
  std::vector<Diagnostic> errors;
  if (const std::optional<YamlNode> node = read_document("f.yaml", text, errors)) {
    Fields fields(*node, "", "f.yaml", errors);
    fields.string("string");
    fields.integer("integer", 1, 65535);
    fields.boolean("boolean");
    fields.address("address");
    fields.word("word", {"TCP", "UDP"}, {"SCTP"});
    fields.strings("strings");
    fields.integers("integers", 0, 9);
    fields.addresses("addresses", lb::Family::ipv4);
    fields.prefixes("prefixes");
    Fields mapping = fields.mapping("mapping");
    mapping.required_string("name");
    mapping.finish();
    for (Fields& item : fields.mappings("mappings")) {
      item.required_integer("port", 1, 65535);
      item.finish();
    }
    fields.ignore({"ignored"});
    fields.unimplemented({"foreign"});
    fields.finish();
  }
  return lines(errors);
}

struct BadFieldRow {
  const char* text;
  const char* message;
};

void PrintTo(const BadFieldRow& row, std::ostream* out) {
  *out << row.text;
}

class BadField : public ::testing::TestWithParam<BadFieldRow> {};

TEST_P(BadField, IsNamedWithItsPlaceAndWhatWasExpected) {
  EXPECT_THAT(read_all(GetParam().text), ElementsAre(GetParam().message));
}

constexpr BadFieldRow kBadFields[] = {
    {"integer: 70000", R"(f.yaml:1: integer: expected an integer from 1 to 65535, got "70000")"},
    {"\n\ninteger: 0", R"(f.yaml:3: integer: expected an integer from 1 to 65535, got "0")"},
    {"integer: 080", R"(f.yaml:1: integer: expected an integer from 1 to 65535, got "080")"},
    {"integer: 8.0", R"(f.yaml:1: integer: expected an integer from 1 to 65535, got "8.0")"},
    {"integer: +8", R"(f.yaml:1: integer: expected an integer from 1 to 65535, got "+8")"},
    {"integer: 99999999999999999999",
     R"(f.yaml:1: integer: expected an integer from 1 to 65535, got "99999999999999999999")"},
    {"integer: '80'", R"(f.yaml:1: integer: expected an integer from 1 to 65535, got the string "80")"},
    {"integer: [80]", "f.yaml:1: integer: expected an integer from 1 to 65535, got a list"},
    {"integer: {a: b}", "f.yaml:1: integer: expected an integer from 1 to 65535, got a mapping"},
    {"string: 80", "f.yaml:1: string: expected a string, got the number 80; put it in quotes"},
    {"string: -1.5e3", "f.yaml:1: string: expected a string, got the number -1.5e3; put it in quotes"},
    {"string: 0x1f", "f.yaml:1: string: expected a string, got the number 0x1f; put it in quotes"},
    {"string: true", "f.yaml:1: string: expected a string, got the boolean true; put it in quotes"},
    {"string: [a]", "f.yaml:1: string: expected a string, got a list"},
    {"boolean: yes", R"(f.yaml:1: boolean: expected true or false, got "yes")"},
    {"boolean: 'true'", R"(f.yaml:1: boolean: expected true or false, got the string "true")"},
    {"address: 10.0.0.256", R"(f.yaml:1: address: expected an IPv4 or IPv6 address, got "10.0.0.256")"},
    {"address: 'fe80::1%eth0'",
     R"(f.yaml:1: address: expected an IPv4 or IPv6 address, got the string "fe80::1%eth0")"},
    {"addresses: [10.0.0.1, '::1']", R"(f.yaml:1: addresses[1]: expected an IPv4 address, got the string "::1")"},
    {"prefixes: [fd00::/8, 10.0.0.1/8]",
     R"(f.yaml:1: prefixes[1]: expected an address prefix without bits behind its length, such as 10.0.0.0/8 or )"
     R"(fd00::/8, got "10.0.0.1/8")"},
    {"prefixes: [10.0.0.0/33]",
     R"(f.yaml:1: prefixes[0]: expected an address prefix without bits behind its length, such as 10.0.0.0/8 or )"
     R"(fd00::/8, got "10.0.0.0/33")"},
    {"word: tcp", R"(f.yaml:1: word: expected TCP or UDP, got "tcp")"},
    {"word: SCTP", "f.yaml:1: word: weft does not implement SCTP; expected TCP or UDP"},
    {"strings: a", R"(f.yaml:1: strings: expected a list, got "a")"},
    {"strings:\n- a\n- 5", "f.yaml:3: strings[1]: expected a string, got the number 5; put it in quotes"},
    {"integers: [1, 10]", R"(f.yaml:1: integers[1]: expected an integer from 0 to 9, got "10")"},
    {"addresses: [10.0.0.1, x]", R"(f.yaml:1: addresses[1]: expected an IPv4 address, got "x")"},
    {"mapping: [a]", "f.yaml:1: mapping: expected a mapping, got a list"},
    {"mapping:\n  names: x\n  name: y", "f.yaml:2: mapping.names: unknown field; expected one of name"},
    {"mapping:\n  {}", "f.yaml:2: mapping.name: required field is missing"},
    {"mapping: {name: null}", "f.yaml:1: mapping.name: required field is missing"},
    {"mappings:\n- port: 1\n- port: x", R"(f.yaml:3: mappings[1].port: expected an integer from 1 to 65535, got "x")"},
    {"mappings: [a]", R"(f.yaml:1: mappings[0]: expected a mapping, got "a")"},
    {"foreign: 1", "f.yaml:1: foreign: weft does not implement this field"},
    {"boolean: true\nboolean: false", "f.yaml:2: boolean: duplicate field; the first is on line 1"},
    {"? [a]\n: b", "f.yaml:1: a field's name must be a string"},
    {"? {a: b}\n: b", "f.yaml:1: a field's name must be a string"},
    {"- a", "f.yaml:1: expected a mapping, got a list"},
    {"just text", R"(f.yaml:1: expected a mapping, got "just text")"},
    {"", "f.yaml: expected one document, got none"},
    {"{}\n---\n{}", "f.yaml:3: expected one document, got another"},
    {"string: &a x\naddress: *a", "f.yaml:2: aliases are not accepted: write the value out"},
    {"string: !!binary aGk=", R"(f.yaml:1: tags are not accepted: remove "tag:yaml.org,2002:binary")"},
    {"mapping: !x {}", R"(f.yaml:1: tags are not accepted: remove "!x")"},
    {"mapping: [", "f.yaml:1: not valid YAML: end of sequence flow not found"},
    {"string: a\n\tb: c", "f.yaml:2: not valid YAML: illegal tab when looking for indentation"},
};
INSTANTIATE_TEST_SUITE_P(Yaml, BadField, ::testing::ValuesIn(kBadFields));

TEST(Fields, ReadsEveryType) {
  std::vector<Diagnostic> errors;
  const auto node = read_document("f.yaml", R"({"s": "80", "i": -3, "b": true, "a": "10.0.0.1", "l": ["x", "y"],
                                               "m": {"n": 1}, "o": [{"p": 2}, {"p": 3}], "nothing": null})",
                                  errors);
  ASSERT_TRUE(node) << "JSON is YAML";
  Fields fields(*node, "", "f.yaml", errors);
  EXPECT_EQ(fields.required_string("s"), "80");
  EXPECT_EQ(fields.required_integer("i", -5, 5), -3);
  EXPECT_EQ(fields.boolean("b"), true);
  EXPECT_EQ(to_string(fields.required_address("a")), "10.0.0.1");
  EXPECT_THAT(fields.strings("l"), ElementsAre("x", "y"));
  EXPECT_EQ(fields.required_mapping("m").integer("n", 0, 9), 1);
  std::vector<Fields> items = fields.required_mappings("o");
  ASSERT_EQ(items.size(), 2U);
  EXPECT_EQ(items[1].required_integer("p", 0, 9), 3);
  EXPECT_EQ(fields.string("nothing"), std::nullopt) << "null is absence";
  EXPECT_FALSE(fields.mapping("absent"));
  EXPECT_EQ(fields.mapping("absent").required_string("x"), "") << "nothing is required of what is not there";
  fields.finish();
  EXPECT_THAT(lines(errors), IsEmpty());
}

TEST(Fields, ReportsAllErrorsAtOnce) {
  EXPECT_THAT(read_all("integer: 0\nboolean: 1\nstrin: x\n"),
              ElementsAre(R"(f.yaml:1: integer: expected an integer from 1 to 65535, got "0")",
                          R"(f.yaml:2: boolean: expected true or false, got "1")",
                          "f.yaml:3: strin: unknown field; expected one of string, integer, boolean, address, word, "
                          "strings, integers, addresses, prefixes, mapping, mappings or ignored"));
}

TEST(Fields, ShowsNoControlCharactersAndNoFloods) {
  EXPECT_THAT(read_all("boolean: \"\\e[31m\\x80\""),
              ElementsAre(R"(f.yaml:1: boolean: expected true or false, got the string "\x1b[31m\xc2\x80")"));
  EXPECT_THAT(read_all("boolean: " + std::string(100000, 'x')),
              ElementsAre("f.yaml:1: boolean: expected true or false, got \"" + std::string(64, 'x') + "...\""));
  const std::vector<std::string> many = read_all("mappings:" + [] {
    std::string items;
    for (int i = 0; i < 1000; ++i) {
      items += "\n- port: x";
    }
    return items;
  }());
  EXPECT_EQ(many.size(), kMaxDiagnostics);
  EXPECT_EQ(many.back(), "f.yaml:101: more is wrong from here on");
}

TEST(Fields, BoundsLists) {
  std::string items = "mappings: [";
  for (size_t i = 0; i <= kMaxItems; ++i) {
    items += "{},";
  }
  EXPECT_THAT(read_all(items + "]"), ElementsAre("f.yaml:1: mappings: expected at most 65536 items, got 65537"));
}

TEST(YamlDocuments, AreBounded) {
  const auto only_error = [](const std::string& text) {
    std::vector<Diagnostic> errors;
    for_each_document("f.yaml", text, errors, [](const YamlNode&) {});
    return errors.size() == 1 ? to_string(errors[0]) : std::to_string(errors.size()) + " errors";
  };
  EXPECT_EQ(only_error(std::string(kMaxFileBytes + 1, ' ')), "f.yaml: a file may have at most 16777216 bytes");
  EXPECT_EQ(only_error(std::string("a: b\0", 5)), "f.yaml: not UTF-8 text: it contains a NUL byte");
  EXPECT_EQ(only_error("a: b\r\n{c: d,\r \"e\": f}\n"),
            "f.yaml:2: a carriage return (0x0d) ends no line here: expected line feeds");
  EXPECT_EQ(only_error(std::string(65, '[') + std::string(65, ']')),
            "f.yaml:1: lists and mappings may be nested at most 64 deep");
  EXPECT_EQ(only_error(std::string(1 << 20, '[')), "f.yaml:1: lists and mappings may be nested at most 64 deep");
  std::string wide = "[";
  std::string tall;
  for (size_t i = 0; i <= kMaxNodes; ++i) {
    wide += "1,";
    tall += "- 1\n";
  }
  EXPECT_EQ(only_error(wide + "]"), "f.yaml:1: a document may have at most 1048576 values: split it into several");
  EXPECT_EQ(only_error(tall), "f.yaml:1048576: a document may have at most 1048576 values: split it into several");
  EXPECT_EQ(only_error(std::string(kMaxFileBytes, '{')),
            "f.yaml:1: a document may have at most 1048576 values: split it into several");
  std::string documents;
  for (size_t i = 0; i <= kMaxDocuments; ++i) {
    documents += "--- a\n";
  }
  EXPECT_EQ(only_error(documents), "f.yaml:65537: a file may have at most 65536 documents");
}

TEST(YamlDocuments, DeepButAllowedNestingIsRead) {
  std::vector<Diagnostic> errors;
  int documents = 0;
  for_each_document("f.yaml", std::string(64, '[') + std::string(64, ']'), errors,
                    [&](const YamlNode&) { ++documents; });
  EXPECT_THAT(lines(errors), IsEmpty());
  EXPECT_EQ(documents, 1);
}

TEST(ReadTextFile, RefusesWhatIsNoRegularFile) {
  EXPECT_EQ(read_text_file("/nonexistent/x.yaml").error().error, ReadError::missing);
  EXPECT_EQ(read_text_file("/dev/zero").error().message, "cannot be read: not a regular file");
  EXPECT_EQ(read_text_file("/tmp").error().error, ReadError::unreadable);
}

TEST(ParseInteger, TakesCanonicalDecimalsOnly) {
  EXPECT_EQ(parse_integer("0", 0, 9), 0);
  EXPECT_EQ(parse_integer("-9", -9, 9), -9);
  for (const char* wrong : {"", "-", "-0", "00", "01", "1 ", " 1", "0x1", "1e1", "10", "9223372036854775808"}) {
    EXPECT_EQ(parse_integer(wrong, -9, 9), std::nullopt) << wrong;
  }
}

}  // namespace
}  // namespace weft::registry
