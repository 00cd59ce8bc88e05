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
    {"    connectionPool:", "    outlierDetection: {consecutiveErrors: 5}\n    connectionPool:",
     R"(12: spec.trafficPolicy.outlierDetection.consecutiveErrors: weft does not implement this field)"},
    {"    connectionPool:", "    outlierDetection: {consecutive5xxErrors: -1}\n    connectionPool:",
     R"(12: spec.trafficPolicy.outlierDetection.consecutive5xxErrors: expected an integer from 0 to 1000000, got "-1")"},
    {"    connectionPool:", "    outlierDetection: {consecutiveGatewayErrors: 1000001}\n    connectionPool:",
     R"(12: spec.trafficPolicy.outlierDetection.consecutiveGatewayErrors: expected an integer from 0 to 1000000, got "1000001")"},
    {"    connectionPool:", "    outlierDetection: {consecutiveLocalOriginFailures: 3}\n    connectionPool:",
     R"(12: spec.trafficPolicy.outlierDetection.consecutiveLocalOriginFailures: expected none without splitExternalLocalOriginErrors: true, as it means nothing then)"},
    {"    connectionPool:", "    outlierDetection: {interval: 0s}\n    connectionPool:",
     R"(12: spec.trafficPolicy.outlierDetection.interval: expected a duration from 1ms to a year, such as 1.5s or 1h30m, got "0s")"},
    {"    connectionPool:", "    outlierDetection: {interval: 25h}\n    connectionPool:",
     R"(12: spec.trafficPolicy.outlierDetection.interval: expected at most 24h, got "25h")"},
    {"    connectionPool:", "    outlierDetection: {baseEjectionTime: soon}\n    connectionPool:",
     R"(12: spec.trafficPolicy.outlierDetection.baseEjectionTime: expected a duration from 1ms to a year, such as 1.5s or 1h30m, got "soon")"},
    {"    connectionPool:", "    outlierDetection: {baseEjectionTime: 48h}\n    connectionPool:",
     R"(12: spec.trafficPolicy.outlierDetection.baseEjectionTime: expected at most 24h, got "48h")"},
    {"    connectionPool:", "    outlierDetection: {maxEjectionPercent: 101}\n    connectionPool:",
     R"(12: spec.trafficPolicy.outlierDetection.maxEjectionPercent: expected an integer from 0 to 100, got "101")"},
    {"    connectionPool:", "    outlierDetection: {minHealthPercent: 200}\n    connectionPool:",
     R"(12: spec.trafficPolicy.outlierDetection.minHealthPercent: expected an integer from 0 to 100, got "200")"},
    {"    connectionPool:", "    outlierDetection: {consecutive5xxErrors: 0}\n    connectionPool:",
     R"(12: spec.trafficPolicy.outlierDetection.consecutive5xxErrors: expected one of consecutive5xxErrors, consecutiveGatewayErrors and consecutiveLocalOriginFailures not to be 0, as nobody would be an outlier)"},
    {"    connectionPool:",
     "    outlierDetection: {consecutive5xxErrors: 0, splitExternalLocalOriginErrors: true, "
     "consecutiveLocalOriginFailures: 0}\n    connectionPool:",
     R"(12: spec.trafficPolicy.outlierDetection.consecutive5xxErrors: expected one of consecutive5xxErrors, consecutiveGatewayErrors and consecutiveLocalOriginFailures not to be 0, as nobody would be an outlier)"},
    {"    connectionPool:", "    outlierDetection: {eject: true}\n    connectionPool:",
     R"(12: spec.trafficPolicy.outlierDetection.eject: unknown field; expected one of consecutive5xxErrors, consecutiveGatewayErrors, splitExternalLocalOriginErrors, consecutiveLocalOriginFailures, interval, baseEjectionTime, maxEjectionPercent or minHealthPercent)"},
    {"    connectionPool:", "    retryBudget: {percent: 101}\n    connectionPool:",
     R"(12: spec.trafficPolicy.retryBudget.percent: expected an integer from 0 to 100, got "101")"},
    {"    connectionPool:", "    retryBudget: {percent: -5}\n    connectionPool:",
     R"(12: spec.trafficPolicy.retryBudget.percent: expected an integer from 0 to 100, got "-5")"},
    {"    connectionPool:", "    retryBudget: {minRetryConcurrency: -1}\n    connectionPool:",
     R"(12: spec.trafficPolicy.retryBudget.minRetryConcurrency: expected an integer from 0 to 2147483647, got "-1")"},
    {"    connectionPool:", "    retryBudget: {ttl: 10s}\n    connectionPool:",
     R"(12: spec.trafficPolicy.retryBudget.ttl: unknown field; expected one of percent or minRetryConcurrency)"},
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
    {"connectTimeout: 250ms", "maxConnections: 0",
     R"(13: spec.trafficPolicy.connectionPool.tcp.maxConnections: expected an integer from 1 to 2147483647, got "0")"},
    {"connectTimeout: 250ms", "tcpKeepalive: {}",
     "13: spec.trafficPolicy.connectionPool.tcp.tcpKeepalive: weft does not implement this field"},
    {"maxRequestsPerConnection: 100", "maxRequestsPerConnection: -1",
     R"(14: spec.trafficPolicy.connectionPool.http.maxRequestsPerConnection: expected an integer from 0 to 2147483647, got "-1")"},
    {"maxRequestsPerConnection: 100", "http1MaxPendingRequests: 0",
     R"(14: spec.trafficPolicy.connectionPool.http.http1MaxPendingRequests: expected an integer from 1 to 2147483647, got "0")"},
    {"maxRequestsPerConnection: 100", "http2MaxRequests: 0",
     R"(14: spec.trafficPolicy.connectionPool.http.http2MaxRequests: expected an integer from 1 to 2147483647, got "0")"},
    {"maxRequestsPerConnection: 100", "maxRetries: 0",
     R"(14: spec.trafficPolicy.connectionPool.http.maxRetries: expected an integer from 1 to 2147483647, got "0")"},
    {"number: 81", "number: 0",
     R"(16: spec.trafficPolicy.portLevelSettings[0].port.number: expected an integer from 1 to 65535, got "0")"},
    {"simple: ROUND_ROBIN", "simple: ROUND_ROBIN}\n      outlierDetection: {x: 1}\n      connectionPool: {",
     "18: spec.trafficPolicy.portLevelSettings[0].outlierDetection.x: unknown field; expected one of "
     "consecutive5xxErrors, consecutiveGatewayErrors, splitExternalLocalOriginErrors, consecutiveLocalOriginFailures, "
     "interval, baseEjectionTime, maxEjectionPercent or minHealthPercent"},
    {"simple: ROUND_ROBIN", "simple: ROUND_ROBIN}\n      retryBudget: {}\n      connectionPool: {",
     "18: spec.trafficPolicy.portLevelSettings[0].retryBudget: unknown field; expected one of port, "
     "loadBalancer, connectionPool or outlierDetection"},
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

