// SPDX-License-Identifier: Apache-2.0
/// @file What became of routes and Gateways: each reason of Gateway API's, and its message.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "registry_builder_fixture.h"
#include "registry_http_fixture.h"

namespace weft::registry {
namespace {

using ::testing::ElementsAre;

const std::string kWebAndDb =
    service("web", "10.96.0.10", "[{name: http, port: 80}, {name: db, port: 90, appProtocol: tcp}]", "251");
const std::string kEdge =
    "{apiVersion: gateway.networking.k8s.io/v1, kind: Gateway, metadata: {name: g}, spec: {gatewayClassName: weft, "
    "addresses: [{value: 192.0.2.1}], listeners: [{name: a, port: 80, protocol: HTTP, hostname: '*.example.com'}, "
    "{name: grpc, port: 81, protocol: HTTP, allowedRoutes: {kinds: [{kind: GRPCRoute}]}}]}}\n---\n";

std::string shown(const std::vector<Condition>& conditions) {
  std::string text;
  for (const Condition& each : conditions) {
    text += (text.empty() ? "" : ", ") + (each.holds ? each.type : "not " + each.type) +
            (each.reason == each.type ? "" : " " + each.reason) + (each.message.empty() ? "" : ": " + each.message);
  }
  return text;
}

HttpStatus status_of(const std::string& text) {
  Bench bench;
  bench.build(text);
  return bench.builder.http_status();
}

/// Of a route's first parent.
std::string of_route(const std::string& parent, const std::string& rules = to_backend("web"),
                     const std::string& more = "") {
  return shown(
      status_of(kWebAndDb + kEdge + http_route("r", parent, rules, more)).routes.at(0).parents.at(0).conditions);
}

TEST(HttpStatus, SaysWhetherAServiceTookARoute) {
  EXPECT_EQ(of_route(to_service("web")), "Accepted, ResolvedRefs");
  EXPECT_EQ(of_route(to_service("web", ", port: 80")), "Accepted, ResolvedRefs");
  EXPECT_EQ(of_route(to_service("web", ", port: 81")),
            "not Accepted NoMatchingParent: Service default/web has no TCP port 81, ResolvedRefs");
  EXPECT_EQ(of_route(to_service("web", ", sectionName: x")),
            "not Accepted NoMatchingParent: Service default/web has no TCP port \"x\", ResolvedRefs");
  EXPECT_EQ(of_route(to_service("none")),
            "not Accepted NoMatchingParent: there is no Service default/none, ResolvedRefs");
}

TEST(HttpStatus, SaysWhetherAListenerTookARoute) {
  EXPECT_EQ(of_route("{name: g}"), "Accepted, ResolvedRefs");
  EXPECT_EQ(of_route("{name: none}"), "not Accepted NoMatchingParent: there is no Gateway default/none, ResolvedRefs");
  EXPECT_EQ(of_route("{name: g, sectionName: x}"),
            "not Accepted NoMatchingParent: Gateway default/g has no listener \"x\", ResolvedRefs");
  EXPECT_EQ(of_route("{name: g, sectionName: a, port: 81}"),
            "not Accepted NoMatchingParent: Gateway default/g has no listener \"a\" at 81, ResolvedRefs");
  EXPECT_EQ(
      of_route("{name: g, sectionName: grpc}"),
      "not Accepted NotAllowedByListeners: no listener of Gateway default/g takes HTTPRoutes of namespace default: "
      "see their allowedRoutes, ResolvedRefs");
  EXPECT_EQ(of_route("{name: g}", to_backend("web"), ", hostnames: [a.net, example.com]"),
            "not Accepted NoMatchingListenerHostname: no listener of Gateway default/g has a hostname that overlaps "
            "a.net or example.com, ResolvedRefs");
}

TEST(HttpStatus, SaysWhereBackendsLead) {
  EXPECT_EQ(of_route(to_service("web"), to_backend("none")),
            "Accepted, not ResolvedRefs BackendNotFound: rules[0].backendRefs[0]: there is no Service default/none");
  EXPECT_EQ(
      of_route(to_service("web"), to_backend("web", "81")),
      "Accepted, not ResolvedRefs BackendNotFound: rules[0].backendRefs[0]: Service default/web has no TCP port 81");
  const HttpStatus status = status_of(kWebAndDb + service("db", "10.96.0.20", "[{name: tcp, port: 80}]") +
                                      http_route("r", to_service("web"), to_backend("db")) +
                                      policy("p", "db", "forwarding: {mode: proxy, proxyProtocol: v2}"));
  EXPECT_EQ(
      shown(status.routes.at(0).parents.at(0).conditions),
      "Accepted, not ResolvedRefs UnsupportedProtocol: rules[0].backendRefs[0]: port 80 of Service default/db asks "
      "for PROXY headers, which are about one client's connection: requests come over connections of many clients");
  EXPECT_EQ(
      of_route(to_service("web"), "[{backendRefs: [{kind: Pod, name: a}]}]"),
      "Accepted, not ResolvedRefs InvalidKind: rules[0].backendRefs[0]: weft routes to Services alone, not to Pod "
      "default/a");
  EXPECT_EQ(
      of_route("{name: g}", "[{backendRefs: [{name: a, namespace: shop, port: 80}]}]"),
      "Accepted, not ResolvedRefs RefNotPermitted: rules[0].backendRefs[0]: no ReferenceGrant in namespace shop lets "
      "HTTPRoutes of namespace default refer to Service shop/a");
  EXPECT_EQ(
      of_route(to_service("web"),
               "[{filters: [{type: RequestMirror, requestMirror: {backendRef: {name: m, port: 1}}}], backendRefs: "
               "[{name: web, port: 80}, {name: n, port: 2}]}]"),
      "Accepted, not ResolvedRefs BackendNotFound: rules[0].mirrors[0]: there is no Service default/m; "
      "rules[0].backendRefs[1]: there is no Service default/n");
}

TEST(HttpStatus, OfAGateway) {
  const HttpStatus status = status_of(kWebAndDb + kEdge + http_route("r", "{name: g}", to_backend("web")) +
                                      http_route("q", "{name: g, sectionName: a}", to_backend("web")));
  ASSERT_EQ(status.gateways.size(), 1U);
  const GatewayStatus& gateway = status.gateways[0];
  EXPECT_EQ(shown(gateway.conditions), "Accepted ListenersNotValid: see the listeners' conditions, Programmed");
  EXPECT_EQ(gateway.listeners[0].attached_routes, 2U);
  EXPECT_EQ(gateway.listeners[1].attached_routes, 0U);
  EXPECT_EQ(shown(gateway.listeners[0].conditions), "Accepted, Programmed, ResolvedRefs, not Conflicted NoConflicts");
  EXPECT_EQ(shown(gateway.listeners[1].conditions),
            "Accepted, Programmed, not ResolvedRefs InvalidRouteKinds: weft knows HTTPRoute alone, not "
            "gateway.networking.k8s.io/GRPCRoute, not Conflicted NoConflicts");
  EXPECT_EQ(status.routes.size(), 2U);
  EXPECT_EQ(status.routes[0].metadata.key(), "default/q");
}

TEST(HttpStatus, AGatewayWithoutSlotsIsNotProgrammed) {
  Bench bench("", {.services = 1, .endpoints = 10});
  bench.build(kEdge);
  const HttpStatus status = bench.builder.http_status();
  EXPECT_EQ(shown(status.gateways.at(0).conditions),
            "Accepted ListenersNotValid: see the listeners' conditions, not Programmed NoResources: service gateway "
            "default/g 192.0.2.1:81/tcp left out: all 1 slots of services are taken");
}

TEST(HttpStatus, EachParentHasItsOwn) {
  const HttpStatus status = status_of(
      kWebAndDb + kEdge + http_route("r", to_service("web") + ", {name: g}, " + to_service("none"), to_backend("web")));
  ASSERT_EQ(status.routes.size(), 1U);
  ASSERT_EQ(status.routes[0].parents.size(), 3U);
  EXPECT_TRUE(status.routes[0].parents[0].conditions[0].holds);
  EXPECT_TRUE(status.routes[0].parents[1].conditions[0].holds);
  EXPECT_FALSE(status.routes[0].parents[2].conditions[0].holds);
}

}  // namespace
}  // namespace weft::registry
