// SPDX-License-Identifier: Apache-2.0
/// @file Follows all keys of the registry in etcd, on a thread of its own: lists them at one revision, in pages that
/// are handed over as they come, then watches from that revision on. What it read is parsed there, and waits to be
/// taken.
///
/// When the watch ends (the member went, or has no leader, or says nothing) it goes on from the revision that it got
/// to, at another member, after a wait that grows and varies. It lists anew only if that revision was compacted, or if
/// it is another store: of another cluster, or whose revision or leader's term is lower. Of keys that such a list lacks
/// nothing is known: they may have been lost.
///
/// A member that is stopped is noticed within about kSilence: each second without a word it is asked for one.
///
/// Why did a key go? A lease's end deletes the keys of one lease in one revision. So a key without a lease, and keys of
/// several leases in one revision, were deleted by somebody; of the rest etcd is asked whether the lease still lives.
/// A lease can't end before the time that it had left when etcd was asked, so it is not asked again until then. Not
/// told apart from a lease's end: `lease revoke` of a lease that was not asked about before, and a deletion whose lease
/// is revoked before we ask. Of the keys that a new list lacks the same is asked. In a batch, etcd is asked of
/// kMaxLeaseQuestions leases, for kLeaseTime, until it does not answer; of all others the lease is taken to have ended,
/// which keeps what may have been deleted longer, and never the other way round.
#pragma once

#include <chrono>
#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <stop_token>
#include <string>
#include <thread>
#include <tl/expected.hpp>
#include <unordered_map>

#include "etcd/client.h"
#include "registry-sync/backoff.h"
#include "registry-sync/key_edits.h"

namespace weft::registry {

/// What an operator is told of the connection.
struct FollowerStatus {
  std::string endpoint;  ///< the member in use, or that was last
  bool connected = false;
  std::chrono::system_clock::time_point since{};  ///< connected, or away
  uint64_t reconnects = 0;
  uint64_t lists = 0;  ///< the first one too
  std::string error;   ///< the last one, while away
};

class EtcdFollower {
 public:
  static constexpr std::chrono::milliseconds kSilence{3000};
  static constexpr size_t kMaxLeaseQuestions = 64;  ///< a batch
  static constexpr std::chrono::milliseconds kLeaseTime{1000};

  /// @param woken called on the follower's thread when there is something to take, or the status changed
  static tl::expected<std::unique_ptr<EtcdFollower>, std::string> start(etcd::Options options,
                                                                        std::function<void()> woken);
  ~EtcdFollower();
  EtcdFollower(const EtcdFollower&) = delete;
  EtcdFollower& operator=(const EtcdFollower&) = delete;

  /// What was read since the last call, in order. Any one thread.
  std::deque<KeyBatch> take();
  FollowerStatus status() const;

 private:
  EtcdFollower(std::unique_ptr<etcd::Client> client, std::function<void()> woken);

  void run(const std::stop_token& stop);
  struct Listing;

  /// All keys, at one revision.
  etcd::Result<void> list();
  etcd::Result<void> list_range(std::string from, const std::string& end, Listing& listing);
  /// Parses a page and hands it over.
  void list_page(std::vector<etcd::KeyValue> pairs, bool unreadable, Listing& listing);
  /// @returns why it ended
  etcd::Error watch();
  /// Is what was read there of the store that was listed?
  bool is_same(const etcd::Range& range) const;
  /// Is the store still the one that was listed?
  etcd::Result<bool> is_same_store();
  void hand_over(KeyBatch batch);
  KeyEdit edit_of(etcd::KeyValue pair);
  void tell_lease_ends(const std::vector<etcd::Event>& events, std::vector<KeyEdit>& edits);
  /// Of one batch.
  struct LeaseAnswers {
    std::unordered_map<int64_t, bool> ended;
    std::chrono::steady_clock::time_point until = std::chrono::steady_clock::now() + kLeaseTime;
    bool silent = false;  ///< etcd did not answer
  };
  /// Did it end, or may it have?
  bool lease_ended(int64_t lease, LeaseAnswers& answers);
  void note_leases(const std::vector<KeyEdit>& edits);
  void note_connected();
  void note_away(const etcd::Error& error);
  void wait(std::chrono::milliseconds time);

  std::unique_ptr<etcd::Client> client_;
  std::function<void()> woken_;
  Backoff backoff_;
  int64_t revision_ = 0;                             ///< read up to here; the follower's thread
  uint64_t cluster_ = 0;                             ///< that was listed; the follower's thread
  uint64_t term_ = 0;                                ///< the highest seen of it; the follower's thread
  std::unordered_map<std::string, int64_t> leases_;  ///< of all keys; the follower's thread

  std::unordered_map<int64_t, std::chrono::steady_clock::time_point> lives_until_;  ///< leases; the follower's thread

  mutable std::mutex mutex_;
  std::condition_variable_any room_;
  std::deque<KeyBatch> batches_;  ///< under mutex_
  size_t waiting_ = 0;            ///< edits in batches_; under mutex_
  size_t waiting_bytes_ = 0;      ///< of their values; under mutex_
  FollowerStatus status_;         ///< under mutex_
  std::stop_token stop_;          ///< the thread's
  std::jthread thread_;           ///< last: it uses all of the above
};

}  // namespace weft::registry
