// SPDX-License-Identifier: Apache-2.0
/// @file Gateway, GatewayClass and ReferenceGrant: read and refused; what a Gateway's port serves.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "lb/route_table.h"
#include "registry_builder_fixture.h"
#include "registry_http_fixture.h"

namespace weft::registry {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr std::string_view kGateway = R"(apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: edge}
spec:
  gatewayClassName: weft
  addresses: [{type: IPAddress, value: 192.0.2.1}, {value: "2001:db8::1"}]
  listeners:
  - {name: any, port: 80, protocol: HTTP}
  - name: app
    hostname: "*.example.com"
    port: 80
    protocol: HTTP
    allowedRoutes: {namespaces: {from: All}, kinds: [{kind: HTTPRoute}]}
)";
constexpr std::string_view kGrant = R"(apiVersion: gateway.networking.k8s.io/v1
kind: ReferenceGrant
metadata: {name: web, namespace: shop}
spec:
  from: [{group: gateway.networking.k8s.io, kind: HTTPRoute, namespace: edge}, {group: gateway.networking.k8s.io, kind: GRPCRoute, namespace: other}]
  to: [{group: "", kind: Service, name: web}, {group: "", kind: Secret}]
)";
constexpr std::string_view kClass = R"(apiVersion: gateway.networking.k8s.io/v1
kind: GatewayClass
metadata: {name: weft}
spec: {controllerName: weft.dev/gateway}
)";

struct BadDocument {
  std::string_view document;
  BadEdit edit;
};

void PrintTo(const BadDocument& row, std::ostream* out) {
  *out << row.edit.bad;
}

class BadGateway : public ::testing::TestWithParam<BadDocument> {};

TEST_P(BadGateway, IsRefusedWithItsFieldsName) {
  const auto& [document, edit] = GetParam();
  const std::string text = edited(document, edit.good, edit.bad);
  EXPECT_THAT(lines(parse_file("f.yaml", text).errors), ElementsAre("f.yaml:" + std::string(edit.message)));
}

