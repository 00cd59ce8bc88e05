// SPDX-License-Identifier: Apache-2.0
/// @file Gateway API's matching and precedence, rule by rule. What is quoted is HTTPRoute's documentation (v1).
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "lb/route_scratch.h"
#include "lb/route_table.h"

namespace weft::lb {
namespace {

using ::testing::HasSubstr;

struct Asked {
  std::string host = "example.com";
  std::string path = "/";
  std::string query;
  std::vector<HttpField> fields;
  std::string method = "GET";
};

PathMatch exact(std::string path) {
  return {.type = MatchType::exact, .value = std::move(path)};
}
PathMatch prefix(std::string path) {
  return {.type = MatchType::prefix, .value = std::move(path)};
}
PathMatch regex(std::string path) {
  return {.type = MatchType::regular_expression, .value = std::move(path)};
}
ValueMatch like(std::string name, std::string expression) {
  return {.name = std::move(name), .type = MatchType::regular_expression, .value = std::move(expression)};
}

/// A route whose rules have one match each, named by their places.
HttpRoute route(std::string key, std::vector<HttpMatch> matches, std::vector<std::string> hostnames = {},
                int64_t created = 0) {
  HttpRoute route{.key = key, .created = created, .hostnames = std::move(hostnames)};
  for (const HttpMatch& match : matches) {
    const auto number = static_cast<uint32_t>(route.rules.size());
    route.rules.push_back(
        {.matches = {match}, .rule = std::make_shared<HttpRule>(HttpRule{.route = key, .number = number})});
  }
  return route;
}

class HttpRoutes : public ::testing::Test {
 protected:
  void use(std::vector<HttpRoute> routes) {
    table_ = std::make_unique<RouteTable>(std::move(routes));
    scratch_.prepare(*table_);
  }
  /// "route/rule", or "none".
  std::string find(const Asked& asked) {
    const RouteTable::Match match = table_->find({.method = asked.method,
                                                  .host = asked.host,
                                                  .path = asked.path,
                                                  .query = asked.query,
                                                  .has_query = !asked.query.empty(),
                                                  .fields = asked.fields},
                                                 scratch_);
    return match.rule == nullptr ? "none" : match.rule->route + "/" + std::to_string(match.rule->number);
  }
  std::string find_path(const std::string& path) { return find({.path = path}); }

