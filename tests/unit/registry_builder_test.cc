// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <random>

#include "registry_builder_fixture.h"

namespace weft::registry {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

TEST(SlotLedger, KeepsReturnsAndReusesSlots) {
  SlotLedger ledger(2);
  EXPECT_EQ(ledger.take("a"), 0U);
  EXPECT_EQ(ledger.take("b"), 1U);
  EXPECT_EQ(ledger.take("a"), 0U);
  EXPECT_EQ(ledger.take("c"), std::nullopt) << "full";
  ledger.release(0);
  EXPECT_THAT(ledger.lingering(), ElementsAre(0));
  EXPECT_EQ(ledger.take("c"), std::nullopt) << "a lingering slot is not free";
  EXPECT_THAT(ledger.reclaim([](uint32_t slot) { return slot == 0; }), IsEmpty()) << "flows hold it";
  EXPECT_EQ(ledger.take("a"), 0U) << "a is back";
  EXPECT_THAT(ledger.lingering(), IsEmpty());
  ledger.release(0);
  EXPECT_THAT(ledger.reclaim({}), ElementsAre(0));
  EXPECT_EQ(ledger.take("c"), 0U);
  EXPECT_EQ(ledger.take("b"), 1U);
}

TEST(Builder, CompilesAServicePort) {
  Bench bench;
  EXPECT_TRUE(bench
                  .build(service("web", "10.96.0.1", "[{name: http, port: 80}]", "251") +
                         slice("a", "web",
                               "[{addresses: [10.1.0.2]}, {addresses: [10.1.0.3], conditions: {ready: "
                               "false}}, {addresses: [10.1.0.1], hostname: one}]",
                               "[{name: http, port: 8080}]", "3") +
                         slice("b", "web", "[{addresses: [10.1.0.4]}]", "[{name: http, port: 8080}]", "0"))
                  .changed);
  const lb::Snapshot& snapshot = bench.snapshot();
  EXPECT_EQ(snapshot.epoch(), 1U);
  EXPECT_EQ(snapshot.seed(), kSeed);
  ASSERT_EQ(snapshot.services().size(), 1U);
  const lb::Service& web = snapshot.services()[0];
  EXPECT_EQ(web.name, "default/web");
  EXPECT_EQ(web.port_name, "http");
  EXPECT_EQ(web.endpoints.size(), 4U);
  EXPECT_EQ(web.table->size(), 251U);
  EXPECT_THAT(web.table->members(),
              ElementsAre(lb::MaglevMember{"10.1.0.1:8080", 3}, lb::MaglevMember{"10.1.0.2:8080", 3}))
      << "only those that are ready and have weight";
  ASSERT_EQ(web.targets.size(), 2U);
  for (size_t i = 0; i < web.targets.size(); ++i) {
    EXPECT_EQ(to_string(web.targets[i].address, web.targets[i].port), web.table->members()[i].identity);
    const auto endpoint = std::find_if(web.endpoints.begin(), web.endpoints.end(), [&](const lb::Endpoint& each) {
      return each.identity() == web.table->members()[i].identity;
    });
    EXPECT_EQ(web.targets[i].slot, endpoint->slot);
  }
}

TEST(Builder, OrderOfResourcesDoesNotMatter) {
  std::string text;
  for (int i = 1; i <= 6; ++i) {
    const std::string n = std::to_string(i);
    text += service("web" + n, "10.96.0." + n, "[{name: a, port: 80}, {name: b, port: 81}]", "251");
    text += slice("s" + n, "web" + n, endpoints(i, i + 4), "[{name: a, port: 8080}, {name: b, port: 8081}]");
    text += slice("t" + n, "web" + n, endpoints(i + 3, i + 7), "[{name: b, port: 8081}]", "2");
  }
  const std::shared_ptr<const ResourceSet> set = parsed(text);
  Bench first;
  first.build(set, {});
  std::mt19937 random(7);
  for (int round = 0; round < 10; ++round) {
    ResourceSet shuffled = *set;
    std::shuffle(shuffled.services.begin(), shuffled.services.end(), random);
    for (auto& each : shuffled.slices) {
      EndpointSlice slice = *each;
      std::shuffle(slice.endpoints.begin(), slice.endpoints.end(), random);
      std::shuffle(slice.ports.begin(), slice.ports.end(), random);
      each = std::make_shared<const EndpointSlice>(std::move(slice));
    }
    std::shuffle(shuffled.slices.begin(), shuffled.slices.end(), random);
    const auto documents = std::make_shared<const ResourceSet>(std::move(shuffled));
    Bench other;
    other.build(documents, {});
    ASSERT_EQ(shown(other.snapshot()), shown(first.snapshot()));
    EXPECT_FALSE(first.build(documents, {}).changed);
  }
  EXPECT_EQ(first.snapshot().epoch(), 1U);
}

TEST(Builder, SharesTablesThatDidNotChange) {
  Bench bench;
  const std::string api = service("api", "10.96.0.2") + slice("b", "api", endpoints(1, 3));
  const std::string empty = service("empty", "10.96.0.3");
  bench.build(service("web", "10.96.0.1") + slice("a", "web", endpoints(1, 3)) + api + empty);
  const auto before = bench.builder.snapshot();
  const auto table = [](const lb::Snapshot& snapshot, const char* vip) {
    return snapshot.find(*lb::parse_ipv4(vip), lb::port_from_host(80), lb::Protocol::tcp)->table;
  };
  bench.build(service("web", "10.96.0.1") + slice("a", "web", endpoints(1, 4)) + api + empty);
  EXPECT_EQ(bench.snapshot().epoch(), 2U);
  EXPECT_NE(table(*before, "10.96.0.1"), table(bench.snapshot(), "10.96.0.1"));
  EXPECT_EQ(table(*before, "10.96.0.2"), table(bench.snapshot(), "10.96.0.2")) << "the very same object";
  EXPECT_EQ(table(*before, "10.96.0.3"), table(bench.snapshot(), "10.96.0.3"));

  const auto second = bench.builder.snapshot();
  bench.build(service("web", "10.96.0.1", "[{port: 80}]", "251") + slice("a", "web", endpoints(1, 4)));
  EXPECT_EQ(table(bench.snapshot(), "10.96.0.1")->size(), 251U) << "another size is another table";
}

TEST(Builder, AnEndpointThatIsNotReadyKeepsTheTableOfTheOthers) {
  Bench bench;
  bench.build(service("web", "10.96.0.1") + slice("a", "web", "[{addresses: [10.1.0.1]}]"));
  const auto before = bench.builder.snapshot();
  bench.build(service("web", "10.96.0.1") +
              slice("a", "web", "[{addresses: [10.1.0.1]}, {addresses: [10.1.0.2], conditions: {ready: false}}]"));
  EXPECT_EQ(bench.snapshot().epoch(), 2U);
  EXPECT_EQ(before->services()[0].table, bench.snapshot().services()[0].table);
}

TEST(Builder, SlotsStayAndAreNotReusedWhileFlowsHoldThem) {
  Bench bench;
  const std::string web = service("web", "10.96.0.1", "[{port: 80}]", "251");
  bench.build(web + slice("a", "web", endpoints(1, 3)));
  const uint32_t slot_of_1 = bench.snapshot().services()[0].endpoints[0].slot;
  const uint32_t slot_of_2 = bench.snapshot().services()[0].endpoints[1].slot;
  bench.used = {slot_of_1};

  EXPECT_TRUE(bench.build(web + slice("a", "web", endpoints(2, 4))).changed);
  EXPECT_EQ(bench.snapshot().services()[0].endpoints[0].slot, slot_of_2) << "those that stay keep theirs";
  EXPECT_EQ(bench.builder.lingering(), 1U);
  const std::vector<TrackedEndpoint> tracked = bench.builder.tracked();
  ASSERT_EQ(tracked.size(), 4U);
  EXPECT_EQ(tracked[slot_of_1], (TrackedEndpoint{.slot = slot_of_1,
                                                 .vip = *lb::parse_ipv4("10.96.0.1"),
                                                 .vip_port = lb::port_from_host(80),
                                                 .protocol = lb::Protocol::tcp,
                                                 .address = *lb::parse_ipv4("10.1.0.1"),
                                                 .port = lb::port_from_host(8080),
                                                 .lingering = true}));
  EXPECT_FALSE(tracked[slot_of_2].lingering);

  EXPECT_FALSE(bench.builder.reclaim(bench.in_use()));
  bench.build(web + slice("a", "web", endpoints(2, 5)));
  EXPECT_NE(bench.snapshot().services()[0].endpoints[3].slot, slot_of_1);
  bench.used.clear();
  std::vector<uint32_t> freed;
  SlotUse in_use = bench.in_use();
  in_use.endpoint_freed = [&](uint32_t slot) { freed.push_back(slot); };
  EXPECT_TRUE(bench.builder.reclaim(in_use));
  EXPECT_THAT(freed, ElementsAre(slot_of_1)) << "so that its counters start anew with the next owner";
  EXPECT_FALSE(bench.builder.reclaim(bench.in_use()));
  EXPECT_EQ(bench.builder.tracked().size(), 4U);
  bench.build(web + slice("a", "web", endpoints(2, 6)));
  EXPECT_EQ(bench.snapshot().services()[0].endpoints[4].slot, slot_of_1) << "free, so given to another";
}

TEST(Builder, AsksOnlyAboutSlotsThatItPublishedASnapshotWithout) {
  Bench bench;
  const std::string web = service("web", "10.96.0.1", "[{port: 80}]", "251");
  std::vector<uint32_t> asked;
  const SlotUse in_use{.services = {}, .endpoints = [&](uint32_t slot) {
                         asked.push_back(slot);
                         return false;
                       }};
  bench.build(parsed(web + slice("a", "web", endpoints(1, 1))), in_use);
  bench.build(parsed(web + slice("a", "web", endpoints(2, 2))), in_use);
  EXPECT_THAT(asked, IsEmpty()) << "workers may still make flows to endpoint 1 by the first snapshot";
  EXPECT_EQ(bench.snapshot().services()[0].endpoints[0].slot, 1U);
  bench.build(parsed(web + slice("a", "web", endpoints(3, 3))), in_use);
  EXPECT_THAT(asked, ElementsAre(0));
}

TEST(Builder, AnEndpointThatReturnsGetsItsSlotBack) {
  Bench bench;
  const std::string web = service("web", "10.96.0.1", "[{port: 80}]", "251");
  bench.build(web + slice("a", "web", endpoints(1, 2)));
  const std::string before = shown(bench.snapshot());
  bench.used = {0, 1};
  bench.build(web);
  EXPECT_EQ(bench.builder.lingering(), 2U);
  bench.build(web + slice("a", "web", endpoints(1, 2)));
  EXPECT_EQ(bench.builder.lingering(), 0U);
  EXPECT_EQ(shown(bench.snapshot()), before);
  EXPECT_EQ(bench.snapshot().epoch(), 3U);
}

TEST(Builder, LeavesOutWhatGetsNoSlotAndKeepsTheOld) {
  Bench bench("", {.services = 2, .endpoints = 3});
  const std::string web = service("web", "10.96.0.1", "[{port: 80}]", "251") + slice("a", "web", endpoints(4, 6));
  EXPECT_THAT(lines(bench.build(web).errors), IsEmpty());
  const std::string api = service("api", "10.96.0.2", "[{port: 80}]", "251") + slice("b", "api", endpoints(1, 2));
  const std::string zoo = service("zoo", "10.96.0.3", "[{port: 80}]", "251");
  const Builder::Outcome outcome = bench.build(api + web + zoo);
  EXPECT_THAT(
      lines(outcome.errors),
      ElementsAre("f.yaml:1: 2 endpoints of service default/api 10.96.0.2:80/tcp left out: all 3 slots of "
                  "endpoints are taken",
                  "f.yaml:9: service default/zoo 10.96.0.3:80/tcp left out: all 2 slots of services are taken"));
  ASSERT_EQ(bench.snapshot().services().size(), 2U);
  EXPECT_THAT(bench.snapshot().services()[0].endpoints, IsEmpty());
  EXPECT_EQ(bench.snapshot().services()[1].endpoints.size(), 3U);
}

TEST(Builder, ADrainedEndpointGetsNoNewFlowsOnAnyPort) {
  Bench bench;
  const std::string text = service("web", "10.96.0.1", "[{name: a, port: 80}, {name: b, port: 81}]", "251") +
                           slice("a", "web", endpoints(1, 2), "[{name: a, port: 8080}, {name: b, port: 8081}]");
  bench.drains = {{.service = "default/web", .endpoint = *lb::parse_ipv4("10.1.0.1")},
                  {.service = "default/gone", .endpoint = *lb::parse_ipv4("10.1.0.1")},
                  {.service = "default/web", .endpoint = *lb::parse_ipv4("10.1.0.9")}};
  bench.build(text);
  for (const lb::Service& each : bench.snapshot().services()) {
    EXPECT_EQ(each.endpoints[0].state, lb::EndpointState::draining);
    EXPECT_EQ(each.targets.size(), 1U);
  }
  EXPECT_EQ(bench.drains.size(), 1U) << "wishes for what isn't there go";
  bench.build(service("web", "10.96.0.1", "[{name: a, port: 80}]", "251"));
  EXPECT_THAT(bench.drains, IsEmpty());
  bench.build(text);
  EXPECT_EQ(bench.snapshot().services()[0].endpoints[0].state, lb::EndpointState::ready) << "it came back anew";
}

TEST(Builder, AMovedVipKeepsSteeringItsOldFlows) {
  Bench bench;
  const std::string pods = slice("a", "web", endpoints(1, 1));
  bench.build(service("web", "10.96.0.1") + pods);
  bench.used = {0};
  bench.build(service("web", "10.96.0.2") + pods);
  const std::vector<TrackedEndpoint> tracked = bench.builder.tracked();
  ASSERT_EQ(tracked.size(), 2U);
  EXPECT_EQ(to_string(tracked[0].vip), "10.96.0.1");
  EXPECT_TRUE(tracked[0].lingering);
  EXPECT_EQ(to_string(tracked[1].vip), "10.96.0.2");
  EXPECT_FALSE(tracked[1].lingering);
}

}  // namespace
}  // namespace weft::registry
