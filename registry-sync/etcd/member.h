// SPDX-License-Identifier: Apache-2.0
/// @file The members of a cluster as options name them, each with its connection. Of this room alone.
#pragma once

#include <grpcpp/channel.h>

#include <memory>
#include <string>
#include <vector>

#include "etcd/tls_files.h"
#include "rpc.grpc.pb.h"

namespace weft::etcd {

struct Member {
  std::string url;
  std::shared_ptr<grpc::Channel> channel;  ///< connects when it is first asked to, and again when it broke
  std::unique_ptr<etcdserverpb::KV::Stub> kv;
  std::unique_ptr<etcdserverpb::Watch::Stub> watch;
  std::unique_ptr<etcdserverpb::Lease::Stub> lease;
  std::unique_ptr<etcdserverpb::Auth::Stub> auth;
};

/// In the order of the options. Precondition: check(options) has nothing to say.
std::vector<Member> make_members(const Options& options, const TlsFiles& files);

}  // namespace weft::etcd
