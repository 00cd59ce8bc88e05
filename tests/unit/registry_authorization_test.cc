// SPDX-License-Identifier: Apache-2.0
/// @file AuthorizationPolicy: read with every field, refused with its field's name, and resolved into the
/// services that it is about.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "lb/authorization.h"
#include "registry_builder_fixture.h"
#include "registry_http_fixture.h"

namespace weft::registry {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Pair;

constexpr std::string_view kAuthorization = R"(apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: web, namespace: shop, annotations: {istio.io/dry-run: "true"}}
spec:
  action: DENY
  targetRefs: [{group: "", kind: Service, name: web}]
  rules:
  - from:
    - source:
        principals: ["cluster.local/ns/shop/sa/*", "*/sa/web", "*"]
        notPrincipals: [cluster.local/ns/shop/sa/root]
        namespaces: [shop]
        notNamespaces: [dev-*]
        ipBlocks: [10.0.0.0/8, 192.0.2.1]
        notIpBlocks: ["fd00::/8"]
        remoteIpBlocks: [198.51.100.0/24]
        notRemoteIpBlocks: [198.51.100.7]
    to:
    - operation:
        hosts: ["*.Example.com"]
        notHosts: [a.example.com]
        ports: ["80", "0"]
        notPorts: ["65535"]
        methods: [GET, "PO*"]
        notMethods: [PUT]
        paths: [/a, /b/*, "*.css", "/c/{*}/d/{**}"]
        notPaths: [/a/b]
    when:
    - {key: "request.headers[X-User]", values: [a*], notValues: [ab]}
    - {key: source.ip, values: [10.0.0.0/8]}
    - {key: remote.ip, notValues: ["::1"]}
    - {key: source.namespace, values: [shop]}
    - {key: source.principal, values: ["*"]}
    - {key: destination.ip, values: [10.96.0.10]}
    - {key: destination.port, values: ["80"], notValues: ["81"]}
  - {}
status: {}
)";

class BadAuthorization : public ::testing::TestWithParam<BadEdit> {};

TEST_P(BadAuthorization, IsRefusedWithItsFieldsName) {
  const std::string text = edited(kAuthorization, GetParam().good, GetParam().bad);
  EXPECT_THAT(lines(parse_file("f.yaml", text).errors), ElementsAre("f.yaml:" + std::string(GetParam().message)));
}

constexpr BadEdit kBadAuthorizations[] = {
    {"dry-run: \"true\"", "dry-run: \"yes\"",
     R"(3: metadata.annotations["istio.io/dry-run"]: expected "true" or "false", got "yes")"},
    {"action: DENY", "action: AUDIT", "5: spec.action: weft does not implement AUDIT; expected ALLOW or DENY"},
    {"action: DENY", "action: CUSTOM", "5: spec.action: weft does not implement CUSTOM; expected ALLOW or DENY"},
    {"action: DENY", "action: deny", R"(5: spec.action: expected ALLOW or DENY, got "deny")"},
    {"action: DENY", "provider: {name: p}", "5: spec.provider: weft does not implement this field"},
    {"action: DENY", "actions: DENY",
     "5: spec.actions: unknown field; expected one of action, selector, targetRef, targetRefs or rules"},
    {"kind: Service, name: web", "kind: Gateway, name: web",
     "6: spec.targetRefs[0].kind: weft does not implement Gateway; expected Service"},
    {"kind: Service, name: web", "kind: Pod, name: web", R"(6: spec.targetRefs[0].kind: expected Service, got "Pod")"},
    {"group: \"\", kind", "group: apps, kind",
     R"(6: spec.targetRefs[0].group: expected "", the group of Service, got "apps")"},
    {"kind: Service, name: web", "kind: Service, name: ''", "6: spec.targetRefs[0].name: required field is empty"},
    {"kind: Service, name: web", "kind: Service", "6: spec.targetRefs[0].name: required field is missing"},
    {"kind: Service, name: web", "kind: Service, name: web, namespace: dev",
     "6: spec.targetRefs[0].namespace: expected no namespace: a policy is for services of its own"},
    {"name: web}]", "name: web}, {kind: Service, name: web}]", R"(6: spec.targetRefs[1].name: duplicate target "web")"},
    {"targetRefs: [{group: \"\", kind: Service, name: web}]", "targetRefs: []",
     "6: spec.targetRefs: expected at least one item"},
    {"  rules:", "  selector: {matchLabels: {app: web}}\n  rules:",
     "6: spec.targetRefs: expected one of selector, targetRef or targetRefs, got selector and targetRefs"},
    {"  rules:", "  targetRef: {kind: Service, name: api}\n  rules:",
     "6: spec.targetRefs: expected one of selector, targetRef or targetRefs, got targetRef and targetRefs"},
    {"targetRefs: [{group: \"\", kind: Service, name: web}]", "selector: {matchLabels: {app: w*}}",
     R"(6: spec.selector.matchLabels.app: expected a label and its value without wildcards, got "app=w*")"},
    {"targetRefs: [{group: \"\", kind: Service, name: web}]", "selector: {}",
     "6: spec.selector.matchLabels: expected at least one label: without a selector the whole namespace is meant"},
    {"targetRefs: [{group: \"\", kind: Service, name: web}]", "selector: {matchLabels: {a: b}, matchExpressions: []}",
     "6: spec.selector.matchExpressions: unknown field; expected one of matchLabels"},
    {"  - {}\n", "  - null\n", "36: spec.rules[1]: expected a mapping, got nothing"},
    {"  - {}\n", "  - {from: []}\n", "36: spec.rules[1].from: expected at least one item, or no field for all"},
    {"  - {}\n", "  - {to: []}\n", "36: spec.rules[1].to: expected at least one item, or no field for all"},
    {"  - {}\n", "  - {when: []}\n", "36: spec.rules[1].when: expected at least one item, or no field for all"},
    {"  - {}\n", "  - {from: [{}]}\n", "36: spec.rules[1].from[0].source: required field is missing"},
    {"  - {}\n", "  - {from: [{source: {}}]}\n",
     "36: spec.rules[1].from[0].source.principals: expected at least one field, such as this"},
    {"  - {}\n", "  - {to: [{operation: {}}]}\n",
     "36: spec.rules[1].to[0].operation.paths: expected at least one field, such as this"},
    {"  - {}\n", "  - {who: x}\n", "36: spec.rules[1].who: unknown field; expected one of from, to or when"},
    {"namespaces: [shop]", "namespaces: []",
     "12: spec.rules[0].from[0].source.namespaces: expected at least one value, or no field"},
    {"namespaces: [shop]", "namespaces: ['']",
     R"(12: spec.rules[0].from[0].source.namespaces: expected values that are not empty, got "")"},
    {"namespaces: [shop]", "namespaces: [a*b]",
     R"(12: spec.rules[0].from[0].source.namespaces: expected one "*", at the beginning or at the end, got "a*b")"},
    {"namespaces: [shop]", "namespaces: ['*a*']",
     R"(12: spec.rules[0].from[0].source.namespaces: expected one "*", at the beginning or at the end, got "*a*")"},
    {"namespaces: [shop]", "requestPrincipals: ['*']",
     "12: spec.rules[0].from[0].source.requestPrincipals: weft does not implement this field"},
    {"namespaces: [shop]", "notRequestPrincipals: ['*']",
     "12: spec.rules[0].from[0].source.notRequestPrincipals: weft does not implement this field"},
    {"namespaces: [shop]", "serviceAccounts: [a]",
     "12: spec.rules[0].from[0].source.serviceAccounts: weft does not implement this field"},
    {"ipBlocks: [10.0.0.0/8, 192.0.2.1]", "ipBlocks: [10.0.0.0/33]",
     R"(14: spec.rules[0].from[0].source.ipBlocks[0]: expected an address prefix without bits behind its length, such as )"
     R"(10.0.0.0/8 or fd00::/8, got "10.0.0.0/33")"},
    {"ports: [\"80\", \"0\"]", "ports: [80]",
     "22: spec.rules[0].to[0].operation.ports[0]: expected a string, got the number 80; put it in quotes"},
    {"ports: [\"80\", \"0\"]", "ports: [\"65536\"]",
     R"(22: spec.rules[0].to[0].operation.ports: expected ports from 0 to 65535, got "65536")"},
    {"ports: [\"80\", \"0\"]", "ports: [http]",
     R"(22: spec.rules[0].to[0].operation.ports: expected ports from 0 to 65535, got "http")"},
    {"/c/{*}/d/{**}", "/c/{**}/d/{*}",
     R"(26: spec.rules[0].to[0].operation.paths: expected a path such as /a/{*}/b/{**}, got "/c/{**}/d/{*}": {**} is )"
     "not the last operator"},
    {"/c/{*}/d/{**}", "/c/{id}",
     R"(26: spec.rules[0].to[0].operation.paths: expected a path such as /a/{*}/b/{**}, got "/c/{id}": braces stand )"
     "for {*} and {**} alone, as whole segments"},
    {"/c/{*}/d/{**}", "/c*/{*}",
     R"(26: spec.rules[0].to[0].operation.paths: expected a path such as /a/{*}/b/{**}, got "/c*/{*}": beside {*} and )"
     "{**}, segments have no wildcards, and characters of paths alone"},
    {"request.headers[X-User]", "request.headers",
     R"(29: spec.rules[0].when[0].key: expected request.headers[name], got "request.headers")"},
    {"request.headers[X-User]", "request.headers[a b]",
     R"(29: spec.rules[0].when[0].key: expected a token of letters, digits and !#$%&'*+-.^_`|~ (RFC 9110, section )"
     R"(5.6.2), got "a b")"},
    {"request.headers[X-User]", "request.auth.claims[iss]",
     "29: spec.rules[0].when[0].key: weft does not implement request.auth.claims[iss]; expected request.headers[name], "
     "source.ip, remote.ip, source.namespace, source.principal, destination.ip or destination.port"},
    {"request.headers[X-User]", "connection.sni",
     "29: spec.rules[0].when[0].key: weft does not implement connection.sni; expected request.headers[name], "
     "source.ip, "
     "remote.ip, source.namespace, source.principal, destination.ip or destination.port"},
    {"*.Example.com", "a.example.com:8080",
     R"(20: spec.rules[0].to[0].operation.hosts: expected hosts without a port, as they are compared, got )"
     R"("a.example.com:8080")"},
    {"request.headers[X-User]", "destination.user",
     "29: spec.rules[0].when[0].key: expected request.headers[name], source.ip, remote.ip, source.namespace, "
     "source.principal, destination.ip or destination.port, got \"destination.user\""},
    {"key: \"request.headers[X-User]\", ", "", "29: spec.rules[0].when[0].key: required field is missing"},
    {"{key: source.ip, values: [10.0.0.0/8]}", "{key: source.ip}",
     "30: spec.rules[0].when[1].values: expected values or notValues, or both"},
    {"{key: source.ip, values: [10.0.0.0/8]}", "{key: source.ip, values: []}",
     "30: spec.rules[0].when[1].values: expected at least one value, or no field"},
    {"{key: source.ip, values: [10.0.0.0/8]}", "{key: source.ip, values: [shop]}",
     R"(30: spec.rules[0].when[1].values[0]: expected an address prefix without bits behind its length, such as )"
     R"(10.0.0.0/8 or fd00::/8, got "shop")"},
    {"values: [\"80\"], not", "values: [x], not",
     R"(35: spec.rules[0].when[6].values: expected ports from 0 to 65535, got "x")"},
};
INSTANTIATE_TEST_SUITE_P(Registry, BadAuthorization, ::testing::ValuesIn(kBadAuthorizations));

