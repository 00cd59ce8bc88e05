// SPDX-License-Identifier: Apache-2.0
#include "registry-sync/names.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "registry-sync/instance.h"
#include "registry_builder_fixture.h"

namespace weft::registry {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr const char* kPorts = "[{name: peer, port: 7000}]";

std::string six(const std::string& name, const std::string& of, const std::string& endpoints) {
  std::string text = slice(name, of, endpoints, "[{name: peer, port: 7001}]");
  return text.replace(text.find("IPv4"), 4, "IPv6");
}

std::vector<std::string> endpoints_of(const lb::NamedService& service) {
  std::vector<std::string> result;
  for (const lb::NamedEndpoint& each : service.endpoints) {
    result.push_back(each.host + " " + to_string(each.address));
    for (const lb::Port port : each.ports) {
      result.back() += " " + std::to_string(to_host(port));
    }
  }
  return result;
}

TEST(Names, OfAServiceWithAnAddressSaysItsOwn) {
  const auto named = named_service(
      about(service("web", "10.96.0.1", "[{name: http, port: 80}, {name: dns, port: 53, protocol: UDP}]") +
            slice("a", "web", "[{addresses: [10.1.0.1]}]", "[{name: http, port: 8080}]")));
  ASSERT_NE(named, nullptr);
  EXPECT_EQ(named->name, "\3web\7default");
  EXPECT_FALSE(named->headless);
  EXPECT_THAT(named->ipv4, ElementsAre(lb::parse_ipv4("10.96.0.1").value()));
  EXPECT_THAT(named->ipv6, IsEmpty());
  EXPECT_THAT(named->ports, ElementsAre(lb::NamedPort{"http", lb::Protocol::tcp, lb::port_from_host(80)},
                                        lb::NamedPort{"dns", lb::Protocol::udp, lb::port_from_host(53)}));
  EXPECT_THAT(named->endpoints, IsEmpty()) << "their coming and going is nothing to its name";
  EXPECT_EQ(named_service(about(slice("a", "web", "[{addresses: [10.1.0.1]}]"))), nullptr);
  EXPECT_THAT(named_service(about(service("web", "10.96.0.1")))->ports, IsEmpty()) << "the only port has no name";
}

TEST(Names, OfAHeadlessServiceSayItsReadyEndpoints) {
  const std::string endpoints =
      "[{addresses: [10.1.0.3], hostname: one, targetRef: {kind: Pod, name: pod-3}},"
      " {addresses: [10.1.0.2], targetRef: {kind: Pod, name: pod-2}},"
      " {addresses: [10.1.0.4], targetRef: {kind: Pod, name: pod.of.four}},"
      " {addresses: [10.1.0.5], hostname: away, conditions: {ready: false}},"
      " {addresses: [10.1.0.6], hostname: going, conditions: {ready: false, serving: true, terminating: true}}]";
  const std::string text = service("web", "None", kPorts) + slice("a", "web", endpoints, "[{name: peer, port: 7001}]") +
                           six("b", "web", "[{addresses: ['fd00:1::3'], hostname: one}, {addresses: ['fd00:1::9']}]") +
                           slice("c", "web", "[{addresses: [10.1.0.2], targetRef: {name: pod-2}}]", "[{port: 1}]");
  const auto named = named_service(about(text));

  ASSERT_NE(named, nullptr);
  EXPECT_TRUE(named->headless);
  EXPECT_THAT(endpoints_of(*named), ElementsAre("10-1-0-4 10.1.0.4 7001", "fd00-1--9 fd00:1::9 7001",
                                                "one 10.1.0.3 7001", "one fd00:1::3 7001", "pod-2 10.1.0.2 7001"));
  EXPECT_EQ(named->ipv4.size(), 3U);
  EXPECT_EQ(named->ipv6.size(), 2U);
  std::string all = text;
  all.replace(all.find("clusterIP:"), 0, "publishNotReadyAddresses: true, ");
  EXPECT_EQ(named_service(about(all))->endpoints.size(), 7U);
}

TEST(Names, AreInTheSnapshotAndFollowWhatChanges) {
  Bench bench("", {.services = 100, .endpoints = 100}, {.name_servers = {lb::parse_address("10.96.0.10").value()}});
  const auto set = [&](const std::string& file, const std::string& text) {
    bench.inventory.set(file, parsed(text, file));
    return bench.builder.build(bench.inventory.take_changes(), bench.drains, bench.in_use(), bench.now).changed;
  };
  EXPECT_TRUE(set("web.yaml", service("web", "10.96.0.1")));
  EXPECT_TRUE(set("db.yaml", service("db", "None", kPorts)));
  EXPECT_TRUE(set("db-1.yaml", slice("db-1", "db", "[{addresses: [10.1.0.1], hostname: a}]", kPorts)));
  const auto before = bench.builder.snapshot();
  ASSERT_NE(before->names().find("\2db\7default"), nullptr);
  EXPECT_THAT(endpoints_of(*before->names().find("\2db\7default")), ElementsAre("a 10.1.0.1 7000"));
  EXPECT_EQ(before->services().size(), 2U + 1U) << "a headless service has no port that packets come to";

  EXPECT_TRUE(set("db-1.yaml", slice("db-1", "db", "[{addresses: [10.1.0.2], hostname: a}]", kPorts)));
  EXPECT_EQ(bench.snapshot().epoch(), before->epoch() + 1);
  EXPECT_THAT(endpoints_of(*bench.snapshot().names().find("\2db\7default")), ElementsAre("a 10.1.0.2 7000"));
  EXPECT_THAT(endpoints_of(*before->names().find("\2db\7default")), ElementsAre("a 10.1.0.1 7000"));
  EXPECT_EQ(bench.snapshot().names().find("\3web\7default"), before->names().find("\3web\7default"));
  EXPECT_FALSE(set("db-1.yaml", slice("db-2", "db", "[{addresses: [10.1.0.2], hostname: a}]", kPorts)))
      << "the same by another slice";

  EXPECT_TRUE(set("db.yaml", ""));
  EXPECT_EQ(bench.snapshot().names().find("\2db\7default"), nullptr);
  EXPECT_TRUE(bench.snapshot().names().has_namespace("\7default"));
  EXPECT_TRUE(set("web.yaml", ""));
  EXPECT_FALSE(bench.snapshot().names().has_namespace("\7default"));
}

TEST(Names, AreOfNoUseWhereNobodyAnswersThem) {
  Bench bench;
  bench.build(service("web", "10.96.0.1") + service("db", "None", kPorts));
  EXPECT_EQ(bench.snapshot().names().services(), 0U);
  const uint64_t epoch = bench.snapshot().epoch();
  EXPECT_FALSE(bench
                   .build(service("web", "10.96.0.1") + service("db", "None", kPorts) +
                          slice("a", "db", "[{addresses: [10.1.0.1]}]", kPorts))
                   .changed);
  EXPECT_EQ(bench.snapshot().epoch(), epoch);
}

TEST(Names, OfRegisteredInstancesAreTheirHostNamesOrTheirIds) {
  const auto resources = parsed(service("web", "None", kPorts));
  const auto host_of = [&](const std::string& id, const std::string& more) {
    std::vector<Diagnostic> errors;
    const auto instance = parse_instance("key", R"({"addresses": ["10.1.0.1"], "port": 7001)" + more + "}", errors);
    const Key key{.is_instance = true, .name_space = "default", .service = "web", .name = id};
    const auto slices = slices_of("key", key, *instance, *resources->services[0], errors);
    const auto named = named_service({.services = resources->services, .slices = slices->slices});
    EXPECT_EQ(lines(errors), std::vector<std::string>());
    return endpoints_of(*named).at(0);
  };
  EXPECT_EQ(host_of("web-1", ""), "web-1 10.1.0.1 7001");
  EXPECT_EQ(host_of("web-1", R"(, "hostname": "one")"), "one 10.1.0.1 7001");
  EXPECT_EQ(host_of("Web.1", ""), "10-1-0-1 10.1.0.1 7001");
}

TEST(Names, WeftsOwnServerIsAServiceWithoutAResource) {
  const lb::Address server = lb::parse_address("10.96.0.10").value();
  const Abilities abilities{.name_servers = {lb::parse_address("fd00:96::10").value(), server}};
  Builder builder(kSeed, {.services = 100, .endpoints = 100}, "", abilities);
  std::set<Drain> drains;
  builder.build({}, drains, {}, {});
  const lb::Port port = lb::port_from_host(53);

  for (const lb::Protocol protocol : {lb::Protocol::tcp, lb::Protocol::udp}) {
    const lb::Service* service = builder.snapshot()->find(server, port, protocol);
    ASSERT_NE(service, nullptr);
    EXPECT_TRUE(service->answers_names);
    EXPECT_EQ(service->policy.mode, lb::Mode::proxy);
  }
  EXPECT_EQ(builder.snapshot()->services().size(), 4U);
  EXPECT_TRUE(builder.snapshot()->is_vip(server));
  Inventory inventory(abilities);
  inventory.set("f.yaml", parsed(service("web", "10.96.0.10")));
  EXPECT_THAT(
      lines(inventory.errors()),
      ElementsAre("f.yaml:1: spec.clusterIP: 10.96.0.10 of service default/web is an address of this node's own: "
                  "dns.addresses has it"));
}

}  // namespace
}  // namespace weft::registry
