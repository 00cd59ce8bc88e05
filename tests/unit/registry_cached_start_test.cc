// SPDX-License-Identifier: Apache-2.0
/// @file What of a key-value store is kept on disk, and a start with that while the store is away.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <random>

#include "registry-sync/syncer.h"
#include "registry_fixture.h"

namespace weft::registry {
namespace {

using std::chrono::milliseconds;
using ::testing::HasSubstr;

std::string kept_service_key(int i) {
  return "/weft/v1/resources/Service/default/s" + std::to_string(i);
}
std::string kept_service(int i, const std::string& port = "80") {
  return R"({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "s)" + std::to_string(i) +
         R"(", "annotations": {"weft.dev/maglev-table-size": "251"}}, "spec": {"clusterIP": "10.96.0.)" +
         std::to_string(i) + R"(", "ports": [{"port": )" + port + "}]}}";
}
std::string kept_instance_key(int service, int id) {
  return "/weft/v1/endpoints/default/s" + std::to_string(service) + "/i" + std::to_string(id);
}
std::string kept_instance(int service, int id) {
  return R"({"addresses": ["10.1.)" + std::to_string(service) + "." + std::to_string(id) + R"("], "port": 8080})";
}

KeyEdit put_edit(const std::string& key, const std::string& value) {
  return {.key = key, .value = value, .created = 1, .lease = 7, .reading = read_value(key, value)};
}

struct CachedStart : ::testing::Test {
  TempFolder folder;
  Registry::Options options{.folder = {}, .seed = 1, .limits = {}, .zone = {}, .cache = folder.base() / "cache"};

  static std::string services(const lb::Snapshot& snapshot) {
    std::string text;
    for (const lb::Service& service : snapshot.services()) {
      text += service.name + ":" + std::to_string(service.targets.size()) + " ";
    }
    return text;
  }
  /// One service with instances 1 to 4.
  static CacheContents contents() {
    CacheContents kept{.source = "etcd", .revision = 9, .saved = Status::Time(milliseconds(5000)), .documents = {}};
    kept.documents[kept_service_key(1)] = std::make_shared<const std::string>(kept_service(1));
    for (int id = 1; id <= 4; ++id) {
      kept.documents[kept_instance_key(1, id)] = std::make_shared<const std::string>(kept_instance(1, id));
    }
    return kept;
  }
};

TEST_F(CachedStart, APartOfAListIsNothingToPublishNorToKeep) {
  Registry registry(options, {});
  const std::string service = kept_service_key(1);
  const std::string instance = kept_instance_key(1, 1);
  EXPECT_FALSE(registry.apply({.whole = true, .ends = false, .edits = {put_edit(service, kept_service(1))}}, {}));
  EXPECT_EQ(registry.snapshot(), nullptr);
  EXPECT_FALSE(registry.status().whole);
  EXPECT_THAT(registry.take_cache_changes(), ::testing::IsEmpty());
  const auto accepted = registry.accept({});
  ASSERT_FALSE(accepted);
  EXPECT_THAT(accepted.error(), HasSubstr("being listed"));
  EXPECT_TRUE(registry.apply({.whole = true, .begins = false, .edits = {put_edit(instance, kept_instance(1, 1))}}, {}));
  EXPECT_TRUE(registry.status().whole);
  EXPECT_EQ(services(*registry.snapshot()), "default/s1:1 ");
  EXPECT_EQ(registry.take_cache_changes().size(), 2U);
}

TEST_F(CachedStart, WhatIsKeptIsWhatIsInForce) {
  for (uint64_t seed = 1; seed <= 5; ++seed) {
    std::mt19937_64 random(seed);
    const auto one_of = [&](int most) { return std::uniform_int_distribution<int>(1, most)(random); };
    Registry registry(options, {});
    std::map<std::string, std::string> kept;
    for (int step = 0; step < 400; ++step) {
      KeyBatch batch{.whole = one_of(40) == 1, .revision = step, .edits = {}};
      for (int edits = one_of(4); edits > 0; --edits) {
        const int service = one_of(3);
        const int id = one_of(4);
        const bool is_service = one_of(3) == 1;
        const std::string key = is_service ? kept_service_key(service) : kept_instance_key(service, id);
        const std::string good = is_service ? kept_service(service) : kept_instance(service, id);
        switch (one_of(4)) {
          case 1:
            batch.edits.push_back({.key = key, .gone = true, .by_lease = one_of(2) == 1, .value = {}, .reading = {}});
            break;
          case 2:
            batch.edits.push_back(put_edit(key, is_service ? kept_service(service, "0") : "{}"));
            break;
          default:
            batch.edits.push_back(put_edit(key, good));
        }
      }
      registry.apply(std::move(batch), {});
      if (one_of(3) == 1) {
        registry.accept({});
      }
      for (const auto& [key, text] : registry.take_cache_changes()) {
        if (text == nullptr) {
          kept.erase(key);
        } else {
          kept[key] = *text;
        }
      }
      std::map<std::string, std::string> in_force;
      for (const KeyEdit& edit : registry.in_force()) {
        in_force[edit.key] = edit.value;
      }
      ASSERT_EQ(kept, in_force) << "seed " << seed << " step " << step;
    }
  }
}

