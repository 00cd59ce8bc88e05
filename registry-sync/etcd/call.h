// SPDX-License-Identifier: Apache-2.0
/// @file Calls under way, so that another thread can end them all. Of this room alone.
#pragma once

#include <grpcpp/client_context.h>

#include <mutex>
#include <set>

namespace weft::etcd {

/// The calls of a client. Any thread.
class Calls {
 public:
  /// Ends all calls under way and all that begin later.
  void shut_down() {
    const std::lock_guard lock(mutex_);
    shut_ = true;
    for (grpc::ClientContext* each : under_way_) {
      each->TryCancel();
    }
  }
  bool shut() const {
    const std::lock_guard lock(mutex_);
    return shut_;
  }

 private:
  friend class Call;

  mutable std::mutex mutex_;
  bool shut_ = false;
  std::set<grpc::ClientContext*> under_way_;
};

/// One call, from before its start to after its end.
class Call {
 public:
  explicit Call(std::shared_ptr<Calls> calls) : calls_(std::move(calls)) {
    const std::lock_guard lock(calls_->mutex_);
    calls_->under_way_.insert(&context);
    if (calls_->shut_) {
      context.TryCancel();  // before its start: it fails as soon as it starts
    }
  }
  ~Call() {
    const std::lock_guard lock(calls_->mutex_);
    calls_->under_way_.erase(&context);
  }
  Call(const Call&) = delete;
  Call& operator=(const Call&) = delete;

  bool shut() const { return calls_->shut(); }

  grpc::ClientContext context;

 private:
  std::shared_ptr<Calls> calls_;
};

}  // namespace weft::etcd