constexpr BadDocument kBadGateways[] = {
    {kGateway,
     {"gatewayClassName: weft", "gatewayClassName: istio",
      R"(5: spec.gatewayClassName: expected weft, the class of controller weft.dev/gateway, got "istio")"}},
    {kGateway, {"  gatewayClassName: weft\n", "", "5: spec.gatewayClassName: required field is missing"}},
    {kGateway,
     {"gatewayClassName: weft", "gatewayClassName: weft\n  infrastructure: {}",
      "6: spec.infrastructure: weft does not implement this field"}},
    {kGateway,
     {"value: 192.0.2.1", "value: example.com",
      R"(6: spec.addresses[0].value: expected an IPv4 or IPv6 address, got "example.com")"}},
    {kGateway,
     {"type: IPAddress", "type: Hostname",
      "6: spec.addresses[0].type: weft does not implement Hostname; expected IPAddress"}},
    {kGateway,
     {"value: 192.0.2.1", "value: 127.0.0.1",
      R"(6: spec.addresses[0].value: expected a unicast address, got "127.0.0.1", which is loopback)"}},
    {kGateway,
     {"value: 192.0.2.1", R"(value: "2001:db8::1")", R"(6: spec.addresses[1].value: duplicate address "2001:db8::1")"}},
    {kGateway,
     {"type: IPAddress, value: 192.0.2.1", "type: IPAddress",
      "6: spec.addresses[0].value: required field is missing: weft has no addresses to choose one from"}},
    {kGateway,
     {"  addresses: [{type: IPAddress, value: 192.0.2.1}, {value: \"2001:db8::1\"}]\n", "",
      "5: spec.addresses: required field is missing"}},
    {kGateway,
     {"protocol: HTTP}", "protocol: HTTPS}",
      "8: spec.listeners[0].protocol: weft does not implement HTTPS; expected HTTP"}},
    {kGateway,
     {"protocol: HTTP}", "protocol: TLS}",
      "8: spec.listeners[0].protocol: weft does not implement TLS; expected HTTP"}},
    {kGateway, {"protocol: HTTP}", "protocol: GRPC}", R"(8: spec.listeners[0].protocol: expected HTTP, got "GRPC")"}},
    {kGateway,
     {"protocol: HTTP}", "protocol: HTTP, tls: {}}", "8: spec.listeners[0].tls: weft does not implement this field"}},
    {kGateway, {"name: any,", "name: app,", R"(9: spec.listeners[1].name: duplicate listener name "app")"}},
    {kGateway,
     {"name: any,", "name: Any,",
      R"(8: spec.listeners[0].name: expected a DNS name of a-z, 0-9, "-" and ".", got "Any")"}},
    {kGateway,
     {"port: 80, protocol", "port: 65536, protocol",
      R"(8: spec.listeners[0].port: expected an integer from 1 to 65535, got "65536")"}},
    {kGateway,
     {R"(hostname: "*.example.com")", "hostname: 10.0.0.1",
      R"(10: spec.listeners[1].hostname: expected a DNS name, got the address "10.0.0.1")"}},
    {kGateway,
     {R"(hostname: "*.example.com")", R"(hostname: "*")",
      R"(10: spec.listeners[1].hostname: expected a DNS name of a-z, 0-9, "-" and ".", with "*." in front or not, got "*")"}},
    {kGateway,
     {R"(hostname: "*.example.com")", R"(hostname: "")",
      "11: spec.listeners[1].port: another listener has port 80 without a hostname too"}},
    {kGateway,
     {"from: All", "from: Selector, selector: {matchLabels: {a: b}}",
      "13: spec.listeners[1].allowedRoutes.namespaces.from: weft does not implement Selector; expected Same or All"}},
    {kGateway,
     {"from: All", "from: Other",
      R"(13: spec.listeners[1].allowedRoutes.namespaces.from: expected Same or All, got "Other")"}},
    {kGrant, {R"(group: "", kind: Service,)", "kind: Service,", "6: spec.to[0].group: required field is missing"}},
    {kGrant, {", namespace: edge", "", "5: spec.from[0].namespace: required field is missing"}},
    {kGrant,
     {R"(to: [{group: "", kind: Service, name: web}, {group: "", kind: Secret}])", "to: []",
      "6: spec.to: expected at least one item"}},
    {kGrant,
     {"name: web}", "name: web, port: 80}", "6: spec.to[0].port: unknown field; expected one of group, kind or name"}},
    {kClass,
     {"name: weft", "name: other",
      R"(4: spec.controllerName: controller weft.dev/gateway has one class, weft; got it for "other")"}},
    {kClass,
     {"weft.dev/gateway", "example.com/gateway",
      R"(4: spec.controllerName: expected weft.dev/gateway, the controller of class weft, got "example.com/gateway")"}},
    {kClass,
     {"weft.dev/gateway", "weft.dev/gateway, parametersRef: {}",
      "4: spec.parametersRef: weft does not implement this field"}},
};
INSTANTIATE_TEST_SUITE_P(Registry, BadGateway, ::testing::ValuesIn(kBadGateways));

/// @param listeners such as "[{name: a, port: 80, protocol: HTTP}]"
std::string gateway(const std::string& name, const std::string& address, const std::string& listeners) {
  return "{apiVersion: gateway.networking.k8s.io/v1, kind: Gateway, metadata: {name: " + name +
         "}, spec: {gatewayClassName: weft, addresses: [{value: " + address + "}], listeners: " + listeners +
         "}}\n---\n";
}
const std::string kAny = "[{name: http, port: 80, protocol: HTTP}]";

/// Of each port of Gateways: "192.0.2.1:80 default/r(a.example.com)".
std::vector<std::string> served(const std::string& text) {
  Bench bench;
  bench.build(text);
  std::vector<std::string> all;
  for (const lb::Service& service : bench.snapshot().services()) {
    if (service.name.starts_with("gateway ")) {
      EXPECT_EQ(service.policy.mode, lb::Mode::proxy);
      EXPECT_THAT(service.endpoints, IsEmpty());
      std::string text_of = to_string(service.address, service.port);
      for (const lb::HttpRoute& route : service.http->routes->routes()) {
        text_of += " " + route.key + "(";
        for (size_t i = 0; i < route.hostnames.size(); ++i) {
          text_of += (i == 0 ? "" : " ") + route.hostnames[i];
        }
        text_of += ")";
      }
      all.push_back(text_of);
    }
  }
  return all;
}

