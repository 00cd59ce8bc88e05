// SPDX-License-Identifier: Apache-2.0
/// @file FaultInjection: read with every field, refused with its field's name, given to the services that it is about;
/// and live ones, which end.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "registry_builder_fixture.h"
#include "registry_http_fixture.h"

namespace weft::registry {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr std::string_view kFaultInjection = R"(apiVersion: weft.dev/v1
kind: FaultInjection
metadata: {name: rehearsal, namespace: shop}
spec:
  targetRef: {group: "", kind: Service, name: cart}
  port: 80
  from:
  - source: {namespaces: [shop], principals: ["cluster.local/ns/shop/sa/*"], ipBlocks: [10.0.0.0/8]}
  headers: [{name: X-Test, exact: "yes"}, {name: x-debug, present: true}, {name: x-prod, present: false}]
  percentage: 12.5
  delay: {uniform: {min: 100ms, max: 1m}}
  abort: {httpStatus: 503}
  loss: 0.01
  bandwidth: 10M
status: {}
)";

std::string said_of(const std::string& name, const std::string& target, const std::string& rest) {
  return "{apiVersion: weft.dev/v1, kind: FaultInjection, metadata: {name: " + name + "}, spec: {targetRef: {" +
         target + "}, " + rest + "}}\n---\n";
}
const std::string kToWeb = "kind: Service, name: web";