TEST_F(CachedStart, TheStoreHasTheLastWord) {
  Registry registry(options, {});
  ASSERT_TRUE(registry.restore(contents(), {}));
  EXPECT_EQ(services(*registry.snapshot()), "default/s1:4 ");
  EXPECT_TRUE(registry.status().whole);
  EXPECT_EQ(registry.status().cached, contents().saved);
  // One of them ended its lease meanwhile; another service came.
  KeyBatch list{.whole = true, .revision = 20, .edits = {}};
  list.edits.push_back(put_edit(kept_service_key(1), kept_service(1)));
  list.edits.push_back(put_edit(kept_service_key(2), kept_service(2)));
  for (int id = 1; id <= 3; ++id) {
    list.edits.push_back(put_edit(kept_instance_key(1, id), kept_instance(1, id)));
  }
  registry.apply(std::move(list), {});
  EXPECT_EQ(services(*registry.snapshot()), "default/s1:3 default/s2:0 ");
  EXPECT_EQ(registry.status().cached, std::nullopt);
}

TEST_F(CachedStart, AListThatLacksMostIsDoubted) {
  Registry registry(options, {});
  registry.restore(contents(), {});
  registry.apply({.whole = true, .revision = 20, .edits = {put_edit(kept_service_key(1), kept_service(1))}}, {});
  EXPECT_EQ(services(*registry.snapshot()), "default/s1:4 ");
  EXPECT_EQ(registry.status().admission->held, 4U);
}

TEST_F(CachedStart, WhatTurnedBadMeanwhileStaysAsItWas) {
  Registry registry(options, {});
  registry.restore(contents(), {});
  KeyBatch list{.whole = true, .revision = 20, .edits = {}};
  list.edits.push_back(put_edit(kept_service_key(1), kept_service(1, "0")));
  for (int id = 1; id <= 4; ++id) {
    list.edits.push_back(put_edit(kept_instance_key(1, id), id == 1 ? "{}" : kept_instance(1, id)));
  }
  registry.apply(std::move(list), {});
  EXPECT_EQ(services(*registry.snapshot()), "default/s1:4 ");
  EXPECT_EQ(registry.status().admission->refused, 2U);
}

TEST_F(CachedStart, WhatIsNotGoodAnyMoreIsLeftOut) {
  CacheContents kept = contents();
  kept.documents["/weft/v1/resources/Service/default/bad"] = std::make_shared<const std::string>("{}");
  kept.documents["no key of ours"] = std::make_shared<const std::string>("{}");
  Registry registry(options, {});
  registry.restore(kept, {});
  EXPECT_EQ(services(*registry.snapshot()), "default/s1:4 ");
  EXPECT_EQ(registry.status().admission->refused, 2U);
}

struct CachedSyncer : CachedStart {
  std::shared_ptr<const lb::Snapshot> first;

  std::unique_ptr<Syncer> start() {
    // Nobody listens there.
    auto started = Syncer::start(
        etcd::Options{.endpoints = {"http://127.0.0.1:1"}, .timeout = milliseconds(100)}, options,
        {.sink = [this](const Publication& publication) { first = first == nullptr ? publication.snapshot : first; },
         .in_use = {}});
    EXPECT_TRUE(started) << started.error();
    return std::move(*started);
  }
};

TEST_F(CachedSyncer, StartsFromTheCacheWhileTheStoreIsAway) {
  ASSERT_TRUE(write_cache(options.cache, encode_cache(contents())));
  {
    const auto syncer = start();
    EXPECT_EQ(services(*first), "default/s1:4 ");
    const Status status = syncer->status();
    EXPECT_TRUE(status.whole);
    EXPECT_EQ(status.cached, contents().saved);
    EXPECT_EQ(status.cache->read_error, "");
    EXPECT_FALSE(status.store->connected);
  }
  EXPECT_EQ(read_cache(options.cache).value()->saved, contents().saved) << "nothing is new, so its age stays";
}

TEST_F(CachedSyncer, ADamagedCacheIsSaidAndLeftAlone) {
  std::string bytes = encode_cache(contents());
  bytes.back() ^= 1;
  ASSERT_TRUE(write_cache(options.cache, bytes));
  const auto syncer = start();
  EXPECT_EQ(services(*first), "");
  const Status status = syncer->status();
  EXPECT_FALSE(status.whole) << "not ready: neither the store nor the cache could be read";
  EXPECT_THAT(status.cache->read_error, HasSubstr("is damaged: its checksum"));
}

}  // namespace
}  // namespace weft::registry
