// SPDX-License-Identifier: Apache-2.0
/// @file InspectionPolicy: read with every field, refused with its field's name, and compiled into the services that it
/// is about.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "lb/inspection.h"
#include "registry_builder_fixture.h"
#include "registry_http_fixture.h"

namespace weft::registry {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr std::string_view kInspection = R"(apiVersion: weft.dev/v1
kind: InspectionPolicy
metadata: {name: web, namespace: shop}
spec:
  targetRefs: [{group: "", kind: Service, name: web}]
  mode: DryRun
  bodyBytes: 1024
  unseen: Deny
  signatures:
  - {name: a, part: Target, literal: "../"}
  - {name: b, of: Request, part: Header, header: User-Agent, regex: "bad|worse", ignoreCase: true, action: Log}
  - {name: c, of: Response, part: Body, regex: "key[0-9]{4}", action: Count}
status: {}
)";

class BadInspection : public ::testing::TestWithParam<BadEdit> {};

TEST_P(BadInspection, IsRefusedWithItsFieldsName) {
  const std::string text = edited(kInspection, GetParam().good, GetParam().bad);
  EXPECT_THAT(lines(parse_file("f.yaml", text).errors), ElementsAre("f.yaml:" + std::string(GetParam().message)));
}

constexpr BadEdit kBadInspections[] = {
    {"mode: DryRun", "mode: Off", R"(6: spec.mode: expected Enforce or DryRun, got "Off")"},
    {"bodyBytes: 1024", "bodyBytes: 0", "7: spec.bodyBytes: expected an integer from 1 to 67108864, got \"0\""},
    {"bodyBytes: 1024", "bodyBytes: 67108865",
     "7: spec.bodyBytes: expected an integer from 1 to 67108864, got \"67108865\""},
    {"unseen: Deny", "unseen: Drop", R"(8: spec.unseen: expected Pass or Deny, got "Drop")"},
    {"unseen: Deny", "unsee: Deny",
     "8: spec.unsee: unknown field; expected one of selector, targetRef, targetRefs, "
     "mode, bodyBytes, unseen or signatures"},
    {"kind: Service, name: web", "kind: Gateway, name: web",
     "5: spec.targetRefs[0].kind: weft does not implement Gateway; expected Service"},
    {"  mode:", "  selector: {matchLabels: {app: web}}\n  mode:",
     "5: spec.targetRefs: expected one of selector, targetRef or targetRefs, got selector and targetRefs"},
    {"name: b,", "name: a,", R"(11: spec.signatures[1].name: duplicate signature "a")"},
    {"name: b, ", "", "11: spec.signatures[1].name: required field is missing"},
    {"of: Response", "of: Both", R"(12: spec.signatures[2].of: expected Request or Response, got "Both")"},
    {"part: Body", "part: Trailer", R"(12: spec.signatures[2].part: expected Target, Header or Body, got "Trailer")"},
    {"part: Body", "part: Target", "12: spec.signatures[2].part: a response has no target: expected Header or Body"},
    {"action: Log", "action: Redact", R"(11: spec.signatures[1].action: expected Deny, Log or Count, got "Redact")"},
    {"part: Target, ", "part: Target, header: x, ",
     "10: spec.signatures[0].header: it is for signatures of part Header alone"},
    {"header: User-Agent", "header: ''", R"(11: spec.signatures[1].header: expected the name of a field, got "")"},
    {", literal: \"../\"", "", "10: spec.signatures[0].literal: expected a literal or a regex to look for"},
    {"literal: \"../\"", "literal: \"../\", regex: x",
     "10: spec.signatures[0].literal: expected one of literal or regex, got both"},
    {"literal: \"../\"", "literal: ''", R"(10: spec.signatures[0].literal: signature "a": it is empty)"},
    {"bad|worse", "bad(|worse",
     R"(11: spec.signatures[1].regex: signature "b": Missing close parenthesis for group started at index 3.)"},
    {"bad|worse", "bad|",
     R"(11: spec.signatures[1].regex: signature "b": it matches where there is nothing, so it would be found in every )"
     "message"},
    {"key[0-9]{4}", "((k{100}){100}){100}",
     R"(12: spec.signatures[2].regex: signature "c": it comes to 1000000 characters once its repetitions are written )"
     "out: expected at most 1000"},
    {"key[0-9]{4}", "key$",
     R"(12: spec.signatures[2].regex: signature "c": it asks for a body's end, which is not known while it goes by: )"
     R"(expected no $, \z, \Z, nor \b at its end)"},
};
INSTANTIATE_TEST_SUITE_P(Fields, BadInspection, ::testing::ValuesIn(kBadInspections));

