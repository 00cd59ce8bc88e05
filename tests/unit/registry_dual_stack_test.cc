// SPDX-License-Identifier: Apache-2.0
/// @file Services with addresses of one or both families, and endpoints of either.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "registry-sync/builder.h"
#include "registry_fixture.h"

namespace weft::registry {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

std::string dual(const std::string& fields) {
  return "{apiVersion: v1, kind: Service, metadata: {name: web, annotations: {weft.dev/maglev-table-size: '251'}}, "
         "spec: {ports: [{port: 80}], " +
         fields + "}}\n---\n";
}

const std::string kDual = dual("clusterIP: 10.96.0.1, clusterIPs: [10.96.0.1, 'fd00:96::1']");

std::string slice6(const std::string& endpoints, const std::string& port = "8080") {
  return "{apiVersion: discovery.k8s.io/v1, kind: EndpointSlice, metadata: {name: web-6, labels: "
         "{kubernetes.io/service-name: web}}, addressType: IPv6, ports: [{port: " +
         port + "}], endpoints: " + endpoints + "}\n---\n";
}

/// "VIP <- endpoint endpoint" for each port.
std::vector<std::string> shown(const std::string& text) {
  std::vector<std::string> result;
  const ServiceResources resources = about(text);
  for (const ResolvedPort& port : resolve(resources, "")) {
    std::string line = to_string(port.address, port.port->port) + " <-";
    for (const Candidate& each : port.endpoints) {
      line += " " + each.endpoint.identity();
    }
    result.push_back(line);
  }
  return result;
}

TEST(DualStack, AcceptsConsistentFamilies) {
  const auto addresses = [](const std::string& fields) {
    std::vector<std::string> result;
    const auto documents = parsed(dual(fields));
    for (const lb::Address& each : documents->services.at(0)->addresses) {
      result.push_back(to_string(each));
    }
    return result;
  };
  EXPECT_THAT(addresses("clusterIP: 'fd00:96::1'"), ElementsAre("fd00:96::1"));
  EXPECT_THAT(addresses("clusterIP: 'FD00:96:0:0::1', clusterIPs: ['FD00:96:0:0::1'], ipFamilies: [IPv6], "
                        "ipFamilyPolicy: SingleStack"),
              ElementsAre("fd00:96::1"));
  EXPECT_THAT(addresses("clusterIP: 'fd00:96::1', clusterIPs: ['fd00:96::1', 10.96.0.1], ipFamilies: [IPv6, IPv4], "
                        "ipFamilyPolicy: RequireDualStack"),
              ElementsAre("fd00:96::1", "10.96.0.1"));
  EXPECT_THAT(addresses("clusterIP: 10.96.0.1, clusterIPs: [10.96.0.1, 'fd00:96::1'], "
                        "ipFamilyPolicy: PreferDualStack"),
              ElementsAre("10.96.0.1", "fd00:96::1"));
  EXPECT_THAT(addresses("clusterIP: 10.96.0.1, ipFamilyPolicy: PreferDualStack"), ElementsAre("10.96.0.1"));
  EXPECT_THAT(addresses("clusterIP: None, clusterIPs: [None], ipFamilies: [IPv4, IPv6], "
                        "ipFamilyPolicy: RequireDualStack"),
              IsEmpty());
}

TEST(DualStack, TwoAddressesAreTwoServicesWithSlotsOfTheirOwn) {
  Inventory inventory;
  inventory.set("f.yaml", parsed(kDual + slice("web-4", "web", endpoints(1, 2)) +
                                 slice6("[{addresses: ['fd00:1::1'], targetRef: {name: pod-1}}]")));
  ASSERT_THAT(lines(inventory.errors()), IsEmpty());
  EXPECT_EQ(inventory.endpoints(), 3U);
  Builder builder(1, {}, "");
  std::set<Drain> drains;
  builder.build(inventory.take_changes(), drains, {}, Time{});
  const lb::ServiceList& services = builder.snapshot()->services();
  ASSERT_EQ(services.size(), 2U);
  EXPECT_EQ(services[0].name, services[1].name);
  EXPECT_NE(services[0].slot, services[1].slot);
  EXPECT_EQ(to_string(services[0].address), "10.96.0.1");
  EXPECT_EQ(to_string(services[1].address), "fd00:96::1");
  EXPECT_THAT(services[1].table->members(), ElementsAre(lb::MaglevMember{"[fd00:1::1]:8080", 1}));
  std::set<uint32_t> slots;
  for (const lb::Service& service : services) {
    for (const lb::Endpoint& endpoint : service.endpoints) {
      slots.insert(endpoint.slot);
    }
  }
  EXPECT_EQ(slots.size(), 3U);
  EXPECT_EQ(builder.snapshot()->find(*lb::parse_ipv6("fd00:96::1"), lb::port_from_host(80), lb::Protocol::tcp),
            &services[1]);
}

TEST(DualStack, TranslationStaysWithinItsFamily) {
  const std::string pods =
      slice("web-4", "web", endpoints(1, 1)) + slice6("[{addresses: ['fd00:1::1']}, {addresses: ['fd00:1::2']}]");
  const auto expected =
      ElementsAre("10.96.0.1:80 <- 10.1.0.1:8080", "[fd00:96::1]:80 <- [fd00:1::1]:8080 [fd00:1::2]:8080");
  EXPECT_THAT(shown(kDual + pods), expected);
  EXPECT_THAT(shown(kDual + pods + policy("p", "web", "forwarding: {mode: fullnat}")), expected);
}

TEST(DualStack, ATunnelTakesEitherFamilyAndAnInstanceOnce) {
  const std::string four = slice("web-4", "web",
                                 "[{addresses: [10.1.0.1], targetRef: {name: pod-1}}, {addresses: "
                                 "[10.1.0.2], hostname: two}, {addresses: [10.1.0.3]}]",
                                 "[{port: 80}]");
  const std::string six = slice6(
      "[{addresses: ['fd00:1::1'], targetRef: {name: pod-1}}, {addresses: ['fd00:1::3']}, {addresses: ['fd00:1::4'], "
      "targetRef: {name: pod-4}}]",
      "80");
  const std::string dsr = policy("p", "web", "forwarding: {mode: dsr}");
  for (const std::string& order : {four + six, six + four}) {
    EXPECT_THAT(shown(kDual + dsr + order),
                ElementsAre("10.96.0.1:80 <- 10.1.0.1:80 10.1.0.2:80 10.1.0.3:80 [fd00:1::3]:80 [fd00:1::4]:80",
                            "[fd00:96::1]:80 <- 10.1.0.2:80 10.1.0.3:80 [fd00:1::1]:80 [fd00:1::3]:80 [fd00:1::4]:80"))
        << "pod-1 by its address of the VIP's family; of those without a name both stand";
  }
}

TEST(DualStack, ATunnelsPortsMustMatchInBothFamilies) {
  EXPECT_THAT(lines(validated(dual("clusterIP: 10.96.0.1") + policy("p", "web", "forwarding: {mode: dsr}") +
                              slice6("[{addresses: ['fd00:1::1']}]", "81"))
                        .errors),
              ElementsAre("f.yaml:5: ports[0].port: EndpointSlice default/web-6 has port 81 where service default/web "
                          "has 80: mode dsr of ServicePolicy default/p at f.yaml:3 does not translate ports"));
}

TEST(DualStack, NeitherAddressMayBeAnothersOrAnEndpoints) {
  const std::string api =
      "{apiVersion: v1, kind: Service, metadata: {name: api}, spec: {clusterIP: 'fd00:96::1', ports: [{port: 80}]}}\n";
  EXPECT_THAT(lines(validated(kDual + api).errors),
              ElementsAre("f.yaml:3: spec.clusterIP: [fd00:96::1]:80/tcp of service default/api is that of service "
                          "default/web at f.yaml:1 too"));
  EXPECT_THAT(lines(validated(api + "---\n" + kDual).errors),
              ElementsAre("f.yaml:3: spec.clusterIPs: [fd00:96::1]:80/tcp of service default/web is that of service "
                          "default/api at f.yaml:1 too"));
  EXPECT_THAT(lines(validated(kDual + slice6("[{addresses: ['fd00:96::1']}]")).errors),
              ElementsAre("f.yaml:3: endpoints[0].addresses: fd00:96::1 is the virtual address of service default/web "
                          "at f.yaml:1"));
}

}  // namespace
}  // namespace weft::registry