/// A policy that is tried alone.
std::string authorization(const std::string& name, const std::string& spec) {
  return "{apiVersion: security.istio.io/v1, kind: AuthorizationPolicy, metadata: {name: " + name +
         ", annotations: {istio.io/dry-run: 'true'}}, spec: " + spec + "}\n---\n";
}

TEST(Authorization, IsReadWithEveryField) {
  using Kind = TextPattern::Kind;
  const auto documents = parsed(std::string(kAuthorization));
  ASSERT_EQ(documents->authorizations.size(), 1U);
  const AuthorizationPolicy& policy = *documents->authorizations[0];
  EXPECT_EQ(policy.metadata.key(), "shop/web");
  EXPECT_EQ(policy.action, AuthorizationPolicy::Action::deny);
  EXPECT_TRUE(policy.dry_run);
  EXPECT_THAT(policy.services, ElementsAre("shop/web"));
  ASSERT_EQ(policy.rules.size(), 2U);
  EXPECT_EQ(policy.rules[1], AuthorizationRule{}) << "whatever is asked";
  const AuthorizationRule& rule = policy.rules[0];
  ASSERT_EQ(rule.from.size(), 1U);
  const AuthorizationSource& from = rule.from[0];
  EXPECT_THAT(from.principals.is, ElementsAre(TextPattern{Kind::prefix, "cluster.local/ns/shop/sa/"},
                                              TextPattern{Kind::suffix, "/sa/web"}, TextPattern{Kind::any, ""}));
  EXPECT_THAT(from.principals.is_not, ElementsAre(TextPattern{Kind::exact, "cluster.local/ns/shop/sa/root"}));
  EXPECT_THAT(from.namespaces.is, ElementsAre(TextPattern{Kind::exact, "shop"}));
  EXPECT_THAT(from.namespaces.is_not, ElementsAre(TextPattern{Kind::prefix, "dev-"}));
  EXPECT_THAT(from.ip_blocks.is, ElementsAre(*lb::parse_prefix("10.0.0.0/8"), *lb::parse_prefix("192.0.2.1/32")));
  EXPECT_THAT(from.ip_blocks.is_not, ElementsAre(*lb::parse_prefix("fd00::/8")));
  EXPECT_THAT(from.remote_ip_blocks.is, ElementsAre(*lb::parse_prefix("198.51.100.0/24")));
  EXPECT_THAT(from.remote_ip_blocks.is_not, ElementsAre(*lb::parse_prefix("198.51.100.7/32")));
  ASSERT_EQ(rule.to.size(), 1U);
  const AuthorizationOperation& to = rule.to[0];
  EXPECT_THAT(to.hosts.is, ElementsAre(TextPattern{Kind::suffix, ".example.com"})) << "hosts have no case";
  EXPECT_THAT(to.hosts.is_not, ElementsAre(TextPattern{Kind::exact, "a.example.com"}));
  EXPECT_THAT(to.ports.is, ElementsAre(80, 0));
  EXPECT_THAT(to.ports.is_not, ElementsAre(65535));
  EXPECT_THAT(to.methods.is, ElementsAre(TextPattern{Kind::exact, "GET"}, TextPattern{Kind::prefix, "PO"}));
  EXPECT_THAT(to.methods.is_not, ElementsAre(TextPattern{Kind::exact, "PUT"}));
  EXPECT_THAT(to.paths.is,
              ElementsAre(TextPattern{Kind::exact, "/a"}, TextPattern{Kind::prefix, "/b/"},
                          TextPattern{Kind::suffix, ".css"}, TextPattern{Kind::path_template, "/c/{*}/d/{**}"}));
  EXPECT_THAT(to.paths.is_not, ElementsAre(TextPattern{Kind::exact, "/a/b"}));
  ASSERT_EQ(rule.when.size(), 7U);
  EXPECT_EQ(rule.when[0].header, "x-user");
  EXPECT_THAT(rule.when[0].texts.is, ElementsAre(TextPattern{Kind::prefix, "a"}));
  EXPECT_THAT(rule.when[0].texts.is_not, ElementsAre(TextPattern{Kind::exact, "ab"}));
  EXPECT_EQ(rule.when[1].key, AuthorizationWhen::Key::source_ip);
  EXPECT_THAT(rule.when[1].addresses.is, ElementsAre(*lb::parse_prefix("10.0.0.0/8")));
  EXPECT_EQ(rule.when[2].key, AuthorizationWhen::Key::remote_ip);
  EXPECT_EQ(rule.when[3].key, AuthorizationWhen::Key::source_namespace);
  EXPECT_EQ(rule.when[4].key, AuthorizationWhen::Key::source_principal);
  EXPECT_EQ(rule.when[5].key, AuthorizationWhen::Key::destination_ip);
  EXPECT_EQ(rule.when[6].key, AuthorizationWhen::Key::destination_port);
  EXPECT_THAT(rule.when[6].ports.is, ElementsAre(80));
  EXPECT_THAT(rule.when[6].ports.is_not, ElementsAre(81));
}

