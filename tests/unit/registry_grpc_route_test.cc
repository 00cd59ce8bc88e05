// SPDX-License-Identifier: Apache-2.0
/// @file GRPCRoute: read with every field, refused with its field's name, and said to be of no effect.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "registry_builder_fixture.h"
#include "registry_http_fixture.h"

namespace weft::registry {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr std::string_view kGrpcRoute = R"(apiVersion: gateway.networking.k8s.io/v1
kind: GRPCRoute
metadata: {name: orders, creationTimestamp: "2026-01-31T12:00:00Z"}
spec:
  parentRefs: [{group: "", kind: Service, name: web, port: 80}]
  hostnames: [example.com, "*.example.com"]
  rules:
  - name: write
    matches:
    - method: {type: Exact, service: shop.v1.Orders, method: Create_2}
      headers: [{name: X-Canary, value: "1"}, {name: x-user, type: RegularExpression, value: "a.*"}]
    - method: {type: RegularExpression, service: "shop[.].*", method: ""}
    - {}
    filters:
    - type: RequestHeaderModifier
      requestHeaderModifier: {set: [{name: A, value: b c}], add: [{name: B, value: d}], remove: [C]}
    - type: ResponseHeaderModifier
      responseHeaderModifier: {remove: [D]}
    - type: RequestMirror
      requestMirror: {backendRef: {name: shadow, port: 80}, percent: 10}
    backendRefs:
    - {name: web, port: 80, weight: 9, filters: [{type: RequestHeaderModifier, requestHeaderModifier: {remove: [E]}}]}
    sessionPersistence: {type: Header, sessionName: s}
  - {}
status: {}
)";

class BadGrpcRoute : public ::testing::TestWithParam<BadEdit> {};

TEST_P(BadGrpcRoute, IsRefusedWithItsFieldsName) {
  const std::string text = edited(kGrpcRoute, GetParam().good, GetParam().bad);
  EXPECT_THAT(lines(parse_file("f.yaml", text).errors), ElementsAre("f.yaml:" + std::string(GetParam().message)));
}

