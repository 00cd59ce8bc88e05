// SPDX-License-Identifier: Apache-2.0
/// @file HTTPRoute: what a rule does with requests, read and refused.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "registry_http_fixture.h"

namespace weft::registry {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

class BadRule : public ::testing::TestWithParam<BadEdit> {};

TEST_P(BadRule, IsRefusedWithItsFieldsName) {
  const std::string text = edited(kRoute, GetParam().good, GetParam().bad);
  EXPECT_THAT(lines(parse_file("f.yaml", text).errors), ElementsAre("f.yaml:" + std::string(GetParam().message)));
}

constexpr BadEdit kBadHttpRules[] = {
    {"- type: CORS", "- type: ExtensionRef",
     "21: spec.rules[0].filters[3].type: weft does not implement ExtensionRef; expected RequestHeaderModifier, "
     "ResponseHeaderModifier, RequestRedirect, URLRewrite, RequestMirror or CORS"},
    {"- type: CORS", "- type: ExternalAuth",
     "21: spec.rules[0].filters[3].type: weft does not implement ExternalAuth; expected RequestHeaderModifier, "
     "ResponseHeaderModifier, RequestRedirect, URLRewrite, RequestMirror or CORS"},
    {"- type: CORS", "- type: Cors",
     R"(21: spec.rules[0].filters[3].type: expected RequestHeaderModifier, ResponseHeaderModifier, RequestRedirect, URLRewrite, RequestMirror or CORS, got "Cors")"},
    {"- type: CORS\n", "-\n", "22: spec.rules[0].filters[3].type: required field is missing"},
    {"- type: CORS\n", "- type: CORS\n      extensionRef: {}\n",
     "22: spec.rules[0].filters[3].extensionRef: weft does not implement this field"},
    {"- type: URLRewrite\n      urlRewrite: {hostname: new.example.com, path: {type: ReplacePrefixMatch, "
     "replacePrefixMatch: /}}",
     "- type: RequestHeaderModifier\n      requestHeaderModifier: {}",
     "17: spec.rules[0].filters[1].type: expected one filter RequestHeaderModifier at most, got another one"},
    {"name: A, value: b c", R"(name: Content-Length, value: "5")",
     "16: spec.rules[0].filters[0].requestHeaderModifier.set[0].name: weft writes content-length itself: it can't be "
     "edited"},
    {"name: A, value: b c", "name: Host, value: a",
     "16: spec.rules[0].filters[0].requestHeaderModifier.set[0].name: the host is edited by filter URLRewrite, field "
     "hostname"},
    {"name: A, value: b c", R"(name: A, value: "b  c")",
     R"(16: spec.rules[0].filters[0].requestHeaderModifier.set[0].value: expected printable ASCII with single blanks within at most, got "b  c")"},
    {"name: A, value: b c", R"(name: A, value: " b")",
     R"(16: spec.rules[0].filters[0].requestHeaderModifier.set[0].value: expected printable ASCII with single blanks within at most, got " b")"},
    {"name: A, value: b c", R"(name: A, value: "b\r\nC: d")",
     R"(16: spec.rules[0].filters[0].requestHeaderModifier.set[0].value: expected printable ASCII with single blanks within at most, got "b\x0d\x0aC: d")"},
    {"name: A, value: b c", "name: b, value: c",
     R"(16: spec.rules[0].filters[0].requestHeaderModifier.add[0].name: expected one action a header, got another one for "B")"},
    {"remove: [C]", "remove: [a]",
     R"(16: spec.rules[0].filters[0].requestHeaderModifier.remove: expected one action a header, got another one for "a")"},
    {"remove: [C]", R"(remove: [""])",
     R"(16: spec.rules[0].filters[0].requestHeaderModifier.remove: expected names of headers, got "")"},
    {"hostname: new.example.com", R"(hostname: "*.example.com")",
     R"(18: spec.rules[0].filters[1].urlRewrite.hostname: expected a DNS name without a wildcard, got "*.example.com")"},
    {"type: ReplacePrefixMatch, replacePrefixMatch: /", "type: ReplacePrefixMatch, replacePrefixMatch: b",
     R"(18: spec.rules[0].filters[1].urlRewrite.path.replacePrefixMatch: expected a path that begins with "/", got "b")"},
    {"type: ReplacePrefixMatch, replacePrefixMatch: /", R"(type: ReplaceFullPath, replaceFullPath: "/a b")",
     R"(18: spec.rules[0].filters[1].urlRewrite.path.replaceFullPath: expected a path of letters, digits, -/._~!$&'()*+,;=:@ and %XX, got "/a b")"},
    {"type: ReplacePrefixMatch, replacePrefixMatch: /", "type: ReplaceFullPath",
     "18: spec.rules[0].filters[1].urlRewrite.path.replaceFullPath: required field is missing"},
    {"type: ReplacePrefixMatch, replacePrefixMatch: /", "type: ReplaceRegex",
     R"(18: spec.rules[0].filters[1].urlRewrite.path.type: expected ReplaceFullPath or ReplacePrefixMatch, got "ReplaceRegex")"},
    {"percent: 10", "percent: 101",
     R"(20: spec.rules[0].filters[2].requestMirror.percent: expected an integer from 0 to 100, got "101")"},
    {"percent: 10", "percent: 10, fraction: {numerator: 1}",
     "20: spec.rules[0].filters[2].requestMirror.fraction: expected percent or fraction, got both"},
    {"percent: 10", "fraction: {numerator: 2, denominator: 1}",
     "20: spec.rules[0].filters[2].requestMirror.fraction.numerator: expected at most the denominator, 1, got 2"},
    {"percent: 10", "fraction: {numerator: 1, denominator: 0}",
     R"(20: spec.rules[0].filters[2].requestMirror.fraction.denominator: expected an integer from 1 to 2147483647, got "0")"},
    {"backendRef: {name: shadow, port: 80}, ", "",
     "20: spec.rules[0].filters[2].requestMirror.backendRef: required field is missing"},
    {"backendRef: {name: shadow, port: 80}", "backendRef: {name: shadow}",
     "20: spec.rules[0].filters[2].requestMirror.backendRef.port: required field is missing: a Service has ports"},
    {R"("https://*.example.com")", R"("ftp://example.com")",
     R"(22: spec.rules[0].filters[3].cors.allowOrigins: expected "*" or scheme://host[:port] with http or https, got "ftp://example.com")"},
    {R"("https://*.example.com")", R"("https://a.*.com")",
     R"(22: spec.rules[0].filters[3].cors.allowOrigins: expected "*" or scheme://host[:port] with http or https, got "https://a.*.com")"},
    {R"("https://*.example.com")", R"("https://a:0")",
     R"(22: spec.rules[0].filters[3].cors.allowOrigins: expected "*" or scheme://host[:port] with http or https, got "https://a:0")"},
    {R"("https://*.example.com")", R"("*", "https://a")",
     R"(22: spec.rules[0].filters[3].cors.allowOrigins: expected "*" alone)"},
    {"allowMethods: [GET]", "allowMethods: [Get]",
     R"(22: spec.rules[0].filters[3].cors.allowMethods: expected a method in upper case or "*", got "Get")"},
    {"allowMethods: [GET]", "allowMethods: [GET, GET]",
     R"(22: spec.rules[0].filters[3].cors.allowMethods: duplicate "GET")"},
    {"allowHeaders: [A]", R"(allowHeaders: ["a b"])",
     R"(22: spec.rules[0].filters[3].cors.allowHeaders: expected a token of letters, digits and !#$%&'*+-.^_`|~ (RFC 9110, section 5.6.2), got "a b")"},
    {"maxAge: 60", "maxAge: 0",
     R"(22: spec.rules[0].filters[3].cors.maxAge: expected an integer from 1 to 2147483647, got "0")"},
    {"weight: 9", "weight: -1",
     R"(24: spec.rules[0].backendRefs[0].weight: expected an integer from 0 to 1000000, got "-1")"},
    {"weight: 9", "weight: 1000001",
     R"(24: spec.rules[0].backendRefs[0].weight: expected an integer from 0 to 1000000, got "1000001")"},
    {"port: 8080, weight: 9", "weight: 9",
     "24: spec.rules[0].backendRefs[0].port: required field is missing: a Service has ports"},
    {"name: web-2", "name: Web",
     R"(24: spec.rules[0].backendRefs[0].name: expected up to 63 of a-z, 0-9 and inner "-", got "Web")"},
    {"name: web-2", "name: web-2, namespace: a.b",
     R"(24: spec.rules[0].backendRefs[0].namespace: expected up to 63 of a-z, 0-9 and inner "-", got "a.b")"},
    {"name: web-2", R"(group: "A B", name: web-2)",
     R"(24: spec.rules[0].backendRefs[0].group: expected a DNS name of a-z, 0-9, "-" and ".", got "A B")"},
    {"weight: 9",
     "weight: 9, filters: [{type: RequestRedirect, requestRedirect: {}}, {type: URLRewrite, urlRewrite: {}}]",
     "24: spec.rules[0].backendRefs[0].filters: expected RequestRedirect or URLRewrite, got both"},
    {"- type: URLRewrite\n      urlRewrite: {hostname: new.example.com, path: {type: ReplacePrefixMatch, "
     "replacePrefixMatch: /}}",
     "- type: RequestRedirect\n      requestRedirect: {}",
     "23: spec.rules[0].backendRefs: expected no backendRefs beside filter RequestRedirect"},
    {"weight: 9", "weight: 9, filters: [{type: RequestRedirect, requestRedirect: {scheme: ftp}}]",
     R"(24: spec.rules[0].backendRefs[0].filters[0].requestRedirect.scheme: expected http or https, got "ftp")"},
    {"weight: 9", "weight: 9, filters: [{type: RequestRedirect, requestRedirect: {statusCode: 304}}]",
     "24: spec.rules[0].backendRefs[0].filters[0].requestRedirect.statusCode: expected 301, 302, 303, 307 or 308, got "
     "304"},
    {"weight: 9", "weight: 9, filters: [{type: RequestRedirect, requestRedirect: {port: 65536}}]",
     R"(24: spec.rules[0].backendRefs[0].filters[0].requestRedirect.port: expected an integer from 1 to 65535, got "65536")"},
    {"request: 10s", "request: 10",
     "25: spec.rules[0].timeouts.request: expected a string, got the number 10; put it in quotes"},
    {"request: 10s", "request: 1.5s",
     R"(25: spec.rules[0].timeouts.request: expected a duration of up to four numbers of up to five digits, each with h, m, s or ms, such as 1m30s, got "1.5s")"},
    {"request: 10s", "request: 1s2s3s4s5s",
     R"(25: spec.rules[0].timeouts.request: expected a duration of up to four numbers of up to five digits, each with h, m, s or ms, such as 1m30s, got "1s2s3s4s5s")"},
    {"request: 10s", "request: 100000s",
     R"(25: spec.rules[0].timeouts.request: expected a duration of up to four numbers of up to five digits, each with h, m, s or ms, such as 1m30s, got "100000s")"},
    {"request: 10s", R"(request: "")",
     R"(25: spec.rules[0].timeouts.request: expected a duration of up to four numbers of up to five digits, each with h, m, s or ms, such as 1m30s, got "")"},
    {"request: 10s", "request: 1s", "25: spec.rules[0].timeouts.backendRequest: expected at most request, 1s, got 2s"},
    {"codes: [503]", "codes: [302]",
     R"(26: spec.rules[0].retry.codes[0]: expected an integer from 400 to 599, got "302")"},
    {"codes: [503]", "codes: [503, 503]", "26: spec.rules[0].retry.codes: duplicate 503"},
    {"attempts: 2", "attempts: -1", R"(26: spec.rules[0].retry.attempts: expected an integer from 0 to 100, got "-1")"},
    {"backoff: 100ms", "backoff: 1d",
     R"(26: spec.rules[0].retry.backoff: expected a duration of up to four numbers of up to five digits, each with h, m, s or ms, such as 1m30s, got "1d")"},
    {"sessionName: s", R"(sessionName: "a;b")",
     R"(27: spec.rules[0].sessionPersistence.sessionName: expected a token of letters, digits and !#$%&'*+-.^_`|~ (RFC 9110, section 5.6.2), got "a;b")"},
    {"sessionName: s", R"(sessionName: "")",
     R"(27: spec.rules[0].sessionPersistence.sessionName: expected a name or no field, got "")"},
    {"absoluteTimeout: 1h, ", "",
     "27: spec.rules[0].sessionPersistence.absoluteTimeout: required field is missing: cookieConfig.lifetimeType is "
     "Permanent"},
    {"absoluteTimeout: 1h", "absoluteTimeout: 1500ms",
     R"(27: spec.rules[0].sessionPersistence.absoluteTimeout: expected whole seconds, at least one, got "1500ms")"},
    {"sessionName: s", "type: Header",
     "27: spec.rules[0].sessionPersistence.cookieConfig: expected no cookieConfig with type: Header"},
    {"lifetimeType: Permanent", "lifetimeType: Forever",
     R"(27: spec.rules[0].sessionPersistence.cookieConfig.lifetimeType: expected Session or Permanent, got "Forever")"},
    {"sessionName: s", "type: Query",
     R"(27: spec.rules[0].sessionPersistence.type: expected Cookie or Header, got "Query")"},
};
INSTANTIATE_TEST_SUITE_P(Registry, BadRule, ::testing::ValuesIn(kBadHttpRules));

using std::chrono::milliseconds;
using std::chrono::seconds;

lb::HttpRule rule_in(const std::string& text) {
  return parsed(text)->routes.at(0)->rules.at(0).rule;
}
lb::HttpRule rule_of(const std::string& fields) {
  return rule_in(http_route("r", to_service("web"), "[{" + fields + "}]"));
}

TEST(HttpRuleParse, ReadsFilters) {
  const lb::HttpFilters filters = rule_in(std::string(kRoute)).filters;
  EXPECT_THAT(filters.request.set, ElementsAre(lb::HeaderValue{"A", "b c"}));
  EXPECT_THAT(filters.request.add, ElementsAre(lb::HeaderValue{"B", "d"}));
  EXPECT_THAT(filters.request.remove, ElementsAre("C"));
  EXPECT_TRUE(filters.response.empty());
  const lb::Rewrite rewrite{.host = "new.example.com", .path = {.kind = lb::PathEdit::Kind::prefix, .value = "/"}};
  EXPECT_EQ(filters.rewrite, rewrite);
  ASSERT_EQ(filters.mirrors.size(), 1U);
  EXPECT_EQ(filters.mirrors[0].backend.service, "default/shadow");
  EXPECT_EQ(filters.mirrors[0].fraction, (lb::Fraction{10, 100}));
  ASSERT_TRUE(filters.cors);
  EXPECT_THAT(filters.cors->origins, ElementsAre("https://*.example.com"));
  EXPECT_THAT(filters.cors->exposed, ElementsAre("B"));
  EXPECT_EQ(filters.cors->max_age, seconds(60));
}

TEST(HttpRuleParse, ReadsRedirects) {
  const lb::HttpRule plain = rule_of("filters: [{type: RequestRedirect, requestRedirect: {}}]");
  EXPECT_EQ(plain.filters.redirect, lb::Redirect{});
  const lb::HttpRule full = rule_of(
      "filters: [{type: RequestRedirect, requestRedirect: {scheme: https, hostname: a.b, port: 8443, statusCode: 308, "
      "path: {type: ReplaceFullPath, replaceFullPath: /x}}}]");
  const lb::Redirect expected{.scheme = "https",
                              .host = "a.b",
                              .path = {.kind = lb::PathEdit::Kind::full, .value = "/x"},
                              .port = 8443,
                              .status = 308};
  EXPECT_EQ(full.filters.redirect, expected);
}

TEST(HttpRuleParse, AMirrorIsOfAllOrOfAFraction) {
  const auto fraction = [](const std::string& more) {
    return rule_of("filters: [{type: RequestMirror, requestMirror: {backendRef: {name: m, port: 80}" + more + "}}]")
        .filters.mirrors.at(0)
        .fraction;
  };
  EXPECT_EQ(fraction(""), (lb::Fraction{1, 1}));
  EXPECT_EQ(fraction(", percent: 0"), (lb::Fraction{0, 100}));
  EXPECT_EQ(fraction(", fraction: {numerator: 1}"), (lb::Fraction{1, 100}));
  EXPECT_EQ(fraction(", fraction: {numerator: 1, denominator: 3}"), (lb::Fraction{1, 3}));
}

TEST(HttpRuleParse, ReadsBackends) {
  const lb::HttpRule rule = rule_of(
      "backendRefs: [{name: a, port: 80}, {name: b, namespace: other, port: 81, weight: 0}, "
      "{group: multicluster.x-k8s.io, kind: ServiceImport, name: c}]");
  ASSERT_EQ(rule.backends.size(), 3U);
  EXPECT_EQ(rule.backends[0].port.service, "default/a");
  EXPECT_EQ(rule.backends[0].weight, 1U);
  EXPECT_EQ(rule.backends[1].port.service, "other/b");
  EXPECT_EQ(lb::to_host(rule.backends[1].port.port), 81);
  EXPECT_EQ(rule.backends[1].weight, 0U);
  EXPECT_EQ(rule.backends[2].port.service, "multicluster.x-k8s.io/ServiceImport default/c");
}

TEST(HttpRuleParse, ReadsTimeoutsRetriesAndSessions) {
  const lb::HttpRule rule = rule_in(std::string(kRoute));
  EXPECT_EQ(rule.request_timeout, seconds(10));
  EXPECT_EQ(rule.backend_timeout, seconds(2));
  EXPECT_EQ(
      rule.retry,
      (lb::HttpRetry{.attempts = 2, .codes = {503}, .backoff = milliseconds(100), .least_backoff = milliseconds(100)}));
  const lb::SessionPersistence session{
      .kind = lb::SessionPersistence::Kind::cookie, .name = "s", .permanent = true, .absolute_timeout = seconds(3600)};
  EXPECT_EQ(rule.session, session);
  EXPECT_EQ(rule_of("retry: {}").retry, (lb::HttpRetry{.attempts = 1, .codes = {}, .backoff = milliseconds(25)}));
  EXPECT_EQ(rule_of("sessionPersistence: {}").session->name, "weft-session");
  EXPECT_EQ(rule_of("sessionPersistence: {type: Header}").session->name, "x-weft-session");
}

TEST(HttpRuleParse, DurationsAreGep2257s) {
  const auto request = [](const std::string& text) {
    return rule_of("timeouts: {request: " + text + "}").request_timeout;
  };
  EXPECT_EQ(request("1h2m3s4ms"), milliseconds(3'723'004));
  EXPECT_EQ(request("99999h"), std::chrono::hours(99999));
  EXPECT_EQ(request("1s1s"), seconds(2));
  EXPECT_EQ(request("0s"), lb::HttpRule::kNoTimeout);
  EXPECT_EQ(rule_of("timeouts: {request: 0s, backendRequest: 5s}").backend_timeout, seconds(5));
}

}  // namespace
}  // namespace weft::registry