TEST(Authorization, DefaultsAsIstioDoes) {
  const auto documents = parsed(
      "{apiVersion: security.istio.io/v1beta1, kind: AuthorizationPolicy, metadata: {name: nothing, annotations: "
      "{istio.io/dry-run: 'true'}}}\n---\n" +
      authorization("labels", "{selector: {matchLabels: {app: web}}, rules: [{}]}"));
  ASSERT_EQ(documents->authorizations.size(), 2U);
  const AuthorizationPolicy& nothing = *documents->authorizations[0];
  EXPECT_EQ(nothing.action, AuthorizationPolicy::Action::allow);
  EXPECT_THAT(nothing.rules, IsEmpty()) << "it allows nothing";
  EXPECT_THAT(nothing.services, IsEmpty());
  EXPECT_THAT(documents->authorizations[1]->labels, ElementsAre(Pair("app", "web")));
}

TEST(Authorization, ThatDeniesNeedsRules) {
  const auto errors = [](const std::string& spec) {
    return lines(parse_file("f.yaml", authorization("a", spec)).errors);
  };
  const std::string message = ": a policy that denies needs rules: without any it denies nothing; [{}] denies all";
  EXPECT_THAT(errors("{action: DENY}"), ElementsAre("f.yaml:1: spec.action" + message));
  EXPECT_THAT(errors("{action: DENY, rules: []}"), ElementsAre("f.yaml:1: spec.rules" + message));
  EXPECT_THAT(errors("{action: DENY, rules: [{}]}"), IsEmpty());
  EXPECT_THAT(errors("{action: ALLOW, rules: []}"), IsEmpty());
}