  std::unique_ptr<RouteTable> table_;
  RouteTable::Scratch scratch_;
};

TEST_F(HttpRoutes, AnEmptyTableHasNone) {
  use({});
  EXPECT_EQ(find({}), "none");
}

// "an exact path match on /abc will only match requests to /abc, NOT /abc/, /Abc, or /abcd"
TEST_F(HttpRoutes, AnExactPathIsOnlyItself) {
  use({route("r", {{.path = exact("/abc")}})});
  EXPECT_EQ(find_path("/abc"), "r/0");
  for (const char* other : {"/abc/", "/Abc", "/abcd", "/ab", "/", "", "*", "/abc/d"}) {
    EXPECT_EQ(find_path(other), "none") << other;
  }
}

// "the paths /abc, /abc/, and /abc/def would all match the prefix /abc, but the path /abcd would not"
TEST_F(HttpRoutes, APrefixIsOfWholeSegments) {
  for (const char* value : {"/abc", "/abc/"}) {  // "a trailing / is ignored"
    use({route("r", {{.path = prefix(value)}})});
    for (const char* path : {"/abc", "/abc/", "/abc/def", "/abc//", "/abc/d/e"}) {
      EXPECT_EQ(find_path(path), "r/0") << path;
    }
    for (const char* path : {"/abcd", "/ab", "/", "/Abc", "/ABC/def", "//abc", "abc", ""}) {
      EXPECT_EQ(find_path(path), "none") << path;
    }
  }
}

// "a prefix path match on "/", which has the effect of matching every HTTP request"
TEST_F(HttpRoutes, TheRootPrefixIsAll) {
  use({route("r", {{}})});
  for (const char* path : {"/", "/a", "//", "*", ""}) {
    EXPECT_EQ(find_path(path), "r/0") << path;
  }
}

TEST_F(HttpRoutes, AnExpressionIsOfTheWholePath) {
  use({route("r", {{.path = regex("/v[0-9]+")}, {.path = regex("/a|/b")}, {.path = regex("(?i)/Case")}})});
  EXPECT_EQ(find_path("/v12"), "r/0");
  EXPECT_EQ(find_path("/v12/"), "none");
  EXPECT_EQ(find_path("/x/v12"), "none");
  EXPECT_EQ(find_path("/b"), "r/1");
  EXPECT_EQ(find_path("/bb"), "none");
  EXPECT_EQ(find_path("/cASE"), "r/2");
  EXPECT_EQ(find_path("/v1\n"), "none");
}

TEST_F(HttpRoutes, PathsOfMatchesAreNormalized) {
  use({route("r", {{.path = exact("/%7eu")}, {.path = prefix("/caf%c3%a9/")}})});
  EXPECT_EQ(find_path("/~u"), "r/0");
  EXPECT_EQ(find_path("/caf%C3%A9/x"), "r/1");
}

// "Exact" before what else there is, then the expression (our choice), then "largest number of characters".
TEST_F(HttpRoutes, ByPathBeforeAllElse) {
  use({route("r",
             {{.path = prefix("/")},
              {.path = prefix("/a")},
              {.path = prefix("/a/b"), .headers = {{.name = "x", .value = "1"}}},
              {.path = regex("/a/.*/d")},
              {.path = exact("/a/b/c")}},
             {}, 9),
       route("older", {{.path = prefix("/a"), .headers = {{.name = "x", .value = "1"}}, .method = "GET"}}, {}, 1)});
  const std::vector<HttpField> x = {{.name = "x", .value = "1"}};
  EXPECT_EQ(find({.path = "/a/b/c", .fields = x}), "r/4");
  EXPECT_EQ(find({.path = "/a/b/d", .fields = x}), "r/3");
  EXPECT_EQ(find({.path = "/a/b/e", .fields = x}), "r/2");
  EXPECT_EQ(find({.path = "/a/b/e"}), "r/1");  // the longer prefix does not match, the shorter one does
  EXPECT_EQ(find({.path = "/a/c", .fields = x}), "older/0");
  EXPECT_EQ(find({.path = "/b", .fields = x}), "r/0");
}

// "Method match", "Largest number of header matches", "Largest number of query param matches"
TEST_F(HttpRoutes, ThenByMethodThenHeadersThenParameters) {
  const ValueMatch a{.name = "a", .value = "1"};
  const ValueMatch b{.name = "b", .value = "1"};
  use({route("r", {{},
                   {.query = {a}},
                   {.query = {a, b}},
                   {.headers = {a}},
                   {.headers = {a}, .query = {a}},
                   {.headers = {a, b}},
                   {.method = "GET"}})});
  const std::vector<HttpField> one = {{.name = "a", .value = "1"}};
  const std::vector<HttpField> two = {{.name = "a", .value = "1"}, {.name = "b", .value = "1"}};
  EXPECT_EQ(find({.query = "a=1&b=1", .fields = two}), "r/6");
  EXPECT_EQ(find({.query = "a=1&b=1", .fields = two, .method = "PUT"}), "r/5");
  EXPECT_EQ(find({.query = "a=1&b=1", .fields = one, .method = "PUT"}), "r/4");
  EXPECT_EQ(find({.query = "b=1", .fields = one, .method = "PUT"}), "r/3");
  EXPECT_EQ(find({.query = "a=1&b=1", .method = "PUT"}), "r/2");
  EXPECT_EQ(find({.query = "a=1", .method = "PUT"}), "r/1");
  EXPECT_EQ(find({.method = "PUT"}), "r/0");
}

// "The oldest Route", "The Route appearing first in alphabetical order by {namespace}/{name}", "the FIRST matching
// rule"
TEST_F(HttpRoutes, ThenByAgeThenNameThenPlace) {
  use({route("b/a", {{}}, {}, 5), route("a/z", {{}, {}}, {}, 5), route("z/z", {{.path = prefix("/old")}}, {}, 1),
       route("a/a", {{.path = prefix("/old/")}}, {}, 5)});
  EXPECT_EQ(find_path("/"), "a/z/0");
  EXPECT_EQ(find_path("/old"), "z/z/0");
}

TEST_F(HttpRoutes, AnyMatchOfARuleWillDo) {
  HttpRoute both = route("r", {{.path = prefix("/foo"), .headers = {{.name = "version", .value = "v2"}}}});
  both.rules[0].matches.push_back({.path = prefix("/v2/foo")});
  use({both});
  EXPECT_EQ(find({.path = "/foo/x", .fields = {{.name = "Version", .value = "v2"}}}), "r/0");
  EXPECT_EQ(find_path("/v2/foo"), "r/0");
  EXPECT_EQ(find_path("/foo"), "none");
}

TEST_F(HttpRoutes, HostNames) {
  use({route("exact", {{}}, {"foo.example.com"}), route("wild", {{}}, {"*.example.com"}),
       route("wilder", {{}}, {"*.com"}), route("any", {{.path = prefix("/any")}})});
  EXPECT_EQ(find({.host = "foo.example.com"}), "exact/0");
  EXPECT_EQ(find({.host = "test.example.com"}), "wild/0");
  EXPECT_EQ(find({.host = "foo.test.example.com"}), "wild/0");  // "*." is one label or more
  EXPECT_EQ(find({.host = "example.com"}), "wilder/0");         // but not none
  EXPECT_EQ(find({.host = "barexample.com"}), "wilder/0");
  EXPECT_EQ(find({.host = ".example.com"}), "wilder/0");
  EXPECT_EQ(find({.host = "com"}), "none");
  EXPECT_EQ(find({.host = "example.org"}), "none");
  EXPECT_EQ(find({.host = "", .path = "/any"}), "any/0");
  EXPECT_EQ(find({.host = ""}), "none");
}

// "precedence must be given to rules from the HTTPRoute with the largest number of: Characters in a matching
// non-wildcard hostname. Characters in a matching hostname." It orders rules that match, and excludes none.
TEST_F(HttpRoutes, TheMoreSpecificHostNameComesFirstAndGivesWay) {
  use({route("any", {{.path = exact("/deep/er")}, {}}, {}, 1),
       route("wild", {{.path = prefix("/deep/er")}, {.path = regex("/w.*")}}, {"*.example.com"}, 2),
       route("exact", {{.path = prefix("/deep")}}, {"foo.example.com", "*.org"}, 3)});
  EXPECT_EQ(find({.host = "foo.example.com", .path = "/deep/er"}), "exact/0");
  EXPECT_EQ(find({.host = "foo.example.com", .path = "/wide"}), "wild/1");
  EXPECT_EQ(find({.host = "foo.example.com", .path = "/else"}), "any/1");
  EXPECT_EQ(find({.host = "bar.example.com", .path = "/deep/er"}), "wild/0");
  EXPECT_EQ(find({.host = "x.org", .path = "/deep/er"}), "exact/0");
  EXPECT_EQ(find({.host = "org", .path = "/deep/er"}), "any/0");
}

TEST_F(HttpRoutes, HeaderNamesHaveNoCaseAndValuesDo) {
  use({route("r", {{.headers = {{.name = "X-Version", .value = "Two"}}}})});
  EXPECT_EQ(find({.fields = {{.name = "x-vERSION", .value = "Two"}}}), "r/0");
  EXPECT_EQ(find({.fields = {{.name = "x-version", .value = "two"}}}), "none");
  EXPECT_EQ(find({.fields = {{.name = "x-versio", .value = "Two"}, {.name = "x-versions", .value = "Two"}}}), "none");
}

TEST_F(HttpRoutes, RepeatedHeadersAreJoined) {
  use({route("r", {{.headers = {{.name = "a", .value = "1, 2, 3"}}},
                   {.headers = {like("b", "x(, y)*")}},
                   {.headers = {{.name = "cookie", .value = "k=v; l=w"}}},
                   {.headers = {{.name = "c", .value = ", "}}}})});
  EXPECT_EQ(find({.fields = {{"a", "1"}, {"other", "0"}, {"A", "2"}, {"a", "3"}}}), "r/0");
  EXPECT_EQ(find({.fields = {{"a", "1"}, {"a", "3"}, {"a", "2"}}}), "none");
  EXPECT_EQ(find({.fields = {{"a", "9"}, {"b", "x"}, {"a", "9"}, {"b", "y"}, {"b", "y"}}}), "r/1");
  EXPECT_EQ(find({.fields = {{"cookie", "k=v"}, {"cookie", "l=w"}}}), "r/2");
  EXPECT_EQ(find({.fields = {{"c", ""}, {"c", ""}}}), "r/3");
}

TEST_F(HttpRoutes, HeaderExpressionsAreOfTheirHeaderAlone) {
  use({route("r", {{.headers = {like("a", "[0-9]+")}}, {.headers = {like("b", "[a-z]*")}}})});
  EXPECT_EQ(find({.fields = {{"a", "12"}}}), "r/0");
  EXPECT_EQ(find({.fields = {{"a", "12x"}}}), "none");
  EXPECT_EQ(find({.fields = {{"a", "xy"}}}), "none");
  EXPECT_EQ(find({.fields = {{"b", ""}}}), "r/1");
  EXPECT_EQ(find({.fields = {}}), "none");
}

// "If multiple entries specify equivalent header names, only the first entry ... MUST be considered"
TEST_F(HttpRoutes, OfTwoMatchesForOneNameTheFirstCounts) {
  use({route("r", {{.headers = {{.name = "a", .value = "1"}, {.name = "A", .value = "2"}}},
                   {.headers = {{.name = "a", .value = "1"}}, .query = {{.name = "q", .value = "1"}}}})});
  EXPECT_EQ(find({.fields = {{"a", "1"}}}), "r/0");
  // Were both counted, the first rule would have more headers.
  EXPECT_EQ(find({.query = "q=1", .fields = {{"a", "1"}}}), "r/1");
}

TEST_F(HttpRoutes, Parameters) {
  use({route("r", {{.query = {{.name = "animal", .value = "whale"}}},
                   {.query = {{.name = "a b", .value = "c&d"}}},
                   {.query = {like("n", "[0-9]*")}}})});
  EXPECT_EQ(find({.query = "animal=whale"}), "r/0");
  EXPECT_EQ(find({.query = "x=y&animal=whale&z"}), "r/0");
  EXPECT_EQ(find({.query = "Animal=whale"}), "none");  // "This must be an exact string match"
  EXPECT_EQ(find({.query = "animal=Whale"}), "none");
  EXPECT_EQ(find({.query = "animal=dolphin&animal=whale"}), "none");  // "match against the first value of the param"
  EXPECT_EQ(find({.query = "animal=whale&animal=dolphin"}), "r/0");
  EXPECT_EQ(find({.query = "%61nimal=wh%61le"}), "r/0");
  EXPECT_EQ(find({.query = "a+b=c%26d"}), "r/1");
  EXPECT_EQ(find({.query = "a%20b=c%26d"}), "r/1");
  EXPECT_EQ(find({.query = "a+b=c&d"}), "none");
  for (const char* empty : {"n", "n=", "&n&", "n=1"}) {
    EXPECT_EQ(find({.query = empty}), "r/2") << empty;
  }
  EXPECT_EQ(find({.query = "n=1x"}), "none");
  EXPECT_EQ(find({.query = ""}), "none");
}

TEST_F(HttpRoutes, MethodsHaveCase) {
  use({route("r", {{.method = "GET"}, {.method = "PROPPATCH"}})});
  EXPECT_EQ(find({}), "r/0");
  EXPECT_EQ(find({.method = "get"}), "none");
  EXPECT_EQ(find({.method = "PROPPATCH"}), "r/1");
  EXPECT_EQ(find({.method = ""}), "none");
}

TEST_F(HttpRoutes, TheMatchThatHeldIsNamed) {
  HttpRoute two = route("r", {{.path = prefix("/a")}});
  two.rules[0].matches.push_back({.path = prefix("/b/")});
  use({two});
  EXPECT_EQ(table_->find({.path = "/b/c"}, scratch_).match->path.value, "/b/");
}

TEST(HttpRoutesErrors, NameTheExpressionAndItsRule) {
  for (const char* expression : {"/(", "/a)|(?:/b", "a\\", "/(?=x)", "\\Qx", "(?x)/a # ", "/(a)\\1"}) {
    const std::vector<HttpRoute> routes = {route("n/fine", {{.path = regex("/.*")}}),
                                           route("n/bad", {{}, {.headers = {like("h", expression)}}})};
    try {
      const RouteTable table(routes);
      ADD_FAILURE() << expression;
    } catch (const std::invalid_argument& error) {
      EXPECT_THAT(error.what(), HasSubstr(expression));
      EXPECT_THAT(error.what(), HasSubstr("rule 1 of route n/bad"));
    }
  }
  EXPECT_THROW(RouteTable({route("n/bad", {{.path = exact("a")}})}), std::invalid_argument);
  EXPECT_THROW(RouteTable({route("n/bad", {{.path = prefix("/%zz")}})}), std::invalid_argument);
  EXPECT_THROW(RouteTable({route("n/bad", {{.headers = {{.name = "", .value = "x"}}}})}), std::invalid_argument);
}

TEST(RouteScratches, AreSharedAsLongAsTheyFit) {
  const auto before = std::make_shared<RouteScratches>(2);
  const RouteTable plain({route("a", {{.path = prefix("/a")}})});
  EXPECT_EQ(RouteScratches::fitting(before, {&plain}, {&plain}), before);
  const RouteTable expressed({route("a", {{.path = regex("/a+")}}), route("b", {{.headers = {like("h", "x")}}})});
  const auto larger = RouteScratches::fitting(before, {&expressed}, {&plain, &expressed});
  ASSERT_NE(larger, before);
  EXPECT_EQ(larger->workers(), 2U);
  EXPECT_EQ(expressed.find({.path = "/aa"}, larger->of(1)).rule->route, "a");
  // A route more, the same expressions: the databases are the same, and so are the scratches.
  const RouteTable more({route("a", {{.path = regex("/a+")}}), route("b", {{.headers = {like("h", "x")}}}),
                         route("c", {{.path = exact("/c")}})},
                        &expressed);
  EXPECT_EQ(RouteScratches::fitting(larger, {&more}, {&plain, &more}), larger);
  const RouteTable other({route("a", {{.path = regex("/b+")}})}, &more);
  EXPECT_NE(RouteScratches::fitting(larger, {&other}, {&plain, &other}), larger);
}

}  // namespace
}  // namespace weft::lb