TEST(FaultInjection, ReadsEveryField) {
  const auto fault = parsed(std::string(kFaultInjection))->faults.at(0);
  EXPECT_EQ(fault->key(), "shop/cart");
  EXPECT_EQ(fault->port, 80);
  lb::Fault expected;
  using Kind = lb::TextPattern::Kind;
  expected.from = {{.principals = {{{Kind::prefix, "cluster.local/ns/shop/sa/"}}, {}},
                    .namespaces = {{{Kind::exact, "shop"}}, {}},
                    .ip_blocks = {{*lb::parse_prefix("10.0.0.0/8")}, {}}}};
  expected.headers = {{"x-test", {{{Kind::exact, "yes"}}, {}}},
                      {"x-debug", {{{Kind::any, ""}}, {}}},
                      {"x-prod", {{}, {{Kind::any, ""}}}}};
  expected.share = 1'250;
  expected.delay = lb::FaultDelay{100, 60'000};
  expected.abort_status = 503;
  expected.loss = 1;
  expected.bits_per_second = 10'000'000;
  EXPECT_EQ(fault->fault, expected);
  const auto dead = parsed(said_of("d", kToWeb, "dead: {endpoint: 10.1.0.1}"))->faults.at(0);
  EXPECT_TRUE(dead->fault.kills);
  EXPECT_EQ(dead->fault.killed, lb::parse_address("10.1.0.1"));
  EXPECT_EQ(dead->fault.share, lb::Fault::kWhole);
  EXPECT_TRUE(parsed(said_of("d", kToWeb, "abort: {reset: true}"))->faults.at(0)->fault.resets);
  const auto route =
      parsed(said_of("r", "group: gateway.networking.k8s.io, kind: HTTPRoute, name: checkout", "delay: {fixed: 1s}"))
          ->faults.at(0);
  EXPECT_EQ(route->key(), "faults default/checkout");
  EXPECT_EQ(route->fault.route, "default/checkout");
}

class BadFaultInjection : public ::testing::TestWithParam<BadEdit> {};

TEST_P(BadFaultInjection, IsRefusedWithItsFieldsName) {
  const std::string text = edited(kFaultInjection, GetParam().good, GetParam().bad);
  EXPECT_THAT(lines(parse_file("f.yaml", text).errors), ElementsAre("f.yaml:" + std::string(GetParam().message)));
}

constexpr BadEdit kBadFaultInjections[] = {
    {"kind: Service", "kind: Pod", R"(5: spec.targetRef.kind: expected Service, HTTPRoute or Gateway, got "Pod")"},
    {"group: \"\"", "group: apps", R"(5: spec.targetRef.group: expected "", the group of Service, got "apps")"},
    {"name: cart", "name: ''", "5: spec.targetRef.name: required field is empty"},
    {"port: 80", "port: 0", R"(6: spec.port: expected an integer from 1 to 65535, got "0")"},
    {"from:\n  - source: {namespaces: [shop], principals: [\"cluster.local/ns/shop/sa/*\"], ipBlocks: [10.0.0.0/8]}",
     "from: []", "7: spec.from: expected at least one item, or no field for all"},
    {"namespaces: [shop]", "namespace: [shop]",
     "8: spec.from[0].source.namespace: unknown field; expected one of principals, notPrincipals, namespaces, "
     "notNamespaces, ipBlocks, notIpBlocks, remoteIpBlocks or notRemoteIpBlocks"},
    {"exact: \"yes\"", "exact: \"yes\", present: true",
     "9: spec.headers[0].present: expected exact or present, got both"},
    {"name: X-Test, exact: \"yes\"", "name: X-Test", "9: spec.headers[0].exact: expected exact or present, got none"},
    {"percentage: 12.5", "percentage: 0",
     R"(10: spec.percentage: expected a percentage from 0.01 to 100 with two decimals at most, got "0")"},
    {"percentage: 12.5", "percentage: 100.01",
     R"(10: spec.percentage: expected a percentage from 0.01 to 100 with two decimals at most, got "100.01")"},
    {"percentage: 12.5", "percentage: 0.001",
     R"(10: spec.percentage: expected a percentage from 0.01 to 100 with two decimals at most, got "0.001")"},
    {"percentage: 12.5", "percentage: 5%",
     R"(10: spec.percentage: expected a percentage from 0.01 to 100 with two decimals at most, got "5%")"},
    {"uniform: {min: 100ms, max: 1m}", "fixed: 11m", R"(11: spec.delay.fixed: expected 1ms to 10m, got "11m")"},
    {"uniform: {min: 100ms, max: 1m}", "uniform: {min: 1s, max: 1s}",
     R"(11: spec.delay.uniform.max: expected more than min, "1s", got "1s")"},
    {"uniform: {min: 100ms, max: 1m}", "fixed: 1s, uniform: {min: 1s, max: 2s}",
     "11: spec.delay.uniform: expected fixed or uniform, got both"},
    {"httpStatus: 503", "httpStatus: 199",
     R"(12: spec.abort.httpStatus: expected an integer from 200 to 599, got "199")"},
    {"httpStatus: 503", "httpStatus: 503, reset: true", "12: spec.abort.reset: expected httpStatus or reset, got both"},
    {"httpStatus: 503", "reset: false", "12: spec.abort.reset: expected true, or no abort"},
    {"loss: 0.01", "loss: 101",
     R"(13: spec.loss: expected a percentage from 0.01 to 100 with two decimals at most, got "101")"},
    {"bandwidth: 10M", "bandwidth: 10Mbit",
     R"(14: spec.bandwidth: expected bits a second, 1k to 1000G, such as 500k or 10M, got "10Mbit")"},
    {"bandwidth: 10M", "bandwidth: 999",
     R"(14: spec.bandwidth: expected bits a second, 1k to 1000G, such as 500k or 10M, got "999")"},
    {"bandwidth: 10M", "dead: {}",
     "14: spec.dead: expected no delay or abort with dead: of what is dead there is neither"},
};
INSTANTIATE_TEST_SUITE_P(Registry, BadFaultInjection, ::testing::ValuesIn(kBadFaultInjections));

TEST(FaultInjection, OneThatDoesNothingIsRefused) {
  EXPECT_THAT(lines(parse_file("f.yaml", said_of("n", kToWeb, "percentage: 5")).errors),
              ElementsAre("f.yaml:1: spec.delay: expected one of delay, abort, loss, bandwidth or dead"));
  EXPECT_THAT(
      lines(parse_file("f.yaml", said_of("n", "group: gateway.networking.k8s.io, kind: Gateway, name: edge", "loss: 5"))
                .errors),
      ElementsAre("f.yaml:1: spec.loss: expected none but for a Service: it is for packets that are forwarded"));
}

std::string names_at(const lb::Snapshot& snapshot, const std::string& name) {
  std::string names;
  for (const lb::Service& service : snapshot.services()) {
    if (service.name == name && service.faults != nullptr) {
      for (const lb::Fault& fault : *service.faults) {
        names += fault.name + (fault.is_live ? "!" : "") + "@" + std::to_string(lb::to_host(service.port)) + " ";
      }
    }
  }
  return names;
}

const std::string kHttpAndDb =
    service("web", "10.96.0.10", "[{name: http, port: 80}, {name: db, port: 5432, appProtocol: tcp}]", "251") +
    slice("w", "web", endpoints(1, 2), "[{name: http, port: 8080}, {name: db, port: 5432}]");

TEST(FaultInjection, IsGivenToThePortsThatCanHaveIt) {
  Bench bench;
  bench.build(kHttpAndDb + said_of("all", kToWeb, "dead: {}") + said_of("lost", kToWeb, "loss: 1") +
              said_of("slow", kToWeb, "delay: {fixed: 1s}") + said_of("one", kToWeb, "dead: {}, port: 80"));
  EXPECT_EQ(names_at(bench.snapshot(), "default/web"),
            "default/all@80 default/one@80 default/slow@80 default/all@5432 default/lost@5432 ");
  EXPECT_TRUE(bench.snapshot().has_faults());
  bench.build(kHttpAndDb);
  EXPECT_EQ(names_at(bench.snapshot(), "default/web"), "");
  EXPECT_FALSE(bench.snapshot().has_faults());
}

TEST(FaultInjection, WhatCannotBeIsToldByName) {
  const auto warned = [](const std::string& text) { return lines(validated(kHttpAndDb + text).warnings); };
  EXPECT_THAT(warned(said_of("s", kToWeb, "abort: {httpStatus: 503}, port: 5432")),
              ElementsAre(HasSubstr("spec: port 5432/tcp of service default/web can't have this fault: it is forwarded "
                                    "packet by packet, and abort.httpStatus is for requests")));
  EXPECT_THAT(warned(said_of("s", kToWeb, "loss: 1, port: 80")),
              ElementsAre(HasSubstr("its connections end at weft, and loss is for packets that are forwarded")));
  EXPECT_THAT(warned(said_of("s", kToWeb, "dead: {}, port: 81")),
              ElementsAre(HasSubstr("spec.port: service default/web has no port 81 (yet)")));
  EXPECT_THAT(warned(said_of("s", "kind: Service, name: nobody", "dead: {}")),
              ElementsAre(HasSubstr("spec.targetRef: there is no service default/nobody (yet)")));
  EXPECT_THAT(warned(said_of("s", kToWeb, "dead: {endpoint: 10.1.0.9}")),
              ElementsAre(HasSubstr("spec.dead.endpoint: service default/web has no endpoint 10.1.0.9 (yet)")));
  EXPECT_THAT(warned(said_of("s", kToWeb, "loss: 1")), IsEmpty());
}

const std::string kRouted = kHttpAndDb + R"(apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: checkout}
spec:
  parentRefs: [{group: "", kind: Service, name: web, port: 80}]
  rules: [{backendRefs: [{name: web, port: 80}]}]
---
)";

