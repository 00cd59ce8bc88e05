// SPDX-License-Identifier: Apache-2.0
/// @file A ServicePolicy's healthCheck: read, refused by name, and what its verdicts do to endpoints.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "registry_builder_fixture.h"

namespace weft::registry {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

std::vector<std::string> complaints(const std::string& check) {
  return lines(parse_file("f.yaml", policy("p", "web", "healthCheck: " + check)).errors);
}

HealthCheck check_in(const std::string& check) {
  return parsed(policy("p", "web", "healthCheck: " + check))->policies.at(0)->check.value();
}

TEST(HealthCheck, HasDefaults) {
  EXPECT_EQ(check_in("{tcp: {}}"), HealthCheck());
  EXPECT_EQ(check_in("{http: {}}"), HealthCheck{.kind = HealthCheck::Kind::http});
  EXPECT_EQ(check_in("{tcp: {}, interval: 300ms}").timeout, milliseconds(300)) << "no longer than the interval";
}

TEST(HealthCheck, IsReadWhole) {
  EXPECT_EQ(
      check_in("{http: {path: '/healthz?full=1', port: 9000, host: web.shop, expectedStatuses: ['204', '300-399']}, "
               "interval: 2s, timeout: 500ms, rise: 4, fall: 5, jitterPercent: 0}"),
      (HealthCheck{.kind = HealthCheck::Kind::http,
                   .port = 9000,
                   .path = "/healthz?full=1",
                   .host = "web.shop",
                   .expected = {{204, 204}, {300, 399}},
                   .interval = seconds(2),
                   .timeout = milliseconds(500),
                   .rise = 4,
                   .fall = 5,
                   .jitter_percent = 0}));
}

struct BadCheckRow {
  std::string check;
  std::string message;
};
void PrintTo(const BadCheckRow& row, std::ostream* out) {
  *out << row.check;
}
class BadCheck : public ::testing::TestWithParam<BadCheckRow> {};

TEST_P(BadCheck, IsRefusedByName) {
  const std::vector<std::string> errors = complaints(GetParam().check);
  ASSERT_THAT(errors, SizeIs(1));
  EXPECT_EQ(errors[0], "f.yaml:1: spec.healthCheck" + GetParam().message);
}

INSTANTIATE_TEST_SUITE_P(
    HealthCheck, BadCheck,
    ::testing::Values(
        BadCheckRow{"{}", ".tcp: expected one of tcp or http"},
        BadCheckRow{"{tcp: {}, http: {}}", ".http: expected one of tcp or http"},
        BadCheckRow{"{tcp: {}, interval: 99ms}", R"(.interval: expected 100ms to 1h, got "99ms")"},
        BadCheckRow{"{tcp: {}, interval: 61m}", R"(.interval: expected 100ms to 1h, got "61m")"},
        BadCheckRow{"{tcp: {}, timeout: 9ms}", R"(.timeout: expected 10ms to 1m, got "9ms")"},
        BadCheckRow{"{tcp: {}, interval: 1s, timeout: 2s}",
                    R"(.timeout: expected no more than the interval, 1000ms, got "2s")"},
        BadCheckRow{"{tcp: {}, rise: 0}", ".rise: expected an integer from 1 to 100, got \"0\""},
        BadCheckRow{"{tcp: {}, fall: 101}", ".fall: expected an integer from 1 to 100, got \"101\""},
        BadCheckRow{"{tcp: {}, jitterPercent: 51}", ".jitterPercent: expected an integer from 0 to 50, got \"51\""},
        BadCheckRow{"{tcp: {port: 0}}", ".tcp.port: expected an integer from 1 to 65535, got \"0\""},
        BadCheckRow{"{tcp: {path: /}}", ".tcp.path: unknown field; expected one of port"},
        BadCheckRow{
            "{http: {path: healthz}}",
            R"(.http.path: expected a path such as /healthz?full=1, without blanks and fragment, got "healthz")"},
        BadCheckRow{
            R"({http: {path: "/a\r\nX: y"}})",
            R"(.http.path: expected a path such as /healthz?full=1, without blanks and fragment, got "/a\x0d\x0aX: y")"},
        BadCheckRow{"{http: {expectedStatuses: []}}",
                    ".http.expectedStatuses: expected 1 to 16 statuses or ranges of them"},
        BadCheckRow{
            "{http: {expectedStatuses: ['299-200']}}",
            R"(.http.expectedStatuses: expected a status from "200" to "599" or a range such as "200-299", got "299-200")"},
        BadCheckRow{
            "{http: {expectedStatuses: ['100']}}",
            R"(.http.expectedStatuses: expected a status from "200" to "599" or a range such as "200-299", got "100")"},
        BadCheckRow{
            "{tcp: {}, exec: {}}",
            ".exec: unknown field; expected one of tcp, http, interval, timeout, rise, fall or jitterPercent"}));

struct Checked : ::testing::Test {
  Bench bench;

