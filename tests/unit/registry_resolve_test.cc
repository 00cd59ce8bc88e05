// SPDX-License-Identifier: Apache-2.0
#include "registry-sync/resolve.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "registry_fixture.h"

namespace weft::registry {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

/// "10.1.0.1:8080 name weight state"
std::vector<std::string> shown(const ResolvedPort& port) {
  std::vector<std::string> result;
  for (const auto& [each, near, drained, warms_since] : port.endpoints) {
    result.push_back(each.identity() + " " + each.name + " " + std::to_string(each.weight) + " " +
                     std::string(lb::to_string(each.state)));
  }
  return result;
}

TEST(Resolve, MatchesPortsByNameAndProtocol) {
  const ServiceResources set = about(
      service("web", "10.96.0.1", "[{name: a, port: 80}, {name: b, port: 53, protocol: UDP}, {name: c, port: 53}]") +
      slice("web-1", "web", "[{addresses: [10.1.0.1]}]",
            "[{name: a, port: 8080}, {name: b, port: 5353, protocol: UDP}, {name: b, port: 1}]"));
  const std::vector<ResolvedPort> ports = resolve(set, "");
  ASSERT_EQ(ports.size(), 3U);
  EXPECT_EQ(ports[0].port->name, "c");
  EXPECT_THAT(shown(ports[0]), IsEmpty());
  EXPECT_EQ(ports[1].port->name, "a");
  EXPECT_THAT(shown(ports[1]), ElementsAre("10.1.0.1:8080 10.1.0.1 1 ready"));
  EXPECT_EQ(ports[2].port->name, "b");
  EXPECT_THAT(shown(ports[2]), ElementsAre("10.1.0.1:5353 10.1.0.1 1 ready"));
}

TEST(Resolve, AnEndpointInTwoSlicesCountsOnceAndTheReadierWins) {
  const std::string ready = slice("web-1", "web", "[{addresses: [10.1.0.1], hostname: r}]");
  const std::string draining =
      slice("web-2", "web", "[{addresses: [10.1.0.1], hostname: d, conditions: {terminating: true}}]");
  for (const std::string& both : {ready + draining, draining + ready}) {
    const ServiceResources set = about(service("web", "10.96.0.1") + both);
    EXPECT_THAT(shown(resolve(set, "").at(0)), ElementsAre("10.1.0.1:8080 r 1 ready"));
  }
}

TEST(Resolve, OfTwoAsReadyTheHeavierWinsThenTheFirstName) {
  const std::string a = slice("web-1", "web", "[{addresses: [10.1.0.1], hostname: z}]", "[{port: 8080}]", "5");
  const std::string b = slice("web-2", "web", "[{addresses: [10.1.0.1], hostname: b}]");
  const std::string c = slice("web-3", "web", "[{addresses: [10.1.0.2], hostname: c}]");
  const std::string d = slice("web-4", "web", "[{addresses: [10.1.0.2], hostname: d}]");
  for (const std::string& order : {a + b + c + d, d + c + b + a}) {
    const ServiceResources set = about(service("web", "10.96.0.1") + order);
    EXPECT_THAT(shown(resolve(set, "").at(0)), ElementsAre("10.1.0.1:8080 z 5 ready", "10.1.0.2:8080 c 1 ready"));
  }
}

TEST(Resolve, HeadlessServicesAndStrangersSlicesResolveToNothing) {
  const std::string text = service("web", "None") + slice("web-1", "web", "[{addresses: [10.1.0.1]}]") +
                           slice("other-1", "other", "[{addresses: [10.1.0.1]}]");
  EXPECT_THAT(resolve(about(text), ""), IsEmpty());
  EXPECT_THAT(resolve(about(text, "default/other"), ""), IsEmpty());
}

TEST(Validate, NamesBothPlacesOfADuplicate) {
  const Validation result = validated(
      (service("web", "10.96.0.1") + service("web", "10.96.0.2") + slice("s", "web", "[]") + slice("s", "web", "[]")));
  EXPECT_THAT(lines(result.errors),
              ElementsAre("f.yaml:3: metadata.name: duplicate Service default/web; the first is at f.yaml:1",
                          "f.yaml:7: metadata.name: duplicate EndpointSlice default/s; the first is at f.yaml:5"));
}

TEST(Validate, NamesBothServicesOfAVip) {
  const Validation result = validated((service("web", "10.96.0.1") + service("api", "10.96.0.1") +
                                       service("dns", "10.96.0.1", "[{port: 80, protocol: UDP}]") +
                                       service("x", "None") + service("y", "None")));
  EXPECT_THAT(lines(result.errors),
              ElementsAre("f.yaml:3: spec.clusterIP: 10.96.0.1:80/tcp of service default/api is that of service "
                          "default/web at f.yaml:1 too"));
}

TEST(Validate, DoesNotDependOnTheOrderOfArrival) {
  const auto set = parsed(service("web", "10.96.0.1") + service("api", "10.96.0.1") + service("web", "10.96.0.3"));
  const Validation before = validated(set);
  auto reversed = std::make_shared<ResourceSet>(*set);
  std::reverse(reversed->services.begin(), reversed->services.end());
  EXPECT_EQ(before.errors, validated(reversed).errors);
  EXPECT_EQ(before.errors.size(), 2U);
}

TEST(Validate, WarnsOfSlicesThatGetNoTraffic) {
  const Validation result =
      validated((service("web", "10.96.0.1") + slice("a", "web", "[]", "[{name: http, port: 8080}]") +
                 slice("b", "nobody", "[]") + slice("c", "web", "[]")));
  EXPECT_THAT(result.errors, IsEmpty());
  EXPECT_THAT(lines(result.warnings),
              ElementsAre("f.yaml:3: ports: none has the name and protocol of a port of service default/web: these "
                          "endpoints get no traffic",
                          "f.yaml:5: metadata.labels: there is no service default/nobody (yet)"));
  std::string six = slice("six", "web", R"([{addresses: ["fd00::1"]}])");
  six.replace(six.find("IPv4"), 4, "IPv6");
  EXPECT_THAT(
      lines(validated(service("web", "10.96.0.1") + six).warnings),
      ElementsAre("f.yaml:3: endpoints: service default/web has no address of their family: these endpoints get "
                  "no traffic"));
}

TEST(Validate, WarnsOfATableTooSmallForItsWeights) {
  const auto warnings = [](const std::string& heavy) {
    return lines(
        validated((service("web", "10.96.0.1", "[{port: 80}]", "509") + slice("a", "web", "[{addresses: [10.1.0.1]}]") +
                   slice("b", "web", "[{addresses: [10.1.0.2]}]", "[{port: 8080}]", heavy) +
                   slice("c", "web", "[{addresses: [10.1.0.3]}]", "[{port: 8080}]", "0")))
            .warnings);
  };
  EXPECT_THAT(warnings("4"), IsEmpty());
  EXPECT_THAT(warnings("5"),
              ElementsAre(R"(f.yaml:1: metadata.annotations["weft.dev/maglev-table-size"]: a table of 509 slots can't )"
                          "hold the weights of port 80/tcp of service default/web to a percent; that takes 600"));
}

TEST(Validate, BoundsTheEndpointsOfAPort) {
  const auto web = parsed(service("web", "10.96.0.1") + slice("a", "web", "[]"));
  const auto with = [&](uint32_t count) {
    EndpointSlice slice = *web->slices[0];
    for (uint32_t i = 0; i < count; ++i) {
      slice.endpoints.push_back({.name = "e", .address = lb::address_from_host(0x0a000001 + i)});
    }
    auto set = std::make_shared<ResourceSet>(*web);
    set->slices[0] = std::make_shared<const EndpointSlice>(std::move(slice));
    return set;
  };
  EXPECT_THAT(validated(with(lb::MaglevTable::kMaxMembers)).errors, IsEmpty());
  EXPECT_THAT(lines(validated(with(lb::MaglevTable::kMaxMembers + 1)).errors),
              ElementsAre("f.yaml:1: spec.ports: port 80/tcp of service default/web has 65536 endpoints; weft takes at "
                          "most 65535"));
}

}  // namespace
}  // namespace weft::registry