TEST(FaultInjection, OfARouteIsGivenToWhatServesIt) {
  const std::string fault =
      said_of("r", "group: gateway.networking.k8s.io, kind: HTTPRoute, name: checkout", "delay: {fixed: 1s}");
  Bench bench;
  const Builder::Outcome without = bench.build(kHttpAndDb + fault);
  EXPECT_THAT(lines(without.errors), ElementsAre(HasSubstr("no Service or Gateway has an HTTPRoute default/checkout")));
  const Builder::Outcome with = bench.build(kRouted + fault);
  EXPECT_THAT(lines(with.errors), IsEmpty());
  EXPECT_EQ(names_at(bench.snapshot(), "default/web"), "default/r@80 ");
  bench.build(kRouted);
  EXPECT_EQ(names_at(bench.snapshot(), "default/web"), "");
}

TEST(FaultInjection, KeepsItsNumbersAsLongAsItIsTheSame) {
  Bench bench;
  const std::string other = said_of("other", kToWeb, "loss: 1");
  bench.build(kHttpAndDb + other + said_of("slow", kToWeb, "delay: {fixed: 1s}"));
  const auto slow = [&] { return bench.snapshot().services()[0].faults->back(); };
  const lb::Fault first = slow();
  bench.build(kHttpAndDb + said_of("slow", kToWeb, "delay: {fixed: 1s}"));
  EXPECT_EQ(slow(), first);
  bench.build(kHttpAndDb + said_of("slow", kToWeb, "delay: {fixed: 2s}"));
  EXPECT_EQ(slow().number, first.number);
  EXPECT_NE(slow().id, first.id) << "it is counted anew";
}

