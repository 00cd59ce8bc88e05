// SPDX-License-Identifier: Apache-2.0
/// @file A syncer follows a real etcd through random puts, deletes, leases' ends, compactions, members that are killed
/// or stopped, and cut connections; whenever it has read all, its snapshot is what a fresh start makes of etcd's
/// content, and what the rule says in a few lines: who was there first has it.
#include <gtest/gtest.h>

#include <atomic>
#include <cstdlib>
#include <map>
#include <nlohmann/json.hpp>
#include <random>
#include <set>
#include <thread>

#include "etcd_bed.h"
#include "registry-sync/syncer.h"

namespace weft::registry {
namespace {

using namespace std::chrono_literals;

constexpr int kServices = 12;
constexpr int kInstances = 60;
constexpr size_t kActs = 600;

/// All that the workers go by, without slots, which depend on history.
std::string told(const lb::Snapshot& snapshot) {
  std::string text;
  for (const lb::Service& service : snapshot.services()) {
    text +=
        service.name + " " + to_string(service.address, service.port) + " " + std::to_string(service.table->digest());
    for (const lb::Endpoint& endpoint : service.endpoints) {
      text += " " + endpoint.name + "=" + endpoint.identity() + "*" + std::to_string(endpoint.weight) + "/" +
              std::to_string(static_cast<int>(endpoint.state));
    }
    text += "\n";
  }
  return text;
}

struct Chaos {
  EtcdBed bed{3};
  std::mt19937 random;
  std::unique_ptr<etcd::Client> client;
  std::vector<int64_t> leases;
  int paused = -1;
  size_t done = 0;

  explicit Chaos(unsigned seed) : random(seed) {
    client = *etcd::Client::make({.endpoints = bed.urls(), .timeout = 1s});
    EXPECT_TRUE(comes_true([&] { return client->put("/weft/v1/first", "1").has_value(); }));
  }
  int pick(int most) { return std::uniform_int_distribution<int>(0, most)(random); }
  /// Until it is done: members come and go.
  template <class Act>
  auto surely(Act act) {
    auto outcome = act();
    EXPECT_TRUE(comes_true([&] {
      if (!outcome && outcome.error().kind != etcd::Error::Kind::not_found) {
        outcome = act();
      }
      return outcome || outcome.error().kind == etcd::Error::Kind::not_found;
    })) << (outcome ? "" : outcome.error().message);
    return outcome;
  }

  std::string service_value(int i) {
    return R"({"apiVersion":"v1","kind":"Service","metadata":{"name":"s)" + std::to_string(i) +
           R"(","annotations":{"weft.dev/maglev-table-size":"251"}},"spec":{"clusterIP":"10.96.0.)" +
           std::to_string(1 + pick(kServices)) + R"(","ports":[{"port":80}]}})";
  }
  std::string instance_value() {
    if (pick(14) == 0) {
      return "{bad";
    }
    const std::string address =
        pick(19) == 0 ? "10.96.0." + std::to_string(1 + pick(kServices)) : "10.1.0." + std::to_string(1 + pick(90));
    return R"({"addresses":[")" + address + R"("],"port":8080,"weight":)" + std::to_string(1 + pick(2)) + "}";
  }
  /// A key is put anew, and not over the old one: what is good of that would stay in force, and a fresh start has none.
  void put(const std::string& key, const std::string& value, int64_t lease = 0) {
    surely([&] { return client->remove(key); });
    surely([&] { return client->put(key, value, lease); });
  }

  void compact() {
    surely([&] {
      return client->range("/weft/v1/first").and_then([&](const etcd::Range& range) {
        client->compact(range.revision);
        return etcd::Result<int64_t>(range.revision);
      });
    });
  }

  void act() {
    ++done;
    const int service = pick(kServices - 1);
    const std::string service_key = "/weft/v1/resources/Service/default/s" + std::to_string(service);
    const std::string instance_key =
        "/weft/v1/endpoints/default/s" + std::to_string(service) + "/i" + std::to_string(pick(kInstances));
    switch (pick(19)) {
      case 0:
        surely([&] { return client->remove(service_key); });
        return;
      case 1:
      case 2:
        put(service_key, service_value(service));
        return;
      case 3:
      case 4:
      case 5:
        surely([&] { return client->remove(instance_key); });
        return;
      case 6:
        if (const auto lease = surely([&] { return client->grant(60s); })) {
          leases.push_back(*lease);
        }
        return;
      case 7:
        if (!leases.empty()) {
          surely([&] { return client->revoke(leases.back()); });
          leases.pop_back();
        }
        return;
      case 8:
        if (const auto lease = surely([&] { return client->grant(1s); })) {
          put(instance_key, instance_value(), *lease);
        }
        return;
      case 9:
        compact();
        return;
      default:
        put(instance_key, instance_value(), leases.empty() || pick(2) > 0 ? 0 : leases.back());
    }
  }

  /// At most one of three is away at a time.
  void disturb() {
    if (paused >= 0) {
      bed.resume(static_cast<size_t>(std::exchange(paused, -1)));
      return;
    }
    const auto member = static_cast<size_t>(pick(2));
    if (pick(1) == 0) {
      bed.pause(member);
      paused = static_cast<int>(member);
    } else {
      bed.kill(member);
      bed.start(member);
    }
  }
};

