// SPDX-License-Identifier: Apache-2.0
/// @file DestinationRule: read, refused, and what it makes of a service's requests.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "registry-sync/request_policy.h"
#include "registry-sync/resolve.h"
#include "registry_http_fixture.h"

namespace weft::registry {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr std::string_view kRule = R"(apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: web}
spec:
  host: web.default.svc.cluster.local
  exportTo: ["*"]
  trafficPolicy:
    loadBalancer:
      consistentHash: {httpCookie: {name: user, path: /app, ttl: 1.5s}, maglev: {tableSize: 1021}}
      warmupDurationSecs: 30s
      localityLbSetting: {enabled: true, failoverPriority: [topology.kubernetes.io/zone]}
    connectionPool:
      tcp: {connectTimeout: 250ms}
      http: {idleTimeout: 1m30s, maxRequestsPerConnection: 100}
    portLevelSettings:
    - port: {number: 81}
      loadBalancer: {simple: ROUND_ROBIN}
)";

class BadDestinationRule : public ::testing::TestWithParam<BadEdit> {};

TEST_P(BadDestinationRule, IsRefusedWithItsFieldsName) {
  const std::string text = edited(kRule, GetParam().good, GetParam().bad);
  EXPECT_THAT(lines(parse_file("f.yaml", text).errors), ElementsAre("f.yaml:" + std::string(GetParam().message)));
}

