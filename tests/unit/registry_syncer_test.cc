// SPDX-License-Identifier: Apache-2.0
#include "registry-sync/syncer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <condition_variable>
#include <fstream>

#include "registry_fixture.h"

namespace weft::registry {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr seconds kDeadline{20};

/// Keeps what the sink was handed, and waits for what it should be.
class Recorder {
 public:
  void take(const Publication& publication) {
    const std::lock_guard lock(mutex_);
    publications_.push_back(publication);
    threads_.insert(std::this_thread::get_id());
    changed_.notify_all();
  }

  template <typename Condition>
  testing::AssertionResult wait_for(Condition condition) {
    std::unique_lock lock(mutex_);
    if (changed_.wait_for(lock, kDeadline, [&] { return !publications_.empty() && condition(publications_.back()); })) {
      return testing::AssertionSuccess();
    }
    return testing::AssertionFailure() << "not within the deadline; " << publications_.size() << " publications";
  }
  testing::AssertionResult wait_for_services(const std::vector<std::string>& names) {
    return wait_for([&](const Publication& publication) {
      std::vector<std::string> found;
      for (const lb::Service& service : publication.snapshot->services()) {
        found.push_back(service.name);
      }
      return found == names;
    });
  }
  std::vector<Publication> publications() {
    const std::lock_guard lock(mutex_);
    return publications_;
  }
  std::set<std::thread::id> threads() {
    const std::lock_guard lock(mutex_);
    return threads_;
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<Publication> publications_;
  std::set<std::thread::id> threads_;
};

struct SyncerTest : ::testing::Test {
  TempFolder folder;
  Recorder recorder;
  std::atomic<bool> in_use = false;
  std::unique_ptr<Syncer> syncer;

  void start() {
    auto started = Syncer::start({.folder = folder.path(), .seed = 1, .limits = {}, .zone = {}},
                                 {.sink = [this](const Publication& publication) { recorder.take(publication); },
                                  .in_use = {.services = {}, .endpoints = [this](uint32_t) { return in_use.load(); }}});
    ASSERT_TRUE(started) << started.error();
    syncer = std::move(*started);
  }