TEST(Gateway, ReadsAllFields) {
  const Gateway gateway = *parsed(std::string(kGateway))->gateways.at(0);
  EXPECT_EQ(gateway.addresses.size(), 2U);
  EXPECT_EQ(gateway.ports.size(), 1U);
  ASSERT_EQ(gateway.listeners.size(), 2U);
  EXPECT_EQ(gateway.listeners[0].from, Listener::From::same);
  EXPECT_EQ(gateway.listeners[1].from, Listener::From::all);
  EXPECT_EQ(gateway.listeners[1].hostname, "*.example.com");
  const ReferenceGrant grant = *parsed(edited(kGrant, "/v1", "/v1beta1"))->grants.at(0);
  EXPECT_THAT(grant.from, ElementsAre("edge"));
  EXPECT_THAT(grant.services, ElementsAre(ReferenceGrant::To{"web"}));
  EXPECT_EQ(parsed(std::string(kClass))->gateways.size(), 0U);
  EXPECT_EQ(parsed(edited(edited(kClass, "name: weft", "name: other"), "weft.dev/gateway", "example.com/other"))
                ->gateways.size(),
            0U);
}

TEST(Gateway, IsAServiceOfItsOwnAtEachAddressAndPort) {
  const std::string route = http_route("r", "{name: edge}", to_backend("web"));
  EXPECT_THAT(served(kWeb + std::string(kGateway) + "---\n" + route),
              ElementsAre("192.0.2.1:80 default/r() default/r(*.example.com)",
                          "[2001:db8::1]:80 default/r() default/r(*.example.com)"));
  EXPECT_THAT(served(gateway("g", "192.0.2.1", kAny)), ElementsAre("192.0.2.1:80"));
}

TEST(Gateway, IsWhereWhatClientsSayOfTheirWayIsReplaced) {
  Bench bench;
  bench.build(kWeb + gateway("g", "192.0.2.1", kAny));
  int at_edge = 0;
  for (const lb::Service& each : bench.snapshot().services()) {
    EXPECT_EQ(each.http != nullptr && each.http->at_edge, each.name == "gateway default/g") << each.name;
    at_edge += each.name == "gateway default/g" ? 1 : 0;
  }
  EXPECT_EQ(at_edge, 1);
}

TEST(Gateway, ListenersTakeRoutesByNamePortAndHostname) {
  const std::string listeners =
      "[{name: a, port: 80, protocol: HTTP, hostname: a.example.com}, {name: w, port: 80, protocol: HTTP, hostname: "
      "'*.example.com'}, {name: b, port: 81, protocol: HTTP}]";
  const auto with = [&](const std::string& parent, const std::string& hostnames = "") {
    return served(gateway("g", "192.0.2.1", listeners) +
                  http_route("r", "{name: g" + parent + "}", to_backend("web"), hostnames));
  };
  EXPECT_THAT(with(""), ElementsAre("192.0.2.1:80 default/r(*.example.com a.example.com)", "192.0.2.1:81 default/r()"));
  EXPECT_THAT(with(", sectionName: a"), ElementsAre("192.0.2.1:80 default/r(a.example.com)", "192.0.2.1:81"));
  EXPECT_THAT(with(", port: 81"), ElementsAre("192.0.2.1:80", "192.0.2.1:81 default/r()"));
  EXPECT_THAT(
      with("", ", hostnames: [b.example.com, c.example.net]"),
      ElementsAre("192.0.2.1:80 default/r(b.example.com)", "192.0.2.1:81 default/r(b.example.com c.example.net)"));
}

TEST(Gateway, HostnamesAreWhatBothHave) {
  using Names = std::vector<std::string>;
  EXPECT_EQ(shared_hostnames("", {}), Names{""});
  EXPECT_EQ(shared_hostnames("", {"a.example.com"}), Names{"a.example.com"});
  EXPECT_EQ(shared_hostnames("a.example.com", {}), Names{"a.example.com"});
  EXPECT_EQ(shared_hostnames("a.example.com", {"*.example.com"}), Names{"a.example.com"});
  EXPECT_EQ(shared_hostnames("*.example.com", {"a.b.example.com", "example.com", "*.b.example.com"}),
            (Names{"*.b.example.com", "a.b.example.com"}));
  EXPECT_EQ(shared_hostnames("*.b.example.com", {"*.example.com"}), Names{"*.b.example.com"});
  EXPECT_EQ(shared_hostnames("example.com", {"*.example.com", "a.com"}), std::nullopt);
  EXPECT_EQ(shared_hostnames("*.example.com", {"badexample.com"}), std::nullopt);
}