TEST(Authorization, IsWarnedOfWhatItDoesToOpaqueConnections) {
  const Validation validation =
      validated(kWeb + authorization("a", "{targetRefs: [{kind: Service, name: web}], rules: [{}]}") +
                authorization("b", "{action: DENY, rules: [{to: [{operation: {methods: [GET]}}]}]}") +
                authorization("c", "{action: DENY, rules: [{to: [{operation: {methods: [GET], ports: ['80']}}]}]}") +
                authorization("d", "{targetRef: {kind: Service, name: none}, rules: [{}]}") + service("alone", "None") +
                authorization("e", "{targetRef: {kind: Service, name: alone}, rules: [{}]}"));
  EXPECT_THAT(lines(validation.errors), IsEmpty());
  EXPECT_THAT(
      lines(validation.warnings),
      ElementsAre(
          "f.yaml:7: spec.rules[0].to: without ports it denies all connections whose requests weft does not read",
          "f.yaml:11: spec.targetRefs: there is no service default/none (yet)",
          "f.yaml:15: spec.targetRefs: service default/alone is headless: clients talk to its endpoints by themselves, "
          "and no policy is asked"));
}

TEST(Authorization, IsNamedOnce) {
  const std::string policy = authorization("a", "{rules: [{}]}");
  EXPECT_THAT(
      lines(validated(policy + policy).errors),
      ElementsAre("f.yaml:3: metadata.name: duplicate AuthorizationPolicy default/a; the first is at f.yaml:1"));
}