constexpr BadEdit kBadRules[] = {
    {"web.default.svc.cluster.local", "web.shop",
     R"(5: spec.host: weft does not implement rules for services of another namespace: expected the rule's own, "default", got "shop")"},
    {"web.default.svc.cluster.local", R"("*.default.svc.cluster.local")",
     R"(5: spec.host: expected a service's name, or <name>.<namespace>[.svc[.cluster.local]], got "*.default.svc.cluster.local")"},
    {"web.default.svc.cluster.local", "web.default.example.com",
     R"(5: spec.host: expected a service's name, or <name>.<namespace>[.svc[.cluster.local]], got "web.default.example.com")"},
    {"web.default.svc.cluster.local", R"("")", "5: spec.host: required field is empty"},
    {R"(exportTo: ["*"])", R"(exportTo: ["."])",
     "6: spec.exportTo: weft does not know clients' namespaces: expected [*], or no field"},
    {R"(exportTo: ["*"])", "subsets: [{name: v1}]", "6: spec.subsets: weft does not implement this field"},
    {R"(exportTo: ["*"])", "workloadSelector: {}", "6: spec.workloadSelector: weft does not implement this field"},
    {"    connectionPool:", "    outlierDetection: {}\n    connectionPool:",
     "12: spec.trafficPolicy.outlierDetection: weft does not implement this field"},
    {"    connectionPool:", "    tls: {mode: DISABLE}\n    connectionPool:",
     "12: spec.trafficPolicy.tls: weft does not implement this field"},
    {"    connectionPool:", "    tunnel: {}\n    connectionPool:",
     "12: spec.trafficPolicy.tunnel: weft does not implement this field"},
    {"consistentHash: {httpCookie: {name: user, path: /app, ttl: 1.5s}, maglev: {tableSize: 1021}}",
     "simple: PASSTHROUGH",
     "9: spec.trafficPolicy.loadBalancer.simple: weft does not implement PASSTHROUGH; expected LEAST_REQUEST, "
     "LEAST_CONN, ROUND_ROBIN, RANDOM or UNSPECIFIED"},
    {"consistentHash: {httpCookie: {name: user, path: /app, ttl: 1.5s}, maglev: {tableSize: 1021}}", "simple: FASTEST",
     R"(9: spec.trafficPolicy.loadBalancer.simple: expected LEAST_REQUEST, LEAST_CONN, ROUND_ROBIN, RANDOM or UNSPECIFIED, got "FASTEST")"},
    {"consistentHash: {httpCookie: {name: user, path: /app, ttl: 1.5s}, maglev: {tableSize: 1021}}",
     "simple: RANDOM\n      consistentHash: {httpCookie: {name: user, path: /app, ttl: 1.5s}, maglev: {tableSize: "
     "1021}}",
     "10: spec.trafficPolicy.loadBalancer.consistentHash: expected simple or consistentHash, got both"},
    {"consistentHash: {httpCookie: {name: user, path: /app, ttl: 1.5s}, maglev: {tableSize: 1021}}",
     "consistentHash: {ringHash: {}, useSourceIp: true}",
     "9: spec.trafficPolicy.loadBalancer.consistentHash.ringHash: weft does not implement this field"},
    {"consistentHash: {httpCookie: {name: user, path: /app, ttl: 1.5s}, maglev: {tableSize: 1021}}",
     "consistentHash: {minimumRingSize: 1024, useSourceIp: true}",
     "9: spec.trafficPolicy.loadBalancer.consistentHash.minimumRingSize: weft does not implement this field"},
    {"consistentHash: {httpCookie: {name: user, path: /app, ttl: 1.5s}, maglev: {tableSize: 1021}}",
     "consistentHash: {}",
     "9: spec.trafficPolicy.loadBalancer.consistentHash.httpHeaderName: expected one of httpHeaderName, httpCookie, "
     "useSourceIp or httpQueryParameterName, got none"},
    {"consistentHash: {httpCookie: {name: user, path: /app, ttl: 1.5s}, maglev: {tableSize: 1021}}",
     "consistentHash: {useSourceIp: true, httpHeaderName: a}",
     "9: spec.trafficPolicy.loadBalancer.consistentHash.useSourceIp: expected one of httpHeaderName, httpCookie, "
     "useSourceIp or httpQueryParameterName, got httpHeaderName and useSourceIp"},
    {"consistentHash: {httpCookie: {name: user, path: /app, ttl: 1.5s}, maglev: {tableSize: 1021}}",
     R"(consistentHash: {httpHeaderName: "a b"})",
     R"(9: spec.trafficPolicy.loadBalancer.consistentHash.httpHeaderName: expected a token of letters, digits and !#$%&'*+-.^_`|~ (RFC 9110, section 5.6.2), got "a b")"},
    {"consistentHash: {httpCookie: {name: user, path: /app, ttl: 1.5s}, maglev: {tableSize: 1021}}",
     R"(consistentHash: {httpHeaderName: ""})",
     R"(9: spec.trafficPolicy.loadBalancer.consistentHash.httpHeaderName: expected a name, got "")"},
    {"consistentHash: {httpCookie: {name: user, path: /app, ttl: 1.5s}, maglev: {tableSize: 1021}}",
     R"(consistentHash: {httpQueryParameterName: ""})",
     R"(9: spec.trafficPolicy.loadBalancer.consistentHash.httpQueryParameterName: expected a name, got "")"},
    {"name: user, ", "",
     "9: spec.trafficPolicy.loadBalancer.consistentHash.httpCookie.name: required field is missing"},
    {"ttl: 1.5s", "ttl: 1.5",
     "9: spec.trafficPolicy.loadBalancer.consistentHash.httpCookie.ttl: expected a string, got the number 1.5; put it "
     "in quotes"},
    {"ttl: 1.5s", "ttl: -1s",
     R"(9: spec.trafficPolicy.loadBalancer.consistentHash.httpCookie.ttl: expected a duration from 0ms to a year, such as 1.5s or 1h30m, got "-1s")"},
    {"path: /app", R"(path: "/;Domain=x")",
     R"(9: spec.trafficPolicy.loadBalancer.consistentHash.httpCookie.path: expected a path without ";", got "/;Domain=x")"},
    {"tableSize: 1021", "tableSize: 1000",
     "9: spec.trafficPolicy.loadBalancer.consistentHash.maglev.tableSize: expected one of 251, 509, 1021, 2039, 4093, "
     "8191, 16381, 32749, 65537, 131071 or 655373, got 1000"},
    {"30s", "500ms",
     R"(10: spec.trafficPolicy.loadBalancer.warmupDurationSecs: expected a duration from 1000ms to a year, such as 1.5s or 1h30m, got "500ms")"},
    {"30s", "2h", R"(10: spec.trafficPolicy.loadBalancer.warmupDurationSecs: expected at most 1h, got "2h")"},
    {"warmupDurationSecs: 30s", "warmup: {duration: 30s}",
     "10: spec.trafficPolicy.loadBalancer.warmup: weft does not implement this field"},
    {"failoverPriority: [topology.kubernetes.io/zone]", "failoverPriority: [topology.kubernetes.io/region]",
     "11: spec.trafficPolicy.loadBalancer.localityLbSetting.failoverPriority: weft prefers zones alone: expected "
     "[topology.kubernetes.io/zone], got [topology.kubernetes.io/region]"},
    {"failoverPriority: [topology.kubernetes.io/zone]", "failover: [{from: a, to: b}]",
     "11: spec.trafficPolicy.loadBalancer.localityLbSetting.failover: weft does not implement this field"},
    {"failoverPriority: [topology.kubernetes.io/zone]", "distribute: [{from: a}]",
     "11: spec.trafficPolicy.loadBalancer.localityLbSetting.distribute: weft does not implement this field"},
    {"connectTimeout: 250ms", "connectTimeout: 0s",
     R"(13: spec.trafficPolicy.connectionPool.tcp.connectTimeout: expected a duration from 1ms to a year, such as 1.5s or 1h30m, got "0s")"},
    {"connectTimeout: 250ms", "maxConnections: 5",
     "13: spec.trafficPolicy.connectionPool.tcp.maxConnections: weft does not implement this field"},
    {"maxRequestsPerConnection: 100", "maxRequestsPerConnection: -1",
     R"(14: spec.trafficPolicy.connectionPool.http.maxRequestsPerConnection: expected an integer from 0 to 2147483647, got "-1")"},
    {"maxRequestsPerConnection: 100", "http1MaxPendingRequests: 1",
     "14: spec.trafficPolicy.connectionPool.http.http1MaxPendingRequests: weft does not implement this field"},
    {"maxRequestsPerConnection: 100", "http2MaxRequests: 1",
     "14: spec.trafficPolicy.connectionPool.http.http2MaxRequests: weft does not implement this field"},
    {"maxRequestsPerConnection: 100", "maxRetries: 1",
     "14: spec.trafficPolicy.connectionPool.http.maxRetries: weft does not implement this field"},
    {"number: 81", "number: 0",
     R"(16: spec.trafficPolicy.portLevelSettings[0].port.number: expected an integer from 1 to 65535, got "0")"},
    {"simple: ROUND_ROBIN", "simple: ROUND_ROBIN}\n      outlierDetection: {}\n      connectionPool: {",
     "18: spec.trafficPolicy.portLevelSettings[0].outlierDetection: weft does not implement this field"},
    {"simple: ROUND_ROBIN}", "simple: ROUND_ROBIN}\n    - port: {number: 81}",
     "18: spec.trafficPolicy.portLevelSettings[1].port: duplicate port 81"},
};
INSTANTIATE_TEST_SUITE_P(Registry, BadDestinationRule, ::testing::ValuesIn(kBadRules));