TEST(ParseInspection, TakesEveryField) {
  const auto resources = parsed(std::string(kInspection));
  ASSERT_EQ(resources->inspections.size(), 1U);
  const InspectionPolicy& policy = *resources->inspections[0];
  EXPECT_THAT(policy.services, ElementsAre("shop/web"));
  EXPECT_EQ(policy.rules.policy, "shop/web");
  EXPECT_TRUE(policy.rules.dry_run);
  EXPECT_TRUE(policy.rules.denies_unseen);
  EXPECT_EQ(policy.rules.body_bytes, 1024U);
  using lb::Signature;
  ASSERT_EQ(policy.rules.signatures.size(), 3U);
  const Signature& b = policy.rules.signatures[1];
  EXPECT_EQ(b.header, "user-agent");
  EXPECT_TRUE(b.is_expression && b.ignores_case);
  EXPECT_EQ(b.action, Signature::Action::log);
  EXPECT_EQ(policy.rules.signatures[0].action, Signature::Action::deny);
  EXPECT_FALSE(policy.rules.signatures[0].is_expression);
  EXPECT_EQ(policy.rules.signatures[2].message, Signature::Message::response);
  EXPECT_EQ(policy.rules.signatures[2].part, Signature::Part::body);
}

TEST(ParseInspection, ADryRunOfWhatNeverDeniesIsRefused) {
  const std::string text =
      "{apiVersion: weft.dev/v1, kind: InspectionPolicy, metadata: {name: p}, spec: {mode: DryRun, "
      "signatures: [{name: a, part: Target, literal: x, action: Log}]}}";
  EXPECT_THAT(lines(parse_file("f.yaml", text).errors), ElementsAre(HasSubstr("spec.mode: a dry run of signatures")));
}

/// A policy of one signature. @param whom such as "targetRef: {kind: Service, name: web}, "
std::string policy_looking_for(const std::string& name, const std::string& text, const std::string& whom = "",
                               const std::string& name_space = "default") {
  return "{apiVersion: weft.dev/v1, kind: InspectionPolicy, metadata: {name: " + name + ", namespace: " + name_space +
         "}, spec: {" + whom + "signatures: [{name: s, part: Target, regex: '" + text + "'}]}}\n---\n";
}
std::string proxied(const std::string& name, const std::string& address) {
  return service(name, address, "[{port: 80, appProtocol: http}]", "251") + slice(name + "-1", name, endpoints(1, 2)) +
         "{apiVersion: weft.dev/v1, kind: ServicePolicy, metadata: {name: " + name +
         "}, spec: {targetRef: {group: '', " + "kind: Service, name: " + name + "}, forwarding: {mode: proxy}}}\n---\n";
}
const lb::Service& service_named(const lb::Snapshot& snapshot, const std::string& name) {
  for (const lb::Service& service : snapshot.services()) {
    if (service.name == "default/" + name) {
      return service;
    }
  }
  throw std::invalid_argument(name);
}