constexpr BadEdit kBadGrpcRoutes[] = {
    {"spec:", "spec:\n  useDefaultGateways: All", "5: spec.useDefaultGateways: weft does not implement this field"},
    {"spec:", "spec:\n  parent: {}", "5: spec.parent: unknown field; expected one of parentRefs, hostnames or rules"},
    {"kind: Service, name: web,", "kind: Pod, name: web,",
     R"(5: spec.parentRefs[0].kind: expected Gateway or Service, got "Pod")"},
    {"port: 80}]", R"(port: 80}, {group: "", kind: Service, name: web}])",
     R"(5: spec.parentRefs: expected references to one parent to differ in sectionName or port, got "web" again)"},
    {"[example.com,", "[10.0.0.1,", R"(6: spec.hostnames: expected a DNS name, got the address "10.0.0.1")"},
    {"name: write", "name: Write",
     R"(8: spec.rules[0].name: expected a DNS name of a-z, 0-9, "-" and ".", got "Write")"},
    {"  - {}\nstatus", "  - {name: write}\nstatus", R"(24: spec.rules[1].name: duplicate rule name "write")"},
    {"  - {}\nstatus", "  - {timeouts: {request: 1s}}\nstatus",
     "24: spec.rules[1].timeouts: unknown field; expected one of name, matches, filters, backendRefs or "
     "sessionPersistence"},
    {"  - {}\nstatus", "  - {matches: [{}, {}, {}, {}, {}, {}, {}, {}, {}]}\nstatus",
     "24: spec.rules[1].matches: expected at most 8 items, got 9"},
    {"  - {}\nstatus",
     "  - {}\n  - {}\n  - {}\n  - {}\n  - {}\n  - {}\n  - {}\n  - {}\n  - {}\n  - {}\n  - {}\n  - {}\n"
     "  - {}\n  - {}\n  - {}\n  - {}\nstatus",
     "7: spec.rules: expected at most 16 items, got 17"},
    {"type: Exact, ", "type: Prefix, ",
     R"(10: spec.rules[0].matches[0].method.type: expected Exact or RegularExpression, got "Prefix")"},
    {"{type: Exact, service: shop.v1.Orders, method: Create_2}", "{}",
     "10: spec.rules[0].matches[0].method.service: required field is missing: expected service or method, or both"},
    {"{type: Exact, service: shop.v1.Orders, method: Create_2}", "{type: RegularExpression, service: ''}",
     "10: spec.rules[0].matches[0].method.service: expected service or method, or both, not to be empty"},
    {"service: shop.v1.Orders", "service: ''",
     R"(10: spec.rules[0].matches[0].method.service: expected a service such as shop.v1.Orders, of letters, digits, )"
     R"("_" and "." between, got "")"},
    {"service: shop.v1.Orders", "service: shop/Orders",
     R"(10: spec.rules[0].matches[0].method.service: expected a service such as shop.v1.Orders, of letters, digits, )"
     R"("_" and "." between, got "shop/Orders")"},
    {"service: shop.v1.Orders", "service: shop..Orders",
     R"(10: spec.rules[0].matches[0].method.service: expected a service such as shop.v1.Orders, of letters, digits, )"
     R"("_" and "." between, got "shop..Orders")"},
    {"service: shop.v1.Orders", "service: shop.1.Orders",
     R"(10: spec.rules[0].matches[0].method.service: expected a service such as shop.v1.Orders, of letters, digits, )"
     R"("_" and "." between, got "shop.1.Orders")"},
    {"method: Create_2", "method: /Create",
     R"(10: spec.rules[0].matches[0].method.method: expected a method such as GetOrder, of letters, digits and "_", )"
     R"(got "/Create")"},
    {"method: Create_2", "method: 2Create",
     R"(10: spec.rules[0].matches[0].method.method: expected a method such as GetOrder, of letters, digits and "_", )"
     R"(got "2Create")"},
    {"method: Create_2", "methods: x",
     "10: spec.rules[0].matches[0].method.methods: unknown field; expected one of type, service or method"},
    {"\"shop[.].*\"", "\"shop(\"",
     R"(12: spec.rules[0].matches[1].method.service: expected a regular expression, got "shop(": Missing close )"
     R"(parenthesis for group started at index 4.)"},
    {"name: X-Canary, value: \"1\"", "name: X-Canary",
     "11: spec.rules[0].matches[0].headers[0].value: required field is missing"},
    {"    - {}\n", "    - {path: {}}\n",
     "13: spec.rules[0].matches[2].path: unknown field; expected one of method or headers"},
    {"type: RequestMirror", "type: ExtensionRef",
     "19: spec.rules[0].filters[2].type: weft does not implement ExtensionRef; expected RequestHeaderModifier, "
     "ResponseHeaderModifier or RequestMirror"},
    {"type: RequestMirror", "type: CORS",
     R"(19: spec.rules[0].filters[2].type: expected RequestHeaderModifier, ResponseHeaderModifier or RequestMirror, )"
     R"(got "CORS")"},
    {"type: RequestMirror", "type: RequestMirror\n      extensionRef: {}",
     "20: spec.rules[0].filters[2].extensionRef: weft does not implement this field"},
    {"type: RequestMirror", "type: RequestMirror\n      cors: {}",
     "20: spec.rules[0].filters[2].cors: unknown field; expected one of type, requestHeaderModifier, "
     "responseHeaderModifier, extensionRef or requestMirror"},
    {"type: RequestMirror", "type: RequestMirror\n      requestHeaderModifier: {}",
     "20: spec.rules[0].filters[2].requestHeaderModifier: expected no requestHeaderModifier with type: RequestMirror"},
    {"type: ResponseHeaderModifier\n      response", "type: RequestHeaderModifier\n      request",
     "17: spec.rules[0].filters[1].type: expected one filter RequestHeaderModifier at most, got another one"},
    {"weight: 9", "weight: -1",
     R"(22: spec.rules[0].backendRefs[0].weight: expected an integer from 0 to 1000000, got "-1")"},
    {"{name: web, port: 80, weight", "{name: web, weight",
     "22: spec.rules[0].backendRefs[0].port: required field is missing: a Service has ports"},
    {"type: Header, sess", "type: Query, sess",
     R"(23: spec.rules[0].sessionPersistence.type: expected Cookie or Header, got "Query")"},
};
INSTANTIATE_TEST_SUITE_P(Registry, BadGrpcRoute, ::testing::ValuesIn(kBadGrpcRoutes));

TEST(GrpcRoute, IsReadWithEveryField) {
  const auto documents = parsed(std::string(kGrpcRoute));
  ASSERT_EQ(documents->grpc_routes.size(), 1U);
  const GrpcRoute& route = *documents->grpc_routes[0];
  EXPECT_EQ(route.metadata.key(), "default/orders");
  EXPECT_EQ(route.created, 1769860800);
  EXPECT_EQ(route.parents.at(0).key(), "default/web");
  EXPECT_THAT(route.hostnames, ElementsAre("example.com", "*.example.com"));
  ASSERT_EQ(route.rules.size(), 2U);
  const GrpcRouteRule& rule = route.rules[0];
  EXPECT_EQ(rule.name, "write");
  ASSERT_EQ(rule.matches.size(), 3U);
  EXPECT_EQ(rule.matches[0].method, (GrpcMethodMatch{lb::MatchType::exact, "shop.v1.Orders", "Create_2"}));
  EXPECT_THAT(rule.matches[0].headers, ElementsAre(lb::ValueMatch{"x-canary", lb::MatchType::exact, "1"},
                                                   lb::ValueMatch{"x-user", lb::MatchType::regular_expression, "a.*"}));
  EXPECT_EQ(rule.matches[1].method, (GrpcMethodMatch{lb::MatchType::regular_expression, "shop[.].*", ""}));
  EXPECT_EQ(rule.matches[2], GrpcMatch{}) << "every request";
  EXPECT_THAT(rule.filters.request.remove, ElementsAre("C"));
  EXPECT_THAT(rule.filters.response.remove, ElementsAre("D"));
  EXPECT_EQ(rule.filters.mirrors.at(0).backend.service, "default/shadow");
  ASSERT_EQ(rule.backends.size(), 1U);
  EXPECT_EQ(rule.backends[0].weight, 9U);
  EXPECT_THAT(rule.backends[0].filters.request.remove, ElementsAre("E"));
  EXPECT_EQ(rule.session->name, "s");
  EXPECT_EQ(route.rules[1], GrpcRouteRule{});
}

TEST(GrpcRoute, TakesWhatItsDefinitionTakes) {
  for (const std::string_view method : {"{service: a}", "{method: b}", "{service: .a.B_1}", "{service: _a, method: _}",
                                        "{type: RegularExpression, method: '.*'}"}) {
    EXPECT_THAT(lines(parse_file("f.yaml",
                                 edited(kGrpcRoute, "{type: Exact, service: shop.v1.Orders, method: Create_2}", method))
                          .errors),
                IsEmpty())
        << method;
  }
}

TEST(GrpcRoute, IsSaidToRouteNothing) {
  const Validation validation = validated(kWeb + std::string(kGrpcRoute));
  EXPECT_THAT(lines(validation.errors), IsEmpty());
  EXPECT_THAT(lines(validation.warnings),
              ElementsAre("f.yaml:5: spec.parentRefs[0]: GRPCRoute default/orders routes nothing: weft does not speak "
                          "HTTP/2, which gRPC needs, yet"));
  EXPECT_THAT(lines(validated(std::string(kGrpcRoute) + "---\n" + std::string(kGrpcRoute)).errors),
              ElementsAre("f.yaml:27: metadata.name: duplicate GRPCRoute default/orders; the first is at f.yaml:1"));
}

TEST(GrpcRoute, IsNotAcceptedAtAnyParentAndChangesNoSnapshot) {
  Bench bench;
  bench.build(kWeb);
  const std::string before = registry::shown(bench.snapshot());
  const auto tables = [&] { return bench.snapshot().services()[0].http; };
  EXPECT_EQ(tables(), nullptr);
  bench.build(kWeb + edited(kGrpcRoute, "port: 80}]", "port: 80}, {name: g}]"));
  EXPECT_EQ(registry::shown(bench.snapshot()), before);
  EXPECT_EQ(tables(), nullptr) << "its requests are still not read";
  const HttpStatus status = bench.builder.http_status();
  EXPECT_THAT(status.routes, IsEmpty());
  ASSERT_EQ(status.grpc_routes.size(), 1U);
  EXPECT_EQ(status.grpc_routes[0].metadata.key(), "default/orders");
  ASSERT_EQ(status.grpc_routes[0].parents.size(), 2U);
  for (const ParentStatus& parent : status.grpc_routes[0].parents) {
    EXPECT_THAT(parent.conditions,
                ElementsAre(Condition{.type = "Accepted",
                                      .holds = false,
                                      .reason = "UnsupportedProtocol",
                                      .message = "no request is routed by it: weft does not speak HTTP/2, which gRPC "
                                                 "needs, yet"}));
  }
  bench.build(kWeb);
  EXPECT_THAT(bench.builder.http_status().grpc_routes, IsEmpty());
}

}  // namespace
}  // namespace weft::registry
