// SPDX-License-Identifier: Apache-2.0
/// @file When an endpoint is an outlier, and for how long it gets no requests then: Istio's outlierDetection, and of
/// Envoy's OutlierDetection what Istio has no fields for.
#pragma once

#include <chrono>
#include <cstdint>

namespace weft::lb {

/// Ejects endpoints whose success rate lies far below the others'.
struct SuccessRate {
  uint32_t stdev_factor_permille = 0;  ///< below the mean by more than so many standard deviations; 0: does not
  uint32_t minimum_hosts = 5;          ///< with enough requests, else nobody is judged
  uint32_t request_volume = 100;       ///< enough: in an interval

  bool operator==(const SuccessRate&) const = default;
};

struct OutlierPolicy {
  bool enabled = false;
  bool split_local_origin = false;   ///< failures without a response count apart, not as 5xx
  uint32_t consecutive_5xx = 5;      ///< 0: not looked at; so are the two below
  uint32_t consecutive_gateway = 0;  ///< 502, 503, 504
  uint32_t consecutive_local = 5;    ///< if split_local_origin
  std::chrono::milliseconds interval{10'000};
  std::chrono::milliseconds base_ejection{30'000};  ///< times how often it was ejected,
  std::chrono::milliseconds max_ejection{300'000};  ///< but no longer; at least base_ejection
  uint32_t max_ejection_percent = 10;  ///< while fewer of the service's endpoints are ejected, another one may be
  uint32_t min_health_percent = 0;     ///< with fewer that are not ejected, all get requests (panic); 0: never
  SuccessRate success_rate;

  bool operator==(const OutlierPolicy&) const = default;
};

}  // namespace weft::lb
