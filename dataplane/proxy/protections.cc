// SPDX-License-Identifier: Apache-2.0
#include "proxy/protections.h"

namespace weft::proxy {
namespace {

/// Of limits of requests: half a megabyte.
constexpr uint32_t kBuckets = 65536;

}  // namespace

std::string_view to_string(Protection protection) {
  static constexpr std::array<std::string_view, 14> kNames = {"-",
                                                              "max_connections",
                                                              "max_pending_requests",
                                                              "max_requests",
                                                              "endpoint_max_connections",
                                                              "endpoint_max_requests",
                                                              "max_retries",
                                                              "retry_budget",
                                                              "request_limit",
                                                              "all_ejected",
                                                              "ejected:consecutive_5xx",
                                                              "ejected:consecutive_gateway",
                                                              "ejected:consecutive_local",
                                                              "ejected:probe"};
  return kNames[static_cast<size_t>(protection)];
}

std::string_view why(Protection bound) {
  switch (bound) {
    case Protection::max_connections:
      return "the service has as many connections as its circuit breaker allows";
    case Protection::max_pending_requests:
      return "as many requests wait for connections to the service as its circuit breaker allows";
    case Protection::max_requests:
      return "the service has as many requests under way as its circuit breaker allows";
    case Protection::endpoint_max_connections:
      return "the endpoint has as many connections as its circuit breaker allows";
    default:
      return "the endpoint has as many requests under way as its circuit breaker allows";
  }
}

Protection protection_of(lb::Ejection ejection) {
  switch (ejection) {
    case lb::Ejection::consecutive_5xx:
      return Protection::ejected_5xx;
    case lb::Ejection::consecutive_gateway:
      return Protection::ejected_gateway;
    case lb::Ejection::consecutive_local:
      return Protection::ejected_local;
    case lb::Ejection::probe:
      return Protection::ejected_probe;
    default:
      return Protection::none;
  }
}

void ProtectionCounters::count(const lb::OutlierBoard::Reported& reported) {
  if (reported.ejected != lb::Ejection::none) {
    ejections[static_cast<size_t>(reported.ejected)].add();
  }
  if (reported.held_back != lb::Ejection::none) {
    held_back.add();
  }
}

void ProtectionCounters::reset() {
  for (ProtectionTally& each : overflows) {
    each.reset();
  }
  for (ProtectionTally& each : ejections) {
    each.reset();
  }
  retries_refused.reset();
  limited.reset();
  held_back.reset();
}

Protections::Protections(uint32_t services, uint32_t endpoints, uint32_t workers)
    : breakers(services, endpoints, workers), outliers(services, endpoints, workers), rates(kBuckets, workers) {
  for (uint32_t worker = 0; worker <= workers; ++worker) {
    counters.emplace_back(services);
  }
}

void Protections::look_after(const lb::Snapshot& snapshot, uint32_t now) {
  outliers.look_after(snapshot, now, [&](uint32_t service, const lb::OutlierBoard::Reported& reported) {
    counters.back()[service].count(reported);
  });
  breakers.forget_wishes();
}

void Protections::forget_service(uint32_t slot) {
  for (std::vector<ProtectionCounters>& each : counters) {
    each[slot].reset();
  }
}

}  // namespace weft::proxy
