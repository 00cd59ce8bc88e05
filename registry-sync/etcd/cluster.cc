// SPDX-License-Identifier: Apache-2.0
#include "etcd/cluster.h"

#include <algorithm>

namespace weft::etcd {
namespace {

/// Does it have a connection by then? In steps, so that it ends soon when the client is shut down.
bool connected(grpc::Channel& channel, Clock::time_point until, const Calls& calls) {
  while (!calls.shut()) {
    const Clock::time_point now = Clock::now();
    if (channel.WaitForConnected(grpc_deadline(std::min(until, now + std::chrono::milliseconds(50))))) {
      return true;
    }
    if (now >= until) {
      return false;
    }
  }
  return false;
}

/// Why it has no connection, as far as gRPC says it to those who ask nevertheless; a call that won't be answered.
std::string why_not_connected(Member& member) {
  grpc::ClientContext context;
  context.set_deadline(grpc_deadline(std::chrono::milliseconds(50)));
  etcdserverpb::RangeResponse response;
  const grpc::Status status = member.kv->Range(&context, etcdserverpb::RangeRequest(), &response);
  return status.error_code() == grpc::StatusCode::UNAVAILABLE ? ": " + status.error_message().substr(0, 512) : "";
}

}  // namespace

void Cluster::renew() {
  if (!has_tls_files(options_) || !marks_.changed(options_)) {
    return;
  }
  // In the midst of being written they are not good, and they will look another once they are.
  if (auto files = read_tls_files(options_); files && *files != files_) {
    files_ = std::move(*files);
    members_ = make_members(options_, files_);
  }
}

Result<void> Cluster::connect() {
  renew();
  const auto share = options_.timeout / members_.size();
  for (size_t tried = 0; tried < members_.size(); ++tried) {
    if (connected(*members_[current_].channel, Clock::now() + share, *calls_)) {
      return {};
    }
    if (calls_->shut()) {
      return tl::make_unexpected(cancelled());
    }
    move_on();
  }
  std::string all;
  for (const Member& member : members_) {
    all += (all.empty() ? "" : ", ") + member.url;
  }
  return tl::make_unexpected(
      Error{.kind = Error::Kind::unavailable,
            .message = "no connection to any of " + all + why_not_connected(members_[current_])});
}

Result<void> Cluster::authenticate() {
  Call call(calls_);
  token_.clear();
  sign(call.context);
  call.context.set_deadline(grpc_deadline(options_.timeout));
  etcdserverpb::AuthenticateRequest request;
  request.set_name(options_.user);
  request.set_password(options_.password);
  etcdserverpb::AuthenticateResponse response;
  const grpc::Status status = members_[current_].auth->Authenticate(&call.context, request, &response);
  if (call.shut()) {
    return tl::make_unexpected(cancelled());
  }
  if (!status.ok()) {
    Error error = to_error(status, endpoint());
    error.message += " (user \"" + options_.user + "\")";
    return tl::make_unexpected(error);
  }
  token_ = response.token();
  return {};
}

void Cluster::sign(grpc::ClientContext& context) const {
  context.AddMetadata("hasleader", "true");
  if (!token_.empty()) {
    context.AddMetadata("token", token_);
  }
}

}  // namespace weft::etcd