TEST(FaultInjection, WhatWasSaidOfOneThatIsGoneIsSaidNoMore) {
  Bench bench;
  bench.build(kHttpAndDb +
              said_of("r", "group: gateway.networking.k8s.io, kind: HTTPRoute, name: checkout", "delay: {fixed: 1s}"));
  EXPECT_THAT(lines(bench.build(kHttpAndDb).errors), IsEmpty());
}

class ManyFaults : public ::testing::Test {
 protected:
  /// Of web's port 5432.
  static std::string losses(uint32_t count, const std::string& called = "l") {
    std::string text;
    for (uint32_t i = 0; i < count; ++i) {
      text += said_of(called + std::to_string(i), kToWeb, "loss: 1");
    }
    return text;
  }
  std::vector<std::string> errors_of(const std::string& text) { return lines(bench.build(kBoth + text).errors); }

  const std::string kBoth = kHttpAndDb + service("api", "10.96.0.11", "[{name: http, port: 80}]", "251");
  const std::string kLast = said_of("last", "kind: Service, name: api", "delay: {fixed: 1s}");
  Bench bench;
};

TEST_F(ManyFaults, OneThatIsLeftOutIsToldOfUntilItHasANumber) {
  errors_of(losses(lb::Fault::kMost));
  const auto left_out = ElementsAre(HasSubstr("FaultInjection default/last is left out: there are 256 others"));
  EXPECT_THAT(errors_of(losses(lb::Fault::kMost) + kLast), left_out);
  EXPECT_THAT(lines(bench.build_at(bench.now).errors), left_out) << "and again, though nothing came";
  EXPECT_THAT(errors_of(losses(lb::Fault::kMost - 1) + kLast), IsEmpty());
  EXPECT_EQ(names_at(bench.snapshot(), "default/api"), "default/last@80 ");
}

TEST_F(ManyFaults, TakeTheNumbersOfThoseThatTheyReplace) {
  errors_of(losses(lb::Fault::kMost, "l"));
  EXPECT_THAT(errors_of(losses(lb::Fault::kMost, "m")), IsEmpty());
  EXPECT_THAT(names_at(bench.snapshot(), "default/web"), HasSubstr("default/m255@5432 "));
}

TEST_F(ManyFaults, TakeTheNumbersOfThoseWhosePortHasGone) {
  errors_of(losses(lb::Fault::kMost));
  EXPECT_THAT(errors_of(losses(lb::Fault::kMost) + kLast), ElementsAre(HasSubstr("default/last is left out")));
  const std::string without_db = service("web", "10.96.0.10", "[{name: http, port: 80}]", "251") +
                                 service("api", "10.96.0.11", "[{name: http, port: 80}]", "251");
  EXPECT_THAT(lines(bench.build(without_db + losses(lb::Fault::kMost) + kLast).errors), IsEmpty());
  EXPECT_EQ(names_at(bench.snapshot(), "default/api"), "default/last@80 ");
}

TEST(FaultInjection, CallersAreKnownWhileItAsksForThem) {
  Bench bench;
  bench.build(kHttpAndDb + said_of("f", kToWeb, "dead: {}, from: [{source: {namespaces: [default]}}]"));
  EXPECT_NE(bench.snapshot().callers().find(*lb::parse_address("10.1.0.1")), nullptr);
  bench.build(kHttpAndDb);
  EXPECT_EQ(bench.snapshot().callers().find(*lb::parse_address("10.1.0.1")), nullptr);
}

LiveFault live(const std::string& name, const std::string& rest, Time until, uint32_t most = lb::Fault::kWhole,
               const std::string& target = kToWeb) {
  return {
      .what = *parsed(said_of(name, target, rest))->faults.at(0), .until_ns = 77, .until = until, .most_share = most};
}

std::string start(Bench& bench, LiveFault fault) {
  return bench.builder.start_fault(std::move(fault), bench.now);
}

TEST(LiveFault, IsInForceUntilItsTime) {
  Bench bench;
  bench.build(kHttpAndDb);
  const Time end = bench.now + std::chrono::seconds(10);
  EXPECT_EQ(start(bench, live("a", "delay: {fixed: 1s}", end)), "");
  bench.build_at(bench.now);
  EXPECT_EQ(names_at(bench.snapshot(), "default/web"), "a!@80 ");
  EXPECT_EQ(bench.snapshot().services()[0].faults->front().until_ns, 77U);
  EXPECT_EQ(bench.builder.next_deadline(), end);
  bench.build_at(end - std::chrono::seconds(1));
  EXPECT_EQ(names_at(bench.snapshot(), "default/web"), "a!@80 ");
  bench.build_at(end);
  EXPECT_EQ(names_at(bench.snapshot(), "default/web"), "");
  EXPECT_EQ(bench.builder.next_deadline(), std::nullopt);
}

