// SPDX-License-Identifier: Apache-2.0
/// @file ServicePolicy, and what a Service's own fields say beside it: read, refused, and which of two counts.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "registry-sync/resolve.h"
#include "registry_fixture.h"

namespace weft::registry {
namespace {

using std::chrono::seconds;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr std::string_view kPolicy = R"(apiVersion: weft.dev/v1
kind: ServicePolicy
metadata:
  name: web
spec:
  targetRef: {group: "", kind: Service, name: web}
  forwarding: {mode: dsr, encapsulation: gue, maxSegmentSize: 1400}
  sources: {allow: [10.0.0.0/8, fd00::/8], deny: [10.9.0.0/16]}
  limits:
    flows: 1000
    newFlows: {perSecond: 50, burst: 200}
    newFlowsPerSource: {perSecond: 5}
  endpoints:
    slowStart: {seconds: 30}
    removal: {action: reset, graceSeconds: 60}
)";

/// The one policy of a text.
ServicePolicy policy_in(const std::string& text) {
  return *parsed(text)->policies.at(0);
}

/// The one port of service default/web.
ResolvedPort resolved(const ServiceResources& resources) {
  return resolve(resources, "").at(0);
}

struct BadPolicyRow {
  std::string_view good;
  std::string_view bad;
  std::string_view message;
};

void PrintTo(const BadPolicyRow& row, std::ostream* out) {
  *out << row.bad;
}

class BadPolicy : public ::testing::TestWithParam<BadPolicyRow> {};

TEST_P(BadPolicy, IsRefusedWithItsFieldsName) {
  std::string text(kPolicy);
  const size_t at = text.find(GetParam().good);
  ASSERT_NE(at, std::string::npos);
  text.replace(at, GetParam().good.size(), GetParam().bad);
  EXPECT_THAT(lines(parse_file("f.yaml", text).errors), ElementsAre("f.yaml:" + std::string(GetParam().message)))
      << text;
}

constexpr BadPolicyRow kBadPolicies[] = {
    {"weft.dev/v1", "weft.dev/v2",
     R"(2: kind: weft does not know kind "ServicePolicy" of apiVersion "weft.dev/v2"; it knows Service (v1), EndpointSlice (discovery.k8s.io/v1), ServicePolicy (weft.dev/v1), FaultInjection (weft.dev/v1), InspectionPolicy (weft.dev/v1), HTTPRoute (gateway.networking.k8s.io/v1), GRPCRoute (gateway.networking.k8s.io/v1), Gateway (gateway.networking.k8s.io/v1), GatewayClass (gateway.networking.k8s.io/v1), ReferenceGrant (gateway.networking.k8s.io/v1), DestinationRule (networking.istio.io/v1) and AuthorizationPolicy (security.istio.io/v1))"},
    {"name: web\n", "name: web\n  annotations: {weft.dev/weight: '1'}\n",
     R"(5: metadata.annotations["weft.dev/weight"]: unknown annotation)"},
    {"name: web\n", "name: We_b\n", R"(4: metadata.name: expected a DNS name of a-z, 0-9, "-" and ".", got "We_b")"},
    {"  targetRef: {group: \"\", kind: Service, name: web}\n", "", "6: spec.targetRef: required field is missing"},
    {"group: \"\"", "group: apps", R"(6: spec.targetRef.group: expected "", the group of Service, got "apps")"},
    {"kind: Service,", "kind: Gateway,", R"(6: spec.targetRef.kind: expected Service, got "Gateway")"},
    {"kind: Service, name: web", "kind: Service", "6: spec.targetRef.name: required field is missing"},
    {"kind: Service, name: web", "kind: Service, name: ''", "6: spec.targetRef.name: required field is empty"},
    {"kind: Service, name: web", "kind: Service, name: a.b",
     R"(6: spec.targetRef.name: expected up to 63 of a-z, 0-9 and inner "-", got "a.b")"},
    {"kind: Service, name: web", "kind: Service, name: web, sectionName: A",
     R"(6: spec.targetRef.sectionName: expected up to 63 of a-z, 0-9 and inner "-", got "A")"},
    {"kind: Service, name: web", "kind: Service, name: web, port: 80",
     "6: spec.targetRef.port: unknown field; expected one of group, kind, name or sectionName"},
    {"forwarding: {mode: dsr, encapsulation: gue", "forwarding: {mode: snat",
     R"(7: spec.forwarding.mode: expected nat, fullnat, dsr or proxy, got "snat")"},
    {"mode: dsr", "mode: nat", "7: spec.forwarding.encapsulation: expected no encapsulation without mode: dsr"},
    {"mode: dsr", "mode: fullnat", "7: spec.forwarding.encapsulation: expected no encapsulation without mode: dsr"},
    {"mode: dsr, ", "", "7: spec.forwarding.encapsulation: expected no encapsulation without mode: dsr"},
    {"mode: dsr, encapsulation: gue", "mode: dsr, proxyProtocol: v2",
     "7: spec.forwarding.proxyProtocol: expected no proxyProtocol without mode: proxy"},
    {"mode: dsr, encapsulation: gue, maxSegmentSize: 1400", "mode: proxy, proxyProtocol: v1",
     R"(7: spec.forwarding.proxyProtocol: expected v2, got "v1")"},
    {"encapsulation: gue", "encapsulation: vxlan",
     R"(7: spec.forwarding.encapsulation: expected ipip or gue, got "vxlan")"},
    {"maxSegmentSize: 1400", "maxSegmentSize: 535",
     R"(7: spec.forwarding.maxSegmentSize: expected an integer from 536 to 8960, got "535")"},
    {"maxSegmentSize: 1400", "maxSegmentSize: 8961",
     R"(7: spec.forwarding.maxSegmentSize: expected an integer from 536 to 8960, got "8961")"},
    {"mode: dsr, encapsulation: gue", "mode: proxy",
     "7: spec.forwarding.maxSegmentSize: expected no maxSegmentSize with mode: proxy, whose connections end at weft: "
     "it "
     "finds out what fits"},
    {"maxSegmentSize: 1400", "mss: 1400",
     "7: spec.forwarding.mss: unknown field; expected one of mode, encapsulation, proxyProtocol or maxSegmentSize"},
    {"10.9.0.0/16", "10.9.0.1/16",
     R"(8: spec.sources.deny[0]: expected an address prefix without bits behind its length, such as 10.0.0.0/8 or fd00::/8, got "10.9.0.1/16")"},
    {"allow: [10.0.0.0/8, fd00::/8]", "allow: 10.0.0.0/8",
     R"(8: spec.sources.allow: expected a list, got "10.0.0.0/8")"},
    {"allow: [10.0.0.0/8, fd00::/8]", "permit: []",
     "8: spec.sources.permit: unknown field; expected one of allow or deny"},
    {"flows: 1000", "flows: 0", R"(10: spec.limits.flows: expected an integer from 1 to 1000000000, got "0")"},
    {"perSecond: 50", "perSecond: 0",
     R"(11: spec.limits.newFlows.perSecond: expected an integer from 1 to 1000000000, got "0")"},
    {"perSecond: 50, ", "", "11: spec.limits.newFlows.perSecond: required field is missing"},
    {"burst: 200", "burst: 0", R"(11: spec.limits.newFlows.burst: expected an integer from 1 to 1000000000, got "0")"},
    {"burst: 200", "peak: 1", "11: spec.limits.newFlows.peak: unknown field; expected one of perSecond or burst"},
    {"perSecond: 5}", "perSecond: 1000000001}",
     R"(12: spec.limits.newFlowsPerSource.perSecond: expected an integer from 1 to 1000000000, got "1000000001")"},
    {"newFlowsPerSource", "newFlowsBySource",
     "12: spec.limits.newFlowsBySource: unknown field; expected one of flows, newFlows, newFlowsPerSource, requests or "
     "callers"},
    {"slowStart: {seconds: 30}", "slowStart: {seconds: 3601}",
     R"(14: spec.endpoints.slowStart.seconds: expected an integer from 1 to 3600, got "3601")"},
    {"slowStart: {seconds: 30}", "slowStart: {}", "14: spec.endpoints.slowStart.seconds: required field is missing"},
    {"slowStart: {seconds: 30}", "slowStart: {window: 30, seconds: 1}",
     "14: spec.endpoints.slowStart.window: unknown field; expected one of seconds"},
    {"action: reset, graceSeconds: 60", "action: drop",
     R"(15: spec.endpoints.removal.action: expected keep or reset, got "drop")"},
    {"action: reset, graceSeconds: 60", "", "15: spec.endpoints.removal.action: required field is missing"},
    {"action: reset", "action: keep",
     "15: spec.endpoints.removal.graceSeconds: expected no grace without action: reset"},
    {"graceSeconds: 60", "graceSeconds: 86401",
     R"(15: spec.endpoints.removal.graceSeconds: expected an integer from 0 to 86400, got "86401")"},
    {"removal:", "weights: {}\n    removal:",
     "15: spec.endpoints.weights: unknown field; expected one of slowStart, removal, maxConnections, maxRequests or "
     "successRate"},
    {"removal:", "maxConnections: 0\n    removal:",
     R"(15: spec.endpoints.maxConnections: expected an integer from 1 to 1000000000, got "0")"},
    {"removal:", "maxRequests: many\n    removal:",
     R"(15: spec.endpoints.maxRequests: expected an integer from 1 to 1000000000, got "many")"},
    {"removal:", "successRate: {stdevFactor: 0}\n    removal:",
     R"(15: spec.endpoints.successRate.stdevFactor: expected an integer from 1 to 10000, got "0")"},
    {"removal:", "successRate: {minimumHosts: 1}\n    removal:",
     R"(15: spec.endpoints.successRate.minimumHosts: expected an integer from 2 to 65535, got "1")"},
    {"removal:", "successRate: {requestVolume: 0}\n    removal:",
     R"(15: spec.endpoints.successRate.requestVolume: expected an integer from 1 to 1000000000, got "0")"},
    {"removal:", "successRate: {rate: 1}\n    removal:",
     "15: spec.endpoints.successRate.rate: unknown field; expected one of stdevFactor, minimumHosts or requestVolume"},
    {"  endpoints:", "  timeouts: {}\n  endpoints:",
     "13: spec.timeouts: unknown field; expected one of targetRef, forwarding, sources, limits, endpoints or "
     "healthCheck"},
};
INSTANTIATE_TEST_SUITE_P(Registry, BadPolicy, ::testing::ValuesIn(kBadPolicies));

TEST(Policy, ReadsEveryField) {
  const ServicePolicy policy = policy_in(std::string(kPolicy));
  EXPECT_EQ(policy.metadata.key(), "default/web");
  EXPECT_EQ(policy.service, "default/web");
  EXPECT_EQ(policy.port, "");
  EXPECT_EQ(policy.policy, (lb::Policy{.mode = lb::Mode::dsr,
                                       .encapsulation = lb::Encapsulation::gue,
                                       .new_flows = {.per_second = 50, .burst = 200},
                                       .new_flows_by_source = {.per_second = 5, .burst = 5},
                                       .max_flows = 1000,
                                       .max_segment = 1400,
                                       .removal = lb::Removal::reset}));
  EXPECT_THAT(policy.allow, ElementsAre(*lb::parse_prefix("10.0.0.0/8"), *lb::parse_prefix("fd00::/8")));
  EXPECT_THAT(policy.deny, ElementsAre(*lb::parse_prefix("10.9.0.0/16")));
  EXPECT_EQ(policy.slow_start, seconds{30});
  EXPECT_EQ(policy.reset_grace, seconds{60});
}

TEST(Policy, SaysNothingOfWhatItLeavesOut) {
  const ServicePolicy policy = policy_in(registry::policy("p", "web", "limits: {}", "http"));
  EXPECT_EQ(policy.policy, lb::Policy{});
  EXPECT_EQ(policy.port, "http");
  EXPECT_THAT(policy.allow, IsEmpty());
  EXPECT_EQ(policy.slow_start, seconds{0});
  EXPECT_EQ(policy_in(registry::policy("p", "web", "forwarding: {mode: dsr}")).policy.encapsulation,
            lb::Encapsulation::ipip);
  EXPECT_EQ(policy_in(registry::policy("p", "web", "forwarding: {mode: fullnat}")).policy.mode, lb::Mode::fullnat);
  const ServicePolicy at_once = policy_in(registry::policy("p", "web", "endpoints: {removal: {action: reset}}"));
  EXPECT_EQ(at_once.policy.removal, lb::Removal::reset);
  EXPECT_EQ(at_once.reset_grace, seconds{0});
}

TEST(Policy, OfAServiceReachesAllItsPortsAndAPortsOwnWins) {
  const std::string web = service("web", "10.96.0.1", "[{name: a, port: 80}, {name: b, port: 81}]");
  const std::string all = policy("all", "web", "limits: {flows: 1, newFlows: {perSecond: 7}}");
  const std::string own = policy("own", "web", "limits: {flows: 2}", "b");
  for (const std::string& text : {web + all + own, own + all + web}) {
    const std::vector<ResolvedPort> ports = resolve(about(text), "");
    ASSERT_EQ(ports.size(), 2U);
    EXPECT_EQ(ports[0].policy.max_flows, 1U);
    EXPECT_EQ(ports[0].policy.new_flows.per_second, 7U);
    EXPECT_EQ(ports[1].policy.max_flows, 2U);
    EXPECT_EQ(ports[1].policy.new_flows, lb::Rate{}) << "whole, not field by field";
  }
  EXPECT_EQ(resolved(about(service("web", "10.96.0.1"))).policy, lb::Policy{});
  EXPECT_EQ(resolved(about(service("web", "10.96.0.1") + policy("p", "api", "limits: {flows: 1}"))).policy,
            lb::Policy{});
}

TEST(Policy, TwoForOneServiceAreAnErrorThatNamesBoth) {
  const std::string web = service("web", "10.96.0.1", "[{name: a, port: 80}, {name: b, port: 81}]");
  EXPECT_THAT(lines(validated(web + policy("x", "web", "limits: {}") + policy("y", "web", "limits: {}")).errors),
              ElementsAre("f.yaml:5: spec.targetRef: ServicePolicy default/y and ServicePolicy default/x at f.yaml:3 "
                          "are both for service default/web"));
  EXPECT_THAT(
      lines(validated(policy("x", "web", "limits: {}", "a") + policy("y", "web", "limits: {}", "a") + web).errors),
      ElementsAre("f.yaml:3: spec.targetRef: ServicePolicy default/y and ServicePolicy default/x at f.yaml:1 "
                  "are both for port a of service default/web"));
  EXPECT_THAT(lines(validated(policy("x", "web", "limits: {}") + policy("x", "api", "limits: {}")).errors),
              ElementsAre("f.yaml:3: metadata.name: duplicate ServicePolicy default/x; the first is at f.yaml:1"));
}

/// Each of its packets would drop, and nobody would know why.
TEST(Policy, MayAskForWhatTheNodeCannot) {
  const auto warnings = [](const std::string& mode, const Abilities& abilities) {
    Inventory inventory(abilities);
    inventory.set("f.yaml", parsed(service("web", "10.96.0.1") + slice("a", "web", "[{addresses: [10.1.0.1]}]") +
                                   policy("x", "web", "forwarding: {mode: " + mode + "}")));
    EXPECT_TRUE(inventory.clean());
    return lines(inventory.warnings());
  };
  const std::set<lb::Family> only6 = {lb::Family::ipv6};
  EXPECT_THAT(
      warnings("fullnat", {.fullnat = only6}),
      ElementsAre(
          "f.yaml:5: spec.forwarding.mode: port 80 of service default/web drops all packets: mode fullnat sends "
          "from snat.addresses, where this node has no IPv4"));
  EXPECT_THAT(
      warnings("proxy", {.fullnat = only6}),
      ElementsAre("f.yaml:5: spec.forwarding.mode: port 80 of service default/web drops all packets: mode proxy sends "
                  "from snat.addresses, where this node has no IPv4"));
  EXPECT_THAT(warnings("fullnat", {.tunnels = only6}), IsEmpty());
  EXPECT_THAT(warnings("nat", {.fullnat = {}, .tunnels = {}}), IsEmpty());
}

/// What comes to such an address is an answer to the node itself: no service of the node would work any more.
TEST(Validate, NodesOwnAddressesAreNoServicesAndNoEndpoints) {
  const auto held = [](const std::string& text) {
    Inventory inventory(
        {.own_addresses = {lb::parse_address("10.9.0.1").value(), lb::parse_address("fd00:9::1").value()},
         .tunnel_sources = {lb::parse_prefix("10.8.0.0/24").value()}});
    inventory.set("f.yaml", parsed(text));
    EXPECT_EQ(inventory.clean(), inventory.errors().empty());
    return std::pair(lines(inventory.errors()), lines(inventory.warnings()));
  };
  const std::string good = service("web", "10.96.0.1") + slice("a", "web", "[{addresses: [10.1.0.1]}]");
  EXPECT_THAT(held(good).first, IsEmpty());
  for (const std::string mode : {"nat", "fullnat", "proxy"}) {
    EXPECT_THAT(
        held(good + service("clash", "10.9.0.1") + policy("p", "clash", "forwarding: {mode: " + mode + "}")).first,
        ElementsAre("f.yaml:5: spec.clusterIP: 10.9.0.1 of service default/clash is an address of this node's "
                    "own: snat.addresses has it"));
    EXPECT_THAT(held(good + policy("p", "web", "forwarding: {mode: " + mode + "}") +
                     slice("b", "web", "[{addresses: [10.1.0.2]}, {addresses: [10.9.0.1]}]"))
                    .first,
                ElementsAre("f.yaml:7: endpoints[1].addresses: 10.9.0.1 is an address of this node's own: "
                            "snat.addresses has it"));
  }
  EXPECT_THAT(held(good + service("clash", "10.8.0.7")).first,
              ElementsAre("f.yaml:5: spec.clusterIP: 10.8.0.7 of service default/clash is an address of this node's "
                          "own: tunnels.sources has it"));
  EXPECT_THAT(held(good + "{apiVersion: gateway.networking.k8s.io/v1, kind: Gateway, metadata: {name: g}, spec: "
                          "{gatewayClassName: weft, addresses: [{value: 192.0.2.1}, {value: 'fd00:9::1'}], listeners: "
                          "[{name: a, port: 80, protocol: HTTP}]}}\n---\n")
                  .first,
              ElementsAre("f.yaml:5: spec.addresses[1].value: fd00:9::1 of Gateway default/g is an address of this "
                          "node's own: snat.addresses has it"));
  const auto [errors, warnings] = held(good + slice("b", "web", "[{addresses: [10.8.0.7]}]"));
  EXPECT_THAT(errors, IsEmpty());
  EXPECT_THAT(warnings, ElementsAre("f.yaml:5: endpoints[0].addresses: 10.8.0.7 is an address of this node's own: "
                                    "tunnels.sources has it; what comes in a tunnel may seem to come from the endpoint "
                                    "itself"));
}

TEST(Policy, MayComeBeforeItsServiceOrPort) {
  const Validation none = validated(policy("x", "web", "limits: {}"));
  EXPECT_THAT(lines(none.errors), IsEmpty());
  EXPECT_THAT(lines(none.warnings),
              ElementsAre("f.yaml:1: spec.targetRef.name: there is no service default/web (yet)"));
  const Validation no_port = validated(service("web", "10.96.0.1") + policy("x", "web", "limits: {}", "http"));
  EXPECT_THAT(lines(no_port.errors), IsEmpty());
  EXPECT_THAT(lines(no_port.warnings),
              ElementsAre(R"(f.yaml:3: spec.targetRef.sectionName: service default/web has no port "http" (yet))"));
}

TEST(Policy, ATunnelDoesNotTranslatePorts) {
  const std::string text = service("web", "10.96.0.1", "[{name: a, port: 80}, {name: b, port: 81}]") +
                           policy("p", "web", "forwarding: {mode: dsr}", "b");
  const auto errors = [&](const std::string& ports) {
    return lines(validated(text + slice("s", "web", endpoints(1, 2), ports)).errors);
  };
  EXPECT_THAT(errors("[{name: a, port: 8080}, {name: b, port: 81}]"), IsEmpty()) << "port a is not forwarded so";
  EXPECT_THAT(errors("[{name: a, port: 8080}, {name: b, port: 8081}]"),
              ElementsAre("f.yaml:5: ports[1].port: EndpointSlice default/s has port 8081 where service default/web "
                          "has 81: mode dsr of ServicePolicy default/p at f.yaml:3 does not translate ports"));
  EXPECT_THAT(errors("[{name: b, port: 8081, protocol: UDP}, {name: b, port: 81}]"), IsEmpty());
}

std::string with_spec(const std::string& fields) {
  return "{apiVersion: v1, kind: Service, metadata: {name: web}, spec: {clusterIP: 10.96.0.1, ports: [{port: 80}], " +
         fields + "}}\n---\n";
}

TEST(ServiceSpec, SessionAffinityHasKubernetesDefault) {
  const auto affinity = [](const std::string& fields) { return resolved(about(with_spec(fields))).policy.affinity_s; };
  EXPECT_EQ(affinity("sessionAffinity: None"), 0U);
  EXPECT_EQ(affinity("sessionAffinity: ClientIP"), 10800U);
  EXPECT_EQ(affinity("sessionAffinity: ClientIP, sessionAffinityConfig: {clientIP: {timeoutSeconds: 86400}}"), 86400U);
  EXPECT_EQ(affinity("sessionAffinity: ClientIP, sessionAffinityConfig: {clientIP: {timeoutSeconds: 1}}"), 1U);
  EXPECT_EQ(affinity("sessionAffinity: ClientIP, sessionAffinityConfig: {clientIP: {}}"), 10800U);
  EXPECT_EQ(affinity("sessionAffinityConfig: null"), 0U);
}

TEST(ServiceSpec, SourceRangesAllowAndThePolicyDenies) {
  const std::string ranges = with_spec("loadBalancerSourceRanges: [10.0.0.0/8, 'fd00::/8']");
  const ResolvedPort port = resolved(about(ranges + policy("p", "web", "sources: {deny: [10.1.0.0/16]}")));
  ASSERT_NE(port.policy.sources, nullptr);
  const auto permits = [&](const char* address) { return port.policy.sources->permit(*lb::parse_address(address)); };
  EXPECT_TRUE(permits("10.2.0.1"));
  EXPECT_TRUE(permits("fd00::1"));
  EXPECT_FALSE(permits("10.1.0.1"));
  EXPECT_FALSE(permits("11.0.0.1"));
  EXPECT_FALSE(permits("fe00::1"));
  EXPECT_EQ(resolved(about(with_spec("loadBalancerSourceRanges: []"))).policy.sources, nullptr) << "all may";
}

TEST(ServiceSpec, SourceRangesAndAPolicysAllowAreAnError) {
  EXPECT_THAT(lines(validated(with_spec("loadBalancerSourceRanges: [10.0.0.0/8]") +
                              policy("p", "web", "sources: {allow: [10.0.0.0/8]}"))
                        .errors),
              ElementsAre("f.yaml:3: spec.sources.allow: service default/web at f.yaml:1 has "
                          "spec.loadBalancerSourceRanges: say it in one place"));
}

TEST(ServiceSpec, PublishNotReadyAddressesCountsAllAsReady) {
  const std::string pods = slice("s", "web",
                                 "[{addresses: [10.1.0.1], conditions: {ready: false}}, {addresses: [10.1.0.2], "
                                 "conditions: {ready: false, terminating: true}}]");
  for (const Candidate& each : resolved(about(with_spec("publishNotReadyAddresses: true") + pods)).endpoints) {
    EXPECT_EQ(each.endpoint.state, lb::EndpointState::ready) << each.endpoint.name;
  }
  for (const Candidate& each : resolved(about(with_spec("publishNotReadyAddresses: false") + pods)).endpoints) {
    EXPECT_EQ(each.endpoint.state, lb::EndpointState::not_ready) << each.endpoint.name;
  }
}

}  // namespace
}  // namespace weft::registry
