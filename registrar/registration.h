// SPDX-License-Identifier: Apache-2.0
/// @file Keeps one key of etcd on a lease as it is wanted, from a thread of its own, whatever becomes of etcd
/// meanwhile.
///
/// The lease is kept alive each third of its life. If it is lost (etcd was away too long, or forgot it), another is
/// taken and the key written again. While etcd does not answer, it is tried again with a jittered back-off, and said
/// once.
///
///     Registration registration(std::move(client), key, 10s);
///     registration.want(value);     // written soon
///     registration.want("");        // gone, the lease too
///     registration.finish(3s);
///
/// All members may be called from one other thread. Nothing is thrown.
#pragma once

#include <chrono>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>

#include "etcd/client.h"

namespace weft::registrar {

/// What a member of etcd has to answer in, at most `timeout`: so that all members together, connected and asked one
/// after another, take no longer than a third of the lease, and a renewal that meets dead members still comes in time.
std::chrono::milliseconds patience_with_etcd(std::chrono::milliseconds timeout, std::chrono::seconds time_to_live,
                                             size_t members);

class Registration {
 public:
  using Log = std::function<void(const std::string&)>;

  /// @param log called on the thread, of what went wrong and what is well again
  Registration(std::unique_ptr<etcd::Client> client, std::string key, std::chrono::seconds time_to_live, Log log);
  /// Without finish(), the key stays until its lease ends.
  ~Registration();
  Registration(const Registration&) = delete;
  Registration& operator=(const Registration&) = delete;

  /// @param value empty: no key at all
  void want(std::string value);
  /// Is it in etcd as it is wanted?
  bool settled() const;
  /// Waits until it is, and ends the thread in any case. @returns whether it is
  bool finish(std::chrono::milliseconds patience);

 private:
  using Clock = std::chrono::steady_clock;

  void run();
  /// One step towards what is wanted; may take as long as etcd's deadlines.
  etcd::Result<void> step(const std::string& wanted);
  /// Puts the key on the lease.
  etcd::Result<void> write(const std::string& wanted);
  /// @returns false if it is to stop
  bool wait(Clock::time_point until, const std::string& wanted);
  void say(const std::string& problem);

  const std::unique_ptr<etcd::Client> client_;
  const std::string key_;
  const std::chrono::seconds time_to_live_;
  const Log log_;

  // The thread alone.
  int64_t lease_ = 0;    ///< 0: none
  std::string written_;  ///< what etcd is known to have; empty: that is not known
  Clock::time_point renew_at_{};
  std::string problem_;  ///< what was said last
  bool was_reached_ = false;

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::string wanted_;     ///< under mutex_
  bool settled_ = true;    ///< under mutex_
  bool stopping_ = false;  ///< under mutex_
  std::thread thread_;
};

}  // namespace weft::registrar
