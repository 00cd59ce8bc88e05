// SPDX-License-Identifier: Apache-2.0
/// @file HTTPRoute: where it attaches and what it matches, read and refused.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "registry_http_fixture.h"

namespace weft::registry {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

class BadRoute : public ::testing::TestWithParam<BadEdit> {};

TEST_P(BadRoute, IsRefusedWithItsFieldsName) {
  const std::string text = edited(kRoute, GetParam().good, GetParam().bad);
  EXPECT_THAT(lines(parse_file("f.yaml", text).errors), ElementsAre("f.yaml:" + std::string(GetParam().message)));
}

constexpr BadEdit kBadRoutes[] = {
    {R"("2026-01-31T12:00:00Z")", "yesterday",
     R"(3: metadata.creationTimestamp: expected a time such as 2026-01-31T12:00:00Z, got "yesterday")"},
    {R"("2026-01-31T12:00:00Z")", R"("2026-02-30T12:00:00Z")",
     R"(3: metadata.creationTimestamp: expected a time such as 2026-01-31T12:00:00Z, got "2026-02-30T12:00:00Z")"},
    {"spec:", "spec:\n  useDefaultGateways: All", "5: spec.useDefaultGateways: weft does not implement this field"},
    {"spec:", "spec:\n  parent: {}", "5: spec.parent: unknown field; expected one of parentRefs, hostnames or rules"},
    {"kind: Service, name: web,", "kind: Pod, name: web,",
     R"(5: spec.parentRefs[0].kind: expected Gateway or Service, got "Pod")"},
    {R"(group: "", kind: Service)", "kind: Service",
     R"(5: spec.parentRefs[0].kind: expected group: "" with kind: Service, got "gateway.networking.k8s.io")"},
    {R"(group: "", kind: Service)", R"(group: "", kind: Gateway)",
     R"(5: spec.parentRefs[0].group: expected gateway.networking.k8s.io, the group of Gateway, got "")"},
    {"kind: Service, name: web", "kind: Service", "5: spec.parentRefs[0].name: required field is missing"},
    {"kind: Service, name: web", "kind: Service, name: Web",
     R"(5: spec.parentRefs[0].name: expected up to 63 of a-z, 0-9 and inner "-", got "Web")"},
    {"name: web, port: 80", "name: web, port: 0",
     R"(5: spec.parentRefs[0].port: expected an integer from 1 to 65535, got "0")"},
    {"name: web, port: 80", "name: web, sectionName: A_b",
     R"(5: spec.parentRefs[0].sectionName: expected a DNS name of a-z, 0-9, "-" and ".", got "A_b")"},
    {"port: 80}]", R"(port: 80}, {group: "", kind: Service, name: web}])",
     R"(5: spec.parentRefs: expected references to one parent to differ in sectionName or port, got "web" again)"},
    {"port: 80}]", R"(port: 80}, {group: "", kind: Service, name: web, port: 80}])",
     R"(5: spec.parentRefs: expected references to one parent to differ in sectionName or port, got "web" again)"},
    {"port: 80}]", "port: 80, uid: 1}]",
     "5: spec.parentRefs[0].uid: unknown field; expected one of group, kind, kind, namespace, name, sectionName or "
     "port"},
    {"[example.com,", "[10.0.0.1,", R"(6: spec.hostnames: expected a DNS name, got the address "10.0.0.1")"},
    {"[example.com,", R"(["::1",)", R"(6: spec.hostnames: expected a DNS name, got the address "::1")"},
    {"[example.com,", "[Example.com,",
     R"(6: spec.hostnames: expected a DNS name of a-z, 0-9, "-" and ".", with "*." in front or not, got "Example.com")"},
    {"[example.com,", R"(["*",)",
     R"(6: spec.hostnames: expected a DNS name of a-z, 0-9, "-" and ".", with "*." in front or not, got "*")"},
    {"[example.com,", R"(["*.",)",
     R"(6: spec.hostnames: expected a DNS name of a-z, 0-9, "-" and ".", with "*." in front or not, got "*.")"},
    {"[example.com,", R"(["a.*.com",)",
     R"(6: spec.hostnames: expected a DNS name of a-z, 0-9, "-" and ".", with "*." in front or not, got "a.*.com")"},
    {"[example.com,", R"(["",)",
     R"(6: spec.hostnames: expected a DNS name of a-z, 0-9, "-" and ".", with "*." in front or not, got "")"},
    {"[example.com,", R"(["example.com.",)",
     R"(6: spec.hostnames: expected a DNS name of a-z, 0-9, "-" and ".", with "*." in front or not, got "example.com.")"},
    {"[example.com,", "[a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,", "6: spec.hostnames: expected at most 16 items, got 17"},
    {"name: canary", "name: Canary!",
     R"(8: spec.rules[0].name: expected a DNS name of a-z, 0-9, "-" and ".", got "Canary!")"},
    {"name: canary", "names: a",
     "8: spec.rules[0].names: unknown field; expected one of name, matches, filters, backendRefs, timeouts, retry or "
     "sessionPersistence"},
    {"type: PathPrefix, value: /app", "type: Prefix, value: /app",
     R"(10: spec.rules[0].matches[0].path.type: expected Exact, PathPrefix or RegularExpression, got "Prefix")"},
    {"type: PathPrefix, value: /app", "value: app",
     R"(10: spec.rules[0].matches[0].path.value: expected a path that begins with "/", got "app")"},
    {"type: PathPrefix, value: /app", R"(value: "")",
     R"(10: spec.rules[0].matches[0].path.value: expected a path that begins with "/", got "")"},
    {"type: PathPrefix, value: /app", "value: /a//b",
     R"(10: spec.rules[0].matches[0].path.value: expected a path without "//", got "/a//b")"},
    {"type: PathPrefix, value: /app", "value: /a/./b",
     R"(10: spec.rules[0].matches[0].path.value: expected a path without "/./", got "/a/./b")"},
    {"type: PathPrefix, value: /app", "value: /a/../b",
     R"(10: spec.rules[0].matches[0].path.value: expected a path without "/../", got "/a/../b")"},
    {"type: PathPrefix, value: /app", "value: /a/..",
     R"(10: spec.rules[0].matches[0].path.value: expected a path that does not end with "/..", got "/a/..")"},
    {"type: PathPrefix, value: /app", "value: /a/.",
     R"(10: spec.rules[0].matches[0].path.value: expected a path that does not end with "/.", got "/a/.")"},
    {"type: PathPrefix, value: /app", "value: /a%2fb",
     R"(10: spec.rules[0].matches[0].path.value: expected a path without "%2f", got "/a%2fb")"},
    {"type: PathPrefix, value: /app", "value: /a%2Fb",
     R"(10: spec.rules[0].matches[0].path.value: expected a path without "%2F", got "/a%2Fb")"},
    {"type: PathPrefix, value: /app", R"(value: "/a#b")",
     R"(10: spec.rules[0].matches[0].path.value: expected a path without "#", got "/a#b")"},
    {"type: PathPrefix, value: /app", "value: /a%2",
     R"(10: spec.rules[0].matches[0].path.value: expected a path of letters, digits, -/._~!$&'()*+,;=:@ and %XX, got "/a%2")"},
    {"type: PathPrefix, value: /app", "value: /a b",
     R"(10: spec.rules[0].matches[0].path.value: expected a path of letters, digits, -/._~!$&'()*+,;=:@ and %XX, got "/a b")"},
    {"type: PathPrefix, value: /app", R"(value: "/a?b")",
     R"(10: spec.rules[0].matches[0].path.value: expected a path of letters, digits, -/._~!$&'()*+,;=:@ and %XX, got "/a?b")"},
    {"type: PathPrefix, value: /app", "type: Exact, value: /app",
     "9: spec.rules[0].matches: expected exactly one match, by PathPrefix: a filter has ReplacePrefixMatch"},
    {"type: PathPrefix, value: /app}", "value: /app}\n    - path: {value: /b}",
     "9: spec.rules[0].matches: expected exactly one match, by PathPrefix: a filter has ReplacePrefixMatch"},
    {"type: PathPrefix, value: /app", "value: 7",
     "10: spec.rules[0].matches[0].path.value: expected a string, got the number 7; put it in quotes"},
    {"name: X-Canary", R"(name: "X Canary")",
     R"(11: spec.rules[0].matches[0].headers[0].name: expected a token of letters, digits and !#$%&'*+-.^_`|~ (RFC 9110, section 5.6.2), got "X Canary")"},
    {"name: X-Canary", R"(name: ":path")",
     R"(11: spec.rules[0].matches[0].headers[0].name: expected a token of letters, digits and !#$%&'*+-.^_`|~ (RFC 9110, section 5.6.2), got ":path")"},
    {"name: X-Canary", R"(name: "")", "11: spec.rules[0].matches[0].headers[0].name: required field is empty"},
    {R"(name: X-Canary, value: "1")", "name: X-Canary",
     "11: spec.rules[0].matches[0].headers[0].value: required field is missing"},
    {R"(name: X-Canary, value: "1")", R"(name: X-Canary, value: "")",
     "11: spec.rules[0].matches[0].headers[0].value: required field is empty"},
    {R"(name: X-Canary, value: "1")", R"(name: x-user, value: "1")",
     R"(11: spec.rules[0].matches[0].headers[1].name: duplicate name "x-user")"},
    {R"(type: RegularExpression, value: "a.*")", "type: Prefix, value: a",
     R"(11: spec.rules[0].matches[0].headers[1].type: expected Exact or RegularExpression, got "Prefix")"},
    {R"(type: RegularExpression, value: "a.*")", R"(type: RegularExpression, value: "((")",
     R"re(11: spec.rules[0].matches[0].headers[1].value: expected a regular expression, got "((": Missing close parenthesis for group started at index 1.)re"},
    {R"(type: RegularExpression, value: "a.*")", R"(type: RegularExpression, value: "")",
     R"(11: spec.rules[0].matches[0].headers[1].value: expected a regular expression, got "")"},
    {R"(name: q, value: "1")", R"(name: q, value: "1", case: lower)",
     "12: spec.rules[0].matches[0].queryParams[0].case: unknown field; expected one of name, type or value"},
    {"method: GET", "method: get",
     R"(13: spec.rules[0].matches[0].method: expected GET, HEAD, POST, PUT, DELETE, CONNECT, OPTIONS, TRACE or PATCH, got "get")"},
    {"method: GET", "method: PROPFIND",
     R"(13: spec.rules[0].matches[0].method: expected GET, HEAD, POST, PUT, DELETE, CONNECT, OPTIONS, TRACE or PATCH, got "PROPFIND")"},
    {R"(name: X-Canary, value: "1")", R"(name: X-Canary, value: " 1")",
     R"(11: spec.rules[0].matches[0].headers[0].value: expected printable ASCII with single blanks within at most, got " 1")"},
};
INSTANTIATE_TEST_SUITE_P(Registry, BadRoute, ::testing::ValuesIn(kBadRoutes));

HttpRoute route_in(const std::string& text) {
  return *parsed(text)->routes.at(0);
}

TEST(HttpRouteParse, ReadsWhereItAttaches) {
  const HttpRoute route = route_in(std::string(kRoute));
  EXPECT_EQ(route.metadata.key(), "default/web");
  EXPECT_EQ(route.created, 1769860800);  // date -d 2026-01-31T12:00:00Z +%s
  ASSERT_EQ(route.parents.size(), 1U);
  EXPECT_EQ(route.parents[0].key(), "default/web");
  EXPECT_EQ(route.parents[0].port, 80);
  EXPECT_THAT(route.hostnames, ElementsAre("example.com", "*.example.com"));
  const HttpRoute other =
      route_in(http_route("r", "{name: gw, namespace: edge, sectionName: http}", to_backend("web")));
  EXPECT_EQ(other.parents[0].key(), "gateway edge/gw");
  EXPECT_EQ(other.parents[0].section, "http");
}

TEST(HttpRouteParse, ReadsMatches) {
  const HttpRouteRule rule = route_in(std::string(kRoute)).rules.at(0);
  EXPECT_EQ(rule.rule.route, "default/web");
  EXPECT_EQ(rule.rule.name, "canary");
  const lb::HttpMatch expected{
      .path = {.type = lb::MatchType::prefix, .value = "/app"},
      .headers = {{.name = "x-canary", .type = lb::MatchType::exact, .value = "1"},
                  {.name = "x-user", .type = lb::MatchType::regular_expression, .value = "a.*"}},
      .query = {{.name = "q", .type = lb::MatchType::exact, .value = "1"}},
      .method = "GET"};
  EXPECT_THAT(rule.matches, ElementsAre(expected));
}

TEST(HttpRouteParse, DefaultsAreThePublishedOnes) {
  const HttpRoute route = route_in(http_route("r", to_service("web"), "[{}, {matches: [{path: {}}]}]"));
  for (const HttpRouteRule& rule : route.rules) {
    EXPECT_THAT(rule.matches, ElementsAre(lb::HttpMatch{}));
    EXPECT_EQ(rule.rule.request_timeout.count(), 0);
    EXPECT_FALSE(rule.rule.retry);
    EXPECT_FALSE(rule.rule.session);
  }
  EXPECT_EQ(route.rules[1].rule.number, 1U);
  const std::string none = "{apiVersion: gateway.networking.k8s.io/v1, kind: HTTPRoute, metadata: {name: r}, spec: {}}";
  EXPECT_EQ(route_in(none).rules.size(), 1U);
}

TEST(HttpRouteParse, OfHeadersThatDifferInCaseTheFirstCounts) {
  const HttpRoute route = route_in(
      http_route("r", to_service("web"), "[{matches: [{headers: [{name: A, value: b}, {name: a, value: c}]}]}]"));
  ASSERT_EQ(route.rules[0].matches[0].headers.size(), 1U);
  EXPECT_EQ(route.rules[0].matches[0].headers[0].value, "b");
}

TEST(HttpRouteParse, BoundsAreThePublishedOnes) {
  const auto repeated = [](const std::string& item, int times) {
    std::string text = "[";
    for (int i = 0; i < times; ++i) {
      text += edited(item, "#", std::to_string(i)) + ", ";
    }
    return text + "]";
  };
  const auto errors = [](const std::string& rules) {
    return lines(parse_file("f.yaml", http_route("r", to_service("web"), rules)).errors);
  };
  const std::string at = "f.yaml:1: spec.rules";
  EXPECT_THAT(errors(repeated("{name: 'r#'}", 16)), IsEmpty());
  EXPECT_THAT(errors(repeated("{name: 'r#'}", 17)), ElementsAre(at + ": expected at most 16 items, got 17"));
  EXPECT_THAT(errors("[{matches: " + repeated("{path: {value: '/#'}}", 64) + "}]"), IsEmpty());
  EXPECT_THAT(errors("[{matches: " + repeated("{path: {value: '/#'}}", 65) + "}]"),
              ElementsAre(at + "[0].matches: expected at most 64 items, got 65"));
  EXPECT_THAT(errors(repeated("{matches: [{}, {}, {}, {}, {}, {}, {}, {}, {}], name: 'r#'}", 15)),
              ElementsAre(at + ": expected at most 128 matches in all rules together, got 135"));
  EXPECT_THAT(errors("[{matches: [{headers: " + repeated("{name: 'h#', value: a}", 17) + "}]}]"),
              ElementsAre(at + "[0].matches[0].headers: expected at most 16 items, got 17"));
  EXPECT_THAT(errors("[{backendRefs: " + repeated("{name: 's#', port: 80}", 17) + "}]"),
              ElementsAre(at + "[0].backendRefs: expected at most 16 items, got 17"));
  EXPECT_THAT(errors("[{filters: " +
                     repeated("{type: RequestMirror, requestMirror: {backendRef: {name: 's#', port: 80}}}", 17) + "}]"),
              ElementsAre(at + "[0].filters: expected at most 16 items, got 17"));
  EXPECT_THAT(errors("[{name: a}, {name: a}]"), ElementsAre(at + R"([1].name: duplicate rule name "a")"));
  EXPECT_THAT(errors("[]"), ElementsAre(at + ": expected at least one item"));
}

}  // namespace
}  // namespace weft::registry
