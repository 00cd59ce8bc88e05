// SPDX-License-Identifier: Apache-2.0
/// @file Requests of a consumer's clients go by the consumer's routes (GEP-1294).
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "http_mesh.h"

namespace weft::proxy {
namespace {

/// A table of one rule that sends all to one service.
std::shared_ptr<const lb::RouteTable> all_to(uint32_t slot) {
  lb::HttpRule rule{.route = "shop/all"};
  rule.backends.push_back(
      {.port = {.service = "default/s", .port = kMeshPort, .slots = {slot, lb::BackendPort::kNone}}});
  lb::HttpRoute route{.key = "shop/all"};
  route.rules.push_back({.matches = {lb::HttpMatch{}}, .rule = std::make_shared<const lb::HttpRule>(std::move(rule))});
  return std::make_shared<const lb::RouteTable>(std::vector<lb::HttpRoute>{std::move(route)});
}

lb::Address asked(const lb::ClientNamespaces& clients) {
  HttpMesh mesh;
  mesh.publish({http_service("default/web", 1, {1},
                             {.protocol = lb::AppProtocol::http,
                              .consumers = {{.number = 4, .name_space = "shop", .routes = all_to(2)}},
                              .clients = std::make_shared<const lb::ClientNamespaces>(clients)}),
                http_service("default/v2", 2, {2})});
  mesh.say(mesh.connect(), "GET / HTTP/1.1\r\nHost: web\r\n\r\n");
  const auto heard = mesh.heard();
  EXPECT_EQ(heard.size(), 1U);
  return heard.empty() ? lb::Address{} : heard[0].endpoint;
}

TEST(HttpConsumerRequests, GoByTheRoutesOfTheirClientsNamespace) {
  EXPECT_EQ(asked({{kMeshClient, 4}}), endpoint_address(2));
  EXPECT_EQ(asked({{kMeshClient, 3}}), endpoint_address(1)) << "a namespace without routes of its own here";
  EXPECT_EQ(asked({}), endpoint_address(1));
}

}  // namespace
}  // namespace weft::proxy
