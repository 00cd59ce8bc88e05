// SPDX-License-Identifier: Apache-2.0
/// @file Limits of a service's callers in a ServicePolicy: read, and refused by name.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "registry_fixture.h"

namespace weft::registry {
namespace {

std::string calling_policy(const std::string& callers, const std::string& mode = "proxy") {
  return "apiVersion: weft.dev/v1\nkind: ServicePolicy\nmetadata: {name: web, namespace: shop}\nspec:\n"
         "  targetRef: {group: \"\", kind: Service, name: web}\n  forwarding: {mode: " +
         mode + "}\n  limits:\n    callers: " + callers + "\n";
}

TEST(ParseCallerLimits, ReadsEveryField) {
  const auto resources =
      parsed(calling_policy("{maxRequests: 100, maxPendingRequests: 10, maxConnections: 50, overrides: [{from: "
                            "{namespace: shop, service: cart}, "
                            "maxRequests: 200}, {from: {namespace: lab}, maxPendingRequests: 1, maxConnections: 2}]}"));
  const lb::CallerLimits expected{
      .bounds = {.max_requests = 100, .max_pending = 10, .max_connections = 50},
      .overrides = {
          {"shop", "cluster.local/ns/shop/sa/cart", {.max_requests = 200, .max_pending = 10, .max_connections = 50}},
          {"lab", "", {.max_requests = 100, .max_pending = 1, .max_connections = 2}}}};
  EXPECT_EQ(resources->policies.at(0)->callers, expected);
  EXPECT_FALSE(parsed(calling_policy("null"))->policies.at(0)->callers.has_value());
}

struct BadCallersRow {
  std::string callers;
  std::string message;
};
void PrintTo(const BadCallersRow& bad, std::ostream* out) {
  *out << bad.callers;
}
class BadCallers : public ::testing::TestWithParam<BadCallersRow> {};

TEST_P(BadCallers, AreRefusedByName) {
  EXPECT_THAT(lines(parse_file("f.yaml", calling_policy(GetParam().callers)).errors),
              ::testing::ElementsAre(::testing::HasSubstr("spec.limits.callers" + GetParam().message)));
}

INSTANTIATE_TEST_SUITE_P(
    Registry, BadCallers,
    ::testing::Values(
        BadCallersRow{"[]", ": expected"},
        BadCallersRow{"{}", ".maxRequests: expected maxRequests, maxPendingRequests or maxConnections, got none"},
        BadCallersRow{"{maxRequests: 0}", ".maxRequests: expected an integer from 1"},
        BadCallersRow{"{maxConnections: many}", ".maxConnections: expected an integer from 1"},
        BadCallersRow{"{maxRequests: 5, maxPendingRequests: 6}",
                      ".maxPendingRequests: expected at most maxRequests, 5"},
        BadCallersRow{"{maxRequest: 5, maxConnections: 1}", ".maxRequest: unknown field"},
        BadCallersRow{"{maxRequests: 5, overrides: [{maxRequests: 6}]}",
                      ".overrides[0].from: required field is missing"},
        BadCallersRow{"{maxRequests: 5, overrides: [{from: {service: a}, maxRequests: 6}]}",
                      ".overrides[0].from.namespace: required field is missing"},
        BadCallersRow{"{maxRequests: 5, overrides: [{from: {namespace: shop}}]}",
                      ".overrides[0].from: expected maxRequests, maxPendingRequests or maxConnections, got none"},
        BadCallersRow{"{maxRequests: 5, overrides: [{from: {namespace: shop}, maxRequests: 6}, "
                      "{from: {namespace: shop}, maxRequests: 7}]}",
                      ".overrides[1].from: duplicate caller \"shop\""},
        BadCallersRow{"{maxRequests: 5, overrides: [{from: {namespace: shop}, maxPendingRequests: 6}]}",
                      ".overrides[0].maxPendingRequests: expected at most maxRequests, 5"}));

TEST(ParseCallerLimits, AreRefusedWhereNothingIsCounted) {
  EXPECT_THAT(
      lines(parse_file("f.yaml", calling_policy("{maxRequests: 5}", "nat")).errors),
      ::testing::ElementsAre(::testing::HasSubstr("spec.limits.callers: expected no callers with another mode")));
}

}  // namespace
}  // namespace weft::registry