TEST(Gateway, ANameIsTheMostSpecificListeners) {
  const std::string listeners =
      "[{name: any, port: 80, protocol: HTTP}, {name: app, port: 80, protocol: HTTP, hostname: '*.example.com'}]";
  const auto with = [&](const std::string& hostnames) {
    return served(gateway("g", "192.0.2.1", listeners) +
                  http_route("r", "{name: g, sectionName: any}", to_backend("web"), ", hostnames: " + hostnames));
  };
  EXPECT_THAT(with("[a.example.com, a.example.net]"), ElementsAre("192.0.2.1:80 default/r(a.example.net)"));
}

TEST(Gateway, ForeignNamespacesNeedLeave) {
  const std::string listeners =
      "[{name: own, port: 80, protocol: HTTP}, {name: all, port: 81, protocol: HTTP, "
      "allowedRoutes: {namespaces: {from: All}}}]";
  const std::string route = edited(http_route("r", "{name: g, namespace: default}", to_backend("web")), "name: r}",
                                   "name: r, namespace: shop}");
  EXPECT_THAT(served(gateway("g", "192.0.2.1", listeners) + route),
              ElementsAre("192.0.2.1:80", "192.0.2.1:81 shop/r()"));
}

TEST(Gateway, BackendsOfOtherNamespacesNeedAGrant) {
  const std::string shop = edited(kWeb, "name: web, annotations", "name: web, namespace: shop, annotations");
  const std::string route =
      http_route("r", "{name: g}", "[{backendRefs: [{name: web, namespace: shop, port: 80}]}]") +
      http_route("m", to_service("own"), "[{backendRefs: [{name: web, namespace: shop, port: 80}]}]") +
      service("own", "10.96.0.11", "[{port: 80}]", "251");
  Bench bench;
  const auto valid = [&](const std::string& of) {
    for (const lb::Service& service : bench.snapshot().services()) {
      if (service.name == of) {
        return service.http->routes->routes().at(0).rules[0].rule->backends[0].port.is_valid();
      }
    }
    throw std::out_of_range(of);
  };
  const std::string base = shop + gateway("g", "192.0.2.1", kAny) + route;
  bench.build(base);
  EXPECT_FALSE(valid("gateway default/g"));
  EXPECT_TRUE(valid("default/own")) << "GEP-1294: routes of the mesh need none";
  bench.build(base + edited(kGrant, "namespace: edge", "namespace: default"));
  EXPECT_TRUE(valid("gateway default/g"));
  bench.build(base + edited(edited(kGrant, "namespace: edge", "namespace: default"), "name: web}", "name: other}"));
  EXPECT_FALSE(valid("gateway default/g"));
}

TEST(Gateway, SharesNoAddressAndPort) {
  EXPECT_THAT(
      lines(validated(gateway("a", "192.0.2.1", kAny) + gateway("b", "192.0.2.1", kAny)).errors),
      ElementsAre("f.yaml:3: spec.addresses: 192.0.2.1:80/tcp of Gateway default/b is that of Gateway default/a "
                  "at f.yaml:1 too"));
  EXPECT_THAT(lines(validated(kWeb + gateway("b", "10.96.0.10", kAny)).errors),
              ElementsAre("f.yaml:5: spec.addresses: 10.96.0.10:80/tcp of Gateway default/b is that of service "
                          "default/web at f.yaml:1 too"));
  EXPECT_THAT(lines(validated(kWeb + gateway("b", "10.1.0.1", kAny)).errors),
              ElementsAre("f.yaml:3: endpoints[0].addresses: 10.1.0.1 is the virtual address of Gateway default/b at "
                          "f.yaml:5"));
  EXPECT_THAT(lines(validated(gateway("a", "192.0.2.1", kAny) + gateway("a", "192.0.2.2", kAny)).errors),
              ElementsAre("f.yaml:3: metadata.name: duplicate Gateway default/a; the first is at f.yaml:1"));
  EXPECT_THAT(lines(validated(http_route("r", "{name: g}", to_backend("web"))).warnings),
              ElementsAre("f.yaml:1: spec.parentRefs: there is no Gateway default/g (yet)"));
}

}  // namespace
}  // namespace weft::registry
