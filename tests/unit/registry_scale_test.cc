// SPDX-License-Identifier: Apache-2.0
/// @file Edits one by one must lead where building from nothing leads, share what did not change, and leave nothing
/// behind.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <malloc.h>

#include <random>

#include "registry_builder_fixture.h"

namespace weft::registry {
namespace {

using ::testing::IsEmpty;

/// A file about few names, so that files often agree and contradict each other.
std::string random_services(std::mt19937& random) {
  const auto pick = [&](int least, int most) { return std::uniform_int_distribution(least, most)(random); };
  std::string text;
  for (int document = pick(0, 4); document > 0; --document) {
    const std::string name = std::string("s").append(std::to_string(pick(1, 6)));
    const std::string number = std::to_string(pick(1, 12));
    switch (pick(0, 3)) {
      case 0:
        text += service(name, std::string("10.96.0.").append(number), "[{port: 80}]", "251");
        break;
      case 1:
        text += policy(std::string("p").append(number), name, pick(0, 1) == 0 ? "limits: {flows: 5}" : "sources: {}");
        break;
      default:
        text += slice(std::string("e").append(number), name, endpoints(pick(1, 3), pick(2, 6)), "[{port: 8080}]",
                      std::to_string(pick(0, 2)));
        if (pick(0, 9) == 0) {
          text += slice(std::string("v").append(number), name,
                        std::string("[{addresses: [10.96.0.").append(number).append("]}]"));
        }
    }
  }
  return text;
}

/// shown() without slots, which depend on history.
std::string without_slots(const lb::Snapshot& snapshot) {
  std::string text;
  for (const lb::Service& service : snapshot.services()) {
    text += service.name + " " + to_string(service.address, service.port) + " " +
            std::to_string(service.policy.max_flows) + " " + std::to_string(service.table->digest());
    for (const lb::Endpoint& endpoint : service.endpoints) {
      text += " " + endpoint.identity() + "*" + std::to_string(endpoint.weight);
    }
    text += "\n";
  }
  return text;
}

/// What look-ups by a snapshot say, all at once.
void expect_consistent(const lb::Snapshot& snapshot) {
  std::set<uint32_t> known;
  for (const lb::Service& service : snapshot.services()) {
    EXPECT_EQ(snapshot.find(service.address, service.port, service.protocol), &service);
    for (const lb::Endpoint& endpoint : service.endpoints) {
      EXPECT_TRUE(known.insert(endpoint.slot).second);
      EXPECT_EQ(snapshot.fate_of(endpoint.slot),
                snapshot.target_of(service, endpoint.slot) == nullptr ? lb::Fate::kept : lb::Fate::open);
    }
    for (const lb::Target& target : service.targets) {
      EXPECT_EQ(snapshot.target_of(service, target.slot), &target);
    }
  }
  for (uint32_t slot = 0; slot < 200; ++slot) {
    if (!known.contains(slot)) {
      EXPECT_EQ(snapshot.fate_of(slot), lb::Fate::gone) << slot;
    }
  }
}

TEST(Inventory, EditsLeadWhereAFreshStartLeads) {
  std::mt19937 random(11);
  Inventory edited;
  Builder builder(kSeed, {}, "");
  std::set<Drain> drains;
  Inventory::Files files;
  int in_force = 0;
  for (int round = 0; round < 1500; ++round) {
    const std::string file = std::string("f").append(std::to_string(random() % 5)).append(".yaml");
    if (random() % 6 == 0) {
      files.erase(file);
      edited.set(file, nullptr);
    } else {
      files[file] = parsed(random_services(random), file);
      edited.replace(files);
    }
    Inventory fresh;
    fresh.replace(files);
    ASSERT_EQ(lines(edited.errors()), lines(fresh.errors())) << "round " << round;
    ASSERT_EQ(lines(edited.warnings()), lines(fresh.warnings()));
    ASSERT_EQ(edited.endpoints(), fresh.endpoints());
    ASSERT_EQ(edited.clean(), edited.errors().empty());
    if (edited.clean()) {
      ++in_force;
      builder.build(edited.take_changes(), drains, {}, Time{});
      Builder other(kSeed, {}, "");
      std::set<Drain> none;
      other.build(fresh.take_changes(), none, {}, Time{});
      ASSERT_EQ(without_slots(*builder.snapshot()), without_slots(*other.snapshot())) << "round " << round;
      ASSERT_EQ(builder.endpoints(), other.endpoints());
      expect_consistent(*builder.snapshot());
    }
  }
  EXPECT_GT(in_force, 100);
  EXPECT_LT(in_force, 1400);
}

/// One service with four endpoints, of which `out` is not ready.
std::string service_with(int number, int out) {
  const std::string name = std::string("s").append(std::to_string(number));
  std::string pods = "[";
  for (int i = 0; i < 4; ++i) {
    pods += "{addresses: [10." + std::to_string(number / 250 + 1) + "." + std::to_string(number % 250) + "." +
            std::to_string(i) + "], conditions: {ready: " + (i == out ? "false" : "true") + "}}, ";
  }
  return service(name,
                 std::string("10.96.")
                     .append(std::to_string(number / 250))
                     .append(".")
                     .append(std::to_string(number % 250)),
                 "[{port: 80}]", "251") +
         slice(name, name, pods + "]");
}

TEST(Builder, AnEditSharesAllOtherServices) {
  Bench bench("", {.services = 200, .endpoints = 1000});
  for (int i = 0; i < 100; ++i) {
    bench.inventory.set(std::to_string(i), parsed(service_with(i, -1)));
  }
  bench.builder.build(bench.inventory.take_changes(), bench.drains, {}, bench.now);
  const auto before = bench.builder.snapshot();
  bench.inventory.set("42", parsed(service_with(42, 1)));
  bench.builder.build(bench.inventory.take_changes(), bench.drains, {}, bench.now);
  int shared = 0;
  for (size_t i = 0; i < 100; ++i) {
    shared += before->services().shared()[i] == bench.snapshot().services().shared()[i];
  }
  EXPECT_EQ(shared, 99);
  EXPECT_EQ(bench.builder.take_changes().changed.size(), 400U);
  EXPECT_TRUE(bench.builder.take_changes().changed.empty());
}

TEST(Builder, AThousandEditsLeaveNothingBehind) {
  constexpr int kServices = 50;
  Bench bench("", {.services = 200, .endpoints = 1000});
  for (int i = 0; i < kServices; ++i) {
    bench.inventory.set(std::to_string(i), parsed(service_with(i, -1)));
  }
  bench.builder.build(bench.inventory.take_changes(), bench.drains, {}, bench.now);
  std::vector<std::weak_ptr<const lb::Snapshot>> snapshots;
  std::vector<std::weak_ptr<const lb::Service>> services;
  const auto edit = [&](int round) {
    const int number = round % kServices;
    // Endpoints that come and go as well as ones that turn.
    bench.inventory.set(std::to_string(number),
                        parsed(round % 3 == 0 ? service("s" + std::to_string(number),
                                                        "10.96.0." + std::to_string(number), "[{port: 80}]", "251")
                                              : service_with(number, round % 4)));
    EXPECT_THAT(lines(bench.inventory.errors()), IsEmpty());
    bench.builder.build(bench.inventory.take_changes(), bench.drains, {}, bench.now);
    bench.builder.take_changes();
  };
  for (int round = 0; round < 300; ++round) {
    edit(round);
  }
  const size_t before = mallinfo2().uordblks;
  for (int round = 300; round < 1300; ++round) {
    edit(round);
    snapshots.push_back(bench.builder.snapshot());
    services.push_back(bench.snapshot().services().shared()[0]);
  }
  std::erase_if(snapshots, [](const auto& each) { return each.expired(); });
  EXPECT_EQ(snapshots.size(), 1U) << "the one in force";
  std::erase_if(services, [&](const auto& each) { return each.expired() || each.lock() == services.back().lock(); });
  EXPECT_TRUE(services.empty());
  snapshots.shrink_to_fit();
  services.shrink_to_fit();
  // Whatever else the test binary does in between is far below this; 1,000 snapshots are far above.
  EXPECT_LT(mallinfo2().uordblks, before + 64 * 1024);
  EXPECT_LE(bench.builder.tracked().size(), 4U * kServices);
}

}  // namespace
}  // namespace weft::registry
