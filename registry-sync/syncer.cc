// SPDX-License-Identifier: Apache-2.0
#include "registry-sync/syncer.h"

#include <poll.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <iterator>
#include <random>
#include <utility>

namespace weft::registry {
namespace {

using Clock = std::chrono::steady_clock;

/// How often to look whether the folder is another one now, and whether lingering endpoints may go.
constexpr std::chrono::seconds kCheckInterval{1};

Moment moment() {
  return {.wall = std::chrono::system_clock::now(), .steady = Clock::now()};
}

}  // namespace

tl::expected<std::unique_ptr<Syncer>, std::string> Syncer::start(Options options, Hooks hooks) {
  std::error_code error;
  if (!std::filesystem::is_directory(options.folder, error)) {
    const bool missing = !std::filesystem::exists(options.folder, error);
    return tl::make_unexpected("registry folder " + in_quotes(options.folder.native()) +
                               (missing ? " does not exist" : " is not a folder") +
                               ": create it, or set the path of the folder that holds the services' *.yaml files");
  }
  tl::expected<FolderWatch, std::string> watch = FolderWatch::open(options.folder);
  if (!watch) {
    return tl::make_unexpected(watch.error());
  }
  auto syncer = prepare(std::move(options), std::move(hooks));
  if (syncer) {
    (*syncer)->watch_.emplace(std::move(*watch));
    (*syncer)->go();
  }
  return syncer;
}

tl::expected<std::unique_ptr<Syncer>, std::string> Syncer::start(etcd::Options store, Options options, Hooks hooks) {
  const std::filesystem::path cache = options.cache;
  auto syncer = prepare(std::move(options), std::move(hooks));
  if (!syncer) {
    return syncer;
  }
  auto follower = EtcdFollower::start(std::move(store), [raw = syncer->get()] { raw->wake(); });
  if (!follower) {
    return tl::make_unexpected(follower.error());
  }
  (*syncer)->follower_ = std::move(*follower);
  (*syncer)->read_cached(cache);
  (*syncer)->go();
  return syncer;
}

tl::expected<std::unique_ptr<Syncer>, std::string> Syncer::prepare(Options options, Hooks hooks) {
  const int wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (wake_fd < 0) {
    return tl::make_unexpected("can't create an eventfd: " + std::string(std::strerror(errno)));
  }
  std::unique_ptr<Syncer> syncer(new Syncer(std::move(options), std::move(hooks), wake_fd));
  // Other nodes check the same endpoints, at other moments.
  auto prober = Prober::start({.seed = std::random_device()()},
                              [raw = syncer.get()](const auto& verdicts) { raw->judge(verdicts); });
  if (!prober) {
    return tl::make_unexpected(prober.error());
  }
  syncer->prober_ = std::move(*prober);
  return syncer;
}

void Syncer::go() {
  std::promise<void> loaded;
  std::future<void> first_load = loaded.get_future();
  thread_ = std::jthread(
      [this, promise = std::move(loaded)](std::stop_token stop) mutable { run(stop, std::move(promise)); });
  first_load.wait();
}

Syncer::Syncer(Options options, Hooks hooks, int wake_fd)
    : sink_(std::move(hooks.sink)),
      loaded_(std::move(hooks.loaded)),
      each_second_(std::move(hooks.each_second)),
      connection_(std::move(hooks.connection)),
      registry_(std::move(options), std::move(hooks.in_use)),
      wake_fd_(wake_fd) {}

Syncer::~Syncer() {
  if (thread_.joinable()) {
    thread_.request_stop();
    wake();
    thread_.join();
  }
  prober_.reset();
  follower_.reset();
  close(wake_fd_);
}

tl::expected<void, std::string> Syncer::set_endpoint(std::string service, std::string endpoint, Override wish) {
  return order([service = std::move(service), endpoint = std::move(endpoint), wish](Registry& registry) {
    return registry.set_endpoint(service, endpoint, wish, Clock::now());
  });
}

tl::expected<void, std::string> Syncer::start_fault(LiveFault live) {
  return order([live = std::move(live)](Registry& registry) { return registry.start_fault(live, Clock::now()); });
}

tl::expected<void, std::string> Syncer::stop_fault(std::optional<std::string> name) {
  return order([name = std::move(name)](Registry& registry) { return registry.stop_fault(name, Clock::now()); });
}

tl::expected<void, std::string> Syncer::accept() {
  return order([](Registry& registry) { return registry.accept(moment()); });
}

Syncer::Answer Syncer::order(Act act) {
  std::future<Answer> answer;
  {
    const std::lock_guard lock(mutex_);
    if (stopping_) {
      return tl::make_unexpected(std::string("the registry is stopping"));
    }
    Command command{.act = std::move(act), .answer = {}};
    answer = command.answer.get_future();
    commands_.push_back(std::move(command));
  }
  wake();
  return answer.get();
}

void Syncer::judge(const std::vector<CheckVerdict>& verdicts) {
  {
    const std::lock_guard lock(mutex_);
    verdicts_.insert(verdicts_.end(), verdicts.begin(), verdicts.end());
  }
  wake();
}

Status Syncer::status() const {
  Status status;
  {
    const std::lock_guard lock(mutex_);
    status = status_;
  }
  if (follower_ != nullptr) {
    status.store = follower_->status();
  }
  if (cache_ != nullptr) {
    status.cache = CacheStatus{.path = cache_path_, .read_error = cache_error_, .written = cache_->state()};
  }
  return status;
}

tl::expected<HttpStatus, std::string> Syncer::http_status() {
  HttpStatus status;
  const Answer answer = order([&status](Registry& registry) -> tl::expected<bool, std::string> {
    status = registry.http_status();
    return false;
  });
  return answer ? tl::expected<HttpStatus, std::string>(std::move(status)) : tl::make_unexpected(answer.error());
}

void Syncer::run(const std::stop_token& stop, std::promise<void> loaded) {
  pthread_setname_np(pthread_self(), "weft-registry");
  begin();
  loaded.set_value();
  Time next_check = Clock::now() + kCheckInterval;
  while (!stop.stop_requested()) {
    const Time due = registry_.next_deadline().value_or(next_check);
    wait(std::min({next_check, due, debounce_.deadline().value_or(next_check)}));
    const Time now = Clock::now();
    follow(now);
    if (now >= next_check) {
      next_check = now + kCheckInterval;
      publish(registry_.reclaim(now));
      keep();
      if (each_second_) {
        each_second_();
      }
    }
    if (registry_.advance(now)) {
      publish(true);
    }
    if (debounce_.take(now)) {
      load();
    }
    obey_verdicts();
    obey_commands();
  }
  refuse_commands();
}

void Syncer::begin() {
  if (watch_) {
    load();
    return;
  }
  // By what was in force last a first list is judged, too: a store that lost most of it is doubted.
  const bool restored = cached_.has_value();
  if (restored) {
    restore();
  }
  const Time patient_until = Clock::now() + (restored ? kCachePatience : kPatience);
  // As long as nothing failed, a list is under way, of which each page has its deadline: that is worth more than
  // nothing.
  const auto is_listing = [&] { return !restored && follower_->status().error.empty(); };
  bool taken = false;
  while (!(taken = take_from_store()) && (Clock::now() < patient_until || is_listing())) {
    wait(std::max(patient_until, Clock::now() + kCheckInterval));
  }
  if (!taken && !restored) {
    registry_.begin(moment());
  }
  if (!told_sink_) {
    publish(true);
  }
  cached_.reset();
  if (cache_ == nullptr && !cache_path_.empty()) {
    cache_ = std::make_unique<CacheWriter>(CacheWriter::Options{.path = cache_path_, .source = "etcd"});
    keep();
  }
}

void Syncer::follow(Time now) {
  if (follower_ != nullptr) {
    take_from_store();
  } else if (watch_->drain()) {
    debounce_.note(now);
  }
  if (watch_ && now >= next_refresh_) {
    next_refresh_ = now + kCheckInterval;
    if (watch_->refresh()) {
      debounce_.note(now);
    }
  }
}

void Syncer::wait(Time until) const {
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(until - Clock::now()).count();
  // Without a folder, there is an fd of -1, which poll() passes over.
  std::array<pollfd, 2> fds = {
      {{.fd = watch_ ? watch_->fd() : -1, .events = POLLIN}, {.fd = wake_fd_, .events = POLLIN}}};
  poll(fds.data(), fds.size(), static_cast<int>(std::max<int64_t>(left, 0)));
  eventfd_t ignored = 0;
  eventfd_read(wake_fd_, &ignored);
}

void Syncer::wake() const {
  eventfd_write(wake_fd_, 1);
}

void Syncer::read_cached(const std::filesystem::path& path) {
  cache_path_ = path;
  if (path.empty()) {
    return;
  }
  tl::expected<std::optional<CacheContents>, std::string> contents = read_cache(path);
  if (contents) {
    cached_ = std::move(*contents);
  } else {
    cache_error_ = contents.error();
  }
}

void Syncer::restore() {
  registry_.restore(*cached_, moment());
  revision_ = cached_->revision;
  // It is in the file already, with its age. What could not be in force goes from it with the next change.
  cache_ = std::make_unique<CacheWriter>(
      CacheWriter::Options{.path = cache_path_, .source = "etcd", .documents = std::move(cached_->documents)});
  registry_.take_cache_changes();
}

void Syncer::keep() {
  if (cache_ == nullptr) {
    return;
  }
  if (CacheWriter::Changes changes = registry_.take_cache_changes(); !changes.empty()) {
    cache_->change(std::move(changes), revision_);
  }
}

void Syncer::load() {
  publish(registry_.load(moment()));
  if (loaded_) {
    loaded_(registry_.status());
  }
}

void Syncer::tell_connection() {
  const FollowerStatus status = follower_->status();
  // At first it has none, which is worth a word once there was an error.
  if (connection_ && (status.connected != connected_ || (!told_away_ && !status.connected && !status.error.empty()))) {
    connected_ = status.connected;
    told_away_ = !status.connected;
    connection_(status);
  }
}

bool Syncer::take_from_store() {
  tell_connection();
  bool taken = false;
  // Of a storm of changes, snapshots that nobody would see are not made.
  std::optional<KeyBatch> changes;
  const auto apply = [&](KeyBatch batch) {
    taken |= batch.ends;
    revision_ = batch.ends ? batch.revision : revision_;
    publish(registry_.apply(std::move(batch), moment()));
  };
  for (KeyBatch& next : follower_->take()) {
    if (next.whole) {
      if (changes) {
        apply(*std::exchange(changes, std::nullopt));
      }
      apply(std::move(next));
    } else if (changes) {
      std::move(next.edits.begin(), next.edits.end(), std::back_inserter(changes->edits));
      changes->revision = next.revision;
    } else {
      changes = std::move(next);
    }
  }
  if (changes) {
    apply(std::move(*changes));
  }
  if (!taken) {
    return false;
  }
  keep();
  const Status& status = registry_.status();
  if (loaded_ && status.errors != told_) {
    told_ = status.errors;
    loaded_(status);
  }
  return true;
}

void Syncer::publish(bool changed) {
  {
    const std::lock_guard lock(mutex_);
    status_ = registry_.status();
  }
  if (changed && sink_) {
    sink_(registry_.publish());
    told_sink_ = true;
  }
  if (const CheckChanges changes = registry_.take_check_changes(); !changes.empty()) {
    prober_->replace(changes);
  }
}

void Syncer::obey_verdicts() {
  std::vector<CheckVerdict> verdicts;
  {
    const std::lock_guard lock(mutex_);
    verdicts.swap(verdicts_);
  }
  if (!verdicts.empty()) {
    publish(registry_.judge(verdicts, Clock::now()));
  }
}

void Syncer::obey_commands() {
  for (;;) {
    Command command;
    {
      const std::lock_guard lock(mutex_);
      if (commands_.empty()) {
        return;
      }
      command = std::move(commands_.front());
      commands_.pop_front();
    }
    const tl::expected<bool, std::string> done = command.act(registry_);
    if (done) {
      publish(*done);
      command.answer.set_value({});
    } else {
      command.answer.set_value(tl::make_unexpected(done.error()));
    }
  }
}

void Syncer::refuse_commands() {
  const std::lock_guard lock(mutex_);
  stopping_ = true;
  for (Command& command : commands_) {
    command.answer.set_value(tl::make_unexpected(std::string("the registry is stopping")));
  }
  commands_.clear();
}

}  // namespace weft::registry
