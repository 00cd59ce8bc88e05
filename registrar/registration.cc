// SPDX-License-Identifier: Apache-2.0
#include "registrar/registration.h"

#include <algorithm>
#include <random>

#include "registrar/etcd_store.h"

namespace weft::registrar {
namespace {

constexpr std::chrono::milliseconds kFirstWait(100);
constexpr std::chrono::milliseconds kLongestWait(3000);
/// Of a lease: two renewals may fail.
constexpr int kRenewals = 3;

}  // namespace

std::chrono::milliseconds patience_with_etcd(std::chrono::milliseconds timeout, std::chrono::seconds time_to_live,
                                             size_t members) {
  constexpr std::chrono::milliseconds kLeast(50);
  const auto asked = static_cast<int64_t>(kRenewals * 2 * std::max<size_t>(members, 1));  // to connect, and to answer
  const std::chrono::milliseconds share = std::chrono::milliseconds(time_to_live) / asked;
  return std::min(timeout, std::max(kLeast, share));
}

Registration::Registration(std::unique_ptr<etcd::Client> client, std::string key, std::chrono::seconds time_to_live,
                           Log log)
    : client_(std::move(client)), key_(std::move(key)), time_to_live_(time_to_live), log_(std::move(log)) {
  thread_ = std::thread([this] { run(); });
}

Registration::~Registration() {
  if (thread_.joinable()) {
    finish(std::chrono::milliseconds(0));
  }
}

void Registration::want(std::string value) {
  {
    const std::lock_guard lock(mutex_);
    if (value == wanted_) {
      return;
    }
    wanted_ = std::move(value);
    settled_ = false;
  }
  changed_.notify_all();
}

bool Registration::settled() const {
  const std::lock_guard lock(mutex_);
  return settled_;
}

bool Registration::finish(std::chrono::milliseconds patience) {
  bool done = false;
  {
    std::unique_lock lock(mutex_);
    done = changed_.wait_for(lock, patience, [this] { return settled_; });
    stopping_ = true;
  }
  changed_.notify_all();
  client_->shut_down();
  thread_.join();
  return done;
}

void Registration::run() {
  std::mt19937_64 random(std::random_device{}());
  std::chrono::milliseconds wait_for = kFirstWait;
  for (;;) {
    std::string wanted;
    {
      const std::lock_guard lock(mutex_);
      if (stopping_) {
        return;
      }
      wanted = wanted_;
    }
    const bool asks = !wanted.empty() || lease_ != 0;
    const etcd::Result<void> done = step(wanted);
    Clock::time_point until = Clock::now();
    if (done) {
      if (asks) {
        say("");
      }
      wait_for = kFirstWait;
      until = lease_ == 0 ? Clock::time_point::max() : renew_at_;
      const std::lock_guard lock(mutex_);
      settled_ = wanted == wanted_;
      changed_.notify_all();
    } else {
      say(to_string(done.error()));
      until += std::chrono::milliseconds(
          std::uniform_int_distribution<int64_t>(wait_for.count() / 2, wait_for.count())(random));
      wait_for = std::min(wait_for * 2, kLongestWait);
    }
    if (!wait(until, wanted)) {
      return;
    }
  }
}

bool Registration::wait(Clock::time_point until, const std::string& wanted) {
  std::unique_lock lock(mutex_);
  const auto is_over = [&] { return stopping_ || wanted_ != wanted; };
  if (until == Clock::time_point::max()) {
    changed_.wait(lock, is_over);
  } else {
    changed_.wait_until(lock, until, is_over);
  }
  return !stopping_;
}

etcd::Result<void> Registration::write(const std::string& wanted) {
  // Without an answer it may have been done, or be done later: nothing is known to be written until etcd says so.
  written_.clear();
  const etcd::Result<etcd::Range> before = client_->range(key_);
  if (!before) {
    return tl::make_unexpected(before.error());
  }
  // An older value that is still under way was made for an older revision: it can't overtake this one.
  const int64_t revision = before->pairs.empty() ? 0 : before->pairs.front().mod_revision;
  const etcd::Result<bool> put = client_->put_if_revision(key_, wanted, revision, lease_);
  if (!put) {
    lease_ = put.error().kind == etcd::Error::Kind::not_found ? 0 : lease_;
    return tl::make_unexpected(put.error());
  }
  if (!*put) {
    return tl::make_unexpected(etcd::Error{.kind = etcd::Error::Kind::unavailable,
                                           .message = key_ + " was written by somebody else meanwhile"});
  }
  written_ = wanted;
  return {};
}

etcd::Result<void> Registration::step(const std::string& wanted) {
  if (wanted.empty()) {
    if (lease_ != 0) {
      const etcd::Result<void> revoked = client_->revoke(lease_);
      if (!revoked && revoked.error().kind != etcd::Error::Kind::not_found) {
        return revoked;
      }
      lease_ = 0;
      written_.clear();
    }
    return {};
  }
  const auto renewed = [this] { renew_at_ = Clock::now() + std::chrono::milliseconds(time_to_live_) / kRenewals; };
  if (lease_ != 0 && Clock::now() >= renew_at_) {
    if (const auto left = client_->keep_alive(lease_); !left && left.error().kind != etcd::Error::Kind::not_found) {
      return tl::make_unexpected(left.error());
    } else if (!left || left->count() <= 0) {
      log_("the lease was lost; registering again");
      lease_ = 0;
      written_.clear();
    } else {
      renewed();
    }
  }
  if (lease_ == 0) {
    const etcd::Result<int64_t> lease = client_->grant(time_to_live_);
    if (!lease) {
      return tl::make_unexpected(lease.error());
    }
    lease_ = *lease;
    renewed();
  }
  return written_ == wanted ? etcd::Result<void>() : write(wanted);
}

void Registration::say(const std::string& problem) {
  if (problem == problem_) {
    was_reached_ |= problem.empty();
    return;
  }
  // Messages of one outage differ in details; one is enough.
  if (problem.empty() || problem_.empty()) {
    const std::string well = was_reached_ ? "etcd is well again" : "etcd is reached";
    log_(problem.empty() ? well : problem + "; trying again, and the program runs on");
  }
  was_reached_ |= problem.empty();
  problem_ = problem;
}

}  // namespace weft::registrar