TEST(BuilderInspection, ServicesOfTheSamePoliciesShareOne) {
  Bench bench;
  const std::string both = proxied("web", "10.96.0.10") + proxied("api", "10.96.0.11");
  bench.build(both + policy_looking_for("all", "x", "", std::string(kRootNamespace)));
  const auto shared = service_named(bench.snapshot(), "web").inspection;
  ASSERT_NE(shared, nullptr);
  EXPECT_EQ(shared, service_named(bench.snapshot(), "api").inspection);
  EXPECT_EQ(shared->name(0), "istio-system/all s");
  bench.build(both + policy_looking_for("all", "x", "", std::string(kRootNamespace)) +
              policy_looking_for("own", "y", "targetRef: {kind: Service, name: api}, "));
  EXPECT_EQ(service_named(bench.snapshot(), "web").inspection, shared) << "nothing changed for it";
  EXPECT_EQ(service_named(bench.snapshot(), "api").inspection->signatures(), 2U);
  bench.build(both);
  EXPECT_EQ(service_named(bench.snapshot(), "web").inspection, nullptr);
}

TEST(BuilderInspection, WhatWorkersUseIsKeptUntilTheyDoNot) {
  Bench bench;
  const std::string body_policy =
      "{apiVersion: weft.dev/v1, kind: InspectionPolicy, metadata: {name: p}, spec: {signatures: [{name: s, part: "
      "Body, literal: x}]}}\n---\n";
  bench.build(proxied("web", "10.96.0.10") + body_policy);
  std::weak_ptr<const lb::Inspection> inspection = service_named(bench.snapshot(), "web").inspection;
  auto body = inspection.lock()->open_body(0, lb::Signature::Message::request, false);
  ASSERT_TRUE(body);
  bench.build(proxied("web", "10.96.0.10"));
  bench.build_at(Time{std::chrono::seconds(5)});
  ASSERT_FALSE(inspection.expired());
  inspection.lock()->close_body(0, *body);
  bench.build_at(Time{std::chrono::seconds(6)});
  EXPECT_TRUE(inspection.expired());
}

TEST(BuilderInspection, WhatTakesTooMuchIsRefusedAndTheOldStays) {
  Bench bench;
  const std::string web = proxied("web", "10.96.0.10");
  bench.build(web + policy_looking_for("p", "good"));
  const auto before = service_named(bench.snapshot(), "web").inspection;
  ASSERT_NE(before, nullptr);
  std::string many = "{apiVersion: weft.dev/v1, kind: InspectionPolicy, metadata: {name: p}, spec: {signatures: [";
  for (int i = 0; i < 110; ++i) {
    many += "{name: s" + std::to_string(i) + ", part: Body, regex: 'a[bc]{950}" + std::to_string(i) + "'}, ";
  }
  const auto outcome = bench.build(web + many + "]}}\n---\n");
  EXPECT_THAT(lines(outcome.errors),
              ElementsAre(testing::AllOf(HasSubstr("default/web are refused: the signatures about one service come to"),
                                         HasSubstr("what was in force stays"))));
  EXPECT_EQ(service_named(bench.snapshot(), "web").inspection, before);
  EXPECT_THAT(lines(bench.build(web + policy_looking_for("p", "better")).errors), IsEmpty());
  EXPECT_EQ(service_named(bench.snapshot(), "web").inspection->signature(0).text, "better");
}

/// Two services with policies of their own, and one that has none.
std::string two_sets() {
  return proxied("a", "10.96.0.10") + proxied("b", "10.96.0.11") + proxied("c", "10.96.0.12") +
         policy_looking_for("a", "x", "targetRef: {kind: Service, name: a}, ") +
         policy_looking_for("b", "y", "targetRef: {kind: Service, name: b}, ");
}