/// What a node that starts now would have.
std::string fresh(const etcd::Range& all) {
  Registry registry({.folder = {}, .seed = 1, .limits = {}, .zone = {}, .guard = {.percent = 100}}, {});
  KeyBatch batch{.whole = true, .revision = all.revision, .edits = {}};
  for (const etcd::KeyValue& pair : all.pairs) {
    batch.edits.push_back({.key = pair.key,
                           .value = pair.value,
                           .created = pair.create_revision,
                           .lease = pair.lease,
                           .reading = read_value(pair.key, pair.value)});
  }
  registry.apply(std::move(batch), {});
  return told(*registry.snapshot());
}

/// Who serves what, as the node has it.
std::string facts(const lb::Snapshot& snapshot) {
  std::set<std::string> lines;
  for (const lb::Service& service : snapshot.services()) {
    lines.insert(service.name + " " + to_string(service.address, service.port));
    for (const lb::Endpoint& endpoint : service.endpoints) {
      lines.insert(service.name + " " + to_string(service.address, service.port) + " has " +
                   to_string(endpoint.address) + "*" + std::to_string(endpoint.weight));
    }
  }
  std::string text;
  for (const std::string& line : lines) {
    text += line + "\n";
  }
  return text;
}

/// The same by nothing of weft's: Services in the order of their creation, then instances in theirs; whoever finds what
/// it asks for taken has nothing.
std::string ruled(const etcd::Range& all) {
  std::map<std::pair<int64_t, std::string>, nlohmann::json> services;
  std::map<std::pair<int64_t, std::string>, nlohmann::json> instances;
  for (const etcd::KeyValue& pair : all.pairs) {
    const bool is_service = pair.key.find("/Service/") != std::string::npos;
    if (const auto value = nlohmann::json::parse(pair.value, nullptr, false); value.is_object()) {
      (is_service ? services : instances)[{pair.create_revision, pair.key}] = value;
    }
  }
  std::map<std::string, std::string> vips;  // of services
  std::set<std::string> taken;
  std::set<std::string> lines;
  for (const auto& [order, value] : services) {
    const std::string vip = value["spec"]["clusterIP"];
    const std::string name = "default/" + std::string(value["metadata"]["name"]);
    if (taken.insert(vip).second) {
      vips[name] = vip;
      lines.insert(name + " " + vip + ":80");
    }
  }
  for (const auto& [order, value] : instances) {
    const std::string rest = order.second.substr(std::string("/weft/v1/endpoints/").size());
    const std::string name = rest.substr(0, rest.rfind('/'));
    const std::string address = value["addresses"][0];
    if (vips.contains(name) && !taken.contains(address) && taken.insert(name + " " + address).second) {
      lines.insert(name + " " + vips[name] + ":80 has " + address + "*" + std::to_string(int{value["weight"]}));
    }
  }
  std::string text;
  for (const std::string& line : lines) {
    text += line + "\n";
  }
  return text;
}

