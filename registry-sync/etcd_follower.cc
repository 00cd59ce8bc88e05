// SPDX-License-Identifier: Apache-2.0
#include "registry-sync/etcd_follower.h"

#include <pthread.h>

#include <algorithm>
#include <future>
#include <iterator>
#include <map>
#include <numeric>
#include <set>

#include "registry-sync/admission.h"

namespace weft::registry {
namespace {

using std::chrono::milliseconds;
using EtcdError = etcd::Error::Kind;

constexpr int64_t kKeysAPage = 2000;
/// Edits that wait to be taken; beyond that the follower waits, and then etcd does.
constexpr size_t kMaxWaiting = 100'000;
constexpr size_t kMaxWaitingBytes = size_t{256} << 20;
/// Of a list. More keys than may be in force, so that those that find no room can be counted.
constexpr size_t kMostListedKeys = Admission::Bounds().keys + 100'000;
constexpr size_t kMostListedBytes = Admission::Bounds().bytes;
/// Of leases that live, how many answers are remembered: many instances may share one.
constexpr size_t kMostRemembered = 4096;
constexpr milliseconds kFirstWait{100};
constexpr milliseconds kLongestWait{5000};

size_t bytes_of(const std::vector<etcd::KeyValue>& pairs) {
  return std::accumulate(pairs.begin(), pairs.end(), size_t{0},
                         [](size_t sum, const etcd::KeyValue& pair) { return sum + pair.value.size(); });
}

}  // namespace

tl::expected<std::unique_ptr<EtcdFollower>, std::string> EtcdFollower::start(etcd::Options options,
                                                                             std::function<void()> woken) {
  auto client = etcd::Client::make(std::move(options));
  if (!client) {
    return tl::make_unexpected(client.error());
  }
  std::unique_ptr<EtcdFollower> follower(new EtcdFollower(std::move(*client), std::move(woken)));
  follower->thread_ = std::jthread([raw = follower.get()](std::stop_token stop) { raw->run(stop); });
  return follower;
}

EtcdFollower::EtcdFollower(std::unique_ptr<etcd::Client> client, std::function<void()> woken)
    : client_(std::move(client)), woken_(std::move(woken)), backoff_(kFirstWait, kLongestWait, std::random_device()()) {
  status_.endpoint = client_->endpoint();
  status_.since = std::chrono::system_clock::now();
}

EtcdFollower::~EtcdFollower() {
  thread_.request_stop();
  client_->shut_down();
  thread_.join();
}

std::deque<KeyBatch> EtcdFollower::take() {
  std::deque<KeyBatch> taken;
  {
    const std::lock_guard lock(mutex_);
    taken.swap(batches_);
    waiting_ = 0;
    waiting_bytes_ = 0;
  }
  room_.notify_one();
  return taken;
}

FollowerStatus EtcdFollower::status() const {
  const std::lock_guard lock(mutex_);
  return status_;
}

void EtcdFollower::run(const std::stop_token& stop) {
  pthread_setname_np(pthread_self(), "weft-etcd");
  stop_ = stop;
  bool listed = false;
  while (!stop.stop_requested()) {
    if (listed) {
      if (const auto same = is_same_store(); !same) {
        note_away(same.error());
        wait(backoff_.next());
        continue;
      } else {
        listed = *same;
      }
    }
    if (!listed) {
      if (const auto done = list(); !done) {
        note_away(done.error());
        wait(backoff_.next());
        continue;
      }
    }
    const etcd::Error why = watch();
    listed = why.kind != EtcdError::compacted;
    note_away(why);
    if (why.kind != EtcdError::compacted) {
      client_->move_on();
    }
    wait(backoff_.next());
  }
}

bool EtcdFollower::is_same(const etcd::Range& range) const {
  return range.cluster == cluster_ && range.term >= term_ && range.revision >= revision_;
}

etcd::Result<bool> EtcdFollower::is_same_store() {
  return client_->range(std::string(kKeyPrefix), "", 1, 0, true).map([&](const etcd::Range& range) {
    const bool same = is_same(range);
    term_ = same ? range.term : term_;
    return same;
  });
}

/// Of all keys, at one revision.
struct EtcdFollower::Listing {
  std::optional<etcd::Range> first;  ///< page, without its pairs
  std::unordered_map<std::string, int64_t> leases;
  size_t bytes = 0;
  int64_t limit = kKeysAPage;
  bool begun = false;  ///< parts of it were handed over

