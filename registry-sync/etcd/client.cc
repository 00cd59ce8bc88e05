// SPDX-License-Identifier: Apache-2.0
#include "etcd/client.h"

#include <grpc/support/log.h>

#include "etcd/cluster.h"
#include "etcd/stream.h"

namespace weft::etcd {
namespace {

using Repeat = Cluster::Repeat;

KeyValue to_pair(etcdserverpb::KeyValue& from) {
  return {.key = std::move(*from.mutable_key()),
          .value = std::move(*from.mutable_value()),
          .create_revision = from.create_revision(),
          .mod_revision = from.mod_revision(),
          .version = from.version(),
          .lease = from.lease()};
}

}  // namespace

struct Client::State {
  Cluster cluster;

  template <class Response, class Stub, class Request>
  Result<Response> ask(Repeat repeat, std::unique_ptr<Stub> Member::*stub,
                       grpc::Status (Stub::*method)(grpc::ClientContext*, const Request&, Response*),
                       const Request& request) {
    return cluster.ask<Response>(repeat, [&](Member& member, std::unique_ptr<Call> call) -> Result<Response> {
      Response response;
      const grpc::Status status = ((*(member.*stub)).*method)(&call->context, request, &response);
      if (!status.ok()) {
        return tl::make_unexpected(to_error(status, member.url));
      }
      return response;
    });
  }
  /// Puts or removes if the key is as the comparison says. @returns whether it did
  Result<bool> put_if(etcdserverpb::Compare compare, etcdserverpb::RequestOp then) {
    etcdserverpb::TxnRequest request;
    *request.add_compare() = std::move(compare);
    *request.add_success() = std::move(then);
    return ask(Repeat::never, &Member::kv, &etcdserverpb::KV::Stub::Txn, request)
        .map([](const etcdserverpb::TxnResponse& response) { return response.succeeded(); });
  }
};

namespace {

etcdserverpb::Compare last_written_at(const std::string& key, int64_t revision) {
  etcdserverpb::Compare compare;
  compare.set_key(key);
  compare.set_result(etcdserverpb::Compare::EQUAL);
  compare.set_target(etcdserverpb::Compare::MOD);
  compare.set_mod_revision(revision);
  return compare;
}

etcdserverpb::RequestOp put_of(const std::string& key, const std::string& value, int64_t lease) {
  etcdserverpb::RequestOp operation;
  etcdserverpb::PutRequest& put = *operation.mutable_request_put();
  put.set_key(key);
  put.set_value(value);
  put.set_lease(lease);
  return operation;
}

Error no_such_lease(int64_t lease) {
  return {.kind = Error::Kind::not_found, .message = "there is no lease " + std::to_string(lease)};
}

}  // namespace

Client::Client(std::unique_ptr<State> state) : state_(std::move(state)) {}
Client::~Client() = default;

tl::expected<std::unique_ptr<Client>, std::string> Client::make(Options options) {
  // gRPC would write to standard error what our callers are told anyway.
  gpr_set_log_function([](gpr_log_func_args*) {});
  if (const auto fit = check(options); !fit) {
    return tl::make_unexpected(fit.error().text());
  }
  auto files = read_tls_files(options);
  if (!files) {
    return tl::make_unexpected(files.error().text());
  }
  std::unique_ptr<State> state(new State{.cluster = Cluster(std::move(options), std::move(*files))});
  return std::unique_ptr<Client>(new Client(std::move(state)));
}

Result<Range> Client::range(const std::string& key, const std::string& range_end, int64_t limit, int64_t revision,
                            bool keys_only) {
  etcdserverpb::RangeRequest request;
  request.set_key(key);
  request.set_range_end(range_end);
  request.set_limit(limit);
  request.set_revision(revision);
  request.set_keys_only(keys_only);
  auto response = state_->ask(Repeat::freely, &Member::kv, &etcdserverpb::KV::Stub::Range, request);
  if (!response) {
    return tl::make_unexpected(response.error());
  }
  Range range{.pairs = {},
              .revision = response->header().revision(),
              .more = response->more(),
              .cluster = response->header().cluster_id(),
              .term = response->header().raft_term()};
  range.pairs.reserve(static_cast<size_t>(response->kvs_size()));
  for (etcdserverpb::KeyValue& each : *response->mutable_kvs()) {
    range.pairs.push_back(to_pair(each));
  }
  return range;
}

Result<int64_t> Client::put(const std::string& key, const std::string& value, int64_t lease) {
  etcdserverpb::PutRequest request;
  request.set_key(key);
  request.set_value(value);
  request.set_lease(lease);
  return state_->ask(Repeat::freely, &Member::kv, &etcdserverpb::KV::Stub::Put, request)
      .map([](const etcdserverpb::PutResponse& response) { return response.header().revision(); });
}

Result<bool> Client::put_if_absent(const std::string& key, const std::string& value, int64_t lease) {
  return put_if_revision(key, value, 0, lease);  // of a key that is not there, etcd says 0
}

Result<bool> Client::put_if_revision(const std::string& key, const std::string& value, int64_t mod_revision,
                                     int64_t lease) {
  return state_->put_if(last_written_at(key, mod_revision), put_of(key, value, lease));
}

Result<int64_t> Client::remove(const std::string& key, const std::string& range_end) {
  etcdserverpb::DeleteRangeRequest request;
  request.set_key(key);
  request.set_range_end(range_end);
  return state_->ask(Repeat::freely, &Member::kv, &etcdserverpb::KV::Stub::DeleteRange, request)
      .map([](const etcdserverpb::DeleteRangeResponse& response) { return response.deleted(); });
}

Result<bool> Client::remove_if_revision(const std::string& key, int64_t mod_revision) {
  etcdserverpb::RequestOp operation;
  operation.mutable_request_delete_range()->set_key(key);
  return state_->put_if(last_written_at(key, mod_revision), std::move(operation));
}

Result<void> Client::compact(int64_t revision) {
  etcdserverpb::CompactionRequest request;
  request.set_revision(revision);
  request.set_physical(true);
  return state_->ask(Repeat::freely, &Member::kv, &etcdserverpb::KV::Stub::Compact, request)
      .map([](const etcdserverpb::CompactionResponse&) {});
}

Result<int64_t> Client::grant(std::chrono::seconds time_to_live) {
  etcdserverpb::LeaseGrantRequest request;
  request.set_ttl(time_to_live.count());
  // One that was granted without an answer ends by itself.
  return state_->ask(Repeat::freely, &Member::lease, &etcdserverpb::Lease::Stub::LeaseGrant, request)
      .and_then([](const etcdserverpb::LeaseGrantResponse& response) -> Result<int64_t> {
        if (!response.error().empty()) {
          return tl::make_unexpected(Error{.kind = Error::Kind::invalid, .message = response.error()});
        }
        return response.id();
      });
}

Result<std::chrono::seconds> Client::keep_alive(int64_t lease) {
  return state_->cluster.ask<std::chrono::seconds>(
      Repeat::freely, [&](Member& member, std::unique_ptr<Call> call) -> Result<std::chrono::seconds> {
        const auto stream = member.lease->LeaseKeepAlive(&call->context);
        etcdserverpb::LeaseKeepAliveRequest request;
        request.set_id(lease);
        etcdserverpb::LeaseKeepAliveResponse response;
        if (!stream->Write(request) || !stream->Read(&response)) {
          call->context.TryCancel();
          return tl::make_unexpected(to_error(stream->Finish(), member.url));
        }
        call->context.TryCancel();
        stream->Finish();  // ends as we cancelled it
        if (response.ttl() <= 0) {
          return tl::make_unexpected(no_such_lease(lease));
        }
        return std::chrono::seconds(response.ttl());
      });
}

Result<std::chrono::seconds> Client::time_to_live(int64_t lease) {
  etcdserverpb::LeaseTimeToLiveRequest request;
  request.set_id(lease);
  return state_->ask(Repeat::freely, &Member::lease, &etcdserverpb::Lease::Stub::LeaseTimeToLive, request)
      .and_then([&](const etcdserverpb::LeaseTimeToLiveResponse& response) -> Result<std::chrono::seconds> {
        if (response.ttl() < 0) {
          return tl::make_unexpected(no_such_lease(lease));
        }
        return std::chrono::seconds(response.ttl());
      });
}

Result<void> Client::revoke(int64_t lease) {
  etcdserverpb::LeaseRevokeRequest request;
  request.set_id(lease);
  return state_->ask(Repeat::freely, &Member::lease, &etcdserverpb::Lease::Stub::LeaseRevoke, request)
      .map([](const etcdserverpb::LeaseRevokeResponse&) {});
}

Result<std::unique_ptr<Watch>> Client::watch(const std::string& key, const std::string& range_end,
                                             int64_t from_revision) {
  etcdserverpb::WatchRequest request;
  etcdserverpb::WatchCreateRequest& create = *request.mutable_create_request();
  create.set_key(key);
  create.set_range_end(range_end);
  create.set_start_revision(from_revision);
  create.set_fragment(true);
  Cluster& cluster = state_->cluster;
  return cluster.ask<std::unique_ptr<Watch>>(
      Repeat::freely, [&](Member& member, std::unique_ptr<Call>) -> Result<std::unique_ptr<Watch>> {
        // A context of its own: the watch has no deadline.
        auto call = std::make_unique<Call>(cluster.calls());
        cluster.sign(call->context);
        auto stream = Stream::open(member, std::move(call), request, cluster.timeout());
        if (!stream) {
          return tl::make_unexpected(stream.error());
        }
        return std::unique_ptr<Watch>(new Watch(std::move(*stream)));
      });
}

const std::string& Client::endpoint() const {
  return state_->cluster.endpoint();
}

void Client::move_on() {
  state_->cluster.move_on();
}

void Client::shut_down() {
  state_->cluster.shut_down();
}

}  // namespace weft::etcd
