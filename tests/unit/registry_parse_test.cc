// SPDX-License-Identifier: Apache-2.0
#include "registry-sync/parse.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "registry_fixture.h"

namespace weft::registry {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

std::vector<std::string> errors_of(std::string_view text) {
  return lines(parse_file("f.yaml", text).errors);
}

constexpr std::string_view kService = R"(apiVersion: v1
kind: Service
metadata:
  name: web
spec:
  clusterIP: 10.96.0.10
  ports:
  - port: 80
)";

constexpr std::string_view kSlice = R"(apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata:
  name: web-1
  labels:
    kubernetes.io/service-name: web
addressType: IPv4
ports:
- port: 8080
endpoints:
- addresses: [10.1.0.1]
)";

/// One edit of a good document, and the one message that it must lead to.
struct BadRow {
  std::string_view document;
  std::string_view good;
  std::string_view bad;
  std::string_view message;
};

void PrintTo(const BadRow& row, std::ostream* out) {
  *out << row.bad;
}

class BadResource : public ::testing::TestWithParam<BadRow> {};

TEST_P(BadResource, IsRefusedWithItsFieldsName) {
  std::string text(GetParam().document);
  const size_t at = text.find(GetParam().good);
  ASSERT_NE(at, std::string::npos);
  text.replace(at, GetParam().good.size(), GetParam().bad);
  EXPECT_THAT(errors_of(text), ElementsAre("f.yaml:" + std::string(GetParam().message))) << text;
}

