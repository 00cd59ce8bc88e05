// SPDX-License-Identifier: Apache-2.0
#include "ops/http_report.h"

#include <gtest/gtest.h>

namespace weft::ops {
namespace {

using registry::HttpStatus;
using registry::ParentRef;

HttpStatus status() {
  HttpStatus status;
  status.routes.push_back(
      {.metadata = {.file = "f.yaml", .line = 3, .name = "split"},
       .hostnames = {},
       .parents = {{.parent = {.kind = ParentRef::Kind::service, .name_space = "default", .name = "web", .port = 80},
                    .conditions = {{"Accepted", true, "Accepted", ""}, {"ResolvedRefs", true, "ResolvedRefs", ""}}},
                   {.parent = {.name_space = "edge", .name = "gw", .section = "http"},
                    .conditions = {{"Accepted", false, "NoMatchingParent", "there is no Gateway edge/gw"},
                                   {"ResolvedRefs", false, "BackendNotFound", "rules[0]: there is none"}}}}});
  status.gateways.push_back({.metadata = {.file = "f.yaml", .line = 9, .name = "gw", .name_space = "edge"},
                             .addresses = {*lb::parse_address("192.0.2.1")},
                             .conditions = {{"Accepted", true, "Accepted", ""}, {"Programmed", true, "Programmed", ""}},
                             .listeners = {{.name = "http",
                                            .port = 80,
                                            .hostname = "*.example.com",
                                            .attached_routes = 2,
                                            .conditions = {{"Accepted", true, "Accepted", ""},
                                                           {"Programmed", true, "Programmed", ""},
                                                           {"ResolvedRefs", true, "ResolvedRefs", ""},
                                                           {"Conflicted", false, "NoConflicts", ""}}}}});
  return status;
}

TEST(HttpReport, ARowAParent) {
  const Json rows = route_rows(status());
  ASSERT_EQ(rows.size(), 2U);
  EXPECT_EQ(rows[0]["httproute"], "default/split");
  EXPECT_EQ(rows[0]["parent"], "Service default/web:80");
  EXPECT_EQ(rows[0]["accepted"], "True");
  EXPECT_EQ(rows[0]["message"], "");
  EXPECT_EQ(rows[1]["parent"], "Gateway edge/gw http");
  EXPECT_EQ(rows[1]["accepted"], "False NoMatchingParent");
  EXPECT_EQ(rows[1]["resolved_refs"], "False BackendNotFound");
  EXPECT_EQ(rows[1]["message"], "there is no Gateway edge/gw; rules[0]: there is none");
}

TEST(HttpReport, GrpcRoutesAreApart) {
  HttpStatus both = status();
  both.grpc_routes.push_back(
      {.metadata = {.file = "f.yaml", .line = 20, .name = "orders"},
       .hostnames = {},
       .parents = {{.parent = {.name_space = "edge", .name = "gw"}, .conditions = registry::grpc_conditions()}}});
  EXPECT_EQ(route_rows(both).size(), 2U);
  const Json rows = grpc_route_rows(both);
  ASSERT_EQ(rows.size(), 1U);
  EXPECT_EQ(rows[0]["grpcroute"], "default/orders");
  EXPECT_EQ(rows[0]["accepted"], "False UnsupportedProtocol");
  EXPECT_EQ(rows[0]["message"], "no request is routed by it: weft does not speak HTTP/2, which gRPC needs, yet");
  EXPECT_EQ(grpc_route_conditions(both, "orders")["conditions"].size(), 1U);
  EXPECT_TRUE(grpc_route_conditions(both, "split").is_null());
  EXPECT_TRUE(route_conditions(both, "orders").is_null());
}

TEST(HttpReport, ARowAListener) {
  EXPECT_EQ(as_text(gateway_rows(status())),
            "GATEWAY  ADDRESSES  LISTENER  PORT  HOSTNAME       ATTACHED ROUTES  ACCEPTED  PROGRAMMED  RESOLVED REFS  "
            "MESSAGE\n"
            "edge/gw  192.0.2.1  http        80  *.example.com                2  True      True        True           "
            "-\n");
}

TEST(HttpReport, OneByItsName) {
  EXPECT_EQ(as_text(gateway_conditions(status(), "edge/gw")),
            "gateway:    edge/gw\n"
            "read from:  f.yaml:9\n"
            "addresses:  192.0.2.1\n"
            "conditions:\n"
            "  OF             CONDITION     STATUS  REASON        MESSAGE\n"
            "  Gateway        Accepted      True    Accepted      -\n"
            "  Gateway        Programmed    True    Programmed    -\n"
            "  listener http  Accepted      True    Accepted      -\n"
            "  listener http  Programmed    True    Programmed    -\n"
            "  listener http  ResolvedRefs  True    ResolvedRefs  -\n"
            "  listener http  Conflicted    False   NoConflicts   -\n");
  EXPECT_EQ(route_conditions(status(), "split")["conditions"].size(), 4U);
  EXPECT_TRUE(route_conditions(status(), "other/split").is_null());
  EXPECT_TRUE(gateway_conditions(status(), "gw").is_null());
}

}  // namespace
}  // namespace weft::ops
