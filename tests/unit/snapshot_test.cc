// SPDX-License-Identifier: Apache-2.0
#include "lb/snapshot.h"

#include <gtest/gtest.h>

#include "lb/decision.h"
#include "lb/http_policy.h"
#include "lb/route_scratch.h"

namespace weft::lb {
namespace {

constexpr uint64_t kSeed = 99;

Ipv4Address ip(const char* text) {
  return parse_ipv4(text).value();
}

Service service(const char* address, uint16_t port, Protocol protocol, std::vector<const char*> ready) {
  Service service{.name = "default/web", .address = ip(address), .port = port_from_host(port), .protocol = protocol};
  std::vector<MaglevMember> members;
  for (const char* endpoint : ready) {
    const auto slot = static_cast<uint32_t>(service.endpoints.size());
    service.endpoints.push_back(
        {.name = endpoint, .address = ip(endpoint), .port = port_from_host(8080), .slot = slot});
    service.targets.push_back({.address = ip(endpoint), .port = port_from_host(8080), .slot = slot});
    members.push_back({.identity = service.endpoints.back().identity()});
  }
  service.table = std::make_shared<MaglevTable>(members, 251, kSeed);
  return service;
}

FlowKey4 flow(const char* source, uint16_t source_port, const char* destination, uint16_t port,
              Protocol protocol = Protocol::tcp) {
  return FlowKey4::make(ip(source), port_from_host(source_port), ip(destination), port_from_host(port), protocol);
}

Decision decide(const Snapshot& snapshot, const FlowKey4& key) {
  return lb::decide(snapshot, Tuple(key), hash_of(key, kSeed));
}

TEST(Snapshot, FindsServicesByAddressPortAndProtocol) {
  std::vector<Service> services;
  for (uint16_t i = 1; i <= 500; ++i) {
    services.push_back(service(("10.96.0." + std::to_string(i % 250 + 1)).c_str(), i, Protocol::tcp, {}));
  }
  const Snapshot snapshot(1, kSeed, services);
  for (const Service& each : services) {
    const Service* found = snapshot.find(each.address, each.port, each.protocol);
    ASSERT_NE(found, nullptr);
    EXPECT_EQ(found->port, each.port);
    EXPECT_EQ(snapshot.find(each.address, each.port, Protocol::udp), nullptr);
    EXPECT_TRUE(snapshot.is_vip(each.address));
  }
  EXPECT_EQ(snapshot.find(ip("10.96.0.1"), port_from_host(9999), Protocol::tcp), nullptr);
  EXPECT_EQ(snapshot.find(ip("10.96.0.1"), Port{}, Protocol{}), nullptr) << "an address's own entry is no service";
  EXPECT_FALSE(snapshot.is_vip(ip("10.96.1.1")));
}

TEST(Snapshot, FindsServicesBySlot) {
  const auto at_slot = [](const char* address, uint32_t slot, std::shared_ptr<const RouteTable> routes = nullptr) {
    Service made = service(address, 80, Protocol::tcp, {});
    made.slot = slot;
    if (routes != nullptr) {
      made.http = std::make_shared<Http>(Http{.routes = std::move(routes)});
    }
    return std::make_shared<const Service>(std::move(made));
  };
  const auto web = at_slot("10.96.0.1", 3);
  const auto api = at_slot("10.96.0.2", 5);
  const auto other = at_slot("10.96.0.3", 3);  // of another service, in the snapshot in which the first is gone
  const Snapshot empty(0, kSeed, {}, {}, 4);
  EXPECT_EQ(empty.service_at(0), nullptr);
  const Snapshot first(empty, 1, ServiceList({web, api}), {});
  EXPECT_EQ(first.service_at(3), web.get());
  EXPECT_EQ(first.service_at(5), api.get());
  EXPECT_EQ(first.service_at(4), nullptr);
  EXPECT_EQ(first.service_at(6), nullptr);
  EXPECT_EQ(first.service_at(UINT32_MAX), nullptr);
  const Snapshot second(first, 2, ServiceList({api, other}), {});
  EXPECT_EQ(second.service_at(3), other.get());
  const Snapshot third(second, 3, ServiceList({other}), {});
  EXPECT_EQ(third.service_at(5), nullptr);
}

TEST(Snapshot, HasRoomForEachWorkerToLookRequestsUp) {
  const auto with_routes = [](const char* address, std::shared_ptr<const RouteTable> routes) {
    Service made = service(address, 80, Protocol::tcp, {});
    made.slot = static_cast<uint32_t>(to_host(made.address.ipv4()) & 0xff);
    made.http = std::make_shared<Http>(Http{.routes = std::move(routes)});
    return std::make_shared<const Service>(std::move(made));
  };
  const auto table = [](const char* expression) {
    HttpRoute route{.key = expression};
    route.rules.push_back({.matches = {{.path = {.type = MatchType::regular_expression, .value = expression}}},
                           .rule = std::make_shared<HttpRule>()});
    return std::make_shared<const RouteTable>(std::vector<HttpRoute>{route});
  };
  const Snapshot empty(0, kSeed, {}, {}, 3);
  const auto web = with_routes("10.96.0.1", table("/a+"));
  const auto api = with_routes("10.96.0.2", table("/b+"));
  const Snapshot first(empty, 1, ServiceList({web}), {});
  EXPECT_EQ(first.scratches().workers(), 3U);
  const Snapshot second(first, 2, ServiceList({web, api}), {});
  for (size_t worker = 0; worker < 3; ++worker) {
    EXPECT_TRUE(first.scratches().of(worker).fits(*web->http->routes));
    EXPECT_TRUE(second.scratches().of(worker).fits(*web->http->routes));
    EXPECT_TRUE(second.scratches().of(worker).fits(*api->http->routes));
  }
  const Snapshot third(second, 3, ServiceList({api}), {});
  EXPECT_EQ(&third.scratches(), &second.scratches());
}

TEST(Snapshot, AnEmptyOneFindsNothing) {
  const Snapshot snapshot(0, kSeed, {});
  EXPECT_EQ(snapshot.find(ip("0.0.0.0"), Port{}, Protocol{}), nullptr);
  EXPECT_FALSE(snapshot.is_vip(ip("0.0.0.0")));
  EXPECT_EQ(snapshot.fate_of(0), Fate::gone);
}

TEST(Snapshot, MadeFromItsPredecessorSaysWhatOneMadeAnewSays) {
  const auto shared = [](Service service) { return std::make_shared<const Service>(std::move(service)); };
  const auto web = shared(service("10.96.0.1", 80, Protocol::tcp, {"10.1.0.1", "10.1.0.2", "10.1.0.3"}));
  Service other = service("10.96.0.2", 80, Protocol::tcp, {"10.1.0.4"});
  other.endpoints[0].slot = other.targets[0].slot = 7;
  const auto api = shared(other);
  const Snapshot empty(0, kSeed, {});

  const Snapshot first(empty, 1, ServiceList({web, api}), {});
  EXPECT_EQ(first.epoch(), 1U);
  EXPECT_EQ(first.seed(), kSeed);
  EXPECT_EQ(first.find(ip("10.96.0.2"), port_from_host(80), Protocol::tcp), api.get()) << "the very same object";
  EXPECT_EQ(first.fate_of(2), Fate::open);
  EXPECT_EQ(first.fate_of(7), Fate::open);
  EXPECT_EQ(first.target_of(*web, 2), &web->targets[2]);

  // web loses an endpoint, api takes its slot: what goes must not wipe out what comes.
  const auto smaller = shared(service("10.96.0.1", 80, Protocol::tcp, {"10.1.0.1", "10.1.0.2"}));
  other.endpoints[0].slot = other.targets[0].slot = 2;
  const auto moved = shared(other);
  const Snapshot second(first, 2, ServiceList({smaller, moved}), {7});
  EXPECT_EQ(second.fate_of(2), Fate::open);
  EXPECT_EQ(second.target_of(*moved, 2), &moved->targets[0]);
  EXPECT_EQ(second.target_of(*smaller, 2), nullptr);
  EXPECT_EQ(second.fate_of(7), Fate::reset);
  EXPECT_TRUE(second.any_resets());

  const Snapshot third(second, 3, ServiceList({moved}), {});
  EXPECT_EQ(third.fate_of(0), Fate::gone);
  EXPECT_EQ(third.fate_of(7), Fate::gone) << "resets are not handed on";
  EXPECT_EQ(third.find(ip("10.96.0.1"), port_from_host(80), Protocol::tcp), nullptr);
  EXPECT_FALSE(third.is_vip(ip("10.96.0.1")));
  EXPECT_EQ(third.find(ip("10.96.0.2"), port_from_host(80), Protocol::tcp), moved.get());
  EXPECT_EQ(first.fate_of(7), Fate::open) << "the one before is as it was";

  Service elsewhere = other;
  elsewhere.address = ip("10.96.0.9");
  const Snapshot fourth(third, 4, ServiceList({shared(elsewhere)}), {});
  EXPECT_EQ(fourth.find(ip("10.96.0.2"), port_from_host(80), Protocol::tcp), nullptr);
  EXPECT_NE(fourth.find(ip("10.96.0.9"), port_from_host(80), Protocol::tcp), nullptr);
  EXPECT_EQ(fourth.fate_of(2), Fate::open);
}

TEST(Decision, FollowsTheTable) {
  const Snapshot snapshot(1, kSeed, {service("10.96.0.1", 80, Protocol::tcp, {"10.1.0.1", "10.1.0.2", "10.1.0.3"})});
  std::vector<int> picks(3);
  for (uint16_t port = 1; port <= 3000; ++port) {
    const Decision decision = decide(snapshot, flow("10.1.0.9", port, "10.96.0.1", 80));
    ASSERT_EQ(decision.rule, Rule::consistent_hash);
    ++picks[decision.target->slot];
  }
  for (int picked : picks) {
    EXPECT_NEAR(picked, 1000, 120);
  }
}

TEST(Decision, NeverSendsAClientToItself) {
  const Snapshot snapshot(1, kSeed, {service("10.96.0.1", 80, Protocol::tcp, {"10.1.0.1", "10.1.0.2"})});
  int passed_itself = 0;
  for (uint16_t port = 1; port <= 100; ++port) {
    const Decision decision = decide(snapshot, flow("10.1.0.1", port, "10.96.0.1", 80));
    ASSERT_NE(decision.target, nullptr);
    EXPECT_EQ(decision.target->address, ip("10.1.0.2"));
    passed_itself += decision.rule == Rule::not_itself;
  }
  EXPECT_GT(passed_itself, 20);
}

TEST(Decision, RefusesAClientThatIsTheOnlyEndpoint) {
  const Snapshot snapshot(1, kSeed, {service("10.96.0.1", 80, Protocol::tcp, {"10.1.0.1"})});
  EXPECT_EQ(decide(snapshot, flow("10.1.0.1", 1, "10.96.0.1", 80)).rule, Rule::only_itself);
}

TEST(Decision, TellsNoEndpointFromNoPortFromNoVip) {
  const Snapshot snapshot(1, kSeed, {service("10.96.0.1", 80, Protocol::tcp, {})});
  EXPECT_EQ(decide(snapshot, flow("10.1.0.1", 1, "10.96.0.1", 80)).rule, Rule::no_endpoint);
  EXPECT_EQ(decide(snapshot, flow("10.1.0.1", 1, "10.96.0.1", 81)).rule, Rule::no_service_port);
  EXPECT_EQ(decide(snapshot, flow("10.1.0.1", 1, "10.96.0.1", 80, Protocol::udp)).rule, Rule::no_service_port);
  EXPECT_EQ(decide(snapshot, flow("10.1.0.1", 1, "10.96.0.2", 80)).rule, Rule::not_a_vip);
}

TEST(Address, ParsesOnlyDottedQuads) {
  EXPECT_EQ(to_string(ip("10.0.0.255")), "10.0.0.255");
  for (const char* wrong : {"", "10.0.0", "10.0.0.256", "10.0.0.1 ", "010.0.0.1", "::1", "localhost", "10.0.0.1:80"}) {
    EXPECT_FALSE(parse_ipv4(wrong)) << wrong;
  }
  EXPECT_FALSE(parse_ipv4(std::string_view("10.0.0.1\0", 9)));
}

TEST(Address, ParsesOnlyPortsOneToTheLast) {
  EXPECT_EQ(to_host(parse_port("65535").value()), 65535);
  for (const char* wrong : {"", "0", "65536", "-1", "+1", " 80", "80 ", "http"}) {
    EXPECT_FALSE(parse_port(wrong)) << wrong;
  }
}

}  // namespace
}  // namespace weft::lb