/// Of all services, who has which policies: "web:80 default/a,istio-system/b", one a line.
std::vector<std::string> judged(const lb::Snapshot& snapshot) {
  std::vector<std::string> all;
  for (const lb::Service& service : snapshot.services()) {
    std::string text = service.name + ":" + std::to_string(lb::to_host(service.port));
    char separator = ' ';
    for (const lb::AuthorizationRules& policy :
         service.authorization == nullptr ? std::vector<lb::AuthorizationRules>() : service.authorization->policies()) {
      text += separator + policy.name + (policy.dry_run ? "?" : "");
      separator = ',';
    }
    all.push_back(text);
  }
  return all;
}

/// In force.
std::string enforced(const std::string& name, const std::string& spec, const std::string& name_space = "default") {
  return "{apiVersion: security.istio.io/v1, kind: AuthorizationPolicy, metadata: {name: " + name +
         ", namespace: " + name_space + "}, spec: " + spec + "}\n---\n";
}

std::string selecting(const std::string& name, const std::string& vip, const std::string& selector) {
  return "{apiVersion: v1, kind: Service, metadata: {name: " + name +
         ", annotations: {weft.dev/maglev-table-size: '251'}}, spec: {clusterIP: " + vip + ", selector: " + selector +
         ", ports: [{port: 80}]}}\n---\n";
}

