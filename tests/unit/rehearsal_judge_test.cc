// SPDX-License-Identifier: Apache-2.0
/// @file What is seen of a scenario, by an injected time, and how it is judged and told of.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

#include "rehearsal/report.h"

namespace weft::rehearsal {
namespace {

using std::chrono::microseconds;
using std::chrono::milliseconds;
using testing::HasSubstr;
using testing::Not;

const Moment kStart = Moment(std::chrono::sys_days(std::chrono::year(2026) / 11 / 30)) + std::chrono::hours(12);

Moment at(double seconds) {
  return kStart + microseconds(static_cast<int64_t>(seconds * 1e6));
}

/// A step "sick" from 5 to 10 of 20 seconds.
Scenario scenario_of(const std::string& expectation) {
  const auto read = parse_scenario("s.yaml", R"(
name: test
duration: 20s
steps: [{name: sick, at: 5s, for: 5s, run: "true"}]
expect: [)" + expectation + "]");
  EXPECT_TRUE(read.has_value()) << to_string(read.error().at(0));
  return read.value_or(Scenario{});
}

struct Rehearsed {
  explicit Rehearsed(const std::string& expectation)
      : scenario(scenario_of(expectation)), ledger(scenario, [](const lb::Address& address) {
          return address == *lb::parse_address("10.1.0.1") ? std::vector<std::string>{"shop/cart"}
                                                           : std::vector<std::string>();
        }) {
    ledger.began(kStart);
  }

  void sick() { ledger.step_began(0, at(5)); }
  void well() { ledger.step_ended(0, at(10)); }
  /// Ends it, so that it is over by the last step that was not told of.
  Verdict verdict() {
    ledger.ended(at(20));
    return judge(ledger).at(0);
  }
  void ask(double began, uint16_t status = 200, milliseconds took = milliseconds(1), uint64_t times = 1,
           const std::string& service = "default/web", const std::string& flags = "-", uint32_t attempts = 1,
           const std::string& client = "10.1.0.1") {
    for (; times > 0; --times) {
      ledger.add({.began = at(began),
                  .duration = took,
                  .service = service,
                  .client = *lb::parse_address(client),
                  .status = status,
                  .attempts = attempts,
                  .flags = flags,
                  .detail = "-",
                  .answered_by = status == 503 ? "weft" : "endpoint"});
    }
  }

