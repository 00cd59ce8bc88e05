// SPDX-License-Identifier: Apache-2.0
/// @file Scenarios as they are read: every field, its default, and what is said of one that is wrong.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "rehearsal/scenario.h"

namespace weft::rehearsal {
namespace {

using std::chrono::milliseconds;

constexpr const char* kWhole = R"(name: one-sick
description: one of five is sick
duration: 20s
interval: 250ms
maxMissedPercent: 2.5
steps:
- name: traffic
  load: ./load.sh
- name: sick
  at: 5s
  for: 10s
  fault: {targetRef: {kind: Service, name: web}, percentage: 30, abort: {httpStatus: 500}}
- name: kill
  at: 6s
  for: 2s
  run: kill -STOP 7
  undo: kill -CONT 7
  timeout: 3s
expect:
- name: nobody notices
  service: web
  caller: shop/cart
  phase: during sick
  settle: 1s
  minRequests: 100
  match: {status: 500-503, flag: UF, detail: x, answeredBy: weft}
  successRate: {min: 99.9}
  share: {min: 1, max: 2.5}
  count: {max: 7}
  attempts: {max: 1.2}
  latency: {p50: 5ms, max: 2s}
  acted: [outlierDetection]
  notActed: [rateLimit]
  ejected: [w1]
  inService: [w2, w3]
- servicesExcept: [web, shop/cart]
  caller: 10.1.0.0/16
  phase: after
  unchanged: {successRate: 0.5, latency: 2, slack: 10ms}
)";

Scenario read(const std::string& text) {
  auto scenario = parse_scenario("s.yaml", text);
  EXPECT_TRUE(scenario.has_value()) << to_string(scenario.error().at(0));
  return scenario.value_or(Scenario{});
}

std::vector<std::string> errors_of(const std::string& text) {
  std::vector<std::string> lines;
  const auto scenario = parse_scenario("s.yaml", text);
  if (!scenario) {
    for (const auto& error : scenario.error()) {
      lines.push_back(to_string(error));
    }
  }
  return lines;
}

/// @param line in place of the line that begins with the same word, behind blanks and a dash
std::string with(const std::string& was, const std::string& is) {
  std::string text = kWhole;
  const size_t at = text.find(was);
  EXPECT_NE(at, std::string::npos) << was;
  return text.replace(at, was.size(), is);
}

TEST(Scenario, ReadsEveryField) {
  const Scenario scenario = read(kWhole);
  EXPECT_EQ(scenario.name, "one-sick");
  EXPECT_EQ(scenario.description, "one of five is sick");
  EXPECT_EQ(scenario.duration, milliseconds(20'000));
  EXPECT_EQ(scenario.interval, milliseconds(250));
  EXPECT_EQ(scenario.most_missed, 2.5);
  ASSERT_EQ(scenario.steps.size(), 3U);
  EXPECT_EQ(scenario.steps[0].kind, Step::Kind::load);
  EXPECT_EQ(scenario.steps[0].at, milliseconds(0));
  EXPECT_FALSE(scenario.steps[0].lasts);
  EXPECT_EQ(scenario.steps[1].kind, Step::Kind::fault);
  EXPECT_EQ(scenario.steps[1].fault["metadata"]["name"], "one-sick.sick");
  EXPECT_EQ(scenario.steps[1].fault["spec"]["abort"]["httpStatus"], 500);
  EXPECT_EQ(scenario.steps[1].lasts, milliseconds(10'000));
  EXPECT_EQ(scenario.steps[2].kind, Step::Kind::run);
  EXPECT_EQ(scenario.steps[2].undo, "kill -CONT 7");
  EXPECT_EQ(scenario.steps[2].timeout, milliseconds(3000));
  EXPECT_TRUE(scenario.has_commands());

  ASSERT_EQ(scenario.expectations.size(), 2U);
  const Expectation& first = scenario.expectations[0];
  EXPECT_EQ(first.service, "default/web");
  EXPECT_EQ(first.caller.service, "shop/cart");
  EXPECT_EQ(first.phase, (Phase{.kind = Phase::Kind::during, .step = 1}));
  EXPECT_EQ(first.settle, milliseconds(1000));
  EXPECT_EQ(first.min_requests, 100U);
  EXPECT_EQ(first.match.first_status, 500);
  EXPECT_EQ(first.match.last_status, 503);
  EXPECT_EQ(first.match.answered_by, "weft");
  EXPECT_EQ(first.success_rate->least, 99.9);
  EXPECT_FALSE(first.success_rate->most);
  EXPECT_EQ(first.share->most, 2.5);
  EXPECT_EQ(first.count->most, 7);
  EXPECT_EQ(first.attempts->most, 1.2);
  EXPECT_EQ(first.latency[0], milliseconds(5));
  EXPECT_EQ(first.latency[5], milliseconds(2000));
  EXPECT_FALSE(first.latency[3]);
  EXPECT_THAT(first.acted, testing::ElementsAre("outlierDetection"));
  EXPECT_THAT(first.not_acted, testing::ElementsAre("rateLimit"));
  EXPECT_THAT(first.ejected, testing::ElementsAre("w1"));
  EXPECT_THAT(first.in_service, testing::ElementsAre("w2", "w3"));
  const Expectation& second = scenario.expectations[1];
  EXPECT_THAT(second.excepted, testing::ElementsAre("default/web", "shop/cart"));
  EXPECT_TRUE(second.caller.prefix);
  EXPECT_EQ(second.phase.kind, Phase::Kind::after);
  EXPECT_EQ(second.unchanged->success_points, 0.5);
  EXPECT_EQ(second.unchanged->latency_factor, 2);
  EXPECT_EQ(second.unchanged->slack, milliseconds(10));
}

TEST(Scenario, HasDefaults) {
  const Scenario scenario = read("{name: x, duration: 5s, expect: [{service: web, successRate: {min: 99}}]}");
  EXPECT_EQ(scenario.interval, milliseconds(500));
  EXPECT_EQ(scenario.most_missed, 1);
  EXPECT_FALSE(scenario.has_commands());
  EXPECT_EQ(scenario.expectations[0].phase.kind, Phase::Kind::whole);
  EXPECT_EQ(scenario.expectations[0].min_requests, 1U);
  EXPECT_EQ(scenario.expectations[0].match, Match{});
  const Unchanged unchanged;
  EXPECT_EQ(unchanged.success_points, 0.1);
  EXPECT_EQ(unchanged.latency_factor, 1.5);
  EXPECT_EQ(unchanged.slack, milliseconds(5));
}

TEST(Scenario, ReadsStatuses) {
  const auto match = [](const std::string& status) { return read(with("500-503", status)).expectations.at(0).match; };
  EXPECT_EQ(match("503").first_status, 503);
  EXPECT_EQ(match("503").last_status, 503);
  EXPECT_EQ(match("5xx").first_status, 500);
  EXPECT_EQ(match("5xx").last_status, 599);
  EXPECT_EQ(match("none").first_status, 0);
  EXPECT_EQ(match("none").last_status, 0);
}

struct Wrong {
  const char* was;
  const char* is;
  const char* error;
};

TEST(Scenario, RefusesWhatIsWrongByFieldAndLine) {
  const Wrong wrongs[] = {
      {"name: one-sick", "name: One_sick", "s.yaml:1: name: expected 1 to 63 lower-case letters"},
      {"name: one-sick\n", "", "name: required field is missing"},
      {"duration: 20s", "duration: 20", "s.yaml:3: duration: expected a string, got the number 20"},
      {"duration: 20s", "duration: 2h", "s.yaml:3: duration: expected 1s to 3600s, got \"2h\""},
      {"duration: 20s\n", "", "duration: required field is missing"},
      {"interval: 250ms", "interval: 1ms", "s.yaml:4: interval: expected 100ms to 60s"},
      {"maxMissedPercent: 2.5", "maxMissedPercent: 101",
       "s.yaml:5: maxMissedPercent: expected a number from 0 to 100, got \"101\""},
      {"maxMissedPercent: 2.5", "maxMissedPercent: 1e1", "expected a number from 0 to 100"},
      {"maxMissedPercent: 2.5", "tolerance: 3", "s.yaml:5: tolerance: unknown field"},
      {"load: ./load.sh", "load: ''", "steps[0].load: expected a command"},
      {"load: ./load.sh", "load: x\n  run: y", "steps[0].load: expected one of fault, run or load"},
      {"load: ./load.sh", "at: 0s", "steps[0].fault: expected one of fault, run or load"},
      {"load: ./load.sh", "load: x\n  undo: y", "steps[0].undo: only what is run can be undone"},
      {"load: ./load.sh", "load: x\n  timeout: 2s", "steps[0].timeout: only what is run has one"},
      {"at: 5s\n  for: 10s", "at: 5s", "steps[1].for: required field is missing: a fault ends by itself"},
      {"httpStatus: 500", "httpStatus: 700",
       "s.yaml:12: steps[1].fault: spec.abort.httpStatus: expected an integer from 200 to 599"},
      {"percentage: 30", "luck: 30", "steps[1].fault: spec.luck: unknown field"},
      {"load: ./load.sh", "load: x\n  namespace: y", "steps[0].namespace: only a fault has one"},
      {"at: 5s", "at: 11s", "steps[1].for: ends after the scenario, which takes 20s"},
      {"at: 5s", "at: 30s", "steps[1].at: expected less than the scenario's duration, 20s, got \"30s\""},
      {"name: kill", "name: sick", "steps[2].name: another step has the name \"sick\""},
      {"timeout: 3s", "timeout: 10m", "steps[2].timeout: expected 100ms to 300s"},
      {"timeout: 3s", "retries: 3", "steps[2].retries: unknown field"},
      {"service: web\n  caller", "caller", "expect[0].service: expected one of service or servicesExcept"},
      {"service: web\n", "service: a/b/c\n", "expect[0].service: expected a service such as shop/cart"},
      {"caller: shop/cart", "caller: 10.1.0.0/8", "expect[0].caller: expected an address prefix without bits"},
      {"phase: during sick", "phase: during illness", "expect[0].phase: there is no step \"illness\""},
      {"phase: during sick", "phase: during traffic", "expect[0].phase: step \"traffic\" is load"},
      {"phase: during sick", "phase: later", "expect[0].phase: expected whole, before, after or during"},
      {"settle: 1s", "settle: 10s", "expect[0].settle: expected less than the phase lasts, 10s, got \"10s\""},
      {"minRequests: 100", "minRequests: -1", "expect[0].minRequests: expected an integer from 0"},
      {"500-503", "503-500", "expect[0].match.status: expected a status, a range"},
      {"500-503", "600", "expect[0].match.status: expected a status, a range"},
      {"answeredBy: weft", "answeredBy: envoy", "expect[0].match.answeredBy: expected endpoint, weft or nobody"},
      {"{status: 500-503, flag: UF, detail: x, answeredBy: weft}", "{}", "expect[0].match.status: expected one of"},
      {"flag: UF", "flag: ZZ", "expect[0].match.flag: expected UH, UF, UO"},
      {"match: {status: 500-503, flag: UF, detail: x, answeredBy: weft}\n", "minRequests2: 1\n",
       "expect[0].share: expected match beside it"},
      {"successRate: {min: 99.9}", "successRate: {min: 99.9, max: 99}",
       "expect[0].successRate.min: expected no more than max, 99, got 99.9"},
      {"successRate: {min: 99.9}", "successRate: {}", "expect[0].successRate: expected min, max or both"},
      {"successRate: {min: 99.9}", "successRate: {min: 100.1}", "successRate.min: expected a number from 0 to 100"},
      {"successRate: {min: 99.9}", "successRate: {min: nan}", "successRate.min: expected a number from 0 to 100"},
      {"successRate: {min: 99.9}", "successRate: 99", "expect[0].successRate: expected a mapping"},
      {"latency: {p50: 5ms, max: 2s}", "latency: {p98: 5ms}", "expect[0].latency.p98: unknown field"},
      {"latency: {p50: 5ms, max: 2s}", "latency: {}", "expect[0].latency.p99: expected one of p50"},
      {"latency: {p50: 5ms, max: 2s}", "latency: {p50: 0ms}", "expect[0].latency.p50: expected 1ms to 3600s"},
      {"acted: [outlierDetection]", "acted: [luck]", "expect[0].acted: expected outlierDetection, maxEjectionPercent"},
      {"notActed: [rateLimit]", "notActed: [outlierDetection]",
       "expect[0].notActed: \"outlierDetection\" is in acted, too"},
      {"phase: after", "phase: before", "expect[1].unchanged: expected the phase during a step, or after"},
      {"name: nobody notices", "name: \"two\\nlines\"", "expect[0].name: expected one line without control characters"},
      {"ejected: [w1]", "ejected: [\"w\\t1\"]", "expect[0].ejected: expected one line without control characters"},
      {"inService: [w2, w3]", "inService: [w2, \"w\\x7f\"]", "expect[0].inService: expected one line"},
      {"latency: 2,", "latency: 0.5,", "expect[1].unchanged.latency: expected a number from 1 to 1000"},
      {"unchanged: {successRate: 0.5, latency: 2, slack: 10ms}", "settle: 0s",
       "expect[1].successRate: expected one of"},
      {"unchanged: {successRate: 0.5, latency: 2, slack: 10ms}", "ejected: [w1]",
       "expect[1].ejected: expected service beside it"},
      {"at: 5s", "at: 0s", "expect[1].unchanged: the first step begins at once"},
      {"for: 2s", "timeout: 4s", "expect[1].phase: the last step ends with the scenario: nothing is after it"},
  };
  for (const Wrong& wrong : wrongs) {
    EXPECT_THAT(errors_of(with(wrong.was, wrong.is)), testing::Contains(testing::HasSubstr(wrong.error)))
        << wrong.was << " -> " << wrong.is;
  }
}

TEST(Scenario, RefusesWhatIsNoScenario) {
  EXPECT_THAT(errors_of(""), testing::Not(testing::IsEmpty()));
  EXPECT_THAT(errors_of("- a list"), testing::Contains(testing::HasSubstr("expected a mapping")));
  EXPECT_THAT(errors_of("{name: x, duration: 5s}"),
              testing::Contains(testing::HasSubstr("expect: required field is missing")));
  EXPECT_THAT(errors_of("{name: x, duration: 5s, expect: []}"),
              testing::Contains(testing::HasSubstr("expect: expected at least one item")));
  EXPECT_THAT(errors_of("{name: x, duration: 5s, expect: [{service: web, phase: before, successRate: {min: 1}}]}"),
              testing::Contains(testing::HasSubstr("no step is a fault or run, which it could be before")));
}

TEST(Scenario, PhasesAreInOrder) {
  const Scenario scenario = read(kWhole);
  std::vector<std::string> names;
  for (const Phase& phase : phases_of(scenario)) {
    names.push_back(to_string(scenario, phase));
  }
  EXPECT_THAT(names, testing::ElementsAre("whole", "before", "during sick", "during kill", "after"));
}

TEST(Scenario, KnowsServicesByFullNames) {
  EXPECT_EQ(full_service_name("web"), "default/web");
  EXPECT_EQ(full_service_name("shop/web"), "shop/web");
  EXPECT_EQ(full_service_name("gateway edge"), "gateway default/edge");
}

}  // namespace
}  // namespace weft::rehearsal
