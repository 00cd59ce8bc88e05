// SPDX-License-Identifier: Apache-2.0
/// @file Routes at Services: which ports are routed, with what, in which mode, and what an edit costs.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "lb/route_table.h"
#include "registry_builder_fixture.h"
#include "registry_http_fixture.h"

namespace weft::registry {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

const std::string kCanary =
    service("canary", "10.96.0.11", "[{port: 80}]", "251") + slice("c", "canary", endpoints(3, 3));
const std::string kSplit = http_route("split", to_service("web"),
                                      "[{backendRefs: [{name: web, port: 80, weight: 9}, {name: canary, port: 80}]}]");

const lb::Service& find(const lb::Snapshot& snapshot, const std::string& name, size_t nth = 0) {
  for (const lb::Service& service : snapshot.services()) {
    if (service.name == name && nth-- == 0) {
      return service;
    }
  }
  throw std::out_of_range(name);
}

/// "HTTP routes of default/web:0" and so on, or the mode.
std::string served(const lb::Service& service) {
  if (service.http == nullptr) {
    return service.policy.mode == lb::Mode::proxy ? "?" : "packets";
  }
  const lb::AppProtocol protocol = service.http->protocol;
  std::string text = protocol == lb::AppProtocol::http     ? "http"
                     : protocol == lb::AppProtocol::detect ? "detect"
                                                           : "opaque";
  for (size_t i = 0; service.http->routes != nullptr && i < service.http->routes->routes().size(); ++i) {
    text += " " + service.http->routes->routes()[i].key;
  }
  return text;
}

std::string served_ports(const std::string& text, const std::string& name = "default/web") {
  Bench bench;
  bench.build(text);
  std::string all;
  for (const lb::Service& service : bench.snapshot().services()) {
    if (service.name == name) {
      all += (all.empty() ? "" : ", ") + std::to_string(lb::to_host(service.port)) + " " + served(service);
    }
  }
  return all;
}

TEST(HttpAttach, ARouteMakesAServiceProxied) {
  Bench bench;
  bench.build(kWeb + kCanary + kSplit);
  const lb::Service& web = find(bench.snapshot(), "default/web");
  EXPECT_EQ(web.policy.mode, lb::Mode::proxy);
  EXPECT_EQ(served(web), "http default/split");
  EXPECT_EQ(served(find(bench.snapshot(), "default/canary")), "packets");
  const std::vector<lb::HttpBackend>& backends = web.http->routes->routes()[0].rules[0].rule->backends;
  ASSERT_EQ(backends.size(), 2U);
  EXPECT_THAT(backends[0].port.slots, ElementsAre(web.slot, lb::BackendPort::kNone));
  EXPECT_THAT(backends[1].port.slots,
              ElementsAre(find(bench.snapshot(), "default/canary").slot, lb::BackendPort::kNone));
  bench.build(kWeb + kCanary);
  EXPECT_EQ(served(find(bench.snapshot(), "default/web")), "packets");
}

TEST(HttpAttach, APortSaysWhatItCarries) {
  const auto at = [](const std::string& port, const std::string& more = "") {
    return served_ports(service("web", "10.96.0.10", "[{port: 80, " + port + "}]", "251") + more);
  };
  for (const std::string http : {"appProtocol: http", "appProtocol: HTTP", "appProtocol: kubernetes.io/ws",
                                 "name: http", "name: http-admin", "name: tcp, appProtocol: http"}) {
    EXPECT_EQ(at(http), "80 http") << http;
  }
  for (const std::string other : {"name: web", "name: httpbin", "name: https", "name: tcp-a", "appProtocol: https",
                                  "appProtocol: redis", "name: grpc", "name: http2-a", "appProtocol: kubernetes.io/h2c",
                                  "name: http, appProtocol: tcp", "name: http, protocol: UDP"}) {
    EXPECT_EQ(at(other), "80 packets") << other;
  }
  const std::string proxied = policy("p", "web", "forwarding: {mode: proxy}");
  EXPECT_EQ(at("name: web", proxied), "80 detect");
  EXPECT_EQ(at("name: http", proxied), "80 http");
  EXPECT_EQ(at("name: grpc", proxied), "80 opaque");
  EXPECT_EQ(at("name: tls-a", proxied), "80 opaque");
  EXPECT_EQ(at("name: mysql", proxied), "80 opaque");
  EXPECT_EQ(at("name: web", policy("p", "web", "forwarding: {mode: proxy, proxyProtocol: v2}")), "80 opaque");
  // Whoever asks for packets gets them.
  EXPECT_EQ(at("name: http", policy("p", "web", "forwarding: {mode: nat}")), "80 packets");
  EXPECT_EQ(at("name: http", policy("p", "web", "limits: {flows: 5}")), "80 http");
}

TEST(HttpAttach, ANodeThatCannotProxyForwardsWhatSaysHttp) {
  const ServiceResources resources =
      about(service("web", "10.96.0.10", "[{port: 80, name: http}]") + http_route("r", to_service("web"), "[{}]"));
  EXPECT_EQ(resolve(resources, "", {.fullnat = {}, .tunnels = {}}).at(0).policy.mode, lb::Mode::proxy);
  const ServiceResources unrouted = about(service("web", "10.96.0.10", "[{port: 80, name: http}]"));
  EXPECT_EQ(resolve(unrouted, "", {.fullnat = {}, .tunnels = {}}).at(0).policy.mode, lb::Mode::nat);
  EXPECT_EQ(resolve(unrouted, "").at(0).policy.mode, lb::Mode::proxy);
}

TEST(HttpAttach, ARouteIsForThePortsThatItNames) {
  const std::string ports =
      "[{name: http, port: 80}, {name: admin, port: 81}, {name: tls, port: 443}, {name: grpc, port: 90}, "
      "{name: dns, port: 53, protocol: UDP}]";
  const std::string web = service("web", "10.96.0.10", ports, "251");
  const std::string others = ", 90 packets, 443 packets, 53 packets";
  const auto with = [&](const std::string& more) {
    return served_ports(web + http_route("r", to_service("web", more), to_backend("web")));
  };
  EXPECT_EQ(with(""), "80 http default/r, 81 http default/r" + others);
  EXPECT_EQ(with(", port: 81"), "80 http, 81 http default/r" + others);
  EXPECT_EQ(with(", sectionName: admin"), "80 http, 81 http default/r" + others);
  EXPECT_EQ(with(", sectionName: admin, port: 80"), "80 http, 81 packets" + others);
  EXPECT_EQ(with(", port: 53"), "80 http, 81 packets" + others);
}

TEST(HttpAttach, SeveralRoutesAreInOneTableAndHostnamesMeanNothing) {
  Bench bench;
  bench.build(kWeb + http_route("b", to_service("web"), to_backend("web")) +
              http_route("a", to_service("web"), to_backend("web"), ", hostnames: [a.example.com]"));
  const lb::Service& web = find(bench.snapshot(), "default/web");
  EXPECT_EQ(served(web), "http default/a default/b");
  EXPECT_THAT(web.http->routes->routes()[0].hostnames, IsEmpty());
  EXPECT_THAT(
      lines(bench.inventory.warnings()),
      ElementsAre("f.yaml:7: spec.hostnames: they mean nothing to service default/web: match header Host instead "
                  "(GEP-1294)"));
}

/// What a table takes to compile grows with them, and no one document is to blame for the sum.
TEST(HttpAttach, AServiceHasSoManyExpressionsAtMost) {
  const auto route = [](const std::string& name, int expressions) {
    std::string matches;
    for (int i = 0; i < expressions; ++i) {
      matches +=
          (i == 0 ? "" : ", ") + std::string("{path: {type: RegularExpression, value: '/v[0-9]+/") + name + "'}}";
    }
    return http_route(name, to_service("web"), "[{matches: [" + matches + "], backendRefs: [{name: web, port: 80}]}]");
  };
  std::string routes;
  for (int i = 0; i < 32; ++i) {
    routes += route("r" + std::to_string(i), 64);
  }
  EXPECT_THAT(lines(validated(kWeb + routes).errors), IsEmpty());
  EXPECT_THAT(lines(validated(kWeb + routes + route("more", 1)).errors),
              ElementsAre("f.yaml:1: the routes of service default/web have 2049 regular expressions together; weft "
                          "takes at most 2048"));
}

TEST(HttpAttach, ContradictionsNameBothSides) {
  const std::string route = http_route("r", to_service("web"), to_backend("web"));
  EXPECT_THAT(lines(validated(kWeb + route + policy("p", "web", "forwarding: {mode: fullnat}")).errors),
              ElementsAre("f.yaml:7: spec.forwarding.mode: mode fullnat of port 80 of service default/web contradicts "
                          "HTTPRoute default/r at f.yaml:5, which is attached to it: requests are seen in mode proxy "
                          "alone"));
  const std::string proxied = policy("p", "web", "forwarding: {mode: proxy, proxyProtocol: v2}");
  EXPECT_THAT(lines(validated(kWeb + route + proxied).errors),
              ElementsAre("f.yaml:7: spec.forwarding.proxyProtocol: port 80 of service default/web carries HTTP, says "
                          "HTTPRoute default/r at f.yaml:5: connections to its endpoints are not one client's, which "
                          "goes into x-forwarded-for"));
  const std::string said = service("web", "10.96.0.10", "[{name: http, port: 80}]");
  EXPECT_THAT(lines(validated(said + proxied).errors),
              ElementsAre("f.yaml:3: spec.forwarding.proxyProtocol: port 80 of service default/web carries HTTP, says "
                          "service default/web at f.yaml:1: connections to its endpoints are not one client's, which "
                          "goes into x-forwarded-for"));
  const std::string other = service("web", "10.96.0.10", "[{name: grpc, port: 80}]");
  EXPECT_THAT(
      lines(validated(other + http_route("r", to_service("web", ", port: 80"), to_backend("web"))).errors),
      ElementsAre("f.yaml:3: spec.parentRefs[0]: port 80 of service default/web at f.yaml:1 carries HTTP/2, for "
                  "which weft does not implement routes"));
  EXPECT_THAT(lines(validated(kWeb + route + route).errors),
              ElementsAre("f.yaml:7: metadata.name: duplicate HTTPRoute default/r; the first is at f.yaml:5"));
}

TEST(HttpAttach, AnEndpointsChangeIsNothingToTables) {
  Bench bench;
  const std::string routes = kCanary + kSplit;
  bench.build(kWeb + routes);
  const auto before = find(bench.snapshot(), "default/web").http;
  const auto canary = find(bench.snapshot(), "default/canary").targets.size();
  bench.build(kWeb + routes + slice("more", "web", endpoints(7, 9)) + slice("more-c", "canary", endpoints(10, 12)));
  EXPECT_EQ(find(bench.snapshot(), "default/web").http, before);
  EXPECT_NE(find(bench.snapshot(), "default/canary").targets.size(), canary);
}

TEST(HttpAttach, OnlyTablesThatNameAServiceKnowThatItWent) {
  Bench bench;
  const std::string other = service("other", "10.96.0.12", "[{port: 80}]", "251") +
                            http_route("other", to_service("other"), to_backend("web"));
  bench.build(kWeb + kCanary + kSplit + other);
  const auto split = find(bench.snapshot(), "default/web").http->routes;
  const auto kept = find(bench.snapshot(), "default/other").http;
  bench.build(kWeb + kSplit + other);
  EXPECT_EQ(find(bench.snapshot(), "default/other").http, kept);
  const auto now = find(bench.snapshot(), "default/web").http->routes;
  EXPECT_NE(now, split);
  EXPECT_TRUE(now->routes()[0].rules[0].rule->backends[0].port.is_valid());
  EXPECT_FALSE(now->routes()[0].rules[0].rule->backends[1].port.is_valid());
  // It comes back under its old slot, or another: the table says which.
  bench.build(kWeb + kCanary + kSplit + other);
  EXPECT_EQ(find(bench.snapshot(), "default/web").http->routes->routes()[0].rules[0].rule->backends[1].port.slots[0],
            find(bench.snapshot(), "default/canary").slot);
}

TEST(HttpAttach, WhereARouteIsReadIsNothingToItsTable) {
  Bench bench;
  bench.build(kWeb + kCanary + kSplit);
  const auto before = find(bench.snapshot(), "default/web").http;
  bench.build("# moved\n" + kWeb + kCanary + kSplit);
  EXPECT_EQ(find(bench.snapshot(), "default/web").http, before);
}

TEST(HttpAttach, PortsAndFamiliesShareATable) {
  Bench bench;
  const std::string web =
      "{apiVersion: v1, kind: Service, metadata: {name: web, annotations: {weft.dev/maglev-table-size: '251'}}, spec: "
      "{clusterIP: 10.96.0.10, clusterIPs: [10.96.0.10, 'fd00::10'], ports: [{name: a, port: 80}, {name: b, port: "
      "81}]}}\n---\n";
  bench.build(web + http_route("r", to_service("web"), to_backend("web")));
  const auto table = find(bench.snapshot(), "default/web").http->routes;
  ASSERT_NE(table, nullptr);
  for (size_t i = 0; i < 4; ++i) {
    EXPECT_EQ(find(bench.snapshot(), "default/web", i).http->routes, table);
  }
  const lb::BackendPort& backend = table->routes()[0].rules[0].rule->backends[0].port;
  EXPECT_NE(backend.slots[0], lb::BackendPort::kNone);
  EXPECT_NE(backend.slots[1], lb::BackendPort::kNone);
  EXPECT_NE(backend.slots[0], backend.slots[1]);
}

TEST(HttpAttach, BackendsThatLeadNowhereHaveNoSlots) {
  const auto valid = [](const std::string& backend, const std::string& more = "") {
    Bench bench;
    bench.build(kWeb + more + http_route("r", to_service("web"), "[{backendRefs: [" + backend + "]}]"));
    return find(bench.snapshot(), "default/web").http->routes->routes()[0].rules[0].rule->backends[0].port.is_valid();
  };
  EXPECT_TRUE(valid("{name: web, port: 80}"));
  EXPECT_FALSE(valid("{name: web, port: 81}"));
  EXPECT_FALSE(valid("{name: nobody, port: 80}"));
  EXPECT_FALSE(valid("{kind: Pod, name: web}"));
  EXPECT_FALSE(valid("{name: none, port: 80}", service("none", "None")));
  EXPECT_FALSE(valid("{name: g, port: 80}", service("g", "10.96.0.9", "[{port: 80, name: grpc}]")));
  EXPECT_FALSE(valid("{name: u, port: 80}", service("u", "10.96.0.9", "[{port: 80, protocol: UDP}]")));
}

}  // namespace
}  // namespace weft::registry
