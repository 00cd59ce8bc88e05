// SPDX-License-Identifier: Apache-2.0
#include "etcd/watch.h"

#include "etcd/cluster.h"
#include "etcd/stream.h"

namespace weft::etcd {
namespace {

void* tag_of(Stream::Step step) {
  return reinterpret_cast<void*>(static_cast<uintptr_t>(step));
}

Error why_cancelled(const etcdserverpb::WatchResponse& message, const std::string& member) {
  if (message.compact_revision() > 0) {
    return {.kind = Error::Kind::compacted,
            .message = member + ": compacted: revisions before " + std::to_string(message.compact_revision()) +
                       " are not kept any more"};
  }
  const std::string& reason = message.cancel_reason();
  const bool denied = reason.find("permission denied") != std::string::npos ||
                      reason.find("PermissionDenied") != std::string::npos ||
                      reason.find("auth token") != std::string::npos;
  return {.kind = denied ? Error::Kind::denied : Error::Kind::unavailable,
          .message = member + ": the watch was refused: " + reason};
}

Event to_event(etcdserverpb::Event& from) {
  etcdserverpb::KeyValue& pair = *from.mutable_kv();
  return {.deleted = from.type() == etcdserverpb::Event::DELETE,
          .pair = {.key = std::move(*pair.mutable_key()),
                   .value = std::move(*pair.mutable_value()),
                   .create_revision = pair.create_revision(),
                   .mod_revision = pair.mod_revision(),
                   .version = pair.version(),
                   .lease = pair.lease()}};
}

}  // namespace

Result<std::unique_ptr<Stream>> Stream::open(Member& member, std::unique_ptr<Call> call,
                                             const etcdserverpb::WatchRequest& request,
                                             std::chrono::milliseconds wait) {
  std::unique_ptr<Stream> opened(new Stream());
  Stream& self = *opened;
  self.url = member.url;
  self.call = std::move(call);
  self.stream = member.watch->AsyncWatch(&self.call->context, &self.queue, tag_of(Step::start));
  const Clock::time_point until = Clock::now() + wait;
  bool fine = false;
  if (self.wait_for_step(until, fine) != Step::start || !fine) {
    return tl::make_unexpected(self.why_it_ended());
  }
  self.write(request);
  const auto first = self.read(wait);
  if (!first) {
    return tl::make_unexpected(first.error());
  }
  if (!*first) {
    return tl::make_unexpected(
        Error{.kind = Error::Kind::deadline, .message = self.url + ": does not say that it watches"});
  }
  if ((*first)->canceled()) {
    return tl::make_unexpected(why_cancelled(**first, self.url));
  }
  return opened;
}

Stream::~Stream() {
  if (call != nullptr) {
    call->context.TryCancel();
  }
  queue.Shutdown();
  void* tag = nullptr;
  bool fine = false;
  while (queue.Next(&tag, &fine)) {
  }
}

Stream::Step Stream::wait_for_step(Clock::time_point until, bool& fine) {
  void* tag = nullptr;
  if (queue.AsyncNext(&tag, &fine, grpc_deadline(until)) != grpc::CompletionQueue::GOT_EVENT) {
    return Step::none;
  }
  return static_cast<Step>(reinterpret_cast<uintptr_t>(tag));
}

Error Stream::why_it_ended() {
  if (ended) {
    return *ended;
  }
  if (call->shut()) {
    return *(ended = cancelled());
  }
  // A stream that broke has its status; of one that only takes too long, the status is our cancelling it.
  grpc::Status status;
  stream->Finish(&status, tag_of(Step::finish));
  bool fine = false;
  bool cut = false;
  for (Step step = Step::none; step != Step::finish;) {
    step = wait_for_step(Clock::now() + std::chrono::milliseconds(100), fine);
    if (step == Step::none) {
      cut = true;
      call->context.TryCancel();
    }
  }
  if (cut) {
    return *(ended = Error{.kind = Error::Kind::deadline, .message = url + ": no answer in time"});
  }
  return *(ended = status.ok() ? Error{.kind = Error::Kind::unavailable, .message = url + ": the watch ended"}
                               : to_error(status, url));
}

Result<std::optional<etcdserverpb::WatchResponse>> Stream::read(std::chrono::milliseconds wait) {
  if (ended) {
    return tl::make_unexpected(*ended);
  }
  const Clock::time_point until = Clock::now() + wait;
  if (!reading) {
    message.Clear();
    stream->Read(&message, tag_of(Step::read));
    reading = true;
  }
  for (;;) {
    bool fine = false;
    switch (wait_for_step(until, fine)) {
      case Step::none:
        return std::nullopt;
      case Step::write:
        writing = false;
        break;  // if it failed, so does the read
      case Step::read:
        reading = false;
        if (!fine) {
          return tl::make_unexpected(why_it_ended());
        }
        return std::move(message);
      default:
        break;
    }
  }
}

void Stream::write(const etcdserverpb::WatchRequest& request) {
  if (!writing && !ended) {
    stream->Write(request, tag_of(Step::write));
    writing = true;
  }
}

Watch::Watch(std::unique_ptr<Stream> stream) : stream_(std::move(stream)) {}
Watch::~Watch() = default;

Result<std::optional<Batch>> Watch::next(std::chrono::milliseconds wait) {
  const auto until = std::chrono::steady_clock::now() + wait;
  for (;;) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(until - std::chrono::steady_clock::now());
    auto message = stream_->read(std::max(left, std::chrono::milliseconds(0)));
    if (!message) {
      return tl::make_unexpected(message.error());
    }
    if (!*message) {
      break;
    }
    if ((*message)->canceled()) {
      stream_->ended = why_cancelled(**message, stream_->url);
      return tl::make_unexpected(*stream_->ended);
    }
    partial_.revision = (*message)->header().revision();
    for (etcdserverpb::Event& each : *(*message)->mutable_events()) {
      partial_.events.push_back(to_event(each));
    }
    if (!(*message)->fragment()) {
      return std::optional(std::exchange(partial_, {}));
    }
  }
  return std::nullopt;
}

void Watch::request_progress() {
  etcdserverpb::WatchRequest request;
  request.mutable_progress_request();
  stream_->write(request);
}

}  // namespace weft::etcd