  int64_t revision() const { return first ? first->revision : 0; }
};

etcd::Result<void> EtcdFollower::list() {
  Listing listing;
  // Resources first: an instance whose Service is there is looked at once.
  const std::string prefix(kKeyPrefix);
  const std::string resources = prefix + "resources/";
  const std::string after_resources = etcd::prefix_end(resources);
  const std::pair<std::string, std::string> ranges[] = {
      {resources, after_resources}, {prefix, resources}, {after_resources, etcd::prefix_end(prefix)}};
  for (const auto& [from, end] : ranges) {
    if (const auto done = list_range(from, end, listing); !done) {
      return done;
    }
  }
  std::vector<KeyEdit> gone;
  if (is_same(*listing.first)) {
    LeaseAnswers answers;
    for (const auto& [key, lease] : leases_) {
      if (!listing.leases.contains(key)) {
        gone.push_back({.key = key, .gone = true, .by_lease = lease_ended(lease, answers), .value = {}, .reading = {}});
      }
    }
  }
  leases_ = std::move(listing.leases);
  revision_ = listing.first->revision;
  cluster_ = listing.first->cluster;
  term_ = listing.first->term;
  {
    const std::lock_guard lock(mutex_);
    ++status_.lists;
  }
  hand_over({.whole = true, .begins = !listing.begun, .revision = revision_, .edits = std::move(gone)});
  return {};
}

etcd::Result<void> EtcdFollower::list_range(std::string from, const std::string& end, Listing& listing) {
  const auto ask = [&](bool keys_only = false) {
    return client_->range(from, end, keys_only ? 1 : listing.limit, listing.revision(), keys_only);
  };
  etcd::Result<etcd::Range> page = ask();
  for (;;) {
    const bool too_large = !page && page.error().kind == EtcdError::too_large;
    if (too_large && listing.limit > 1) {
      listing.limit = std::max<int64_t>(listing.limit / 8, 1);
      page = ask();
      continue;
    }
    if (too_large) {
      page = ask(true);
    }
    if (!page) {
      return tl::make_unexpected(page.error());
    }
    if (!listing.first) {
      listing.first = {
          .pairs = {}, .revision = page->revision, .more = {}, .cluster = page->cluster, .term = page->term};
    } else if (page->cluster != listing.first->cluster) {
      return tl::make_unexpected(
          etcd::Error{.kind = EtcdError::unavailable,
                      .message = client_->endpoint() + ": is of another cluster than the member before"});
    }
    if (!page->more) {
      list_page(std::move(page->pairs), too_large, listing);
      return {};
    }
    from = page->pairs.back().key + '\0';
    if (bytes_of(page->pairs) < etcd::kMaxMessageBytes / 4) {
      listing.limit = std::min(listing.limit * 2, kKeysAPage);
    }
    // etcd makes the next page while this one is parsed. Meanwhile nothing else asks the client. If there can't be
    // another thread, it is asked for when it is wanted.
    std::future<etcd::Result<etcd::Range>> next = std::async(std::launch::async | std::launch::deferred, ask, false);
    list_page(std::move(page->pairs), too_large, listing);
    page = next.get();
  }
}

void EtcdFollower::list_page(std::vector<etcd::KeyValue> pairs, bool unreadable, Listing& listing) {
  KeyBatch part{.whole = true, .begins = !listing.begun, .ends = false, .revision = listing.revision(), .edits = {}};
  for (etcd::KeyValue& pair : pairs) {
    const bool has_place = listing.leases.size() < kMostListedKeys || leases_.contains(pair.key);
    listing.leases[pair.key] = pair.lease;
    listing.bytes += pair.value.size();
    if (!has_place) {
      continue;
    }
    const bool no_room = listing.bytes > kMostListedBytes;
    if (no_room) {
      pair.value = std::string();
    }
    KeyEdit& edit = part.edits.emplace_back(edit_of(std::move(pair)));
    if (unreadable || no_room) {
      const std::string most = std::to_string((unreadable ? etcd::kMaxMessageBytes : kMostListedBytes) >> 20) + " MiB";
      edit.reading = {.errors = {{.file = edit.key,
                                  .field = "value",
                                  .message = unreadable ? "expected at most 1 MiB, and this is larger than " + most
                                                        : "there is no room: all keys together may have " + most}}};
    }
  }
  listing.begun = true;
  hand_over(std::move(part));
}

etcd::Error EtcdFollower::watch() {
  auto watch = client_->watch(std::string(kKeyPrefix), etcd::prefix_end(std::string(kKeyPrefix)), revision_ + 1);
  if (!watch) {
    return watch.error();
  }
  note_connected();
  milliseconds silent{0};
  constexpr milliseconds kStep{1000};
  for (;;) {
    auto next = (*watch)->next(kStep);
    if (!next) {
      return next.error();
    }
    if (!*next) {
      silent += kStep;
      if (silent >= kSilence) {
        return {.kind = EtcdError::deadline, .message = client_->endpoint() + ": the watch is silent"};
      }
      (*watch)->request_progress();
      continue;
    }
    silent = milliseconds(0);
    backoff_.reset();
    std::vector<etcd::Event>& events = (*next)->events;
    if (events.empty()) {
      continue;
    }
    KeyBatch batch{.whole = false, .revision = events.back().pair.mod_revision, .edits = {}};
    std::vector<etcd::Event> gone;
    batch.edits.reserve(events.size());
    for (etcd::Event& event : events) {
      if (event.deleted) {
        batch.edits.push_back({.key = event.pair.key, .gone = true, .value = {}, .reading = {}});
        gone.push_back(std::move(event));
      } else {
        batch.edits.push_back(edit_of(std::move(event.pair)));
      }
    }
    const auto first_gone =
        std::find_if(batch.edits.begin(), batch.edits.end(), [](const KeyEdit& edit) { return edit.gone; });
    if (first_gone != batch.edits.begin() && first_gone != batch.edits.end()) {
      // What came before need not wait for answers about leases. Its revision is not whole yet.
      KeyBatch before{.whole = false, .revision = revision_, .edits = {}};
      before.edits.assign(std::make_move_iterator(batch.edits.begin()), std::make_move_iterator(first_gone));
      batch.edits.erase(batch.edits.begin(), first_gone);
      note_leases(before.edits);
      hand_over(std::move(before));
    }
    tell_lease_ends(gone, batch.edits);
    note_leases(batch.edits);
    revision_ = batch.revision;
    hand_over(std::move(batch));
  }
}

/// @param gone the events of the edits that say so, in order
void EtcdFollower::tell_lease_ends(const std::vector<etcd::Event>& gone, std::vector<KeyEdit>& edits) {
  if (gone.empty()) {
    return;
  }
  // Leases as they were before each edit: a key may come and go within a batch.
  std::unordered_map<std::string, int64_t> here;
  std::vector<int64_t> leases;
  std::map<int64_t, std::set<int64_t>> of_revision;
  for (const KeyEdit& edit : edits) {
    if (!edit.gone) {
      here[edit.key] = edit.lease;
      continue;
    }
    const auto now = here.find(edit.key);
    const auto before = leases_.find(edit.key);
    leases.push_back(now != here.end() ? now->second : before != leases_.end() ? before->second : 0);
    of_revision[gone[leases.size() - 1].pair.mod_revision].insert(leases.back());
  }
  LeaseAnswers answers;
  size_t i = 0;
  for (KeyEdit& edit : edits) {
    if (edit.gone) {
      edit.by_lease = of_revision[gone[i].pair.mod_revision].size() == 1 && lease_ended(leases[i], answers);
      ++i;
    }
  }
}

void EtcdFollower::note_leases(const std::vector<KeyEdit>& edits) {
  for (const KeyEdit& edit : edits) {
    if (edit.gone) {
      leases_.erase(edit.key);
    } else {
      leases_[edit.key] = edit.lease;
    }
  }
}

bool EtcdFollower::lease_ended(int64_t lease, LeaseAnswers& answers) {
  if (lease == 0) {
    return false;
  }
  if (const auto answer = answers.ended.find(lease); answer != answers.ended.end()) {
    return answer->second;
  }
  const auto now = std::chrono::steady_clock::now();
  if (const auto lives = lives_until_.find(lease); lives != lives_until_.end() && now < lives->second) {
    return false;
  }
  if (answers.silent || answers.ended.size() >= kMaxLeaseQuestions || now >= answers.until) {
    return true;
  }
  const auto asked_at = std::chrono::steady_clock::now();
  const auto left = client_->time_to_live(lease);
  if (!left && left.error().kind != EtcdError::not_found) {
    answers.silent = true;
    return true;
  }
  const bool ended = answers.ended[lease] = !left || left->count() <= 0;
  if (lives_until_.size() >= kMostRemembered) {
    lives_until_.clear();
  }
  if (!ended) {
    lives_until_[lease] = asked_at + *left;  // a lease is made longer, never shorter
  }
  return ended;
}

KeyEdit EtcdFollower::edit_of(etcd::KeyValue pair) {
  Reading reading = read_value(pair.key, pair.value);
  return {.key = std::move(pair.key),
          .value = std::move(pair.value),
          .created = pair.create_revision,
          .lease = pair.lease,
          .reading = std::move(reading)};
}

void EtcdFollower::hand_over(KeyBatch batch) {
  {
    std::unique_lock lock(mutex_);
    room_.wait(lock, stop_, [&] { return waiting_ < kMaxWaiting && waiting_bytes_ < kMaxWaitingBytes; });
    waiting_ += batch.edits.size();
    for (const KeyEdit& edit : batch.edits) {
      waiting_bytes_ += edit.value.size();
    }
    batches_.push_back(std::move(batch));
  }
  woken_();
}

void EtcdFollower::note_connected() {
  {
    const std::lock_guard lock(mutex_);
    status_.endpoint = client_->endpoint();
    status_.connected = true;
    status_.since = std::chrono::system_clock::now();
    status_.error.clear();
  }
  woken_();
}

void EtcdFollower::note_away(const etcd::Error& error) {
  if (stop_.stop_requested()) {
    return;
  }
  {
    const std::lock_guard lock(mutex_);
    if (status_.connected) {
      ++status_.reconnects;
      status_.since = std::chrono::system_clock::now();
    }
    status_.connected = false;
    status_.error = error.message;
  }
  woken_();
}

void EtcdFollower::wait(milliseconds time) {
  std::unique_lock lock(mutex_);
  room_.wait_for(lock, stop_, time, [] { return false; });
}

}  // namespace weft::registry
