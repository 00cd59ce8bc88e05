// SPDX-License-Identifier: Apache-2.0
/// @file Edits of routes, Gateways and grants one by one must lead where building from nothing leads: tables are made
/// anew by what they depend on, and this is what finds a dependency that was forgotten.
#include <gtest/gtest.h>

#include <random>

#include "lb/route_table.h"
#include "registry_builder_fixture.h"
#include "registry_http_fixture.h"

namespace weft::registry {
namespace {

/// A file about few names in two namespaces.
std::string random_routes(std::mt19937& random) {
  const auto pick = [&](int least, int most) { return std::uniform_int_distribution(least, most)(random); };
  const auto number = [&](int most) { return std::to_string(pick(1, most)); };
  std::string text;
  for (int document = pick(0, 3); document > 0; --document) {
    const std::string name = "s" + number(3);
    const std::string own = pick(0, 1) == 0 ? "default" : "shop";
    const std::string backend = "{name: s" + number(3) + ", namespace: " + (pick(0, 2) == 0 ? "shop" : "default") +
                                ", port: " + (pick(0, 4) == 0 ? "81" : "80") + "}";
    const std::string rules = "[{backendRefs: [" + backend + "]}]";
    switch (pick(0, 6)) {
      case 0:
      case 1: {
        const std::string vip = (own == "shop" ? "10.97.0." : "10.96.0.") + name.substr(1);
        const std::string ports = pick(0, 3) == 0 ? "[{port: 80}, {name: b, port: 81}]" : "[{port: 80}]";
        text += in_namespace(
            service(name, vip, ports == "[{port: 80}]" ? ports : "[{name: a, port: 80}, {name: b, port: 81}]", "251"),
            own);
        break;
      }
      case 2:
        text += slice("e" + number(5), name, endpoints(pick(1, 3), pick(2, 6)));
        break;
      case 3:
        text += in_namespace(http_route("r" + number(3), to_service(name), rules), own);
        break;
      case 4:
        text += in_namespace(http_route("r" + number(3), "{name: g, namespace: default}", rules,
                                        pick(0, 1) == 0 ? "" : ", hostnames: [a.example.com]"),
                             own);
        break;
      case 5:
        text +=
            "{apiVersion: gateway.networking.k8s.io/v1, kind: Gateway, metadata: {name: g}, spec: {gatewayClassName: "
            "weft, addresses: [{value: 192.0.2.1}], listeners: [{name: a, port: 80, protocol: HTTP, allowedRoutes: "
            "{namespaces: {from: " +
            std::string(pick(0, 1) == 0 ? "All" : "Same") + "}}}]}}\n---\n";
        break;
      default:
        text += "{apiVersion: gateway.networking.k8s.io/v1, kind: ReferenceGrant, metadata: {name: x" + number(2) +
                ", namespace: shop}, spec: {from: [{group: gateway.networking.k8s.io, kind: HTTPRoute, namespace: "
                "default}], to: [{group: '', kind: Service, name: s" +
                number(3) + "}]}}\n---\n";
    }
  }
  return text;
}

/// All that is served, with names where slots stand.
std::string shown(const lb::Snapshot& snapshot, const HttpStatus& status) {
  std::map<uint32_t, std::string> names;
  for (const lb::Service& service : snapshot.services()) {
    names[service.slot] = service.name + ":" + std::to_string(lb::to_host(service.port));
  }
  std::string text;
  for (const lb::Service& service : snapshot.services()) {
    text += names[service.slot] + " " + std::to_string(static_cast<int>(service.policy.mode));
    if (service.http != nullptr && service.http->routes != nullptr) {
      for (const lb::HttpRoute& route : service.http->routes->routes()) {
        text += " " + route.key + "(" + (route.hostnames.empty() ? "" : route.hostnames[0]) + ") -> ";
        const lb::BackendPort& backend = route.rules[0].rule->backends[0].port;
        text += backend.is_valid() ? names.at(backend.slots[0]) : "nowhere";
      }
    }
    text += "\n";
  }
  for (const RouteStatus& route : status.routes) {
    text += route.metadata.key();
    for (const ParentStatus& parent : route.parents) {
      for (const Condition& condition : parent.conditions) {
        text += " " + condition.reason + " " + condition.message;
      }
    }
    text += "\n";
  }
  for (const GatewayStatus& gateway : status.gateways) {
    text += gateway.metadata.key() + " " + std::to_string(gateway.listeners[0].attached_routes) + "\n";
  }
  return text;
}

TEST(HttpEdits, LeadWhereAFreshStartLeads) {
  std::mt19937 random(5);
  Inventory edited;
  Builder builder(kSeed, {}, "");
  std::set<Drain> drains;
  Inventory::Files files;
  int in_force = 0;
  int routed = 0;
  for (int round = 0; round < 1500; ++round) {
    const std::string file = "f" + std::to_string(random() % 6) + ".yaml";
    if (random() % 6 == 0) {
      files.erase(file);
      edited.set(file, nullptr);
    } else {
      files[file] = parsed(random_routes(random), file);
      edited.replace(files);
    }
    Inventory fresh;
    fresh.replace(files);
    ASSERT_EQ(lines(edited.errors()), lines(fresh.errors())) << "round " << round;
    ASSERT_EQ(lines(edited.warnings()), lines(fresh.warnings()));
    if (edited.clean()) {
      ++in_force;
      builder.build(edited.take_changes(), drains, {}, Time{});
      Builder other(kSeed, {}, "");
      std::set<Drain> none;
      other.build(fresh.take_changes(), none, {}, Time{});
      const std::string text = shown(*builder.snapshot(), builder.http_status());
      ASSERT_EQ(text, shown(*other.snapshot(), other.http_status())) << "round " << round;
      routed += text.find("-> default/s") != std::string::npos ? 1 : 0;
    }
  }
  EXPECT_GT(in_force, 200);
  EXPECT_GT(routed, 20);
}

}  // namespace
}  // namespace weft::registry