TEST(DestinationRule, ReadsCircuitBreakers) {
  const auto breaker = [](const std::string& pool) { return policy_with(rule("connectionPool: {" + pool + "}")); };
  const lb::BreakerLimits defaults = breaker("").breaker;
  EXPECT_EQ(defaults.max_connections, 1024U);
  EXPECT_EQ(defaults.max_pending_requests, 1024U);
  EXPECT_EQ(defaults.max_requests, 1024U);
  EXPECT_FALSE(defaults.bounds_endpoints());
  EXPECT_EQ(breaker("tcp: {maxConnections: 7}").breaker, (lb::BreakerLimits{.max_connections = 7}));
  EXPECT_EQ(breaker("http: {http1MaxPendingRequests: 8, http2MaxRequests: 9}").breaker,
            (lb::BreakerLimits{.max_pending_requests = 8, .max_requests = 9}));
  const std::string own = policy("p", "web", "endpoints: {maxConnections: 3, maxRequests: 4}");
  EXPECT_EQ(policy_with(own).breaker, (lb::BreakerLimits{.endpoint_max_connections = 3, .endpoint_max_requests = 4}));
}

TEST(DestinationRule, ReadsRetryBudgets) {
  const std::string fixed = "connectionPool: {http: {maxRetries: 6}}";
  EXPECT_EQ(policy_with(rule("")).retry_budget, (lb::RetryBudget{.percent = 20, .at_least = 3}));
  EXPECT_EQ(policy_with(rule(fixed)).retry_budget, (lb::RetryBudget{.at_least = 6, .is_fixed = true}));
  EXPECT_EQ(policy_with(rule("retryBudget: {}, " + fixed)).retry_budget, lb::RetryBudget{}) << "Envoy: it overrides";
  const std::string said = "retryBudget: {percent: 5, minRetryConcurrency: 0}, ";
  EXPECT_EQ(policy_with(rule(said)).retry_budget, (lb::RetryBudget{.percent = 5, .at_least = 0}));
  EXPECT_EQ(policy_with(rule(said + "portLevelSettings: [{port: {number: 81}}]"), 1).retry_budget.percent, 5);
}

TEST(DestinationRule, ReadsOutlierDetection) {
  EXPECT_FALSE(policy_with(rule("")).outlier.enabled);
  EXPECT_EQ(policy_with(rule("outlierDetection: {}")).outlier, (lb::OutlierPolicy{.enabled = true}));
  EXPECT_EQ(policy_with(rule("outlierDetection: {consecutive5xxErrors: 1, consecutiveGatewayErrors: 2, "
                             "splitExternalLocalOriginErrors: true, consecutiveLocalOriginFailures: 3, interval: 1m, "
                             "baseEjectionTime: 1.5s, maxEjectionPercent: 50, minHealthPercent: 40}"))
                .outlier,
            (lb::OutlierPolicy{.enabled = true,
                               .split_local_origin = true,
                               .consecutive_5xx = 1,
                               .consecutive_gateway = 2,
                               .consecutive_local = 3,
                               .interval = seconds(60),
                               .base_ejection = milliseconds(1500),
                               .max_ejection_percent = 50,
                               .min_health_percent = 40}));
  const std::string own = policy("p", "web", "endpoints: {successRate: {requestVolume: 50}}");
  const lb::SuccessRate rate{.stdev_factor_permille = 1900, .minimum_hosts = 5, .request_volume = 50};
  EXPECT_EQ(policy_with(own).outlier, (lb::OutlierPolicy{.enabled = true, .consecutive_5xx = 0, .success_rate = rate}))
      << "alone";
  EXPECT_EQ(policy_with(own + rule("outlierDetection: {}")).outlier,
            (lb::OutlierPolicy{.enabled = true, .success_rate = rate}));
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