constexpr BadRow kBadResources[] = {
    {kService, "kind: Service", "kind: Ingress",
     R"(2: kind: weft does not know kind "Ingress" of apiVersion "v1"; it knows Service (v1), EndpointSlice (discovery.k8s.io/v1), ServicePolicy (weft.dev/v1), FaultInjection (weft.dev/v1), InspectionPolicy (weft.dev/v1), HTTPRoute (gateway.networking.k8s.io/v1), GRPCRoute (gateway.networking.k8s.io/v1), Gateway (gateway.networking.k8s.io/v1), GatewayClass (gateway.networking.k8s.io/v1), ReferenceGrant (gateway.networking.k8s.io/v1), DestinationRule (networking.istio.io/v1) and AuthorizationPolicy (security.istio.io/v1))"},
    {kService, "apiVersion: v1", "apiVersion: v2",
     R"(2: kind: weft does not know kind "Service" of apiVersion "v2"; it knows Service (v1), EndpointSlice (discovery.k8s.io/v1), ServicePolicy (weft.dev/v1), FaultInjection (weft.dev/v1), InspectionPolicy (weft.dev/v1), HTTPRoute (gateway.networking.k8s.io/v1), GRPCRoute (gateway.networking.k8s.io/v1), Gateway (gateway.networking.k8s.io/v1), GatewayClass (gateway.networking.k8s.io/v1), ReferenceGrant (gateway.networking.k8s.io/v1), DestinationRule (networking.istio.io/v1) and AuthorizationPolicy (security.istio.io/v1))"},
    {kService, "apiVersion: v1\n", "", "1: apiVersion: required field is missing"},
    {kService, "kind: Service\n", "", "1: kind: required field is missing"},
    {kService, "metadata:\n  name: web\n", "", "1: metadata: required field is missing"},
    {kService, "name: web", "namespace: web", "4: metadata.name: required field is missing"},
    {kService, "name: web", "name: ''", "4: metadata.name: required field is empty"},
    {kService, "name: web", "name: Web", R"(4: metadata.name: expected up to 63 of a-z, 0-9 and inner "-", got "Web")"},
    {kService, "name: web", "name: a.b", R"(4: metadata.name: expected up to 63 of a-z, 0-9 and inner "-", got "a.b")"},
    {kService, "name: web", "name: -web",
     R"(4: metadata.name: expected up to 63 of a-z, 0-9 and inner "-", got "-web")"},
    {kService, "name: web", "name: web\n  namespace: a_b",
     R"(5: metadata.namespace: expected up to 63 of a-z, 0-9 and inner "-", got "a_b")"},
    {kService, "name: web", "name: web\n  namespace: ''",
     R"(5: metadata.namespace: expected a namespace or no field, got "")"},
    {kService, "name: web", "name: web\n  color: red",
     "5: metadata.color: unknown field; expected one of name, namespace, labels, annotations, uid, resourceVersion, "
     "creationTimestamp, deletionTimestamp, deletionGracePeriodSeconds, generation, managedFields, ownerReferences, "
     "finalizers, generateName or selfLink"},
    {kService, "name: web", "name: web\n  labels: {tier: 1}",
     "5: metadata.labels.tier: expected a string, got the number 1; put it in quotes"},
    {kService, "name: web", "name: web\n  annotations: {weft.dev/maglev-table-size: '1000'}",
     R"(5: metadata.annotations["weft.dev/maglev-table-size"]: expected one of 251, 509, 1021, 2039, 4093, 8191, 16381, 32749, 65537, 131071 or 655373, got "1000")"},
    {kService, "name: web", "name: web\n  annotations: {weft.dev/maglev-table-size: 251}",
     R"(5: metadata.annotations["weft.dev/maglev-table-size"]: expected a string, got the number 251; put it in quotes)"},
    {kService, "name: web", "name: web\n  annotations: {weft.dev/weight: '5'}",
     R"(5: metadata.annotations["weft.dev/weight"]: unknown annotation; expected weft.dev/maglev-table-size)"},
    {kService, "spec:\n  clusterIP: 10.96.0.10\n  ports:\n  - port: 80\n", "", "1: spec: required field is missing"},
    {kService, "  clusterIP: 10.96.0.10\n", "", "6: spec.clusterIP: required field is missing"},
    {kService, "10.96.0.10", "''", R"(6: spec.clusterIP: expected an IPv4 or IPv6 address or None, got "")"},
    {kService, "10.96.0.10", "::ffff:10.96.0.10",
     R"(6: spec.clusterIP: expected an IPv4 or IPv6 address or None, got "::ffff:10.96.0.10")"},
    {kService, "10.96.0.10", "'::'",
     R"(6: spec.clusterIP: expected a unicast address, got "::", which is unspecified)"},
    {kService, "10.96.0.10", "'::1'", R"(6: spec.clusterIP: expected a unicast address, got "::1", which is loopback)"},
    {kService, "10.96.0.10", "ff02::1",
     R"(6: spec.clusterIP: expected a unicast address, got "ff02::1", which is multicast)"},
    {kService, "10.96.0.10", "fe80::1",
     R"(6: spec.clusterIP: expected a unicast address, got "fe80::1", which is link-local)"},
    {kService, "10.96.0.10", "0.0.0.0",
     R"(6: spec.clusterIP: expected a unicast address, got "0.0.0.0", which is of the unspecified network)"},
    {kService, "10.96.0.10", "127.0.0.1",
     R"(6: spec.clusterIP: expected a unicast address, got "127.0.0.1", which is loopback)"},
    {kService, "10.96.0.10", "224.0.0.1",
     R"(6: spec.clusterIP: expected a unicast address, got "224.0.0.1", which is multicast)"},
    {kService, "10.96.0.10", "240.0.0.1",
     R"(6: spec.clusterIP: expected a unicast address, got "240.0.0.1", which is reserved)"},
    {kService, "10.96.0.10", "255.255.255.255",
     R"(6: spec.clusterIP: expected a unicast address, got "255.255.255.255", which is broadcast)"},
    {kService, "  ports:", "  clusterIPs: [10.96.0.11]\n  ports:",
     R"(7: spec.clusterIPs: expected clusterIP, "10.96.0.10", as the first, got "10.96.0.11")"},
    {kService, "  ports:", "  clusterIPs: [10.96.0.10, 10.96.0.11]\n  ports:",
     "7: spec.clusterIPs: expected addresses of different families, got two of IPv4"},
    {kService, "  ports:", "  clusterIPs: [10.96.0.10, fd00::10, fd00::11]\n  ports:",
     "7: spec.clusterIPs: expected at most one address of each family, got 3"},
    {kService, "  ports:", "  clusterIPs: [10.96.0.10, fd00::/64]\n  ports:",
     R"(7: spec.clusterIPs: expected an IPv4 or IPv6 address or None, got "fd00::/64")"},
    {kService, "10.96.0.10\n", "None\n  clusterIPs: [None, fd00::1]\n", "7: spec.clusterIPs: expected None alone"},
    {kService, "  ports:", "  ipFamilies: [IPv4, IPv6]\n  ports:",
     "7: spec.ipFamilies: expected the families of the addresses, IPv4, got IPv4, IPv6"},
    {kService, "  ports:", "  ipFamilies: [IPv6]\n  ports:",
     "7: spec.ipFamilies: expected the families of the addresses, IPv4, got IPv6"},
    {kService,
     "  ports:", "  ipFamilies: [IPv4, IPv4]\n  ports:", "7: spec.ipFamilies: expected each family once at most"},
    {kService,
     "  ports:", "  ipFamilies: [ipv4]\n  ports:", R"(7: spec.ipFamilies: expected IPv4 or IPv6, got "ipv4")"},
    {kService, "  ports:", "  ipFamilyPolicy: RequireDualStack\n  ports:",
     "7: spec.ipFamilyPolicy: RequireDualStack needs an address of each family in clusterIPs, which has one"},
    {kService, "  ports:", "  clusterIPs: [10.96.0.10, fd00::10]\n  ipFamilyPolicy: SingleStack\n  ports:",
     "8: spec.ipFamilyPolicy: SingleStack contradicts clusterIPs, which has two addresses"},
    {kService, "  ports:", "  ipFamilyPolicy: DualStack\n  ports:",
     R"(7: spec.ipFamilyPolicy: expected SingleStack, PreferDualStack or RequireDualStack, got "DualStack")"},
    {kService,
     "  ports:", "  type: NodePort\n  ports:", "7: spec.type: weft does not implement NodePort; expected ClusterIP"},
    {kService, "  ports:", "  type: Cluster\n  ports:", R"(7: spec.type: expected ClusterIP, got "Cluster")"},
    {kService, "  ports:", "  sessionAffinity: Cookie\n  ports:",
     R"(7: spec.sessionAffinity: expected None or ClientIP, got "Cookie")"},
    {kService, "  ports:", "  sessionAffinityConfig: {clientIP: {timeoutSeconds: 5}}\n  ports:",
     "7: spec.sessionAffinityConfig: expected no configuration without sessionAffinity: ClientIP"},
    {kService,
     "  ports:", "  sessionAffinity: ClientIP\n  sessionAffinityConfig: {clientIP: {timeoutSeconds: 86401}}\n  ports:",
     R"(8: spec.sessionAffinityConfig.clientIP.timeoutSeconds: expected an integer from 1 to 86400, got "86401")"},
    {kService,
     "  ports:", "  sessionAffinity: ClientIP\n  sessionAffinityConfig: {clientIP: {timeoutSeconds: 0}}\n  ports:",
     R"(8: spec.sessionAffinityConfig.clientIP.timeoutSeconds: expected an integer from 1 to 86400, got "0")"},
    {kService, "  ports:", "  sessionAffinity: ClientIP\n  sessionAffinityConfig: {clientIP: {seconds: 5}}\n  ports:",
     "8: spec.sessionAffinityConfig.clientIP.seconds: unknown field; expected one of timeoutSeconds"},
    {kService, "  ports:", "  loadBalancerSourceRanges: [10.0.0.0/8, 10.1.0.1/16]\n  ports:",
     R"(7: spec.loadBalancerSourceRanges[1]: expected an address prefix without bits behind its length, such as )"
     R"(10.0.0.0/8 or fd00::/8, got "10.1.0.1/16")"},
    {kService, "  ports:", "  trafficDistribution: PreferSameNode\n  ports:",
     "7: spec.trafficDistribution: weft does not implement PreferSameNode; expected PreferClose or PreferSameZone"},
    {kService, "  ports:", "  publishNotReadyAddresses: 1\n  ports:",
     R"(7: spec.publishNotReadyAddresses: expected true or false, got "1")"},
    {kService, "  ports:", "  internalTrafficPolicy: Local\n  ports:",
     "7: spec.internalTrafficPolicy: weft does not implement Local; expected Cluster"},
    {kService,
     "  ports:", "  externalIPs: [1.2.3.4]\n  ports:", "7: spec.externalIPs: weft does not implement this field"},
    {kService, "  ports:", "  selector: {app: 1}\n  ports:",
     "7: spec.selector.app: expected a string, got the number 1; put it in quotes"},
    {kService, "  ports:\n  - port: 80", "  ports: []", "7: spec.ports: expected at least one item"},
    {kService, "  ports:\n  - port: 80\n", "", "6: spec.ports: required field is missing"},
    {kService, "port: 80", "port: 70000", R"(8: spec.ports[0].port: expected an integer from 1 to 65535, got "70000")"},
    {kService, "port: 80", "name: http", "8: spec.ports[0].port: required field is missing"},
    {kService, "port: 80", "port: 80\n    protocol: SCTP",
     "9: spec.ports[0].protocol: weft does not implement SCTP; expected TCP or UDP"},
    {kService, "port: 80", "port: 80\n    nodePort: 30080",
     "9: spec.ports[0].nodePort: weft does not implement this field"},
    {kService, "port: 80", "port: 80\n    targetPort: 0",
     R"(9: spec.ports[0].targetPort: expected an integer from 1 to 65535, got "0")"},
    {kService, "port: 80", "port: 80\n    targetPort: A",
     R"(9: spec.ports[0].targetPort: expected up to 63 of a-z, 0-9 and inner "-", got "A")"},
    {kService, "port: 80", "port: 80\n    name: HTTP",
     R"(9: spec.ports[0].name: expected up to 63 of a-z, 0-9 and inner "-", got "HTTP")"},
    {kService, "port: 80", "{name: a, port: 80}\n  - port: 81",
     "9: spec.ports[1].name: required field is missing: the service has more than one port"},
    {kService, "port: 80", "{name: a, port: 80}\n  - {name: a, port: 81}",
     R"(9: spec.ports[1].name: duplicate port name "a")"},
    {kService, "port: 80", "{name: a, port: 80}\n  - {name: b, port: 80}",
     "9: spec.ports[1].port: duplicate port: spec.ports[0] has 80 of the protocol too"},

    {kSlice, "  labels:\n    kubernetes.io/service-name: web\n", "",
     R"(4: metadata.labels["kubernetes.io/service-name"]: required label is missing)"},
    {kSlice, "service-name: web", "service-name: Web",
     R"(6: metadata.labels["kubernetes.io/service-name"]: expected up to 63 of a-z, 0-9 and inner "-", got "Web")"},
    {kSlice, "name: web-1", "name: web..1",
     R"(4: metadata.name: expected a DNS name of a-z, 0-9, "-" and ".", got "web..1")"},
    {kSlice, "name: web-1", "name: web-1\n  annotations: {weft.dev/weight: '65536'}",
     R"(5: metadata.annotations["weft.dev/weight"]: expected an integer from 0 to 65535, got "65536")"},
    {kSlice, "name: web-1", "name: web-1\n  annotations: {weft.dev/wieght: '5'}",
     R"(5: metadata.annotations["weft.dev/wieght"]: unknown annotation; expected weft.dev/weight)"},
    {kSlice, "IPv4", "FQDN", "7: addressType: weft does not implement FQDN; expected IPv4 or IPv6"},
    {kSlice, "IPv4", "IPv6", R"(11: endpoints[0].addresses[0]: expected an IPv6 address, got "10.1.0.1")"},
    {kSlice, "[10.1.0.1]", "[fd00::1]", R"(11: endpoints[0].addresses[0]: expected an IPv4 address, got "fd00::1")"},
    {kSlice, "[10.1.0.1]", "[10.1.0.1]\n  hints: {forZones: [{}]}",
     "12: endpoints[0].hints.forZones[0].name: required field is missing"},
    {kSlice, "[10.1.0.1]", "[10.1.0.1]\n  hints: {zones: []}",
     "12: endpoints[0].hints.zones: unknown field; expected one of forZones or forNodes"},
    {kSlice, "addressType: IPv4\n", "", "1: addressType: required field is missing"},
    {kSlice, "- port: 8080", "- name: http", "9: ports[0].port: required field is missing"},
    {kSlice, "- port: 8080", "- port: 8080\n- port: 8081",
     R"(10: ports[1].name: duplicate port name "" of the same protocol)"},
    {kSlice, "- port: 8080", "- port: 8080\n  targetPort: 80",
     "10: ports[0].targetPort: unknown field; expected one of name, protocol, port or appProtocol"},
    {kSlice, "addresses: [10.1.0.1]", "addresses: []", "11: endpoints[0].addresses: expected at least one item"},
    {kSlice, "addresses: [10.1.0.1]", "hostname: a", "11: endpoints[0].addresses: required field is missing"},
    {kSlice, "[10.1.0.1]", "[10.1.0.1, 10.1.0]",
     R"(11: endpoints[0].addresses[1]: expected an IPv4 address, got "10.1.0")"},
    {kSlice, "[10.1.0.1]", "[127.0.0.1]",
     R"(11: endpoints[0].addresses: expected unicast addresses, got "127.0.0.1", which is loopback)"},
    {kSlice, "[10.1.0.1]", "[10.1.0.1]\n  conditions: {ready: maybe}",
     R"(12: endpoints[0].conditions.ready: expected true or false, got "maybe")"},
    {kSlice, "[10.1.0.1]", "[10.1.0.1]\n  conditions: {live: true}",
     "12: endpoints[0].conditions.live: unknown field; expected one of ready, serving or terminating"},
    {kSlice, "[10.1.0.1]", "[10.1.0.1]\n  hostname: a b",
     R"(12: endpoints[0].hostname: expected up to 63 of a-z, 0-9 and inner "-", got "a b")"},
    {kSlice, "[10.1.0.1]", "[10.1.0.1]\n  targetRef: {name: \"a\\nb\"}",
     R"(12: endpoints[0].targetRef.name: expected a DNS name of a-z, 0-9, "-" and ".", got "a\x0ab")"},
    {kSlice, "[10.1.0.1]", "[10.1.0.1]\n  weight: 3",
     "12: endpoints[0].weight: unknown field; expected one of addresses, conditions, hostname, targetRef, nodeName, "
     "zone, hints or deprecatedTopology"},
};
INSTANTIATE_TEST_SUITE_P(Registry, BadResource, ::testing::ValuesIn(kBadResources));