TEST(LiveFault, IsStoppedByNameOrWithAll) {
  Bench bench;
  bench.build(kHttpAndDb);
  const Time end = bench.now + std::chrono::seconds(10);
  start(bench, live("a", "delay: {fixed: 1s}, percentage: 5", end));
  start(bench, live("b", "loss: 5, percentage: 5", end));
  start(bench, live("c", "loss: 5, percentage: 5", end));
  bench.build_at(bench.now);
  EXPECT_EQ(names_at(bench.snapshot(), "default/web"), "a!@80 b!@5432 c!@5432 ");
  EXPECT_EQ(bench.builder.stop_fault("d"), R"(no live fault "d"; there are: a, b, c)");
  EXPECT_EQ(bench.builder.stop_fault("b"), "");
  bench.build_at(bench.now);
  EXPECT_EQ(names_at(bench.snapshot(), "default/web"), "a!@80 c!@5432 ");
  EXPECT_EQ(bench.builder.stop_fault(std::nullopt), "");
  bench.build_at(bench.now);
  EXPECT_EQ(names_at(bench.snapshot(), "default/web"), "");
  EXPECT_EQ(bench.builder.stop_fault("a"), R"(no live fault "a"; there are none)");
}

TEST(LiveFault, WhatCannotBeIsRefused) {
  Bench bench;
  bench.build(kHttpAndDb);
  const Time end = bench.now + std::chrono::seconds(10);
  const auto refusal = [&](const std::string& rest, const std::string& target = kToWeb) {
    return start(bench, live("a", rest, end, lb::Fault::kWhole, target));
  };
  EXPECT_EQ(refusal("dead: {}", "kind: Service, name: nobody"),
            "there is no service default/nobody, or it has no address");
  EXPECT_EQ(refusal("delay: {fixed: 1s}", "group: gateway.networking.k8s.io, kind: HTTPRoute, name: r"),
            "no Service or Gateway has an HTTPRoute default/r");
  EXPECT_EQ(refusal("dead: {}, port: 81"), "service default/web has no port 81");
  EXPECT_EQ(refusal("abort: {httpStatus: 503}, port: 5432"),
            "port 5432 of service default/web can't have this fault: it is forwarded packet by packet, and "
            "abort.httpStatus is for requests");
  EXPECT_EQ(refusal("dead: {endpoint: 10.1.0.9}"), "service default/web has no endpoint 10.1.0.9");
  EXPECT_EQ(refusal("dead: {}"), "");
  EXPECT_EQ(refusal("dead: {}"), "a live fault \"a\" is there already: stop it first, or give another name");
}