/// Waits longer than an absent etcd is waited for, for one that is only slow.
TEST(EtcdReconcile, AStartWaitsForAListUnderWay) {
  EtcdBed bed(1);
  const auto client = *etcd::Client::make({.endpoints = bed.urls(), .timeout = 20s});
  ASSERT_TRUE(client->put("/weft/v1/resources/Service/default/s1",
                          R"({"apiVersion":"v1","kind":"Service","metadata":{"name":"s1"},)"
                          R"("spec":{"clusterIP":"10.96.0.1","ports":[{"port":80}]}})"));
  bed.pause(0);
  std::atomic<bool> began = false;
  std::thread slow([&] {
    const auto until = std::chrono::steady_clock::now() + Syncer::kPatience + 1s;
    comes_true([&] { return began || std::chrono::steady_clock::now() > until; });
    bed.resume(0);
  });
  size_t services = 0;
  auto started =
      Syncer::start({.endpoints = bed.urls(), .timeout = 20s}, {.folder = {}, .seed = 1, .limits = {}, .zone = {}},
                    {.sink =
                         [&](const Publication& publication) {
                           services = began ? services : publication.snapshot->services().size();
                           began = true;
                         },
                     .in_use = {}});
  slow.join();
  ASSERT_TRUE(started) << started.error();
  EXPECT_EQ(services, 1U) << "the first snapshot is empty";
}

TEST(EtcdReconcile, IsExactThroughAllOfIt) {
  const char* given = std::getenv("WEFT_SEED");
  const unsigned seed = given == nullptr ? std::random_device()() : static_cast<unsigned>(std::stoul(given));
  SCOPED_TRACE("WEFT_SEED=" + std::to_string(seed));
  Chaos chaos(seed);
  std::mutex mutex;
  std::shared_ptr<const lb::Snapshot> published;
  auto started = Syncer::start({.endpoints = chaos.bed.fragile_urls(), .timeout = 1s},
                               {.folder = {}, .seed = 1, .limits = {}, .zone = {}, .guard = {.percent = 100}},
                               {.sink =
                                    [&](const Publication& publication) {
                                      const std::lock_guard lock(mutex);
                                      published = publication.snapshot;
                                    },
                                .in_use = {}});
  ASSERT_TRUE(started) << started.error();
  Syncer& syncer = **started;
  size_t rounds = 0;
  std::set<std::string> seen;
  while (chaos.done < kActs && !::testing::Test::HasFailure()) {
    // The first time, what it missed is gone too: it has to list anew.
    const bool first = rounds == 0;
    if (first || chaos.pick(4) == 0) {
      chaos.bed.cut_off(true);
    }
    for (int i = chaos.pick(150); i >= 0; --i) {
      chaos.act();
    }
    if (first) {
      chaos.put("/weft/v1/endpoints/default/s0/missed", chaos.instance_value());
      chaos.compact();
    }
    chaos.bed.cut_off(false);
    if (chaos.pick(2) == 0) {
      chaos.disturb();
    }
    std::string expected;
    std::string found;
    // Leases end meanwhile: the two may need a few looks to be of one moment.
    EXPECT_TRUE(comes_true([&] {
      const auto all = chaos.client->range("/weft/v1/", etcd::prefix_end("/weft/v1/"));
      if (!all) {
        return false;
      }
      const auto mark = chaos.client->put("/weft/v1/mark", "x");
      if (!mark || *mark != all->revision + 1 || !comes_true([&] { return syncer.status().revision >= *mark; })) {
        return false;
      }
      expected = fresh(*all) + ruled(*all);
      const std::lock_guard lock(mutex);
      found = told(*published) + facts(*published);
      return found == expected;
    })) << "round "
        << rounds << "\n--- found\n"
        << found << "--- expected\n"
        << expected;
    seen.insert(expected);
    ++rounds;
  }
  const Status status = syncer.status();
  std::printf("%zu rounds, %zu acts, %zu states; %zu lists, %zu reconnects, %zu refusals\n", rounds, chaos.done,
              seen.size(), static_cast<size_t>(status.store->lists), static_cast<size_t>(status.store->reconnects),
              static_cast<size_t>(status.admission->refusals));
  EXPECT_GT(seen.size(), rounds / 2) << "little happened";
  EXPECT_GT(status.store->reconnects, 0U);
  EXPECT_GT(status.store->lists, 1U);
}

}  // namespace
}  // namespace weft::registry