TEST(Parse, FillsInKubernetesDefaults) {
  const ParsedFile parsed = parse_file("f.yaml", std::string(kService) + "---\n" + std::string(kSlice));
  ASSERT_THAT(parsed.errors, IsEmpty());
  EXPECT_EQ(parsed.documents, 2U);
  const Service& service = *parsed.resources.services.at(0);
  EXPECT_EQ(service.metadata.key(), "default/web");
  EXPECT_EQ(service.metadata.file, "f.yaml");
  EXPECT_EQ(service.metadata.line, 1U);
  EXPECT_THAT(service.addresses, ElementsAre(*lb::parse_address("10.96.0.10")));
  EXPECT_EQ(service.table_size, 65537U);
  EXPECT_EQ(service.ports.at(0).protocol, lb::Protocol::tcp);
  EXPECT_EQ(lb::to_host(service.ports.at(0).port), 80);
  const EndpointSlice& slice = *parsed.resources.slices.at(0);
  EXPECT_EQ(slice.metadata.line, 10U);
  EXPECT_EQ(slice.service, "default/web");
  EXPECT_EQ(slice.weight, 1U);
  EXPECT_EQ(slice.endpoints.at(0).name, "10.1.0.1");
  EXPECT_EQ(slice.endpoints.at(0).state, lb::EndpointState::ready);
}

