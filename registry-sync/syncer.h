// SPDX-License-Identifier: Apache-2.0
/// @file The slow path's thread: follows the registry and hands each finished snapshot to a sink. Of a registry in
/// etcd, a thread beside it reads and parses (etcd_follower.h).
///
///     Syncer::Options options{.folder = "/etc/weft/registry", .seed = seed};
///     Syncer::Hooks hooks{.sink = [&](const Publication& p) { steer(p.endpoints); snapshots.publish(p.snapshot); },
///                         .in_use = {.services = ..., .endpoints = [&](uint32_t slot) { return flows.hold(slot); }}};
///     auto syncer = Syncer::start(std::move(options), std::move(hooks));
///
/// Sink and predicates run on the syncer's thread, one at a time, and must not call the syncer. A publication has the
/// snapshot, and what changed since the one before of the endpoints that packets must be steered for, lingering ones
/// too; it comes with each new snapshot, and also when only lingering endpoints went (then the snapshot is the one
/// before). Steps of slow starts and resets of flows are published when their time comes. While any endpoints linger,
/// the predicates are asked about once a second. An endpoint's slot is asked about only after the sink got a snapshot
/// without it: return from the sink when no worker reads an older one, or answer yes until then.
///
/// set_endpoint(), accept(), status() and http_status() may be called from any other thread. Nothing is thrown.
#pragma once

#include <deque>
#include <functional>
#include <future>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <tl/expected.hpp>

#include "registry-sync/folder_watch.h"
#include "registry-sync/prober.h"
#include "registry-sync/registry.h"

namespace weft::registry {

class Syncer {
 public:
  using Sink = std::function<void(const Publication&)>;

  using Options = Registry::Options;
  struct Hooks {
    Sink sink;
    SlotUse in_use;
    std::function<void(const Status&)> loaded = {};  ///< after each load, good or bad: to log what is wrong
    std::function<void()> each_second = {};          ///< as the sink; for what it could not do
    /// As the sink: the connection to etcd was made, or lost.
    std::function<void(const FollowerStatus&)> connection = {};
  };

  /// Loads the folder and returns once the sink has the first snapshot, an empty one if nothing could be loaded:
  /// status() says what is wrong with the files. An error if the folder itself isn't there or can't be watched.
  static tl::expected<std::unique_ptr<Syncer>, std::string> start(Options options, Hooks hooks);
  /// Follows a registry in etcd: options.folder is empty. Returns once all of it is in force; or, if etcd is away,
  /// after kCachePatience with what options.cache holds, or after kPatience with an empty snapshot: Status::whole and
  /// Status::cached say which. A list that takes longer, but was not refused, is waited for if there is no cache. An
  /// error if the options are wrong.
  static tl::expected<std::unique_ptr<Syncer>, std::string> start(etcd::Options store, Options options, Hooks hooks);
  static constexpr std::chrono::seconds kPatience{5};
  static constexpr std::chrono::seconds kCachePatience{2};
  /// Stops the thread. Commands that wait get an error.
  ~Syncer();
  Syncer(const Syncer&) = delete;
  Syncer& operator=(const Syncer&) = delete;

  /// Returns once the sink has the snapshot with the change, if it is one; see Registry::set_endpoint().
  tl::expected<void, std::string> set_endpoint(std::string service, std::string endpoint, Override wish);
  /// Returns as set_endpoint(); see Registry.
  tl::expected<void, std::string> start_fault(LiveFault live);
  tl::expected<void, std::string> stop_fault(std::optional<std::string> name);
  /// Takes what the folder holds as meant, though most endpoints vanish by it; see Registry. Returns as set_endpoint().
  tl::expected<void, std::string> accept();
  Status status() const;
  /// Asks the syncer's thread: may take as long as a load does.
  tl::expected<HttpStatus, std::string> http_status();
  /// Who checks the endpoints that ask for it; what it finds is in the snapshots.
  const Prober& prober() const { return *prober_; }

 private:
  using Answer = tl::expected<void, std::string>;
  /// Runs on the syncer's thread. @returns whether there is something new to publish
  using Act = std::function<tl::expected<bool, std::string>(Registry&)>;
  struct Command {
    Act act;
    std::promise<Answer> answer;
  };

  Syncer(Options options, Hooks hooks, int wake_fd);
  static tl::expected<std::unique_ptr<Syncer>, std::string> prepare(Options options, Hooks hooks);
  /// Starts the thread, and waits for the first snapshot.
  void go();

  Answer order(Act act);
  void run(const std::stop_token& stop, std::promise<void> loaded);
  void wait(Time until) const;
  void wake() const;
  /// The source's first state, and then all that changes in it.
  void begin();
  void follow(Time now);
  void load();
  void read_cached(const std::filesystem::path& path);
  /// Puts in force what the cache has, and tells nobody yet.
  void restore();
  /// Has what is in force since the last call written.
  void keep();
  /// @returns whether there was anything
  bool take_from_store();
  void tell_connection();
  void obey_commands();
  void refuse_commands();
  /// What checks found: does not wait, so any thread may call it.
  void judge(const std::vector<CheckVerdict>& verdicts);
  void obey_verdicts();
  /// Makes status() current, and tells the sink if there is something new.
  void publish(bool changed);

  Sink sink_;
  std::function<void(const Status&)> loaded_;
  std::function<void()> each_second_;
  std::function<void(const FollowerStatus&)> connection_;
  bool connected_ = false;  ///< as connection_ was told
  bool told_away_ = false;
  Registry registry_;                 ///< the syncer's thread alone, and start() before there is one
  std::optional<FolderWatch> watch_;  ///< of a folder
  Debounce debounce_;
  Time next_refresh_{};           ///< of watch_
  std::vector<Diagnostic> told_;  ///< what loaded_ was called with last
  std::filesystem::path cache_path_;
  std::string cache_error_;              ///< of reading it
  std::optional<CacheContents> cached_;  ///< until begin() is through
  bool told_sink_ = false;               ///< at all
  std::unique_ptr<CacheWriter> cache_;   ///< null: none; made in begin()
  int64_t revision_ = 0;                 ///< of the store, as far as it was taken
  int wake_fd_;                          ///< eventfd

  mutable std::mutex mutex_;
  std::deque<Command> commands_;            ///< under mutex_
  std::vector<CheckVerdict> verdicts_;      ///< under mutex_
  bool stopping_ = false;                   ///< under mutex_
  Status status_;                           ///< under mutex_
  std::unique_ptr<Prober> prober_;          ///< uses all of the above but for the thread
  std::unique_ptr<EtcdFollower> follower_;  ///< of etcd; uses wake()
  std::jthread thread_;                     ///< last: it uses all of the above
};

}  // namespace weft::registry
