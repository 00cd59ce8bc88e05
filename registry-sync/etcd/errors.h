// SPDX-License-Identifier: Apache-2.0
/// @file gRPC's and etcd's words for what went wrong, in ours. Of this room alone.
#pragma once

#include <grpcpp/support/status.h>

#include "etcd/types.h"

namespace weft::etcd {

/// @param member its URL, for the message
Error to_error(const grpc::Status& status, const std::string& member);
/// Does etcd ask for another token than the call had? True also of what it says to a watch whose token it forgot.
bool wants_new_token(const Error& error);
/// May another member, or this one in a moment, answer better?
inline bool is_passing(const Error& error) {
  return error.kind == Error::Kind::unavailable || error.kind == Error::Kind::deadline;
}

}  // namespace weft::etcd