TEST(Authorization, IsAboutServicesItsNamespaceOrAll) {
  const std::string api = service("api", "10.96.0.11", "[{name: a, port: 80}, {name: b, port: 81}]", "251");
  const std::string dev =
      "{apiVersion: v1, kind: Service, metadata: {name: web, namespace: dev, annotations: {weft.dev/maglev-table-size: "
      "'251'}}, spec: {clusterIP: 10.96.0.12, ports: [{port: 80}]}}\n---\n";
  Bench bench;
  const auto with = [&](const std::string& policies) {
    bench.build(kWeb + api + dev + policies);
    return judged(bench.snapshot());
  };
  EXPECT_THAT(with(""), ElementsAre("default/api:80", "default/api:81", "default/web:80", "dev/web:80"));
  EXPECT_THAT(with(enforced("a", "{targetRefs: [{kind: Service, name: web}]}")),
              ElementsAre("default/api:80", "default/api:81", "default/web:80 default/a", "dev/web:80"));
  EXPECT_THAT(with(enforced("a", "{targetRefs: [{kind: Service, name: web}]}") + enforced("b", "{}") +
                   authorization("c", "{rules: [{}]}")),
              ElementsAre("default/api:80 default/b,default/c?", "default/api:81 default/b,default/c?",
                          "default/web:80 default/a,default/b,default/c?", "dev/web:80"));
  EXPECT_THAT(with(enforced("all", "{rules: [{}]}", "istio-system") + enforced("d", "{}", "dev")),
              ElementsAre("default/api:80 istio-system/all", "default/api:81 istio-system/all",
                          "default/web:80 istio-system/all", "dev/web:80 dev/d,istio-system/all"));
  EXPECT_THAT(with(""), ElementsAre("default/api:80", "default/api:81", "default/web:80", "dev/web:80"));
}

