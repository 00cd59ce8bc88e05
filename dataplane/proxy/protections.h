// SPDX-License-Identifier: Apache-2.0
/// @file What protects services of a node from each other and from themselves, for all workers: circuit breakers,
/// outlier detection, and what was counted of both.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <string_view>
#include <vector>

#include "lb/breaker.h"
#include "lb/caller_board.h"
#include "lb/outlier.h"
#include "lb/request_limit.h"

namespace weft::proxy {

/// Which of them decided about a request, beside its response flags.
enum class Protection : uint8_t {
  none,
  max_connections,  ///< the first ten are bounds, whose overflows are counted
  max_pending_requests,
  max_requests,
  endpoint_max_connections,
  endpoint_max_requests,
  caller_max_connections,
  caller_max_pending,
  caller_max_requests,
  request_share,     ///< of a worker's requests, as many as the service may have,
  connection_share,  ///< and of its connections
  max_retries,
  retry_budget,
  request_limit,
  all_ejected,  ///< no endpoint is left that is not
  ejected_5xx,  ///< its response was one too many of its endpoint
  ejected_gateway,
  ejected_local,
  ejected_probe,
};
/// "-": none.
std::string_view to_string(Protection protection);
/// For the client that is refused; of the bounds.
std::string_view why(Protection bound);
/// Of a request whose report ejected its endpoint.
Protection protection_of(lb::Ejection ejection);

/// One writer: adding is no locked instruction. Any thread may read.
class ProtectionTally {
 public:
  void add() { value_.store(value_.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed); }
  uint64_t get() const { return value_.load(std::memory_order_relaxed); }
  void reset() { value_.store(0, std::memory_order_relaxed); }

 private:
  std::atomic<uint64_t> value_{0};
};

/// Of a service.
struct ProtectionCounters {
  static constexpr size_t kBounds = 10;

  std::array<ProtectionTally, kBounds> overflows;  ///< requests and connections refused, by Protection, from the first
  ProtectionTally retries_refused;                 ///< for the budget
  ProtectionTally callers_uncounted;  ///< requests and connections that no place was left for to count them by caller
  ProtectionTally limited;            ///< requests refused, as too many came in a time
  std::array<ProtectionTally, lb::kEjections> ejections;  ///< by lb::Ejection
  ProtectionTally held_back;                              ///< ejections, for max_ejection_percent

  ProtectionTally& overflow(Protection bound) { return overflows[static_cast<size_t>(bound) - 1]; }
  void count(const lb::OutlierBoard::Reported& reported);
  void reset();
};

/// One a node; outlives its workers.
struct Protections {
  /// Throws std::bad_alloc. All memory is taken here.
  Protections(uint32_t services, uint32_t endpoints, uint32_t workers);

  /// Once a second or so, by one thread: what needs nobody's request to happen.
  void look_after(const lb::Snapshot& snapshot, uint32_t now);
  /// A slot is nobody's any more; by the same thread.
  void forget_endpoint(uint32_t slot) { outliers.forget(slot); }
  void forget_service(uint32_t slot);

  lb::BreakerBoard breakers;
  lb::OutlierBoard outliers;
  lb::SharedRates rates;
  lb::CallerBoard callers;
  /// By worker and service slot; the last is look_after()'s.
  std::vector<std::vector<ProtectionCounters>> counters;
};

}  // namespace weft::proxy