TEST(Parse, AcceptsWhatKubectlPrints) {
  const ParsedFile parsed = parse_file("f.yaml", R"(
apiVersion: v1
kind: List
metadata: {resourceVersion: ""}
items:
- apiVersion: v1
  kind: Service
  metadata:
    annotations: {kubectl.kubernetes.io/last-applied-configuration: "{}", weft.dev/maglev-table-size: "251"}
    creationTimestamp: "2026-01-01T00:00:00Z"
    labels: {app: web}
    managedFields: [{manager: kubectl, fieldsV1: {"f:spec": {}}}]
    name: web
    namespace: prod
    resourceVersion: "12345"
    uid: 0d0c8b1e-0000-4000-8000-000000000000
  spec:
    clusterIP: 10.96.0.10
    clusterIPs: [10.96.0.10]
    internalTrafficPolicy: Cluster
    ipFamilies: [IPv4]
    ipFamilyPolicy: SingleStack
    ports:
    - {name: http, port: 80, protocol: TCP, targetPort: 8080, appProtocol: http}
    - {name: dns, port: 53, protocol: UDP, targetPort: dns}
    selector: {app: web}
    sessionAffinity: None
    type: ClusterIP
  status: {loadBalancer: {}}
- apiVersion: discovery.k8s.io/v1
  kind: EndpointSlice
  metadata:
    annotations: {weft.dev/weight: "7"}
    generateName: web-
    generation: 3
    labels: {endpointslice.kubernetes.io/managed-by: x, kubernetes.io/service-name: web}
    name: web-abcde
    namespace: prod
    ownerReferences: [{apiVersion: v1, kind: Service, name: web}]
  addressType: IPv4
  endpoints:
  - addresses: [10.1.0.1, 10.1.0.9]
    conditions: {ready: true, serving: true, terminating: false}
    nodeName: node-a
    zone: eu-1a
    hints: {forZones: [{name: eu-1a}]}
    targetRef: {kind: Pod, name: web-0, namespace: prod, uid: 1d0c}
  - {addresses: [10.1.0.2], hostname: two, conditions: {ready: null}}
  - {addresses: [10.1.0.3], conditions: {ready: false, serving: true, terminating: true}}
  - {addresses: [10.1.0.4], conditions: {ready: false}}
  ports:
  - {name: http, port: 8080, protocol: TCP, appProtocol: http}
)");
  ASSERT_THAT(parsed.errors, IsEmpty());
  EXPECT_EQ(parsed.documents, 1U);
  ASSERT_EQ(parsed.resources.services.size(), 1U);
  EXPECT_EQ(parsed.resources.services[0]->metadata.key(), "prod/web");
  EXPECT_EQ(parsed.resources.services[0]->table_size, 251U);
  EXPECT_EQ(parsed.resources.services[0]->ports.at(1).protocol, lb::Protocol::udp);
  ASSERT_EQ(parsed.resources.slices.size(), 1U);
  const EndpointSlice& slice = *parsed.resources.slices[0];
  EXPECT_EQ(slice.weight, 7U);
  ASSERT_EQ(slice.endpoints.size(), 4U);
  EXPECT_EQ(slice.endpoints[0].name, "web-0");
  EXPECT_EQ(slice.endpoints[0].address, *lb::parse_ipv4("10.1.0.1")) << "consumers use the first address";
  EXPECT_EQ(slice.endpoints[1].name, "two");
  EXPECT_EQ(slice.endpoints[1].state, lb::EndpointState::ready) << "null means ready";
  EXPECT_EQ(slice.endpoints[2].state, lb::EndpointState::draining);
  EXPECT_EQ(slice.endpoints[3].state, lb::EndpointState::not_ready);
}