TEST(Authorization, IsAboutServicesThatComeLater) {
  Bench bench;
  bench.build(enforced("a", "{targetRefs: [{kind: Service, name: web}]}") + enforced("b", "{}"));
  bench.build(kWeb + enforced("a", "{targetRefs: [{kind: Service, name: web}]}") + enforced("b", "{}"));
  EXPECT_THAT(judged(bench.snapshot()), ElementsAre("default/web:80 default/a,default/b"));
}

TEST(Authorization, IsAboutGatewaysOfItsNamespace) {
  const std::string gateway =
      "{apiVersion: gateway.networking.k8s.io/v1, kind: Gateway, metadata: {name: edge}, spec: {gatewayClassName: "
      "weft, "
      "addresses: [{value: 192.0.2.1}], listeners: [{name: http, port: 80, protocol: HTTP}]}}\n---\n";
  Bench bench;
  bench.build(gateway + enforced("a", "{}") +
              enforced("b", "{selector: {matchLabels: {gateway.networking.k8s.io/gateway-name: edge}}}") +
              enforced("c", "{selector: {matchLabels: {gateway.networking.k8s.io/gateway-name: other}}}"));
  EXPECT_THAT(judged(bench.snapshot()), ElementsAre("gateway default/edge:80 default/a,default/b"));
}

TEST(Authorization, SelectsByTheLabelsThatAServiceAsksOfItsPods) {
  Bench bench;
  const auto outcome = bench.build(
      parsed(selecting("a", "10.96.0.10", "{app: web, tier: front}") + selecting("b", "10.96.0.11", "{app: api}") +
             selecting("c", "10.96.0.12", "{tier: front}") + enforced("p", "{selector: {matchLabels: {app: web}}}")),
      bench.in_use());
  EXPECT_THAT(judged(bench.snapshot()),
              ElementsAre("default/a:80 default/p", "default/b:80", "default/c:80 default/p"));
  EXPECT_THAT(
      lines(outcome.errors),
      ElementsAre("f.yaml:7: spec.selector: the selector of Service default/c does not say whether its endpoints "
                  "have all of these labels, so the policy is taken to be about all of them"));
}

TEST(Authorization, IsSharedAsLongAsItSaysTheSame) {
  Bench bench;
  const std::string policy = enforced("a", "{rules: [{from: [{source: {namespaces: [default]}}]}]}");
  bench.build(kWeb + policy);
  const auto before = bench.snapshot().services().shared()[0];
  const uint64_t since = bench.snapshot().authorized_since();
  // Elsewhere in its file, and with an endpoint more.
  bench.build(service("web", "10.96.0.10", "[{port: 80}]", "251") + slice("w", "web", endpoints(1, 3)) + "# here\n" +
              policy);
  EXPECT_EQ(bench.snapshot().services().shared()[0]->authorization, before->authorization);
  EXPECT_EQ(bench.snapshot().authorized_since(), since);
  // Flows of a service that was there before may linger: they are judged when it comes back.
  bench.build(service("web", "10.96.0.10", "[{port: 80}]", "251") + slice("w", "web", endpoints(1, 3)) +
              service("z", "10.96.0.20", "[{port: 80}]", "251") + policy);
  EXPECT_EQ(bench.snapshot().services().shared()[0]->authorization, before->authorization);
  EXPECT_EQ(bench.snapshot().authorized_since(), bench.snapshot().epoch());
  const uint64_t epoch = bench.snapshot().epoch();
  bench.build(service("web", "10.96.0.10", "[{port: 80}]", "251") + slice("w", "web", endpoints(1, 3)) +
              service("z", "10.96.0.20", "[{port: 80}]", "251") +
              enforced("a", "{rules: [{from: [{source: {namespaces: [dev]}}]}]}"));
  EXPECT_EQ(bench.snapshot().epoch(), epoch + 1) << "a change of policy makes one snapshot";
  EXPECT_NE(bench.snapshot().services().shared()[0]->authorization, before->authorization);
  EXPECT_EQ(bench.snapshot().authorized_since(), epoch + 1);
}