TEST(BuilderInspection, SetsThatAreCompiledAreBounded) {
  Bench bench("", {.services = 100, .endpoints = 100, .inspections = 2});
  EXPECT_THAT(lines(bench.build(two_sets()).errors), IsEmpty());
  const std::string third = policy_looking_for("c", "z", "targetRef: {kind: Service, name: c}, ");
  const auto refused = bench.build(two_sets() + third);
  EXPECT_THAT(
      lines(refused.errors),
      ElementsAre(HasSubstr("default/c are refused: there are 2 other sets of policies: expected at most 2 with "
                            "this one; what was in force stays")));
  EXPECT_EQ(service_named(bench.snapshot(), "c").inspection, nullptr);
  EXPECT_NE(service_named(bench.snapshot(), "a").inspection, nullptr);
  EXPECT_THAT(
      lines(bench.build(two_sets() + policy_looking_for("c", "x", "targetRef: {kind: Service, name: c}, ")).errors),
      testing::SizeIs(1))
      << "named otherwise, it is another set";
  const std::string without_b = proxied("a", "10.96.0.10") + proxied("b", "10.96.0.11") +
                                policy_looking_for("a", "x", "targetRef: {kind: Service, name: a}, ");
  bench.build(without_b + proxied("c", "10.96.0.12"));
  EXPECT_THAT(lines(bench.build(without_b + proxied("c", "10.96.0.12") + third).errors), IsEmpty());
  EXPECT_EQ(service_named(bench.snapshot(), "c").inspection->name(0), "default/c s");
}

TEST(BuilderInspection, SignaturesInAllSetsAreBoundedAndTriedAgain) {
  Bench bench("", {.services = 100, .endpoints = 100, .signatures = 2});
  EXPECT_THAT(lines(bench.build(two_sets()).errors), IsEmpty());
  const lb::Inspection* const before = service_named(bench.snapshot(), "b").inspection.get();
  const std::string c = policy_looking_for("c", "z", "targetRef: {kind: Service, name: c}, ");
  EXPECT_THAT(lines(bench.build(two_sets() + c).errors),
              ElementsAre(HasSubstr("default/c are refused: with these 1 signatures there are 3 in all sets of "
                                    "policies: expected at most 2; what was in force stays")));
  EXPECT_EQ(service_named(bench.snapshot(), "b").inspection.get(), before);
  const std::string without_b = proxied("a", "10.96.0.10") + proxied("b", "10.96.0.11") +
                                policy_looking_for("a", "x", "targetRef: {kind: Service, name: a}, ") + c;
  bench.build(without_b + proxied("c", "10.96.0.12"));
  // What b had is no longer in use; c is looked at again as soon as anything about it changes.
  EXPECT_THAT(lines(bench
                        .build(without_b + service("c", "10.96.0.13", "[{port: 80, appProtocol: http}]", "251") +
                               slice("c-1", "c", endpoints(1, 1)))
                        .errors),
              IsEmpty());
}

TEST(BuilderInspection, WhereNothingWasInForceOnlyWhatDoesNotFitIsLeftOut) {
  Bench bench;
  std::string many = "{apiVersion: weft.dev/v1, kind: InspectionPolicy, metadata: {name: p}, spec: {signatures: [";
  for (int i = 0; i < 110; ++i) {
    many += "{name: s" + std::to_string(i) + ", part: Body, regex: 'a[bc]{950}" + std::to_string(i) + "'}, ";
  }
  const auto outcome = bench.build(proxied("web", "10.96.0.10") + policy_looking_for("a", "first") + many +
                                   "]}}\n---\n" + policy_looking_for("z", "last"));
  EXPECT_THAT(lines(outcome.errors),
              ElementsAre(HasSubstr("the policy of inspection default/p is left out for default/web: the signatures "
                                    "about one service come to")));
  const auto& inspection = service_named(bench.snapshot(), "web").inspection;
  ASSERT_NE(inspection, nullptr);
  ASSERT_EQ(inspection->signatures(), 2U);
  EXPECT_EQ(inspection->name(0), "default/a s");
  EXPECT_EQ(inspection->name(1), "default/z s");
}

TEST(BuilderInspection, APolicyForNobodyIsAWarning) {
  Inventory inventory;
  inventory.set("f.yaml", parsed(policy_looking_for("p", "x", "targetRef: {kind: Service, name: nobody}, ")));
  EXPECT_THAT(lines(inventory.warnings()), ElementsAre(HasSubstr("there is no service default/nobody (yet)")));
}

}  // namespace
}  // namespace weft::registry