  std::string text(const std::string& endpoints_text, const std::string& check = "{tcp: {}}") const {
    return service("web", "10.96.0.1", "[{port: 80}]", "251") + slice("s", "web", endpoints_text) +
           policy("p", "web", "healthCheck: " + check);
  }
  std::string states() const {
    std::string all;
    for (const lb::Endpoint& endpoint : bench.snapshot().services()[0].endpoints) {
      all += std::string(lb::to_string(endpoint.state)) + " ";
    }
    return all + std::to_string(bench.snapshot().services()[0].targets.size());
  }
  /// @returns whether a snapshot was to be built
  bool judge(uint64_t id, bool failed) {
    const bool is_new = bench.builder.judge({{.id = id, .failed = failed}});
    if (is_new) {
      EXPECT_TRUE(bench.build_at(bench.now).changed);
    }
    return is_new;
  }
};

TEST_F(Checked, AFailedCheckLowersAndRecoveryNeedsBoth) {
  bench.build(text(endpoints(1, 3)));
  const CheckChanges changes = bench.builder.take_check_changes();
  const std::vector<CheckTarget>& targets = changes.at("default/web");
  ASSERT_THAT(targets, SizeIs(3));
  EXPECT_EQ(targets[1].name, "pod-2");
  EXPECT_EQ(to_string(targets[1].address, targets[1].port), "10.1.0.2:8080");
  EXPECT_EQ(states(), "ready ready ready 3") << "until checks say otherwise";
  EXPECT_TRUE(judge(targets[1].id, true));
  EXPECT_EQ(states(), "ready not ready ready 2");
  EXPECT_FALSE(judge(targets[1].id, true)) << "nothing new";

  bench.build(text("[{addresses: [10.1.0.1]}, {addresses: [10.1.0.2], conditions: {ready: false}}]"));
  EXPECT_EQ(states(), "ready not ready 1");
  EXPECT_TRUE(judge(targets[1].id, false));
  EXPECT_EQ(states(), "ready not ready 1") << "the registry says so";
  bench.build(text(endpoints(1, 2)));
  EXPECT_EQ(states(), "ready ready 2");
}

TEST_F(Checked, APassingCheckRaisesNobody) {
  bench.build(text("[{addresses: [10.1.0.1], conditions: {ready: false}}]"));
  const uint64_t id = bench.builder.take_check_changes().at("default/web").at(0).id;
  EXPECT_FALSE(judge(id, false));
  EXPECT_EQ(states(), "not ready 0");
}

TEST_F(Checked, IfAllFailNobodyGetsTraffic) {
  bench.build(text(endpoints(1, 2)));
  const CheckChanges changes = bench.builder.take_check_changes();
  for (const CheckTarget& target : changes.at("default/web")) {
    EXPECT_TRUE(judge(target.id, true));
  }
  EXPECT_EQ(states(), "not ready not ready 0");
}

TEST_F(Checked, ADrainBesideAFailedCheckStays) {
  bench.build(text(endpoints(1, 2)));
  const uint64_t id = bench.builder.take_check_changes().at("default/web").at(0).id;
  bench.drains.insert({.service = "default/web", .endpoint = *lb::parse_ipv4("10.1.0.1")});
  bench.build_at(bench.now);
  EXPECT_EQ(states(), "draining ready 1");
  bench.builder.judge({{.id = id, .failed = true}});
  bench.build_at(bench.now);
  EXPECT_EQ(states(), "draining ready 1");
  bench.drains.clear();
  bench.build_at(bench.now);
  EXPECT_EQ(states(), "not ready ready 1");
}

TEST_F(Checked, WhoComesBackIsNewAndAnOldVerdictIsNotItsOwn) {
  bench.build(text(endpoints(1, 2)));
  const uint64_t before = bench.builder.take_check_changes().at("default/web").at(1).id;
  judge(before, true);
  bench.build(text(endpoints(1, 1)));
  EXPECT_THAT(bench.builder.take_check_changes().at("default/web"), SizeIs(1));
  bench.build(text(endpoints(1, 2)));
  EXPECT_EQ(states(), "ready ready 2");
  EXPECT_NE(bench.builder.take_check_changes().at("default/web").at(1).id, before);
  EXPECT_FALSE(judge(before, true));
}

TEST_F(Checked, ChangesAreToldOnceAndAnEditedCheckKeepsItsVerdict) {
  bench.build(text(endpoints(1, 2)));
  const uint64_t id = bench.builder.take_check_changes().at("default/web").at(0).id;
  EXPECT_THAT(bench.builder.take_check_changes(), IsEmpty());
  judge(id, true);
  EXPECT_THAT(bench.builder.take_check_changes(), IsEmpty()) << "a verdict is no other target";
  bench.build(text(endpoints(1, 2), "{http: {path: /up}}"));
  const CheckChanges changes = bench.builder.take_check_changes();
  EXPECT_EQ(changes.at("default/web").at(0).id, id);
  EXPECT_EQ(changes.at("default/web").at(0).check->path, "/up");
  EXPECT_EQ(states(), "not ready ready 1");

  bench.build(service("web", "10.96.0.1", "[{port: 80}]", "251") + slice("s", "web", endpoints(1, 2)));
  EXPECT_EQ(states(), "ready ready 2") << "nobody checks any more";
  EXPECT_THAT(bench.builder.take_check_changes().at("default/web"), IsEmpty());
}

TEST_F(Checked, AUdpPortIsCheckedIfTheCheckNamesAPort) {
  const std::string dns = service("dns", "10.96.0.2", "[{port: 53, protocol: UDP}]", "251") +
                          slice("d", "dns", endpoints(1, 1), "[{port: 53, protocol: UDP}]");
  bench.build(dns + policy("p", "dns", "healthCheck: {tcp: {}}"));
  EXPECT_THAT(bench.builder.take_check_changes(), IsEmpty());
  bench.build(dns + policy("p", "dns", "healthCheck: {tcp: {port: 8080}}"));
  EXPECT_THAT(bench.builder.take_check_changes().at("default/dns"), SizeIs(1));
}

TEST_F(Checked, OneTargetAPortOfTheServiceHoweverManyAddressesItHas) {
  const std::string both =
      "{apiVersion: v1, kind: Service, metadata: {name: web}, spec: {clusterIP: 10.96.0.1, clusterIPs: [10.96.0.1, "
      "'fd00::1'], ipFamilies: [IPv4, IPv6], ports: [{name: a, port: 80}, {name: b, port: 81}]}}\n---\n";
  // A relayed connection may go to an endpoint of the other family, so both addresses have it.
  bench.build(both + slice("s", "web", endpoints(1, 1), "[{name: a, port: 8080}, {name: b, port: 8080}]") +
              policy("p", "web", "healthCheck: {tcp: {}}, forwarding: {mode: proxy}", "a") +
              policy("q", "web", "healthCheck: {tcp: {port: 9}}", "b"));
  const std::vector<CheckTarget> targets = bench.builder.take_check_changes().at("default/web");
  ASSERT_THAT(targets, SizeIs(2));
  judge(targets[0].id, true);
  std::vector<std::string> found;
  for (const lb::Service& service : bench.snapshot().services()) {
    for (const lb::Endpoint& endpoint : service.endpoints) {
      found.push_back(service.port_name + " " + to_string(service.address) + " " +
                      std::string(lb::to_string(endpoint.state)));
    }
  }
  EXPECT_THAT(found, ElementsAre("a 10.96.0.1 not ready", "b 10.96.0.1 ready", "a fd00::1 not ready"));
}

}  // namespace
}  // namespace weft::registry
