// SPDX-License-Identifier: Apache-2.0
#include "proxy/protections.h"

namespace weft::proxy {
namespace {

/// Of limits of requests: half a megabyte.
constexpr uint32_t kBuckets = 65536;
/// Of pairs of a caller and a service that are in use at a time.
constexpr uint32_t kCallerPlaces = 4096;

}  // namespace

std::string_view to_string(Protection protection) {
  static constexpr std::array<std::string_view, 19> kNames = {"-",
                                                              "max_connections",
                                                              "max_pending_requests",
                                                              "max_requests",
                                                              "endpoint_max_connections",
                                                              "endpoint_max_requests",
                                                              "caller_max_connections",
                                                              "caller_max_pending_requests",
                                                              "caller_max_requests",
                                                              "request_share",
                                                              "connection_share",
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
    case Protection::caller_max_connections:
      return "the caller has as many connections to the service as it may";
    case Protection::caller_max_pending:
      return "as many requests of the caller wait for connections to the service as may";
    case Protection::caller_max_requests:
      return "the caller has as many requests to the service under way as it may";
    case Protection::request_share:
      return "the service has its share of the requests that may be under way";
    case Protection::connection_share:
      return "the service has its share of the connections that there may be";
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
  callers_uncounted.reset();
  limited.reset();
  held_back.reset();
}

Protections::Protections(uint32_t services, uint32_t endpoints, uint32_t workers)
    : breakers(services, endpoints, workers),
      outliers(services, endpoints, workers),
      rates(kBuckets, workers),
      callers(kCallerPlaces, workers) {
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
