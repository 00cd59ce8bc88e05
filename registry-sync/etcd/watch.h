// SPDX-License-Identifier: Apache-2.0
/// @file The events of a range of keys, as they happen, from one member of etcd. Made by Client::watch().
///
/// It does not move to another member by itself: after an error it is of no more use, and whoever follows goes on from
/// the revision that it got to. One thread; the client's shut_down() ends it from any.
#pragma once

#include <memory>
#include <optional>

#include "etcd/types.h"

namespace weft::etcd {

struct Stream;

class Watch {
 public:
  ~Watch();
  Watch(const Watch&) = delete;
  Watch& operator=(const Watch&) = delete;

  /// The next events; nothing if there are none for so long. Errors: compacted, denied, unavailable (the member went,
  /// or has no leader), too_large, cancelled.
  Result<std::optional<Batch>> next(std::chrono::milliseconds wait);
  /// Has the member send a batch without events, however quiet the keys are: a sign of life. Its revision is no promise
  /// that all events up to there have come (etcd issue 15220).
  void request_progress();

 private:
  friend class Client;
  explicit Watch(std::unique_ptr<Stream> stream);

  std::unique_ptr<Stream> stream_;
  Batch partial_;  ///< what came of a batch that etcd sends in parts
};

}  // namespace weft::etcd
