// SPDX-License-Identifier: Apache-2.0
/// @file What an expression comes to when its repetitions are written out, and that what comes to too much is refused.
#include "lb/expression_size.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "lb/expressions.h"

namespace weft::lb {
namespace {

TEST(ExpressionSize, CountsWhatRepetitionsComeTo) {
  struct SizeRow {
    const char* expression;
    size_t size;
  };
  const SizeRow rows[] = {
      {"", 0},
      {"abc", 3},
      {"a|b*c+d?", 4},
      {"a{3}b", 4},
      {"a{2,5}", 5},
      {"a{3,}", 4},
      {"(ab){30}", 60},
      {"x(ab|c){3}y", 11},
      {"((a{4}b){3}c){2}", 32},
      {"[a-z]{3}[]a]{2}[^]]{2}", 7},
      {"[[:alpha:]x{9}]{2}", 2},
      {R"(\d{4}-\{9\}\\{2})", 10},
      {"a{", 2},
      {"a{,3}", 5},
      {"a{x}", 4},
      {"(a{3}", 3},
      {"a)b", 3},
      {"(a{99999999999999999999}){99999}", kMostExpressionSize},
      {"((((a{1000}){1000}){1000}){1000}){1000}", kMostExpressionSize},
  };
  for (const SizeRow& row : rows) {
    EXPECT_EQ(expression_size(row.expression), row.size) << row.expression;
  }
}

TEST(ExpressionSize, IsBounded) {
  const auto problem_of = [](const std::string& text) -> std::string {
    try {
      const Expressions compiled({{.text = text, .owner = "it"}});
      return "";
    } catch (const std::invalid_argument& error) {
      return error.what();
    }
  };
  EXPECT_EQ(problem_of("a{1000}"), "");
  EXPECT_EQ(problem_of("a{1001}"),
            "regular expression \"a{1001}\" of it: it comes to 1001 characters once its "
            "repetitions are written out: expected at most 1000");
  // It took 40 s to be found too large.
  EXPECT_THAT(problem_of("/(.*a){500}b(.{1,2000}c){20}"), ::testing::HasSubstr("it comes to 41022 characters"));
}

}  // namespace
}  // namespace weft::lb
