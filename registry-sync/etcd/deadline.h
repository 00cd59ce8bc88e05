// SPDX-License-Identifier: Apache-2.0
/// @file Deadlines on a clock that nobody sets: one that is put back an hour would make a wait an hour longer. Of this
/// room alone.
#pragma once

#include <grpc/support/time.h>
#include <grpcpp/support/time.h>

#include <algorithm>
#include <chrono>

namespace weft::etcd {

using Clock = std::chrono::steady_clock;

/// As gRPC wants it.
inline gpr_timespec grpc_deadline(Clock::time_point until) {
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(until - Clock::now()).count();
  return gpr_time_add(gpr_now(GPR_CLOCK_MONOTONIC), gpr_time_from_millis(std::max<int64_t>(left, 0), GPR_TIMESPAN));
}
inline gpr_timespec grpc_deadline(std::chrono::milliseconds wait) {
  return grpc_deadline(Clock::now() + wait);
}

}  // namespace weft::etcd