TEST(Authorization, DecidesPortsWhereTheyAreKnown) {
  Bench bench;
  bench.build(service("api", "10.96.0.11", "[{name: a, port: 80}, {name: b, port: 81}]", "251") +
              enforced("a", "{action: DENY, rules: [{to: [{operation: {ports: ['81']}}]}]}"));
  const auto denied = [&](size_t i) {
    return bench.snapshot().services()[i].authorization->judge(*lb::parse_address("10.9.9.9"), nullptr).denied;
  };
  EXPECT_FALSE(denied(0));
  EXPECT_TRUE(denied(1));
}

TEST(Authorization, KnowsCallersByTheServicesThatTheyAreEndpointsOf) {
  Bench bench;
  const std::string policy = enforced("a", "{}");
  const auto who = [&](const std::string& address) {
    const lb::Caller* const caller = bench.snapshot().callers().find(*lb::parse_address(address));
    return caller == nullptr ? std::vector<std::string>() : caller->principals;
  };
  bench.build(kWeb + slice("x", "other", endpoints(2, 3)));
  EXPECT_THAT(who("10.1.0.1"), IsEmpty()) << "nobody asks";
  bench.build(kWeb + slice("x", "other", endpoints(2, 3)) + policy);
  EXPECT_THAT(who("10.1.0.1"), ElementsAre("cluster.local/ns/default/sa/web"));
  EXPECT_THAT(who("10.1.0.2"), ElementsAre("cluster.local/ns/default/sa/other", "cluster.local/ns/default/sa/web"));
  EXPECT_THAT(who("10.1.0.4"), IsEmpty());
  const uint64_t epoch = bench.snapshot().epoch();
  bench.build(kWeb + slice("x", "other", endpoints(3, 4)) + policy);
  EXPECT_GT(bench.snapshot().epoch(), epoch);
  EXPECT_THAT(who("10.1.0.2"), ElementsAre("cluster.local/ns/default/sa/web"));
  EXPECT_THAT(who("10.1.0.4"), ElementsAre("cluster.local/ns/default/sa/other"));
  bench.build(kWeb);
  EXPECT_THAT(who("10.1.0.1"), IsEmpty());
}

TEST(Authorization, ThatIsTooMuchLeavesTheOldInForce) {
  std::string many = "[";
  for (int i = 0; i < 500; ++i) {
    many += "{to: [";
    for (int j = 0; j < 9; ++j) {
      many += "{operation: {paths: [/" + std::to_string(i) + "-" + std::to_string(j) + "]}},";
    }
    many += "]},";
  }
  many += "]";
  const std::string message =
      "the policies of default/web are refused: its policies have 4544 rules and operations, of which 4096 are allowed";
  Bench fresh;
  auto outcome = fresh.build(parsed(kWeb + enforced("a", "{rules: " + many + "}")), fresh.in_use());
  EXPECT_THAT(lines(outcome.errors), ElementsAre("f.yaml:5: " + message + "; all of it is denied"));
  EXPECT_TRUE(fresh.snapshot().services()[0].authorization->judge(*lb::parse_address("10.9.9.9"), nullptr).denied);
  Bench bench;
  bench.build(kWeb + enforced("a", "{rules: [{}]}"));
  const auto before = bench.snapshot().services()[0].authorization;
  outcome = bench.build(parsed(kWeb + enforced("a", "{rules: " + many + "}")), bench.in_use());
  EXPECT_THAT(lines(outcome.errors), ElementsAre("f.yaml:5: " + message + "; those before stay"));
  EXPECT_EQ(bench.snapshot().services()[0].authorization, before);
  outcome = bench.build(parsed(kWeb + enforced("a", "{rules: [{}]}")), bench.in_use());
  EXPECT_THAT(lines(outcome.errors), IsEmpty());
}

}  // namespace
}  // namespace weft::registry