TEST(Parse, AcceptsJson) {
  const ParsedFile parsed = parse_file("f.json", R"({
	"apiVersion": "v1", "kind": "Service",
	"metadata": {"name": "web"},
	"spec": {"clusterIP": "10.96.0.10", "ports": [{"port": 80}]}
})");
  EXPECT_THAT(parsed.errors, IsEmpty());
  EXPECT_EQ(parsed.resources.services.size(), 1U);
}

TEST(Parse, AHeadlessServiceHasNoVip) {
  std::string text(kService);
  text.replace(text.find("10.96.0.10"), 10, "None");
  const ParsedFile parsed = parse_file("f.yaml", text);
  EXPECT_THAT(parsed.errors, IsEmpty());
  EXPECT_THAT(parsed.resources.services.at(0)->addresses, IsEmpty());
}

TEST(Parse, EmptyDocumentsCountForNothing) {
  const ParsedFile parsed = parse_file("f.yaml", "# nothing\n---\n---\n" + std::string(kService) + "---\n");
  EXPECT_THAT(parsed.errors, IsEmpty());
  EXPECT_EQ(parsed.documents, 1U);
}

TEST(Parse, NamesTheItemOfAList) {
  EXPECT_THAT(errors_of("{apiVersion: v1, kind: List, items: [{apiVersion: v1, kind: List}, 5]}"),
              ElementsAre(R"(f.yaml:1: items[1]: expected a mapping, got "5")",
                          R"(f.yaml:1: items[0].kind: weft does not know kind "List" of apiVersion "v1"; it knows )"
                          "Service (v1), EndpointSlice (discovery.k8s.io/v1), ServicePolicy (weft.dev/v1), "
                          "FaultInjection (weft.dev/v1), InspectionPolicy (weft.dev/v1), HTTPRoute "
                          "(gateway.networking.k8s.io/v1), GRPCRoute (gateway.networking.k8s.io/v1), Gateway "
                          "(gateway.networking.k8s.io/v1), GatewayClass (gateway.networking.k8s.io/v1), ReferenceGrant "
                          "(gateway.networking.k8s.io/v1), DestinationRule (networking.istio.io/v1) and "
                          "AuthorizationPolicy (security.istio.io/v1)"));
}

}  // namespace
}  // namespace weft::registry