TEST(LiveFault, TheirSumAtAServiceIsBounded) {
  Bench bench;
  bench.build(kHttpAndDb + service("api", "10.96.0.11", "[{name: http, port: 80}]", "251"));
  const Time end = bench.now + std::chrono::seconds(10);
  EXPECT_EQ(start(bench, live("a", "delay: {fixed: 1s}, percentage: 30", end, 5'000)), "");
  EXPECT_EQ(start(bench, live("b", "delay: {fixed: 1s}, percentage: 20.01", end, 5'000)),
            "live faults would be about 50.01% of the traffic of default/web; this node allows for 50% "
            "(faults.max_percentage)");
  EXPECT_EQ(start(bench, live("b", "delay: {fixed: 1s}, percentage: 20", end, 5'000)), "");
  EXPECT_EQ(start(bench, live("c", "delay: {fixed: 1s}, percentage: 50", end, 5'000, "kind: Service, name: api")), "")
      << "another service's";
  bench.builder.stop_fault(std::nullopt);
  EXPECT_EQ(start(bench, live("a", "dead: {endpoint: 10.1.0.1}", end, 5'000)), "")
      << "one of two endpoints is half of it";
  EXPECT_NE(start(bench, live("b", "dead: {endpoint: 10.1.0.2}", end, 5'000)), "");
}

TEST(LiveFault, ARequestMeetsThoseOfWhatItAsksAndOfWhereItGoes) {
  Bench bench;
  bench.build(service("front", "10.96.0.11", "[{name: http, port: 80}]", "251") + kHttpAndDb +
              R"(apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: through}
spec:
  parentRefs: [{group: "", kind: Service, name: front, port: 80}]
  rules: [{backendRefs: [{name: web, port: 80}]}]
---
)");
  const Time end = bench.now + std::chrono::seconds(10);
  const auto of_both = [&](const std::string& first, const std::string& second) {
    EXPECT_EQ(start(bench, live("a", "delay: {fixed: 1s}, percentage: 30", end, 5'000, first)), "");
    const std::string problem = start(bench, live("b", "delay: {fixed: 1s}, percentage: 30", end, 5'000, second));
    bench.builder.stop_fault(std::nullopt);
    return problem;
  };
  const std::string front = "kind: Service, name: front";
  const auto told = HasSubstr("about 60% of the traffic from default/front to default/web; ");
  EXPECT_THAT(of_both(front, kToWeb), told);
  EXPECT_THAT(of_both(kToWeb, front), told);
  EXPECT_EQ(start(bench, live("a", "delay: {fixed: 1s}, percentage: 30", end, 5'000, front)), "");
  EXPECT_EQ(start(bench, live("b", "delay: {fixed: 1s}, percentage: 20", end, 5'000)), "");
}

TEST(LiveFault, OneEndpointCountsByItsWeightWhereThatIsMost) {
  Bench bench;
  bench.build(
      service("web", "10.96.0.10", "[{name: http, port: 80}, {name: db, port: 5432, appProtocol: tcp}]", "251") +
      slice("w", "web", endpoints(1, 4), "[{name: http, port: 8080}]") +
      slice("d", "web", endpoints(1, 1), "[{name: db, port: 5432}]"));
  const Time end = bench.now + std::chrono::seconds(10);
  EXPECT_THAT(start(bench, live("a", "dead: {endpoint: 10.1.0.1}", end, 5'000)), HasSubstr("about 100% of the traffic"))
      << "it is all of port 5432";
  EXPECT_EQ(start(bench, live("a", "dead: {endpoint: 10.1.0.1}, port: 80", end, 2'500)), "");
}

TEST(LiveFault, ANameIsFreeOnceItsFaultIsOver) {
  Bench bench;
  bench.build(kHttpAndDb);
  const Time end = bench.now + std::chrono::seconds(10);
  EXPECT_EQ(start(bench, live("a", "delay: {fixed: 1s}", end)), "");
  bench.build_at(bench.now);
  bench.now = end;
  EXPECT_EQ(start(bench, live("a", "delay: {fixed: 1s}", end + std::chrono::seconds(10))), "") << "and its share";
}

TEST(LiveFault, OfARouteCountsWhereTheRouteIsServed) {
  Bench bench;
  bench.build(kRouted);
  const Time end = bench.now + std::chrono::seconds(10);
  const std::string route = "group: gateway.networking.k8s.io, kind: HTTPRoute, name: checkout";
  EXPECT_EQ(start(bench, live("a", "delay: {fixed: 1s}, percentage: 40", end, 5'000, route)), "");
  EXPECT_THAT(start(bench, live("b", "delay: {fixed: 1s}, percentage: 20", end, 5'000)),
              HasSubstr("about 60% of the traffic of default/web"));
  bench.build_at(bench.now);
  EXPECT_EQ(names_at(bench.snapshot(), "default/web"), "a!@80 ");
  EXPECT_EQ(bench.snapshot().services()[0].faults->front().route, "default/checkout");
  bench.build_at(end);
  EXPECT_EQ(names_at(bench.snapshot(), "default/web"), "");
}

TEST(FaultLedger, HasSoManyNumbersAndGivesThemBack) {
  FaultLedger ledger;
  for (uint32_t i = 0; i < lb::Fault::kMost; ++i) {
    ASSERT_EQ(ledger.numbered({.name = std::to_string(i)})->number, i);
  }
  EXPECT_TRUE(ledger.is_full());
  EXPECT_EQ(ledger.numbered({.name = "more"}), std::nullopt);
  ledger.keep({"7"});
  EXPECT_EQ(ledger.numbered({.name = "more"})->number, 0U);
  EXPECT_EQ(ledger.numbered({.name = "more", .is_live = true})->number, 1U);
}

}  // namespace
}  // namespace weft::registry
