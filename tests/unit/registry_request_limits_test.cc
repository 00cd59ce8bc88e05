// SPDX-License-Identifier: Apache-2.0
/// @file Limits of requests in a ServicePolicy: read, and refused by name.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "registry-sync/resolve.h"
#include "registry_fixture.h"

namespace weft::registry {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::string limited_policy(const std::string& limits) {
  return "apiVersion: weft.dev/v1\nkind: ServicePolicy\nmetadata: {name: web, namespace: shop}\nspec:\n"
         "  targetRef: {group: \"\", kind: Service, name: web}\n  limits:\n    requests: " +
         limits + "\n";
}

TEST(RequestLimits, ReadsEveryField) {
  const auto resources = parsed(limited_policy(
      "[{name: all, requests: 100}, {name: tenants, requests: 5, per: 1m, burst: 10, by: {header: X-Tenant}}, "
      "{name: clients, requests: 1000, burst: 1, by: {source: address}, route: checkout}, "
      "{name: other, requests: 1, per: 24h, route: other/cart, by: {source: service}}]"));
  const std::vector<lb::RequestLimit>& limits = resources->policies.at(0)->request_limits;
  using By = lb::RequestLimit::By;
  const lb::RequestLimit expected[] = {
      {.name = "all", .route = "", .by = By::all, .header = "", .rate = {10'000'000, 100}},
      {.name = "tenants", .route = "", .by = By::header, .header = "x-tenant", .rate = {12'000'000'000, 10}},
      {.name = "clients", .route = "shop/checkout", .by = By::address, .header = "", .rate = {1'000'000, 1}},
      {.name = "other", .route = "other/cart", .by = By::service, .header = "", .rate = {86'400'000'000'000, 1}},
  };
  EXPECT_THAT(limits, ::testing::ElementsAreArray(expected));
}

struct BadLimitRow {
  std::string limits;
  std::string message;
};
void PrintTo(const BadLimitRow& bad, std::ostream* out) {
  *out << bad.limits;
}
class BadRequestLimit : public ::testing::TestWithParam<BadLimitRow> {};

TEST_P(BadRequestLimit, IsRefusedByName) {
  EXPECT_THAT(lines(parse_file("f.yaml", limited_policy(GetParam().limits)).errors),
              ElementsAre(HasSubstr("spec.limits.requests" + GetParam().message)));
}

INSTANTIATE_TEST_SUITE_P(
    Registry, BadRequestLimit,
    ::testing::Values(
        BadLimitRow{"{}", ": expected a list"}, BadLimitRow{"[{requests: 1}]", "[0].name: required field is missing"},
        BadLimitRow{"[{name: A_, requests: 1}]", "[0].name: expected up to 63"},
        BadLimitRow{"[{name: a, requests: 1}, {name: a, requests: 2}]", "[1].name: duplicate limit \"a\""},
        BadLimitRow{"[{name: a}]", "[0].requests: required field is missing"},
        BadLimitRow{"[{name: a, requests: 0}]", "[0].requests: expected an integer from 1"},
        BadLimitRow{"[{name: a, requests: 1000001}]",
                    "[0].requests: expected at most 1000000 a second, got 1000001 in 1000 ms"},
        BadLimitRow{"[{name: a, requests: 1, per: 0s}]", "[0].per: expected 1ms to 24h, got \"0s\""},
        BadLimitRow{"[{name: a, requests: 1, per: 25h}]", "[0].per: expected 1ms to 24h, got \"25h\""},
        BadLimitRow{"[{name: a, requests: 1, per: fast}]", "[0].per: expected a duration"},
        BadLimitRow{"[{name: a, requests: 1, per: 1h, burst: 25}]",
                    "[0].burst: expected what comes back within 24h, got 25 of which one comes back in 3600000 ms"},
        BadLimitRow{"[{name: a, requests: 1, burst: 0}]", "[0].burst: expected an integer from 1"},
        BadLimitRow{"[{name: a, requests: 1, by: {}}]", "[0].by.header: expected header or source, got none"},
        BadLimitRow{"[{name: a, requests: 1, by: {header: x, source: address}}]",
                    "[0].by.source: expected header or source, got both"},
        BadLimitRow{"[{name: a, requests: 1, by: {header: ''}}]", "[0].by.header: expected a name, got \"\""},
        BadLimitRow{"[{name: a, requests: 1, by: {header: 'a b'}}]", "[0].by.header: expected"},
        BadLimitRow{"[{name: a, requests: 1, by: {source: mood}}]", "[0].by.source: expected"},
        BadLimitRow{"[{name: a, requests: 1, route: a/b/c}]", "[0].route: expected an HTTPRoute's name"},
        BadLimitRow{"[{name: a, requests: 1, unit: 1s}]", "[0].unit: unknown field"}));

uint64_t id_of_first(const std::string& limits) {
  ServiceResources resources;
  const auto set = parsed(limited_policy(limits) +
                          "---\napiVersion: v1\nkind: Service\nmetadata: {name: web, namespace: shop}\n"
                          "spec: {clusterIP: 10.96.0.1, ports: [{port: 80}]}\n");
  resources.services = set->services;
  resources.policies = set->policies;
  return resolve(resources, "").at(0).requests.limits.at(0).id;
}

TEST(RequestLimits, BeginAnewWithAnotherRateAndWithNothingElse) {
  const uint64_t id = id_of_first("[{name: a, requests: 5, per: 1h}]");
  EXPECT_EQ(id_of_first("[{name: a, requests: 5, per: 1h, by: {header: x}}, {name: b, requests: 1}]"), id);
  EXPECT_NE(id_of_first("[{name: a, requests: 6, per: 1h}]"), id);
  EXPECT_NE(id_of_first("[{name: a, requests: 5, per: 1h, burst: 6}]"), id);
  EXPECT_NE(id_of_first("[{name: b, requests: 5, per: 1h}]"), id);
}

TEST(RequestLimits, AreSixteenAtMost) {
  std::string limits = "[";
  for (int i = 0; i < 17; ++i) {
    limits += "{name: l" + std::to_string(i) + ", requests: 1}, ";
  }
  EXPECT_THAT(lines(parse_file("f.yaml", limited_policy(limits + "]")).errors),
              ElementsAre(HasSubstr("spec.limits.requests: expected at most 16 items, got 17")));
}

}  // namespace
}  // namespace weft::registry
