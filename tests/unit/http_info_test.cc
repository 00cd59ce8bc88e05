// SPDX-License-Identifier: Apache-2.0
/// @file What an operator sees of connections whose requests are read.
#include <gtest/gtest.h>

#include "http_proxied.h"

namespace weft::proxy {
namespace {

class HttpShown : public ::testing::Test {
 protected:
  void SetUp() override { mesh.publish({http_service("default/web", 1, {1})}); }
  std::vector<SessionInfo> shown() {
    std::vector<SessionInfo> all;
    uint32_t from = 0;
    do {
      from = mesh.proxy().visit(from, 3, [&](const SessionInfo& info) { all.push_back(info); });
    } while (from > 0);
    return all;
  }

  HttpMesh mesh;
};

TEST_F(HttpShown, AClientIsShownWithTheEndpointThatItsRequestIsUnderWayTo) {
  EXPECT_TRUE(shown().empty());
  const auto client = mesh.connect();
  auto all = shown();
  ASSERT_EQ(all.size(), 1U);
  EXPECT_TRUE(all[0].is_read);
  EXPECT_EQ(all[0].client.remote, kMeshClient);
  EXPECT_EQ(all[0].client.local, kMeshVip);
  EXPECT_EQ(all[0].service_slot, 1U) << "before its first request, too";
  EXPECT_EQ(all[0].endpoint.remote, lb::Address()) << "nobody's yet";

  mesh.say(client, kGet);
  const auto heard = mesh.heard();
  all = shown();
  ASSERT_EQ(all.size(), 1U) << "its endpoint's connection is the same row";
  EXPECT_EQ(all[0].endpoint.remote, endpoint_address(1));
  EXPECT_EQ(all[0].endpoint_slot, 1U);
  // Either connection leads to it.
  const auto of_client = mesh.middle.engine.connection_of(all[0].client);
  const auto of_endpoint = mesh.middle.engine.connection_of(all[0].endpoint);
  ASSERT_TRUE(of_client && of_endpoint);
  EXPECT_TRUE(mesh.proxy().find(*of_client)->is_client);
  ASSERT_TRUE(mesh.proxy().find(*of_endpoint));
  EXPECT_FALSE(mesh.proxy().find(*of_endpoint)->is_client);
  EXPECT_EQ(mesh.proxy().find(*of_endpoint)->session.client, all[0].client);

  mesh.pass(std::chrono::milliseconds(1000));
  mesh.say(heard.at(0).id, kOk);
  all = shown();
  ASSERT_EQ(all.size(), 2U) << "the client's, and the endpoint's that waits for anybody's";
  EXPECT_EQ(all[0].endpoint.remote, lb::Address());
  EXPECT_EQ(all[0].moved_at, time::to_millis(mesh.now));
  EXPECT_LT(all[0].began_at, all[0].moved_at);
  EXPECT_EQ(all[1].client.remote, lb::Address());
  EXPECT_EQ(all[1].endpoint.remote, endpoint_address(1));
  EXPECT_EQ(all[1].moved_at, time::to_millis(mesh.now));
}

}  // namespace
}  // namespace weft::proxy
