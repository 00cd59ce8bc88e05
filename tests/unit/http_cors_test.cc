// SPDX-License-Identifier: Apache-2.0
#include "lb/http_cors.h"

#include <gtest/gtest.h>

#include <array>

namespace weft::lb {
namespace {

TEST(HttpCors, OriginsMatch) {
  struct Row {
    const char* pattern;
    const char* origin;
    bool matches;
  };
  const std::vector<Row> rows = {
      {"*", "https://a.example", true},
      {"*", "null", true},
      {"https://a.example", "https://a.example", true},
      {"https://a.example", "HTTPS://A.Example", true},
      {"https://a.example", "http://a.example", false},
      {"https://a.example", "https://a.example:443", true},
      {"https://a.example:443", "https://a.example", true},
      {"http://a.example", "http://a.example:80", true},
      {"https://a.example", "https://a.example:80", false},
      {"https://a.example", "https://b.a.example", false},
      {"https://a.example", "https://a.example.evil", false},
      {"https://a.example", "null", false},
      {"https://*.a.example", "https://b.a.example", true},
      {"https://*.a.example", "https://c.b.a.example", true},  // "any number of DNS labels"
      {"https://*.a.example", "https://a.example", false},
      {"https://*.a.example", "https://.a.example", false},
      {"https://*.a.example", "https://xa.example", false},
      {"https://*.a.example", "https://b.a.example:8443", false},
      {"https://*.a.example:8443", "https://b.a.example:8443", true},
      {"https://*", "https://any.thing", true},
      {"https://*", "http://any.thing", false},
      {"http://[::1]:8080", "http://[::1]:8080", true},
      {"http://[::1]", "http://[::1]:80", true},
      {"http://[::1]", "http://[::1]:8080", false},
  };
  for (const Row& row : rows) {
    EXPECT_EQ(origin_matches(row.pattern, row.origin), row.matches) << row.pattern << " " << row.origin;
  }
}

class CorsAnswers : public ::testing::Test {
 protected:
  CorsAnswer ask(std::string_view method, const std::vector<HttpField>& fields) {
    return cors_answer(cors_, {.method = method, .path = "/", .fields = fields}, buffer_);
  }

  Cors cors_{.origins = {"https://a.example", "https://*.b.example"},
             .methods = {"GET", "PUT"},
             .headers = {"X-One", "X-Two"},
             .exposed = {"X-Three", "X-Four"},
             .max_age = std::chrono::seconds(60)};
  std::array<char, 64> buffer_{};
  std::vector<HttpField> preflight_ = {{"Origin", "https://x.b.example"},
                                       {"Access-Control-Request-Method", "PUT"},
                                       {"Access-Control-Request-Headers", "x-one, x-nine"}};
};

TEST_F(CorsAnswers, APreflightIsAnswered) {
  const CorsAnswer answer = ask("OPTIONS", preflight_);
  EXPECT_TRUE(answer.is_preflight && answer.is_allowed && answer.vary_by_origin);
  EXPECT_FALSE(answer.credentials);
  EXPECT_EQ(answer.allow_origin, "https://x.b.example");
  EXPECT_EQ(answer.allow_methods, "GET, PUT");
  EXPECT_EQ(answer.allow_headers, "X-One, X-Two");
  EXPECT_EQ(answer.expose_headers, "");
  EXPECT_EQ(answer.max_age, std::chrono::seconds(60));
}

TEST_F(CorsAnswers, ARequestGetsWhatItMayShow) {
  const CorsAnswer answer = ask("PUT", {{"origin", "https://a.example"}});
  EXPECT_TRUE(answer.is_allowed && answer.vary_by_origin);
  EXPECT_FALSE(answer.is_preflight);
  EXPECT_EQ(answer.allow_origin, "https://a.example");
  EXPECT_EQ(answer.expose_headers, "X-Three, X-Four");
  EXPECT_EQ(answer.allow_methods, "");
  EXPECT_EQ(answer.max_age, std::nullopt);
}

TEST_F(CorsAnswers, AStrangerGetsNothing) {
  preflight_[0].value = "https://evil.example";
  const CorsAnswer answer = ask("OPTIONS", preflight_);
  EXPECT_TRUE(answer.is_preflight && answer.vary_by_origin);
  EXPECT_FALSE(answer.is_allowed || answer.credentials);
  EXPECT_EQ(answer.allow_origin, "");
  EXPECT_EQ(answer.allow_methods, "");
  EXPECT_EQ(answer.max_age, std::nullopt);
}

TEST_F(CorsAnswers, WhatIsNoCrossOriginRequestIsLeftAlone) {
  EXPECT_FALSE(ask("GET", {}).is_allowed);
  EXPECT_TRUE(ask("GET", {}).vary_by_origin);
  EXPECT_FALSE(ask("OPTIONS", {{"Access-Control-Request-Method", "PUT"}}).is_preflight);
  EXPECT_FALSE(ask("OPTIONS", {{"Origin", "https://a.example"}}).is_preflight);
  EXPECT_FALSE(ask("GET", preflight_).is_preflight);
  EXPECT_FALSE(ask("GET", {{"Origin", "https://a.example"}, {"Origin", "https://a.example"}}).is_allowed);
}

TEST_F(CorsAnswers, WildcardsStandWithoutCredentials) {
  cors_ = {.origins = {"*"}, .methods = {"*"}, .headers = {"*"}, .exposed = {"*"}};
  const CorsAnswer answer = ask("OPTIONS", preflight_);
  EXPECT_EQ(answer.allow_origin, "*");
  EXPECT_FALSE(answer.vary_by_origin);
  EXPECT_EQ(answer.allow_methods, "*");
  EXPECT_EQ(answer.allow_headers, "*");
  EXPECT_EQ(ask("GET", preflight_).expose_headers, "*");
}

TEST_F(CorsAnswers, WildcardsAreWhatWasAskedForWithCredentials) {
  cors_ = {.origins = {"*"}, .methods = {"*"}, .headers = {"*"}, .exposed = {"*", "X-Five"}, .credentials = true};
  const CorsAnswer answer = ask("OPTIONS", preflight_);
  EXPECT_TRUE(answer.credentials && answer.vary_by_origin);
  EXPECT_EQ(answer.allow_origin, "https://x.b.example");
  EXPECT_EQ(answer.allow_methods, "PUT");
  EXPECT_EQ(answer.allow_headers, "x-one, x-nine");
  EXPECT_EQ(ask("GET", preflight_).expose_headers, "X-Five");
  preflight_.pop_back();
  EXPECT_EQ(ask("OPTIONS", preflight_).allow_headers, "");
}

TEST_F(CorsAnswers, WhatDoesNotFitAllowsNothing) {
  cors_.methods.assign(30, "PROPPATCH");
  const CorsAnswer answer = ask("OPTIONS", preflight_);
  EXPECT_TRUE(answer.is_preflight);
  EXPECT_FALSE(answer.is_allowed);
  EXPECT_EQ(answer.allow_origin, "");
}

}  // namespace
}  // namespace weft::lb