std::string rule(const std::string& policy, const std::string& name = "r") {
  return "{apiVersion: networking.istio.io/v1, kind: DestinationRule, metadata: {name: " + name +
         "}, spec: {host: web, trafficPolicy: {" + policy + "}}}\n---\n";
}
const std::string kTwoPorts = service("web", "10.96.0.10", "[{name: http, port: 80}, {name: http-b, port: 81}]");

lb::RequestPolicy policy_with(const std::string& text, size_t port = 0) {
  return resolve(about(kTwoPorts + text), "").at(port).requests;
}

TEST(DestinationRule, ReadsAllFields) {
  const lb::RequestPolicy policy = policy_with(std::string(kRule));
  const lb::RequestPolicy expected{
      .balancing = lb::Balancing::consistent_hash,
      .hash = {.kind = lb::HashOn::Kind::cookie, .name = "user", .cookie_ttl = seconds(2), .cookie_path = "/app"},
      .connect_timeout = milliseconds(250),
      .idle_timeout = seconds(90),
      .max_requests_per_connection = 100};
  EXPECT_EQ(policy, expected);
  const std::vector<ResolvedPort> ports = resolve(about(kTwoPorts + std::string(kRule)), "");
  EXPECT_EQ(ports[0].table_size, 1021U);
  EXPECT_EQ(ports[0].slow_start, seconds(30));
  // A port's own settings take the place of the rule's whole.
  EXPECT_EQ(ports[1].requests, (lb::RequestPolicy{.balancing = lb::Balancing::round_robin}));
  EXPECT_EQ(ports[1].table_size, lb::MaglevTable::kDefaultSize);
  EXPECT_EQ(ports[1].slow_start, seconds(0));
}