  /// For states that no publication announces.
  template <typename Condition>
  testing::AssertionResult wait_for_status(Condition condition) {
    const auto deadline = std::chrono::steady_clock::now() + kDeadline;
    while (!condition(syncer->status())) {
      if (std::chrono::steady_clock::now() > deadline) {
        return testing::AssertionFailure() << "not within the deadline";
      }
      std::this_thread::yield();
    }
    return testing::AssertionSuccess();
  }
};

TEST_F(SyncerTest, HasASnapshotWhenStarted) {
  folder.write("a.yaml", service("web", "10.96.0.1"));
  start();
  ASSERT_THAT(recorder.publications(), SizeIs(1));
  EXPECT_EQ(recorder.publications()[0].snapshot->services().size(), 1U);
  const Status status = syncer->status();
  EXPECT_EQ(status.epoch, 1U);
  EXPECT_EQ(status.files, 1U);
  EXPECT_GT(status.last_good, Status::Time{});
  EXPECT_EQ(status.last_good, status.last_attempt);
}

TEST_F(SyncerTest, CallsEachSecondOnItsThread) {
  std::atomic<int> calls = 0;
  std::thread::id caller;
  auto started = Syncer::start({.folder = folder.path(), .seed = 1, .limits = {}, .zone = {}},
                               {.sink = [this](const Publication& publication) { recorder.take(publication); },
                                .in_use = {},
                                .each_second =
                                    [&] {
                                      caller = std::this_thread::get_id();
                                      ++calls;
                                    }});
  ASSERT_TRUE(started) << started.error();
  syncer = std::move(*started);
  EXPECT_TRUE(wait_for_status([&](const Status&) { return calls >= 2; }));
  syncer.reset();
  EXPECT_THAT(recorder.threads(), ElementsAre(caller)) << "as the sink";
}

TEST_F(SyncerTest, RefusesAFolderThatIsNotThere) {
  const auto refusal = [](const std::filesystem::path& path) {
    const auto started = Syncer::start({.folder = path, .seed = 1, .limits = {}, .zone = {}}, {});
    return started.error();
  };
  EXPECT_EQ(refusal("/nonexistent"),
            R"(registry folder "/nonexistent" does not exist: create it, or set the path of the folder that holds the )"
            "services' *.yaml files");
  EXPECT_EQ(refusal("/etc/passwd"),
            R"(registry folder "/etc/passwd" is not a folder: create it, or set the path of the folder that holds the )"
            "services' *.yaml files");
}

TEST_F(SyncerTest, FollowsFilesAsTheyComeChangeAndGo) {
  start();
  folder.write("a.yaml", service("web", "10.96.0.1"));
  EXPECT_TRUE(recorder.wait_for_services({"default/web"}));
  std::ofstream(folder.at("a.yaml")) << service("api", "10.96.0.1");
  EXPECT_TRUE(recorder.wait_for_services({"default/api"})) << "written in place";
  folder.write(".b.yaml.tmp", service("dns", "10.96.0.2"));
  std::filesystem::rename(folder.at(".b.yaml.tmp"), folder.at("b.yaml"));
  EXPECT_TRUE(recorder.wait_for_services({"default/api", "default/dns"}));
  std::filesystem::rename(folder.at("b.yaml"), folder.base() / "b.yaml");
  EXPECT_TRUE(recorder.wait_for_services({"default/api"}));
  folder.remove("a.yaml");
  EXPECT_TRUE(recorder.wait_for_services({}));
  EXPECT_THAT(recorder.threads(), SizeIs(1)) << "the sink runs on one thread";
  EXPECT_FALSE(recorder.threads().contains(std::this_thread::get_id()));
  uint64_t epoch = 0;
  for (const Publication& publication : recorder.publications()) {
    EXPECT_EQ(publication.snapshot->epoch(), ++epoch);
  }
}

TEST_F(SyncerTest, FollowsAConfigMapsSwap) {
  const auto mount = [&](const std::string& version, const std::string& text) {
    std::filesystem::create_directory(folder.at(version));
    std::ofstream(folder.at(version) + "/web.yaml") << text;
    std::filesystem::create_symlink(version, folder.at("..data_tmp"));
    std::filesystem::rename(folder.at("..data_tmp"), folder.at("..data"));
  };
  mount("..2026_01", service("web", "10.96.0.1"));
  std::filesystem::create_symlink("..data/web.yaml", folder.at("web.yaml"));
  start();
  EXPECT_TRUE(recorder.wait_for_services({"default/web"}));
  mount("..2026_02", service("api", "10.96.0.1"));
  std::filesystem::remove_all(folder.at("..2026_01"));
  EXPECT_TRUE(recorder.wait_for_services({"default/api"}));
}

TEST_F(SyncerTest, KeepsTheLastGoodAndRecovers) {
  folder.write("a.yaml", service("web", "10.96.0.1"));
  start();
  folder.write("a.yaml", "kind: [");
  EXPECT_TRUE(wait_for_status([](const Status& status) { return !status.errors.empty(); }));
  EXPECT_EQ(syncer->status().epoch, 1U);
  EXPECT_LT(syncer->status().last_good, syncer->status().last_attempt);
  folder.write("a.yaml", service("api", "10.96.0.1"));
  EXPECT_TRUE(recorder.wait_for_services({"default/api"}));
  EXPECT_THAT(lines(syncer->status().errors), IsEmpty());
}

TEST_F(SyncerTest, FollowsAFolderThatWasMovedAwayAndReplaced) {
  folder.write("a.yaml", service("web", "10.96.0.1"));
  start();
  std::filesystem::rename(folder.path(), folder.base() / "away");
  EXPECT_TRUE(wait_for_status([](const Status& status) { return status.holding; }));
  EXPECT_THAT(recorder.publications(), SizeIs(1)) << "the last good snapshot stays";
  std::filesystem::create_directory(folder.base() / "next");
  std::ofstream(folder.base() / "next" / "a.yaml") << service("api", "10.96.0.1");
  std::filesystem::rename(folder.base() / "next", folder.path());
  EXPECT_TRUE(recorder.wait_for_services({"default/api"}));
  folder.write("a.yaml", service("dns", "10.96.0.1"));
  EXPECT_TRUE(recorder.wait_for_services({"default/dns"})) << "the new folder is watched";
}

TEST_F(SyncerTest, SetEndpointReturnsAfterTheSinkHasTheSnapshot) {
  folder.write("a.yaml", service("web", "10.96.0.1", "[{port: 80}]", "251") + slice("s", "web", endpoints(1, 3)));
  start();
  ASSERT_TRUE(syncer->set_endpoint("default/web", "pod-1", Override::drain));
  ASSERT_THAT(recorder.publications(), SizeIs(2));
  EXPECT_EQ(recorder.publications()[1].snapshot->services()[0].targets.size(), 2U);
  EXPECT_THAT(syncer->status().drains, SizeIs(1));
  ASSERT_TRUE(syncer->set_endpoint("default/web", "pod-1", Override::ready));
  EXPECT_EQ(recorder.publications()[2].snapshot->services()[0].targets.size(), 3U);
  EXPECT_EQ(syncer->set_endpoint("default/web", "pod-9", Override::drain).error(),
            R"(service default/web has no endpoint "pod-9"; endpoints: pod-1, pod-2, pod-3)");
}

TEST_F(SyncerTest, TakesCommandsFromManyThreads) {
  folder.write("a.yaml", service("web", "10.96.0.1", "[{port: 80}]", "251") + slice("s", "web", endpoints(1, 8)));
  start();
  {
    std::vector<std::jthread> threads;
    for (int i = 1; i <= 8; ++i) {
      threads.push_back(std::jthread([this, i] {
        for (int round = 0; round < 20; ++round) {
          const Override wish = round % 2 == 0 ? Override::drain : Override::ready;
          EXPECT_TRUE(syncer->set_endpoint("default/web", "pod-" + std::to_string(i), wish));
          syncer->status();
        }
      }));
    }
  }
  EXPECT_THAT(recorder.publications(), SizeIs(1 + 8 * 20));
  EXPECT_EQ(recorder.publications().back().snapshot->services()[0].targets.size(), 8U);
}

TEST_F(SyncerTest, PublishesAgainWhenLingeringEndpointsGo) {
  const std::string web = service("web", "10.96.0.1", "[{port: 80}]", "251");
  folder.write("a.yaml", web + slice("s", "web", endpoints(1, 2)));
  in_use = true;
  start();
  folder.write("a.yaml", web + slice("s", "web", endpoints(1, 1)));
  ASSERT_TRUE(recorder.wait_for([](const Publication& publication) { return publication.snapshot->epoch() == 2; }));
  EXPECT_THAT(recorder.publications().front().endpoints.changed, SizeIs(2)) << "the first has all";
  ASSERT_THAT(recorder.publications().back().endpoints.changed, SizeIs(1));
  const TrackedEndpoint left = recorder.publications().back().endpoints.changed[0];
  EXPECT_TRUE(left.lingering);
  in_use = false;
  EXPECT_TRUE(recorder.wait_for([&](const Publication& publication) {
    return publication.endpoints.gone == std::vector<TrackedEndpoint>{left};
  }));
  EXPECT_EQ(recorder.publications().back().snapshot->epoch(), 2U) << "the snapshot is the one before";
}

TEST_F(SyncerTest, PublishesResetsAndSlowStartsWhenTheirTimeComes) {
  const std::string web = service("web", "10.96.0.1", "[{port: 80}]", "251") +
                          policy("p", "web",
                                 "endpoints: {slowStart: {seconds: 1}, removal: {action: reset, "
                                 "graceSeconds: 1}}");
  folder.write("a.yaml", web + slice("s", "web", endpoints(1, 2)));
  in_use = true;
  start();
  folder.write("a.yaml", web + slice("s", "web", endpoints(2, 3)));
  EXPECT_TRUE(recorder.wait_for([](const Publication& publication) { return publication.snapshot->any_resets(); }));
  EXPECT_TRUE(recorder.wait_for([](const Publication& publication) {
    return publication.snapshot->services()[0].table->members() ==
           std::vector<lb::MaglevMember>{{.identity = "10.1.0.2:8080"}, {.identity = "10.1.0.3:8080"}};
  }));
  EXPECT_GE(recorder.publications().size(), 3U);
  EXPECT_THAT(recorder.threads(), SizeIs(1));
}

TEST(Debounce, WaitsForQuietButNotForever) {
  const Debounce::Time start{seconds{100}};
  Debounce debounce;
  EXPECT_EQ(debounce.deadline(), std::nullopt);
  EXPECT_FALSE(debounce.take(start));
  debounce.note(start);
  EXPECT_EQ(debounce.deadline(), start + milliseconds{20});
  EXPECT_FALSE(debounce.take(start + milliseconds{19}));
  debounce.note(start + milliseconds{19});
  EXPECT_FALSE(debounce.take(start + milliseconds{38}));
  for (int elapsed = 38; elapsed < 200; elapsed += 19) {
    debounce.note(start + milliseconds{elapsed});
    EXPECT_FALSE(debounce.take(start + milliseconds{elapsed}));
  }
  EXPECT_EQ(debounce.deadline(), start + milliseconds{200});
  EXPECT_TRUE(debounce.take(start + milliseconds{200}));
  EXPECT_FALSE(debounce.take(start + milliseconds{300})) << "starts over";
}

}  // namespace
}  // namespace weft::registry
