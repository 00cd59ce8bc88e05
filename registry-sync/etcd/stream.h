// SPDX-License-Identifier: Apache-2.0
/// @file A watch's stream of messages over gRPC, read with deadlines. Of this room alone.
#pragma once

#include <grpcpp/completion_queue.h>

#include <optional>

#include "etcd/call.h"
#include "etcd/deadline.h"
#include "etcd/member.h"

namespace weft::etcd {

struct Stream {
  /// Returns once etcd said that it watches, or an error, such as `deadline` if that takes longer than `wait`.
  static Result<std::unique_ptr<Stream>> open(Member& member, std::unique_ptr<Call> call,
                                              const etcdserverpb::WatchRequest& request,
                                              std::chrono::milliseconds wait);
  ~Stream();

  /// The next message; none within `wait`.
  Result<std::optional<etcdserverpb::WatchResponse>> read(std::chrono::milliseconds wait);
  /// Nothing if one is still being written.
  void write(const etcdserverpb::WatchRequest& request);

  enum class Step : uint8_t { none, start, write, read, finish };
  /// What gRPC has done by then; none: nothing.
  Step wait_for_step(Clock::time_point until, bool& fine);
  Error why_it_ended();

  std::string url;
  std::unique_ptr<Call> call;
  grpc::CompletionQueue queue;
  std::unique_ptr<grpc::ClientAsyncReaderWriter<etcdserverpb::WatchRequest, etcdserverpb::WatchResponse>> stream;
  etcdserverpb::WatchResponse message;  ///< being read
  bool reading = false;
  bool writing = false;
  std::optional<Error> ended;
};

}  // namespace weft::etcd
