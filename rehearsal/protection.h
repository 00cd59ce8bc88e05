// SPDX-License-Identifier: Apache-2.0
/// @file What protects services, by the names that scenarios call it, and how often it acted: what the node counts
/// (`show protections`), and what access records tell.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace weft::rehearsal {

/// A counter of `show protections`, and the protection that it is of.
struct ProtectionCounter {
  std::string_view row;
  std::string_view protection;
};
inline constexpr std::array kProtectionCounters = {
    ProtectionCounter{"ejections_consecutive_5xx", "outlierDetection"},
    ProtectionCounter{"ejections_consecutive_gateway", "outlierDetection"},
    ProtectionCounter{"ejections_consecutive_local", "outlierDetection"},
    ProtectionCounter{"ejections_success_rate", "outlierDetection"},
    ProtectionCounter{"ejections_probe", "outlierDetection"},
    ProtectionCounter{"ejections_held_back", "maxEjectionPercent"},
    ProtectionCounter{"connection_overflows", "circuitBreaker"},
    ProtectionCounter{"pending_overflows", "circuitBreaker"},
    ProtectionCounter{"request_overflows", "circuitBreaker"},
    ProtectionCounter{"endpoint_connection_overflows", "circuitBreaker"},
    ProtectionCounter{"endpoint_request_overflows", "circuitBreaker"},
    ProtectionCounter{"retries_refused", "retryBudget"},
    ProtectionCounter{"limited", "rateLimit"},
};

/// All that can be asked for: those above, and what is not a counter.
inline constexpr std::array<std::string_view, 9> kProtections = {
    "outlierDetection", "maxEjectionPercent", "panic",        "circuitBreaker", "retries",
    "retryBudget",      "rateLimit",          "accessPolicy", "faultInjection"};

/// Those that access records tell of.
inline constexpr std::array<std::string_view, 3> kOfRequests = {"retries", "accessPolicy", "faultInjection"};

/// What a look saw of a service; of several ports the sum.
struct ProtectionSample {
  std::array<uint64_t, kProtectionCounters.size()> counts{};
  bool panic = false;
};

}  // namespace weft::rehearsal
