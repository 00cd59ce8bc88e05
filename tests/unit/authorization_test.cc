// SPDX-License-Identifier: Apache-2.0
// Istio's published semantics of AuthorizationPolicy, one line each:
// https://istio.io/latest/docs/reference/config/security/authorization-policy/, .../conditions/,
// https://istio.io/latest/docs/tasks/security/authorization/authz-tcp/.
#include "lb/authorization.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "lb/authorization_match.h"

namespace weft::lb {
namespace {

using Key = AuthorizationWhen::Key;

/// As Istio spells them.
TextPattern pattern(const std::string& text) {
  if (text == "*") {
    return {TextPattern::Kind::any, ""};
  }
  if (text.find('{') != std::string::npos) {
    return {TextPattern::Kind::path_template, text};
  }
  if (text.front() == '*') {
    return {TextPattern::Kind::suffix, text.substr(1)};
  }
  if (text.back() == '*') {
    return {TextPattern::Kind::prefix, text.substr(0, text.size() - 1)};
  }
  return {TextPattern::Kind::exact, text};
}

TextCondition texts(const std::vector<std::string>& is, const std::vector<std::string>& is_not = {}) {
  TextCondition condition;
  for (const std::string& each : is) {
    condition.is.push_back(pattern(each));
  }
  for (const std::string& each : is_not) {
    condition.is_not.push_back(pattern(each));
  }
  return condition;
}

AddressCondition blocks(const std::vector<std::string>& is, const std::vector<std::string>& is_not = {}) {
  AddressCondition condition;
  for (const std::string& each : is) {
    condition.is.push_back(*parse_prefix(each));
  }
  for (const std::string& each : is_not) {
    condition.is_not.push_back(*parse_prefix(each));
  }
  return condition;
}

const Caller kWeb{.namespaces = {"shop"}, .principals = {"cluster.local/ns/shop/sa/web"}};
const Caller kTwo{.namespaces = {"dev", "shop"},
                  .principals = {"cluster.local/ns/dev/sa/a", "cluster.local/ns/shop/sa/b"}};

struct Visit {
  std::string client = "10.0.0.5";
  const Caller* caller = &kWeb;
  std::string method = "GET";
  std::string host = "shop.example.com";
  std::string path = "/items/1";
  std::vector<HttpField> fields = {};
};

const Address kVip = *parse_address("10.96.0.10");
const Port kPort = port_from_host(80);

AuthorizationRules allow(std::vector<AuthorizationRule> rules, const std::string& name = "shop/allow") {
  return {.name = name, .rules = std::move(rules)};
}
AuthorizationRules deny(std::vector<AuthorizationRule> rules, const std::string& name = "shop/deny") {
  return {.name = name, .deny = true, .rules = std::move(rules)};
}
AuthorizationRules dry_run(AuthorizationRules policy) {
  policy.dry_run = true;
  return policy;
}

Judgement judge(const std::vector<AuthorizationRules>& policies, const Visit& asked = {}) {
  const Authorization authorization(1, policies, kVip, kPort);
  const HttpRequest request{
      .method = asked.method, .host = asked.host, .path = asked.path, .query = {}, .fields = asked.fields};
  return authorization.judge(request, *parse_address(asked.client), asked.caller);
}

Judgement judge_connection(const std::vector<AuthorizationRules>& policies, const Visit& asked = {}) {
  return Authorization(1, policies, kVip, kPort).judge(*parse_address(asked.client), asked.caller);
}

const AuthorizationRule kAny;

AuthorizationRule from(AuthorizationSource source) {
  return {.from = {std::move(source)}, .to = {}, .when = {}};
}
AuthorizationRule to(AuthorizationOperation operation) {
  return {.from = {}, .to = {std::move(operation)}, .when = {}};
}
AuthorizationRule when(AuthorizationWhen condition) {
  return {.from = {}, .to = {}, .when = {std::move(condition)}};
}

TEST(Authorization, AnswersInIstiosOrder) {
  const AuthorizationRule of_others = from({.namespaces = texts({"other"})});
  struct Row {
    const char* what;
    std::vector<AuthorizationRules> policies;
    bool denied;
  };
  const Row rows[] = {
      {"without policies all is allowed", {}, false},
      {"what a DENY policy matches is denied", {deny({kAny})}, true},
      {"and what none does is allowed, if there is no ALLOW policy", {deny({of_others})}, false},
      {"what an ALLOW policy matches is allowed", {allow({kAny})}, false},
      {"what none of them does is denied", {allow({of_others})}, true},
      {"one of several is enough", {allow({of_others}), allow({kAny})}, false},
      {"an ALLOW policy without rules allows nothing", {allow({})}, true},
      {"and takes nothing from what another allows", {allow({}), allow({kAny})}, false},
      {"DENY comes first, wherever it stands", {allow({kAny}), deny({kAny})}, true},
      {"a DENY policy without rules denies nothing", {deny({})}, false},
      {"any rule is enough", {allow({of_others, kAny})}, false},
      {"a dry run denies nothing", {dry_run(deny({kAny}))}, false},
      {"and, if it would allow, nothing either", {dry_run(allow({}))}, false},
  };
  for (const Row& row : rows) {
    EXPECT_EQ(judge(row.policies).denied, row.denied) << row.what;
    EXPECT_EQ(judge_connection(row.policies).denied, row.denied) << row.what;
  }
}

TEST(Authorization, NamesWhoDecided) {
  const AuthorizationRule of_others = from({.namespaces = texts({"other"})});
  const std::vector<AuthorizationRules> policies = {allow({of_others}, "shop/a"), deny({of_others, kAny}, "shop/b"),
                                                    deny({kAny}, "shop/c")};
  const Authorization authorization(1, policies, kVip, kPort);
  const Judgement denied = authorization.judge(*parse_address("10.0.0.5"), &kWeb);
  EXPECT_EQ(authorization.describe(denied), "shop/b, rule 1");
  const Authorization closed(2, {policies[0]}, kVip, kPort);
  EXPECT_EQ(closed.describe(closed.judge(*parse_address("10.0.0.5"), &kWeb)), "no ALLOW policy matches");
  const Authorization open(3, {allow({of_others}), allow({kAny}, "shop/open")}, kVip, kPort);
  EXPECT_EQ(open.describe(open.judge(*parse_address("10.0.0.5"), &kWeb)), "shop/open, rule 0");
}

TEST(Authorization, TellsOfADryRunWhatItWouldDo) {
  const AuthorizationRule of_others = from({.namespaces = texts({"other"})});
  struct Row {
    const char* what;
    std::vector<AuthorizationRules> policies;
    bool would_deny;
    const char* by;
  };
  const Row rows[] = {
      {"DENY", {dry_run(deny({kAny}, "shop/try"))}, true, "shop/try, rule 0"},
      {"DENY of others", {dry_run(deny({of_others}))}, false, ""},
      {"ALLOW of others", {dry_run(allow({of_others}))}, true, "no ALLOW policy matches"},
      {"ALLOW beside one that is enforced", {allow({kAny}), dry_run(allow({of_others}))}, false, ""},
      {"what is denied anyway", {deny({kAny}), dry_run(deny({kAny}))}, false, ""},
  };
  for (const Row& row : rows) {
    const Authorization authorization(1, row.policies, kVip, kPort);
    const Judgement judgement = authorization.judge(*parse_address("10.0.0.5"), &kWeb);
    EXPECT_EQ(judgement.dry_run_denied, row.would_deny) << row.what;
    if (row.would_deny) {
      EXPECT_FALSE(judgement.denied) << row.what;
      EXPECT_EQ(authorization.describe_dry_run(judgement), row.by) << row.what;
    }
  }
}

TEST(Authorization, MatchesAsIstioSays) {
  const Visit unknown{.caller = nullptr};
  const Visit in_two{.caller = &kTwo};
  const Visit with_header{.fields = {{"X-User", "ann"}, {"accept", "*/*"}}};
  const Visit with_two{.fields = {{"x-user", "ann"}, {"X-USER", "bob"}}};
  const auto header = [](const TextCondition& condition) {
    return when({.key = Key::header, .header = "x-user", .texts = condition, .addresses = {}, .ports = {}});
  };
  const auto texts_when = [](Key key, const TextCondition& condition) {
    return when({.key = key, .header = "", .texts = condition, .addresses = {}, .ports = {}});
  };
  const auto addresses_when = [](Key key, const AddressCondition& condition) {
    return when({.key = key, .header = "", .texts = {}, .addresses = condition, .ports = {}});
  };
  struct Row {
    const char* what;
    AuthorizationRule rule;
    Visit asked;
    bool matches;
  };
  const Row rows[] = {
      {"principals: exact", from({.principals = texts({"cluster.local/ns/shop/sa/web"})}), {}, true},
      {"principals: prefix", from({.principals = texts({"cluster.local/ns/shop/*"})}), {}, true},
      {"principals: suffix", from({.principals = texts({"*/sa/web"})}), {}, true},
      {"principals: another's", from({.principals = texts({"cluster.local/ns/shop/sa/we"})}), {}, false},
      {"principals: values OR", from({.principals = texts({"a", "*/sa/web"})}), {}, true},
      {"principals: presence", from({.principals = texts({"*"})}), {}, true},
      {"principals: presence of an unknown one", from({.principals = texts({"*"})}), unknown, false},
      {"notPrincipals of an unknown one", from({.principals = texts({}, {"*"})}), unknown, true},
      {"notPrincipals", from({.principals = texts({}, {"*/sa/web"})}), {}, false},
      {"principals and notPrincipals AND", from({.principals = texts({"*"}, {"*/sa/web"})}), {}, false},
      {"principals: any of an address's", from({.principals = texts({"*/sa/b"})}), in_two, true},
      {"notPrincipals: none of an address's", from({.principals = texts({}, {"*/sa/b"})}), in_two, false},
      {"namespaces", from({.namespaces = texts({"shop"})}), {}, true},
      {"namespaces: prefix", from({.namespaces = texts({"sh*"})}), {}, true},
      {"namespaces: another", from({.namespaces = texts({"sho"})}), {}, false},
      {"namespaces: any of an address's", from({.namespaces = texts({"shop"})}), in_two, true},
      {"notNamespaces", from({.namespaces = texts({}, {"shop"})}), {}, false},
      {"notNamespaces of an unknown one", from({.namespaces = texts({}, {"shop"})}), unknown, true},
      {"ipBlocks", from({.ip_blocks = blocks({"10.0.0.0/24"})}), {}, true},
      {"ipBlocks: one address", from({.ip_blocks = blocks({"10.0.0.5"})}), {}, true},
      {"ipBlocks: others", from({.ip_blocks = blocks({"10.0.1.0/24", "::/0"})}), {}, false},
      {"ipBlocks: IPv6", from({.ip_blocks = blocks({"fd00::/16"})}), {.client = "fd00::1"}, true},
      {"notIpBlocks", from({.ip_blocks = blocks({}, {"10.0.0.0/8"})}), {}, false},
      {"ipBlocks and notIpBlocks AND", from({.ip_blocks = blocks({"10.0.0.0/8"}, {"10.0.0.5"})}), {}, false},
      {"remoteIpBlocks: the sender", from({.remote_ip_blocks = blocks({"10.0.0.0/8"})}), {}, true},
      {"remoteIpBlocks: not what a client writes",
       from({.remote_ip_blocks = blocks({"192.0.2.1"})}),
       {.fields = {{"x-forwarded-for", "192.0.2.1"}}},
       false},
      {"fields of a source AND", from({.principals = texts({"*"}), .namespaces = texts({"other"})}), {}, false},
      {"sources OR",
       {.from = {{.namespaces = texts({"other"})}, {.namespaces = texts({"shop"})}}, .to = {}, .when = {}},
       {},
       true},
      {"sources do not mix",
       {.from = {{.principals = texts({"*/sa/web"}), .namespaces = texts({"other"})},
                 {.principals = texts({"*/sa/db"}), .namespaces = texts({"shop"})}},
        .to = {},
        .when = {}},
       {},
       false},
      {"hosts", to({.hosts = texts({"shop.example.com"})}), {}, true},
      {"hosts: suffix", to({.hosts = texts({"*.example.com"})}), {}, true},
      {"hosts: prefix", to({.hosts = texts({"shop.*"})}), {}, true},
      {"hosts: another", to({.hosts = texts({"example.com"})}), {}, false},
      {"hosts: none", to({.hosts = texts({"*"})}), {.host = ""}, false},
      {"notHosts", to({.hosts = texts({}, {"*.example.com"})}), {}, false},
      {"methods", to({.methods = texts({"GET"})}), {}, true},
      {"methods have case", to({.methods = texts({"get"})}), {}, false},
      {"methods: prefix", to({.methods = texts({"P*"})}), {.method = "PATCH"}, true},
      {"notMethods", to({.methods = texts({}, {"GET"})}), {}, false},
      {"paths", to({.paths = texts({"/items/1"})}), {}, true},
      {"paths: prefix", to({.paths = texts({"/items/*"})}), {}, true},
      {"paths: prefix, of bytes", to({.paths = texts({"/ite*"})}), {}, true},
      {"paths: prefix, with nothing behind it", to({.paths = texts({"/items/1*"})}), {}, true},
      {"paths: suffix", to({.paths = texts({"*/1"})}), {}, true},
      {"paths have case", to({.paths = texts({"/Items/1"})}), {}, false},
      {"paths: another", to({.paths = texts({"/items", "/items/1/2"})}), {}, false},
      {"paths: one segment", to({.paths = texts({"/items/{*}"})}), {}, true},
      {"paths: no more than one", to({.paths = texts({"/{*}"})}), {}, false},
      {"paths: any number", to({.paths = texts({"/{**}"})}), {}, true},
      {"notPaths", to({.paths = texts({}, {"/items/*"})}), {}, false},
      {"notPaths: template", to({.paths = texts({}, {"/items/{*}"})}), {}, false},
      {"ports", to({.ports = {.is = {80}, .is_not = {}}}), {}, true},
      {"ports: another", to({.ports = {.is = {81}, .is_not = {}}}), {}, false},
      {"notPorts", to({.ports = {.is = {}, .is_not = {80}}}), {}, false},
      {"fields of an operation AND", to({.methods = texts({"GET"}), .paths = texts({"/other"})}), {}, false},
      {"operations OR",
       {.from = {}, .to = {{.methods = texts({"PUT"})}, {.paths = texts({"/items/*"})}}, .when = {}},
       {},
       true},
      {"operations do not mix",
       {.from = {},
        .to = {{.methods = texts({"GET"}), .paths = texts({"/a"})},
               {.methods = texts({"PUT"}), .paths = texts({"/items/1"})}},
        .when = {}},
       {},
       false},
      {"from, to and when AND",
       {.from = {{.namespaces = texts({"shop"})}}, .to = {{.methods = texts({"PUT"})}}, .when = {}},
       {},
       false},
      {"when: header", header(texts({"ann"})), with_header, true},
      {"when: header, prefix", header(texts({"a*"})), with_header, true},
      {"when: header, suffix", header(texts({"*nn"})), with_header, true},
      {"when: header, presence", header(texts({"*"})), with_header, true},
      {"when: header that is not there", header(texts({"*"})), {}, false},
      {"when: another value", header(texts({"bob"})), with_header, false},
      {"when: notValues", header(texts({}, {"ann"})), with_header, false},
      {"when: notValues of what is not there", header(texts({}, {"ann"})), {}, true},
      {"when: a header twice is joined", header(texts({"ann, bob"})), with_two, true},
      {"when: and neither of its values", header(texts({"ann", "bob"})), with_two, false},
      {"when: joined, prefix and suffix", header(texts({"ann, b*"})), with_two, true},
      {"when: joined, suffix", header(texts({"*, bob"})), with_two, true},
      {"when: source.namespace", texts_when(Key::source_namespace, texts({"shop"})), {}, true},
      {"when: source.principal", texts_when(Key::source_principal, texts({"*/sa/db"})), {}, false},
      {"when: source.ip", addresses_when(Key::source_ip, blocks({"10.0.0.0/8"})), {}, true},
      {"when: source.ip, notValues", addresses_when(Key::source_ip, blocks({}, {"10.0.0.5"})), {}, false},
      {"when: remote.ip", addresses_when(Key::remote_ip, blocks({"10.0.0.5"})), {}, true},
      {"when: destination.ip", addresses_when(Key::destination_ip, blocks({"10.96.0.10"})), {}, true},
      {"when: another destination.ip", addresses_when(Key::destination_ip, blocks({"10.96.0.11"})), {}, false},
      {"when: destination.port",
       when({.key = Key::destination_port, .header = "", .texts = {}, .addresses = {}, .ports = {{80}, {}}}),
       {},
       true},
      {"when: another destination.port",
       when({.key = Key::destination_port, .header = "", .texts = {}, .addresses = {}, .ports = {{}, {80}}}),
       {},
       false},
      {"when: conditions AND",
       {.from = {},
        .to = {},
        .when =
            {{.key = Key::source_namespace, .header = "", .texts = texts({"shop"}), .addresses = {}, .ports = {}},
             {.key = Key::source_namespace, .header = "", .texts = texts({}, {"sh*"}), .addresses = {}, .ports = {}}}},
       {},
       false},
  };
  for (const Row& row : rows) {
    EXPECT_EQ(judge({deny({row.rule})}, row.asked).denied, row.matches) << row.what;
    EXPECT_EQ(judge({allow({row.rule})}, row.asked).denied, !row.matches) << row.what;
    EXPECT_EQ(judge({dry_run(deny({row.rule}))}, row.asked).dry_run_denied, row.matches) << row.what;
  }
}

// "Using HTTP-only fields": they match nothing in ALLOW, and are passed over in DENY.
TEST(Authorization, JudgesConnectionsByWhatTheyHave) {
  const AuthorizationOperation get{.methods = texts({"GET"})};
  const AuthorizationOperation get_here{.ports = {.is = {80}, .is_not = {}}, .methods = texts({"GET"})};
  const AuthorizationOperation get_elsewhere{.ports = {.is = {81}, .is_not = {}}, .methods = texts({"GET"})};
  const AuthorizationOperation here{.ports = {.is = {80}, .is_not = {}}};
  const AuthorizationWhen by_header{
      .key = Key::header, .header = "x", .texts = texts({"a"}), .addresses = {}, .ports = {}};
  struct Row {
    const char* what;
    AuthorizationRule rule;
    bool allowed_by_allow;
    bool denied_by_deny;
  };
  const Row rows[] = {
      {"ports alone", to(here), true, true},
      {"a method", to(get), false, true},
      {"a method and this port", to(get_here), false, true},
      {"a method and another port", to(get_elsewhere), false, false},
      {"a method beside ports alone", {.from = {}, .to = {here, get}, .when = {}}, false, true},
      {"a header", when(by_header), false, true},
      {"a header and another source",
       {.from = {{.namespaces = texts({"other"})}}, .to = {}, .when = {by_header}},
       false,
       false},
      {"a source", from({.namespaces = texts({"shop"})}), true, true},
      {"another source", from({.namespaces = texts({"other"})}), false, false},
  };
  for (const Row& row : rows) {
    EXPECT_EQ(judge_connection({allow({row.rule})}).denied, !row.allowed_by_allow) << row.what;
    EXPECT_EQ(judge_connection({deny({row.rule})}).denied, row.denied_by_deny) << row.what;
  }
}

TEST(Authorization, MatchesTemplatesBySegments) {
  struct Row {
    const char* path_template;
    const char* path;
    bool matches;
  };
  const Row rows[] = {
      {"/a/{*}/b", "/a/x/b", true},    {"/a/{*}/b", "/a//b", false}, {"/a/{*}/b", "/a/x/y/b", false},
      {"/a/{*}", "/a/x", true},        {"/a/{*}", "/a/x/", false},   {"/a/{*}", "/a", false},
      {"/a/{**}", "/a/", true},        {"/a/{**}", "/a/x/y", true},  {"/a/{**}", "/a", false},
      {"/a/{**}/z", "/a/x/y/z", true}, {"/a/{**}/z", "/a/z", false}, {"/a/{**}/z", "/a//z", true},
      {"/{*}/{**}", "/a/b/c", true},   {"/{*}/{**}", "/a", false},   {"/{**}", "/", true},
      {"/a/{*}/b", "/b/x/b", false},   {"/{**}", "", false},
  };
  for (const Row& row : rows) {
    EXPECT_EQ(matches_template(row.path_template, row.path), row.matches) << row.path_template << " " << row.path;
  }
}

TEST(Authorization, RefusesWhatIsTooMuch) {
  AuthorizationRules policy = allow({});
  policy.rules.resize(kMostClauses + 1);
  EXPECT_THROW(Authorization(1, {policy}, kVip, kPort), std::invalid_argument);
  policy.rules.assign(100, to({.paths = texts(std::vector<std::string>(200, "/a"))}));
  EXPECT_THROW(Authorization(1, {policy}, kVip, kPort), std::invalid_argument);
}

TEST(Authorization, IsTheSameAnywhereWithoutPortsAndDestinations) {
  EXPECT_TRUE(Authorization::is_same_anywhere(std::vector{allow({kAny, to({.paths = texts({"/a"})})})}));
  EXPECT_FALSE(Authorization::is_same_anywhere(std::vector{deny({to({.ports = {.is = {80}, .is_not = {}}})})}));
  EXPECT_FALSE(Authorization::is_same_anywhere(std::vector{allow(
      {when({.key = Key::destination_ip, .header = "", .texts = {}, .addresses = blocks({"::1"}), .ports = {}})})}));
}

TEST(SourceCache, ForgetsWhatPoliciesAndCallersWere) {
  const Address client = *parse_address("10.0.0.5");
  const auto callers = CallerTable().with({{client, std::make_shared<const Caller>(kWeb)}});
  const auto others = callers->with({{client, nullptr}});
  const Authorization of_shop(1, {allow({from({.namespaces = texts({"shop"})})})}, kVip, kPort);
  const Authorization of_others(2, {allow({from({.namespaces = texts({"other"})})})}, kVip, kPort);
  SourceCache cache(4);  // all in one place
  SourceBits room;
  const HttpRequest request{.method = "GET", .host = "a", .path = "/", .query = {}, .fields = {}};
  for (int round = 0; round < 2; ++round) {
    EXPECT_FALSE(of_shop.judge(request, cache.find(of_shop, *callers, client, room)).denied);
    EXPECT_TRUE(of_others.judge(request, cache.find(of_others, *callers, client, room)).denied);
    EXPECT_FALSE(of_shop.judge(request, cache.find(of_shop, *callers, client, room)).denied);
    EXPECT_TRUE(of_shop.judge(request, cache.find(of_shop, *others, client, room)).denied);
    EXPECT_TRUE(of_shop.judge(request, cache.find(of_shop, *callers, *parse_address("10.0.0.6"), room)).denied);
  }
}

}  // namespace
}  // namespace weft::lb