TEST(DestinationRule, NamesAreIstios) {
  const auto simple = [](const std::string& name) {
    return policy_with(rule("loadBalancer: {simple: " + name + "}")).balancing;
  };
  EXPECT_EQ(simple("LEAST_REQUEST"), lb::Balancing::least_request);
  EXPECT_EQ(simple("LEAST_CONN"), lb::Balancing::least_request);
  EXPECT_EQ(simple("UNSPECIFIED"), lb::Balancing::least_request);
  EXPECT_EQ(simple("ROUND_ROBIN"), lb::Balancing::round_robin);
  EXPECT_EQ(simple("RANDOM"), lb::Balancing::random);
  const auto hash = [](const std::string& on) {
    return policy_with(rule("loadBalancer: {consistentHash: {" + on + "}}")).hash;
  };
  EXPECT_EQ(hash("useSourceIp: true"), lb::HashOn{});
  EXPECT_EQ(hash("httpHeaderName: X-User"), (lb::HashOn{.kind = lb::HashOn::Kind::header, .name = "x-user"}));
  EXPECT_EQ(hash("httpQueryParameterName: u"), (lb::HashOn{.kind = lb::HashOn::Kind::query, .name = "u"}));
  EXPECT_EQ(hash("httpCookie: {name: c}").cookie_ttl, seconds(-1));
  EXPECT_EQ(hash("httpCookie: {name: c, ttl: 0s}").cookie_ttl, seconds(0));
}

/// A route of another service may lead there, and then requests come all the same.
TEST(DestinationRule, HoldsForAPortThatIsForwardedPacketByPacket) {
  const std::string turns = rule("loadBalancer: {simple: ROUND_ROBIN}");
  const std::string web = service("web", "10.96.0.10", "[{name: web, port: 80}, {name: u, port: 80, protocol: UDP}]");
  const std::vector<ResolvedPort> ports =
      resolve(about(web + turns + policy("p", "web", "forwarding: {mode: nat}")), "");
  ASSERT_EQ(ports.size(), 2U);
  EXPECT_FALSE(ports[0].http);
  EXPECT_EQ(ports[0].requests, (lb::RequestPolicy{.balancing = lb::Balancing::round_robin}));
  EXPECT_EQ(ports[1].requests, lb::RequestPolicy{});
}

TEST(DestinationRule, SessionAffinityIsAHashOfTheSource) {
  const std::string web =
      "{apiVersion: v1, kind: Service, metadata: {name: web}, spec: {clusterIP: 10.96.0.10, sessionAffinity: ClientIP, "
      "ports: [{name: http, port: 80}]}}\n---\n";
  EXPECT_EQ(resolve(about(web), "").at(0).requests.balancing, lb::Balancing::consistent_hash);
  EXPECT_EQ(resolve(about(web + rule("loadBalancer: {simple: RANDOM}")), "").at(0).requests.balancing,
            lb::Balancing::random);
}

TEST(DestinationRule, AServicePolicysSlowStartWins) {
  const std::string own = policy("p", "web", "endpoints: {slowStart: {seconds: 7}}");
  EXPECT_EQ(resolve(about(kTwoPorts + own + std::string(kRule)), "").at(0).slow_start, seconds(7));
}

TEST(DestinationRule, PrefersTheOwnZone) {
  const std::string text =
      kTwoPorts +
      "{apiVersion: discovery.k8s.io/v1, kind: EndpointSlice, metadata: {name: s, labels: "
      "{kubernetes.io/service-name: web}}, addressType: IPv4, ports: [{name: http, port: "
      "80}], endpoints: [{addresses: [10.1.0.1], zone: a}, {addresses: [10.1.0.2], zone: b}]}\n---\n";
  const auto near = [&](const std::string& more) {
    const std::vector<ResolvedPort> ports = resolve(about(text + more), "a");
    return std::pair(ports[0].endpoints.at(0).near, ports[0].endpoints.at(1).near);
  };
  EXPECT_EQ(near(""), std::pair(true, true));
  EXPECT_EQ(near(rule("loadBalancer: {localityLbSetting: {}}")), std::pair(true, false));
  EXPECT_EQ(near(rule("loadBalancer: {localityLbSetting: {enabled: false}}")), std::pair(true, true));
}

TEST(DestinationRule, TwoForOneServiceContradictEachOther) {
  EXPECT_THAT(
      lines(validated(kTwoPorts + rule("", "a") + rule("", "b")).errors),
      ElementsAre("f.yaml:5: spec.host: DestinationRule default/b and DestinationRule default/a at f.yaml:3 are "
                  "both for service default/web"));
  EXPECT_THAT(lines(validated(rule("")).warnings),
              ElementsAre("f.yaml:1: spec.host: there is no service default/web (yet)"));
  EXPECT_THAT(lines(validated(kTwoPorts + rule("portLevelSettings: [{port: {number: 9}}]")).warnings),
              ElementsAre("f.yaml:3: spec.trafficPolicy.portLevelSettings[0].port: service default/web has no port 9 "
                          "(yet)"));
}

}  // namespace
}  // namespace weft::registry
