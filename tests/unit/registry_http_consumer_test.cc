// SPDX-License-Identifier: Apache-2.0
/// @file Routes of a Service's consumers (GEP-1294): whose requests they are for, and what an edit of either costs.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "lb/http_policy.h"
#include "registry_builder_fixture.h"
#include "registry_http_fixture.h"

namespace weft::registry {
namespace {

using ::testing::ElementsAre;

const std::string kProducer = http_route("own", to_service("web"), to_backend("web"));
/// 10.1.0.3 and 10.1.0.4 are shop's.
const std::string kShop = in_namespace(slice("s", "cart", endpoints(3, 4)), "shop");

std::string consumer_route(const std::string& name_space, const std::string& name = "theirs") {
  return in_namespace(http_route(name, to_service("web", ", namespace: default"),
                                 "[{backendRefs: [{name: web, namespace: default, port: 80}]}]"),
                      name_space);
}

const lb::Http& http_of(const Bench& bench) {
  return *bench.snapshot().services()[0].http;
}

/// Keys of the routes that a client's requests are matched with.
std::vector<std::string> routes_for(const Bench& bench, const std::string& client) {
  std::vector<std::string> keys;
  const lb::RouteTable* const table = http_of(bench).routes_for(*lb::parse_address(client));
  for (size_t i = 0; table != nullptr && i < table->routes().size(); ++i) {
    keys.push_back(table->routes()[i].key);
  }
  return keys;
}

TEST(HttpConsumer, HasItsOwnRoutesInPlaceOfTheProducers) {
  Bench bench;
  bench.build(kWeb + kProducer + kShop + consumer_route("shop"));
  EXPECT_THAT(routes_for(bench, "10.1.0.3"), ElementsAre("shop/theirs"));
  EXPECT_THAT(routes_for(bench, "10.1.0.4"), ElementsAre("shop/theirs"));
  EXPECT_THAT(routes_for(bench, "10.1.0.1"), ElementsAre("default/own")) << "the producer's own client";
  EXPECT_THAT(routes_for(bench, "10.9.9.9"), ElementsAre("default/own")) << "whose namespace nobody tells";
}

TEST(HttpConsumer, DoesNotDecideForEverybodyHowAPortIsCarried) {
  Bench bench;
  bench.build(kWeb + kShop + consumer_route("shop"));
  EXPECT_EQ(bench.snapshot().services()[0].http, nullptr);
  EXPECT_EQ(bench.snapshot().services()[0].policy.mode, lb::Mode::nat);
  const auto accepted = bench.builder.http_status().routes.at(0).parents.at(0).conditions.at(0);
  EXPECT_EQ(accepted.reason, "NoMatchingParent");
  EXPECT_THAT(accepted.message, ::testing::HasSubstr("are not read"));
  // Where the owner lets connections be looked at, it may route.
  bench.build(kWeb + kShop + consumer_route("shop") + policy("p", "web", "forwarding: {mode: proxy}"));
  EXPECT_EQ(http_of(bench).protocol, lb::AppProtocol::detect);
  EXPECT_THAT(routes_for(bench, "10.1.0.3"), ElementsAre("shop/theirs"));
  EXPECT_EQ(http_of(bench).routes_for(*lb::parse_address("10.9.9.9")), nullptr) << "to the service's own endpoints";
  EXPECT_TRUE(bench.builder.http_status().routes.at(0).parents.at(0).conditions.at(0).holds);
}

TEST(HttpConsumer, HasNoClientThatAnotherNamespaceHas) {
  Bench bench;
  const std::string all = kWeb + kProducer + kShop + consumer_route("shop");
  bench.build(all + in_namespace(slice("b", "shelf", endpoints(3, 3)), "books"));
  EXPECT_THAT(routes_for(bench, "10.1.0.3"), ElementsAre("default/own"));
  EXPECT_THAT(routes_for(bench, "10.1.0.4"), ElementsAre("shop/theirs"));
  bench.build(all);
  EXPECT_THAT(routes_for(bench, "10.1.0.3"), ElementsAre("shop/theirs"));
}

TEST(HttpConsumer, IsOneOfMany) {
  Bench bench;
  const std::string books = in_namespace(slice("b", "shelf", endpoints(5, 5)), "books");
  bench.build(kWeb + kProducer + kShop + books + consumer_route("shop") + consumer_route("shop", "more") +
              consumer_route("books"));
  EXPECT_THAT(routes_for(bench, "10.1.0.3"), ElementsAre("shop/more", "shop/theirs"));
  EXPECT_THAT(routes_for(bench, "10.1.0.5"), ElementsAre("books/theirs"));
}

TEST(HttpConsumer, HasClientsThatComeAndGo) {
  Bench bench;
  const std::string routes = kWeb + kProducer + consumer_route("shop");
  bench.build(routes);
  EXPECT_THAT(routes_for(bench, "10.1.0.3"), ElementsAre("default/own"));
  const auto tables = std::pair(http_of(bench).routes, http_of(bench).consumers[0].routes);
  bench.build(routes + kShop);
  EXPECT_THAT(routes_for(bench, "10.1.0.3"), ElementsAre("shop/theirs"));
  EXPECT_EQ(tables, std::pair(http_of(bench).routes, http_of(bench).consumers[0].routes)) << "nothing is compiled";
  bench.build(routes + in_namespace(slice("s", "cart", endpoints(4, 4)), "shop"));
  EXPECT_THAT(routes_for(bench, "10.1.0.3"), ElementsAre("default/own"));
  EXPECT_THAT(routes_for(bench, "10.1.0.4"), ElementsAre("shop/theirs"));
  bench.build(routes);
  EXPECT_THAT(routes_for(bench, "10.1.0.4"), ElementsAre("default/own"));
}

TEST(HttpConsumer, ChangesNothingWhenOthersClientsDo) {
  Bench bench;
  const std::string all = kWeb + kProducer + kShop + consumer_route("shop");
  bench.build(all);
  const auto before = bench.snapshot().services()[0].http;
  bench.build(all + in_namespace(slice("b", "shelf", endpoints(5, 5)), "books"));
  EXPECT_EQ(bench.snapshot().services()[0].http, before);
  // The same addresses, in a document that says something else about them.
  bench.build(kWeb + kProducer + consumer_route("shop") +
              in_namespace(slice("s", "cart", endpoints(3, 4), "[{port: 8081}]"), "shop"));
  EXPECT_EQ(bench.snapshot().services()[0].http, before);
}

TEST(HttpConsumer, IsNoStrangerInANamespaceWhoseNameBeginsAlike) {
  Bench bench;
  bench.build(kWeb + kProducer + consumer_route("shop") + in_namespace(slice("s", "cart", endpoints(3, 4)), "shop-2"));
  EXPECT_THAT(routes_for(bench, "10.1.0.3"), ElementsAre("default/own"));
}

TEST(HttpConsumer, HoldsNobodyUpByItsMistakes) {
  Inventory inventory;
  inventory.set("f.yaml",
                parsed(kWeb + kShop + consumer_route("shop") + policy("p", "web", "forwarding: {mode: nat}")));
  EXPECT_TRUE(inventory.clean()) << ::testing::PrintToString(lines(inventory.errors()));
  inventory.set("f.yaml",
                parsed(service("web", "10.96.0.10", "[{port: 80, appProtocol: https}]", "251") +
                       in_namespace(http_route("r", to_service("web", ", namespace: default, port: 80"),
                                               "[{backendRefs: [{name: web, namespace: default, port: 80}]}]"),
                                    "shop")));
  EXPECT_TRUE(inventory.clean()) << ::testing::PrintToString(lines(inventory.errors()));
  EXPECT_THAT(lines(inventory.warnings()), ElementsAre(::testing::HasSubstr("carries TLS")));
}

}  // namespace
}  // namespace weft::registry
