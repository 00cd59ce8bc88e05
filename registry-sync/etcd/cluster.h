// SPDX-License-Identifier: Apache-2.0
/// @file Asks one member of the cluster after another, with the user's token. Of this room alone; see client.h for what
/// it promises.
#pragma once

#include "etcd/call.h"
#include "etcd/deadline.h"
#include "etcd/errors.h"
#include "etcd/member.h"

namespace weft::etcd {

class Cluster {
 public:
  /// @param files as read_tls_files() has them of `options`
  Cluster(Options options, TlsFiles files)
      : options_(std::move(options)),
        files_(std::move(files)),
        members_(make_members(options_, files_)),
        calls_(std::make_shared<Calls>()) {
    marks_.changed(options_);
  }

  enum class Repeat : uint8_t {
    never,   ///< it may have been done though there was no answer
    freely,  ///< twice is as good as once
  };
  /// @param attempt (Member&, Call&) -> Result<T>, with context's deadline and metadata set
  template <class T, class Attempt>
  Result<T> ask(Repeat repeat, Attempt attempt);

  const std::string& endpoint() const { return members_[current_].url; }
  void move_on() { current_ = (current_ + 1) % members_.size(); }
  void shut_down() { calls_->shut_down(); }
  const std::shared_ptr<Calls>& calls() const { return calls_; }
  std::chrono::milliseconds timeout() const { return options_.timeout; }
  /// Adds what every call says: the user's token, and that the member must have a leader.
  void sign(grpc::ClientContext& context) const;

 private:
  /// The member in use, or the first after it that has a connection, which is in use then.
  Result<void> connect();
  Result<void> authenticate();
  /// Connects anew if the files are others, and good.
  void renew();

  Options options_;
  TlsFiles files_;
  FileMarks marks_;
  std::vector<Member> members_;
  std::shared_ptr<Calls> calls_;
  size_t current_ = 0;
  std::string token_;
};

inline Error cancelled() {
  return {.kind = Error::Kind::cancelled, .message = "the client is shutting down"};
}

template <class T, class Attempt>
Result<T> Cluster::ask(Repeat repeat, Attempt attempt) {
  bool renewed = false;
  Error last;
  for (size_t tried = 0; tried < members_.size();) {
    Result<void> ready = connect();
    if (ready && !options_.user.empty() && token_.empty()) {
      ready = authenticate();
    }
    if (!ready) {
      last = ready.error();
      if (!is_passing(last) || calls_->shut()) {
        return tl::make_unexpected(last);
      }
      move_on();
      ++tried;
      continue;
    }
    auto call = std::make_unique<Call>(calls_);
    sign(call->context);
    call->context.set_deadline(grpc_deadline(options_.timeout));
    Result<T> answer = attempt(members_[current_], std::move(call));
    if (answer) {
      return answer;
    }
    last = answer.error();
    if (calls_->shut()) {
      return tl::make_unexpected(cancelled());
    }
    if (!options_.user.empty() && !renewed && wants_new_token(last)) {
      token_.clear();
      renewed = true;
      continue;
    }
    if (!is_passing(last)) {
      return answer;
    }
    move_on();
    ++tried;
    if (repeat == Repeat::never) {
      return answer;
    }
  }
  return tl::make_unexpected(last);
}

}  // namespace weft::etcd