  Scenario scenario;
  Ledger ledger;
};

/// A look that sees so many ejections for 5xx of default/web.
Look ejections(uint64_t count) {
  Look look;
  look["default/web"].counts[0] = count;
  return look;
}

TEST(Judge, TakesSuccessRatesOfAPhase) {
  Rehearsed rehearsed("{service: web, phase: during sick, successRate: {min: 99}}");
  rehearsed.ask(1, 500, milliseconds(1), 50);
  rehearsed.sick();
  rehearsed.ask(6, 200, milliseconds(1), 99);
  rehearsed.ask(7, 500);
  rehearsed.well();
  rehearsed.ask(12, 500, milliseconds(1), 50);
  const Verdict verdict = rehearsed.verdict();
  EXPECT_TRUE(verdict.met());
  EXPECT_EQ(verdict.findings.at(0).found, "99 % of 100 requests");
  EXPECT_EQ(verdict.phase, "during sick");
}

TEST(Judge, FindsASuccessRateTooLow) {
  Rehearsed rehearsed("{service: web, phase: during sick, successRate: {min: 99}}");
  rehearsed.sick();
  rehearsed.ask(6, 200, milliseconds(1), 98);
  rehearsed.ask(7, 500);
  rehearsed.ask(7, 0);  // who is told nothing is not served
  rehearsed.well();
  EXPECT_FALSE(rehearsed.verdict().met());
}

TEST(Judge, CountsAsDuringWhatTheStepMayHaveHit) {
  Rehearsed rehearsed("{service: web, phase: during sick, count: {min: 3, max: 3}}");
  rehearsed.ask(1);  // before
  rehearsed.sick();
  rehearsed.ask(4.5, 200, milliseconds(600));  // was under way as it began
  rehearsed.ask(6);
  rehearsed.ask(9.9, 200, milliseconds(5000));  // is, as it ends
  rehearsed.well();
  rehearsed.ask(10.1);
  const Verdict verdict = rehearsed.verdict();
  EXPECT_TRUE(verdict.met()) << verdict.findings.at(0).found;
}

TEST(Judge, CountsAsBeforeAndAfterOnlyWhatNothingHit) {
  Rehearsed before("{service: web, phase: before, count: {min: 1, max: 1}}");
  before.ask(1);
  before.sick();
  before.ask(4.5, 500, milliseconds(600));
  EXPECT_TRUE(before.verdict().met());
  Rehearsed after("{service: web, phase: after, count: {min: 1, max: 1}}");
  after.sick();
  after.well();
  after.ask(9.9, 500, milliseconds(2000));
  after.ask(11);
  EXPECT_TRUE(after.verdict().met());
}

TEST(Judge, LeavesOutWhatSettles) {
  Rehearsed rehearsed("{service: web, phase: during sick, settle: 1s, successRate: {min: 100}}");
  rehearsed.sick();
  rehearsed.ask(4.9, 500, milliseconds(2000));
  rehearsed.ask(5.5, 500);
  rehearsed.ask(6.5, 200);
  EXPECT_TRUE(rehearsed.verdict().met());
}

TEST(Judge, IgnoresWhatIsOutsideOfTheScenario) {
  Rehearsed rehearsed("{service: web, count: {min: 1, max: 1}}");
  rehearsed.ask(-1);
  rehearsed.ask(1);
  rehearsed.ledger.ended(at(20));
  rehearsed.ask(19, 0, milliseconds(2000));  // such as a load that is killed
  EXPECT_TRUE(judge(rehearsed.ledger).at(0).met());
}

TEST(Judge, IsNotMetByNothing) {
  Rehearsed rehearsed("{service: web, phase: during sick, successRate: {min: 0}}");
  rehearsed.sick();
  rehearsed.well();
  const Verdict verdict = rehearsed.verdict();
  EXPECT_FALSE(verdict.met());
  EXPECT_EQ(verdict.findings.at(0).measure, "requests");
}

TEST(Judge, IsNotMetByFewerRequestsThanAsked) {
  Rehearsed rehearsed("{service: web, minRequests: 10, successRate: {min: 0}}");
  rehearsed.ask(1, 200, milliseconds(1), 9);
  EXPECT_FALSE(rehearsed.verdict().met());
}

TEST(Judge, IsNotMetByAPhaseThatDidNotCome) {
  Rehearsed rehearsed("{service: web, phase: after, successRate: {min: 0}}");
  rehearsed.sick();
  rehearsed.ledger.ended(at(7));
  rehearsed.well();  // as it is undone
  const Verdict verdict = judge(rehearsed.ledger).at(0);
  EXPECT_FALSE(verdict.met());
  EXPECT_EQ(verdict.findings.at(0).found, "the scenario ended before it");
}

TEST(Judge, LooksAtMatchedRequestsAlone) {
  Rehearsed rehearsed(
      "{service: web, match: {status: 503, answeredBy: weft}, share: {min: 50, max: 50}, latency: {p99: 5ms}}");
  rehearsed.ask(1, 200, milliseconds(900), 10);
  rehearsed.ask(2, 503, milliseconds(2), 10);
  const Verdict verdict = rehearsed.verdict();
  EXPECT_TRUE(verdict.met());
  ASSERT_EQ(verdict.findings.size(), 2U);
  EXPECT_EQ(verdict.findings[0].found, "50 %: 10 of 20");
}

TEST(Judge, FindsALatencyTooLong) {
  Rehearsed rehearsed("{service: web, latency: {p50: 5ms, max: 500ms}}");
  rehearsed.ask(1, 200, milliseconds(2), 9);
  rehearsed.ask(2, 200, milliseconds(501));
  const Verdict verdict = rehearsed.verdict();
  EXPECT_TRUE(verdict.findings.at(0).met);
  EXPECT_FALSE(verdict.findings.at(1).met);
  EXPECT_EQ(verdict.findings.at(1).found, "501 ms");
}

TEST(Judge, IsNotMetByALatencyOfNothing) {
  Rehearsed rehearsed("{service: web, match: {status: 503}, latency: {p99: 5ms}}");
  rehearsed.ask(1);
  EXPECT_FALSE(rehearsed.verdict().met());
}

TEST(Judge, MatchesFlagsOneByOne) {
  Rehearsed rehearsed("{service: web, match: {flag: UF}, count: {min: 2, max: 2}}");
  rehearsed.ask(1, 503, milliseconds(1), 1, "default/web", "UF,URX");
  rehearsed.ask(1, 503, milliseconds(1), 1, "default/web", "UF");
  rehearsed.ask(1, 503, milliseconds(1), 1, "default/web", "UFX,XUF");
  EXPECT_TRUE(rehearsed.verdict().met());
}

/// A request that an endpoint which looks dead on purpose failed: nothing but the record's fault says so.
Request hit_by_dead() {
  return {.began = at(6),
          .duration = milliseconds(1),
          .service = "default/web",
          .client = *lb::parse_address("10.1.0.1"),
          .status = 503,
          .attempts = 1,
          .flags = "UF",
          .detail = "connect_timeout,fault:test.sick",
          .fault = "test.sick",
          .answered_by = "weft"};
}

TEST(Judge, CountsFaultsByTheirNamesToo) {
  Rehearsed acted("{service: web, acted: [faultInjection]}");
  acted.ledger.add(hit_by_dead());
  EXPECT_TRUE(acted.verdict().met());
  Rehearsed not_acted("{service: web, notActed: [faultInjection]}");
  not_acted.ledger.add(hit_by_dead());
  EXPECT_FALSE(not_acted.verdict().met());
}

TEST(Judge, MatchesADetailWithAFaultBehindIt) {
  for (const char* const detail : {"connect_timeout", "'fault:test.sick'", "'connect_timeout,fault:test.sick'"}) {
    Rehearsed rehearsed(std::string("{service: web, match: {detail: ") + detail + "}, count: {min: 1}}");
    rehearsed.ledger.add(hit_by_dead());
    EXPECT_TRUE(rehearsed.verdict().met()) << detail;
  }
  Rehearsed other("{service: web, match: {detail: connect}, count: {min: 1}}");
  other.ledger.add(hit_by_dead());
  EXPECT_FALSE(other.verdict().met());
}

TEST(Judge, AsksACallerAlone) {
  Rehearsed by_service("{service: web, caller: shop/cart, successRate: {min: 100}}");
  by_service.ask(1);
  by_service.ask(1, 500, milliseconds(1), 1, "default/web", "-", 1, "10.2.0.1");
  EXPECT_TRUE(by_service.verdict().met());
  Rehearsed by_address("{service: web, caller: 10.2.0.0/16, successRate: {min: 100}}");
  by_address.ask(1);
  by_address.ask(1, 500, milliseconds(1), 1, "default/web", "-", 1, "10.2.0.1");
  EXPECT_FALSE(by_address.verdict().met());
}

TEST(Judge, BoundsAttempts) {
  Rehearsed rehearsed("{service: web, attempts: {max: 1.2}}");
  rehearsed.ask(1, 200, milliseconds(1), 8);
  rehearsed.ask(1, 200, milliseconds(1), 2, "default/web", "-", 2);
  EXPECT_TRUE(rehearsed.verdict().met());
  rehearsed.ask(2, 200, milliseconds(1), 1, "default/web", "-", 2);
  EXPECT_FALSE(judge(rehearsed.ledger).at(0).met());
}

TEST(Judge, ComparesOthersWithBefore) {
  const char* const expectation = "{servicesExcept: [web], phase: during sick, unchanged: {latency: 2, slack: 1ms}}";
  const auto judged = [&](uint16_t status, milliseconds took) {
    Rehearsed rehearsed(expectation);
    rehearsed.ask(1, 200, milliseconds(10), 100, "default/calm");
    rehearsed.ask(1, 200, milliseconds(10), 100);
    rehearsed.sick();
    rehearsed.ask(6, status, took, 100, "default/calm");
    rehearsed.ask(6, 500, milliseconds(900), 100);
    rehearsed.well();
    return rehearsed.verdict();
  };
  EXPECT_TRUE(judged(200, milliseconds(20)).met());
  EXPECT_EQ(judged(200, milliseconds(20)).findings.at(0).service, "default/calm");
  EXPECT_FALSE(judged(500, milliseconds(20)).met());
  EXPECT_FALSE(judged(200, milliseconds(25)).met());
}

TEST(Judge, OfOthersWithoutRequestsNothingIsMet) {
  Rehearsed rehearsed("{servicesExcept: [web], phase: during sick, unchanged: {}}");
  rehearsed.ask(1);
  rehearsed.sick();
  rehearsed.ask(6);
  EXPECT_FALSE(rehearsed.verdict().met());
}

TEST(Judge, OthersThatFellSilentAreNotUnchanged) {
  Rehearsed rehearsed("{servicesExcept: [web], phase: during sick, unchanged: {}}");
  rehearsed.ask(1, 200, milliseconds(1), 10, "default/calm");
  rehearsed.sick();
  rehearsed.well();
  const Verdict verdict = rehearsed.verdict();
  EXPECT_FALSE(verdict.met());
  EXPECT_EQ(verdict.findings.at(0).service, "default/calm");
}

TEST(Judge, CountsProtectionsWithinThePhase) {
  const auto judged = [](const std::string& measure, uint64_t before, uint64_t during) {
    Rehearsed rehearsed("{service: web, phase: during sick, " + measure + "}");
    rehearsed.ledger.looked(ejections(before));
    rehearsed.sick();
    rehearsed.ledger.looked(ejections(during));
    rehearsed.well();
    rehearsed.ledger.looked(ejections(during + 5));
    return rehearsed.verdict().met();
  };
  EXPECT_TRUE(judged("acted: [outlierDetection]", 3, 4));
  EXPECT_FALSE(judged("acted: [outlierDetection]", 3, 3));
  EXPECT_TRUE(judged("notActed: [outlierDetection]", 3, 3));
  EXPECT_FALSE(judged("notActed: [outlierDetection]", 3, 4));
  EXPECT_TRUE(judged("acted: [outlierDetection]", 9, 2)) << "counters began anew";
}

TEST(Judge, TakesRetriesFromRecords) {
  Rehearsed rehearsed("{service: web, phase: during sick, acted: [retries], notActed: [panic, accessPolicy]}");
  rehearsed.sick();
  rehearsed.ledger.looked(ejections(0));
  rehearsed.ask(6, 200, milliseconds(1), 1, "default/web", "-", 3);
  EXPECT_TRUE(rehearsed.verdict().met());
  EXPECT_EQ(rehearsed.ledger.acts("default/web", {.kind = Phase::Kind::during}).by_protection.at("retries"), 2U);
}

TEST(Judge, ThatNothingActedIsNotMetByNothingSeen) {
  Rehearsed unseen("{service: web, phase: during sick, notActed: [outlierDetection, panic]}");
  unseen.ask(1);
  unseen.sick();
  unseen.ask(6);
  unseen.ledger.looked({{"default/calm", {}}});
  unseen.well();
  const Verdict of_looks = unseen.verdict();
  EXPECT_FALSE(of_looks.findings.at(0).met);
  EXPECT_FALSE(of_looks.findings.at(1).met);
  EXPECT_EQ(of_looks.findings.at(0).found, "the node told nothing of the service");

  Rehearsed unasked("{service: web, phase: during sick, notActed: [retries, accessPolicy, faultInjection]}");
  unasked.ask(1);
  unasked.sick();
  unasked.ledger.looked(ejections(0));
  unasked.well();
  const Verdict of_requests = unasked.verdict();
  for (const Finding& each : of_requests.findings) {
    EXPECT_FALSE(each.met) << each.measure;
    EXPECT_EQ(each.found, "no requests, which would tell");
  }
}

TEST(Judge, KnowsWhoWasEjectedAndReturned) {
  Rehearsed rehearsed("{service: web, phase: during sick, ejected: [w1], inService: [w1, w2]}");
  rehearsed.sick();
  rehearsed.ledger.looked_at_endpoints("default/web", {"w1", "w2"}, {"w1"});
  EXPECT_FALSE(judge(rehearsed.ledger).at(0).met()) << "w1 is not back";
  rehearsed.ledger.looked_at_endpoints("default/web", {"w1", "w2"}, {});
  EXPECT_TRUE(judge(rehearsed.ledger).at(0).met());
  Rehearsed unknown("{service: web, inService: [w9]}");
  unknown.ledger.looked_at_endpoints("default/web", {"w1"}, {});
  EXPECT_FALSE(unknown.verdict().met()) << "who is not there is not in service";
}

TEST(Judge, IsNotMetIfTooManyRecordsWereMissed) {
  Rehearsed rehearsed("{service: web, successRate: {min: 0}}");
  rehearsed.ask(1, 200, milliseconds(1), 99);
  rehearsed.ledger.missed(1);
  EXPECT_TRUE(judge(rehearsed.ledger).back().met());
  rehearsed.ledger.missed(1);
  EXPECT_FALSE(judge(rehearsed.ledger).back().met());
}

TEST(Latencies, AreNeverTooShortAndHardlyTooLong) {
  std::mt19937_64 random(42);
  Latencies latencies;
  std::vector<uint64_t> all;
  for (int i = 0; i < 20'000; ++i) {
    all.push_back(random() >> (random() % 63 + 1));
    latencies.add(all.back());
  }
  std::sort(all.begin(), all.end());
  for (const double share : {0.001, 0.5, 0.9, 0.99, 0.999, 1.0}) {
    const uint64_t exact = all[static_cast<size_t>(std::ceil(share * 20'000)) - 1];
    const uint64_t found = latencies.quantile(share);
    EXPECT_GE(found, exact);
    EXPECT_LE(found - exact, exact / 64 + 1);
  }
  EXPECT_EQ(Latencies().quantile(0.99), 0U);
}

TEST(AccessLine, IsRead) {
  const auto line = read_access_line(
      R"({"time":"2026-11-30T12:00:01.500000Z","service":"default/web","client":"[fd00::1]:55012","status":null,)"
      R"("attempts":2,"flags":"UF,URX","detail":"-","answered_by":"nobody","duration_us":284,"denied_by":"x","fault":"slow"})");
  ASSERT_TRUE(line && std::holds_alternative<Request>(*line));
  const auto& request = std::get<Request>(*line);
  EXPECT_EQ(request.began, at(1.5));
  EXPECT_EQ(request.duration, microseconds(284));
  EXPECT_EQ(to_string(request.client), "fd00::1");
  EXPECT_EQ(request.status, 0);
  EXPECT_FALSE(request.succeeded());
  EXPECT_TRUE(request.denied);
  EXPECT_EQ(request.fault, "slow");
  EXPECT_TRUE(std::holds_alternative<Followed>(*read_access_line(R"({"following":"requests"})")));
  EXPECT_EQ(std::get<Missed>(*read_access_line(R"({"missed":7})")).requests, 7U);
  EXPECT_TRUE(std::holds_alternative<Over>(*read_access_line(R"({"requests":1,"missed":0,"ended_by":"time"})")));
}

TEST(AccessLine, IsRefusedIfItIsNone) {
  for (const char* line : {"", "x", "[]", "{}", R"({"error":"too many follow"})",
                           R"({"time":"2026-13-30T12:00:01.500000Z","service":"a","client":"10.0.0.1:1","status":200,)"
                           R"("attempts":1,"flags":"-","detail":"-","answered_by":"weft","duration_us":1})",
                           R"({"time":"2026-11-30T12:00:01.500000Z","service":"a","client":"here","status":200,)"
                           R"("attempts":1,"flags":"-","detail":"-","answered_by":"weft","duration_us":1})"}) {
    EXPECT_FALSE(read_access_line(line)) << line;
  }
}

struct Told : Rehearsed {
  explicit Told(const std::string& expectation) : Rehearsed(expectation) {
    ask(1, 200, milliseconds(1), 10);
    ledger.looked(ejections(0));
    sick();
    ask(6, 200, milliseconds(1), 8);
    ask(6, 503, milliseconds(2), 2, "default/web", "UF,URX", 2);
    ledger.looked_at_endpoints("default/web", {"w1", "w2"}, {"w1"});
    ledger.looked(ejections(1));
    well();
    ledger.ended(at(20));
    outcome.steps = {{.what = "kill \"1\" & <go>", .said = "gone", .problem = "", .counted = nullptr}};
    outcome.verdicts = judge(ledger);
  }
  Outcome outcome;
};

TEST(Report, SaysWhatWasDoneSeenAndMet) {
  const Told told("{service: web, phase: during sick, successRate: {min: 70}}");
  const std::string text = as_text(told.ledger, told.outcome);
  EXPECT_THAT(text, HasSubstr("scenario test\ncomplete: began 2026-11-30T12:00:00Z, played 20.0 s of 20.0 s; 20 "
                              "requests seen, 0 missed"));
  EXPECT_THAT(text, HasSubstr("sick  5.0 s  10.0 s  run kill \"1\" & <go>"));
  EXPECT_THAT(text, HasSubstr("sick: gone"));
  EXPECT_THAT(text, HasSubstr("during sick        10     80.000    1.01    2.00    2.00        12  200: 8, 503: 2   "
                              "UF,URX: 2"));
  EXPECT_THAT(text, HasSubstr("default/web  during sick  outlierDetection 1 (ejections_consecutive_5xx), retries 2; "
                              "ejected: w1"));
  EXPECT_THAT(text, HasSubstr("70 % at least"));
  EXPECT_THAT(text, HasSubstr("2 of 2 expectations met: passed"));
  EXPECT_TRUE(told.outcome.met());
}

TEST(Report, SaysWhatWasNotMet) {
  const Told told("{name: all go on, service: web, phase: during sick, successRate: {min: 99.9}}");
  const std::string text = as_text(told.ledger, told.outcome);
  EXPECT_THAT(text, HasSubstr("NOT MET  all go on"));
  EXPECT_THAT(text, HasSubstr("1 of 2 expectations met: FAILED"));
  EXPECT_FALSE(told.outcome.met());
  const Json json = as_json(told.ledger, told.outcome);
  EXPECT_EQ(json["met"], false);
  EXPECT_EQ(json["expectations"][0]["findings"][0]["found"], "80 % of 10 requests");
  EXPECT_EQ(json["callers"].size(), 3U);
  EXPECT_EQ(json["steps"][0]["began_s"], 5.0);
}

TEST(Report, IsNotMetIfAStepFailedOrItWasCutShort) {
  Told failed("{service: web, successRate: {min: 1}}");
  EXPECT_TRUE(failed.outcome.met());
  failed.outcome.steps[0].problem = "exit code 1";
  EXPECT_FALSE(failed.outcome.met());
  Told cut("{service: web, successRate: {min: 1}}");
  cut.outcome.ending = Outcome::Ending::interrupted;
  EXPECT_FALSE(cut.outcome.met());
  EXPECT_THAT(as_text(cut.ledger, cut.outcome), HasSubstr("interrupted: began"));
}

TEST(Report, IsXmlForJUnit) {
  Told told("{name: \"a < b & \\\"c\\\"\", service: web, phase: during sick, successRate: {min: 99.9}}");
  told.outcome.steps[0].problem = "exit code 1";
  const std::string xml = as_junit(told.ledger, told.outcome);
  EXPECT_THAT(xml, HasSubstr("<testsuite name=\"test\" tests=\"3\" failures=\"2\""));
  EXPECT_THAT(xml, HasSubstr("name=\"a &lt; b &amp; &quot;c&quot; (during sick)\"><failure message=\"default/web "
                             "successRate: expected 99.9 % at least, found 80 % of 10 requests\"/></testcase>"));
  EXPECT_THAT(xml, HasSubstr("name=\"step sick\"><failure message=\"exit code 1\"/>"));
  EXPECT_THAT(xml, Not(HasSubstr("& ")));
}

TEST(Report, CountsTestsAndNotLines) {
  Told told("{service: web, successRate: {min: 1}}");
  told.outcome.steps[0].problem = "two\nlines";
  const std::string xml = as_junit(told.ledger, told.outcome);
  EXPECT_THAT(xml, HasSubstr("tests=\"3\" failures=\"1\""));
  EXPECT_THAT(xml, HasSubstr("message=\"two&#10;lines\""));
}

TEST(Report, OfARefusalHasOneTestThatFailed) {
  const std::string xml = refusal_as_junit("a<b", "the node knows no service \"x\"");
  EXPECT_THAT(xml, HasSubstr("<testsuite name=\"a&lt;b\" tests=\"1\" failures=\"1\" errors=\"0\">"));
  EXPECT_THAT(xml, HasSubstr("<failure message=\"the node knows no service &quot;x&quot;\"/>"));
}

TEST(Report, NamesNoMoreCallersThanAPersonReads) {
  Rehearsed rehearsed("{service: web, count: {min: 1000, max: 1000}}");
  for (int i = 0; i < 1000; ++i) {
    rehearsed.ask(1, 200, milliseconds(1), 1, "default/web", "-", 1,
                  "10.2." + std::to_string(i / 200) + "." + std::to_string(i % 200 + 1));
  }
  EXPECT_TRUE(rehearsed.verdict().met());
  EXPECT_EQ(rehearsed.ledger.cells().size(), 2U * 51U) << "the whole and before; 50 by name, and the others";
}

}  // namespace
}  // namespace weft::rehearsal
