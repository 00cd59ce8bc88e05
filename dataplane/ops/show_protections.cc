// SPDX-License-Identifier: Apache-2.0
// What `show protections` shows: of each service, what circuit breakers, retry budgets and outlier detection allow for,
// what is in use, and what they refused; and what they say of an endpoint. And which signatures were found.
#include <fmt/format.h>

#include <array>

#include "lb/http_policy.h"
#include "ops/inspection_report.h"
#include "ops/outlier_report.h"
#include "ops/service_names.h"
#include "ops/show.h"

namespace weft::ops {
namespace {

using lb::BreakerBoard;
using Bound = proxy::Protection;

template <typename Of>
uint64_t protection_sum(const proxy::Protections& protections, uint32_t slot, Of of) {
  uint64_t sum = 0;
  for (const std::vector<proxy::ProtectionCounters>& each : protections.counters) {
    sum += of(each[slot]).get();
  }
  return sum;
}

Json protection_row(const proxy::Protections& protections, const lb::Service& service) {
  const uint32_t slot = service.slot;
  const lb::RequestPolicy& policy = service.request_policy();
  const BreakerBoard& board = protections.breakers;
  const auto overflows = [&](Bound bound) {
    return protection_sum(
        protections, slot, [&](const proxy::ProtectionCounters& counters) -> const auto& {
          return counters.overflows[static_cast<size_t>(bound) - 1];
        });
  };
  const auto ejections = [&](lb::Ejection why) {
    return protection_sum(
        protections, slot, [&](const proxy::ProtectionCounters& counters) -> const auto& {
          return counters.ejections[static_cast<size_t>(why)];
        });
  };
  const SignatureHits hits = service.inspection == nullptr ? SignatureHits() : hits_of(*service.inspection);
  const uint32_t requests = board.in_use(BreakerBoard::requests, slot);
  const uint32_t retries = board.retries(slot);
  return {{"service", service.name},
          {"address", to_string(service.address, service.port)},
          {"connections", board.in_use(BreakerBoard::connections, slot)},
          {"max_connections", policy.breaker.max_connections},
          {"pending_requests", board.in_use(BreakerBoard::pending, slot)},
          {"max_pending_requests", policy.breaker.max_pending_requests},
          {"requests", requests},
          {"max_requests", policy.breaker.max_requests},
          {"retries", retries},
          {"max_retries", policy.retry_budget.most(requests - std::min(requests, retries))},
          {"connection_overflows", overflows(Bound::max_connections)},
          {"pending_overflows", overflows(Bound::max_pending_requests)},
          {"request_overflows", overflows(Bound::max_requests)},
          {"endpoint_connection_overflows", overflows(Bound::endpoint_max_connections)},
          {"endpoint_request_overflows", overflows(Bound::endpoint_max_requests)},
          {"caller_limits", !policy.callers.empty()},
          {"caller_connection_overflows", overflows(Bound::caller_max_connections)},
          {"caller_pending_overflows", overflows(Bound::caller_max_pending)},
          {"caller_request_overflows", overflows(Bound::caller_max_requests)},
          {"callers_uncounted", protection_sum(
                                    protections, slot, [](const proxy::ProtectionCounters& counters) -> const auto& {
                                      return counters.callers_uncounted;
                                    })},
          {"request_share_overflows", overflows(Bound::request_share)},
          {"connection_share_overflows", overflows(Bound::connection_share)},
          {"retries_refused", protection_sum(
                                  protections, slot, [](const proxy::ProtectionCounters& counters) -> const auto& {
                                    return counters.retries_refused;
                                  })},
          {"request_limits", policy.limits.size()},
          {"limited", protection_sum(
                          protections, slot,
                          [](const proxy::ProtectionCounters& counters) -> const auto& { return counters.limited; })},
          {"outlier_detection", policy.outlier.enabled},
          {"ejected", protections.outliers.ejected(slot)},
          {"panic", policy.outlier.enabled && protections.outliers.is_panic(service, policy.outlier)},
          {"ejections_consecutive_5xx", ejections(lb::Ejection::consecutive_5xx)},
          {"ejections_consecutive_gateway", ejections(lb::Ejection::consecutive_gateway)},
          {"ejections_consecutive_local", ejections(lb::Ejection::consecutive_local)},
          {"ejections_success_rate", ejections(lb::Ejection::success_rate)},
          {"ejections_probe", ejections(lb::Ejection::probe)},
          {"ejections_held_back", protection_sum(
                                      protections, slot, [](const proxy::ProtectionCounters& counters) -> const auto& {
                                        return counters.held_back;
                                      })},
          {"inspected_by", service.inspection == nullptr ? Json() : Json(policies_of(*service.inspection))},
          {"signatures_found", hits.sum},
          {"signatures_found_most", hits.most}};
}

}  // namespace

std::string OutlierReport::text() const {
  return state.empty()        ? ""
         : state == "ejected" ? fmt::format("ejected for another {} s: {}", seconds, reason)
         : state == "due"     ? "ejected, and the next request that falls on it is its probe"
                              : "on trial: it has its probe";
}

OutlierReport outlier_report(const lb::OutlierBoard& board, uint32_t endpoint_slot, uint32_t now) {
  const lb::OutlierBoard::State state = board.state(endpoint_slot);
  OutlierReport report{.times = state.times};
  if (state.phase == lb::OutlierBoard::State::Phase::in_service) {
    return report;
  }
  report.reason = to_string(state.why);
  if (state.phase == lb::OutlierBoard::State::Phase::on_trial) {
    report.state = "on trial";
    return report;
  }
  const auto left = static_cast<int32_t>(state.until - now);
  report.state = left > 0 ? "ejected" : "due";
  report.seconds = left > 0 ? (static_cast<uint32_t>(left) + 999) / 1000 : 0;
  return report;
}

Answer show_protections(node::Node& node, const Words& arguments) {
  if (arguments.size() > 1) {
    return tl::unexpected(std::string());
  }
  const auto snapshot = node.snapshots().current();
  std::vector<const lb::Service*> services;
  if (!arguments.empty()) {
    const auto named = services_named(*snapshot, arguments[0]);
    if (!named) {
      return tl::unexpected(named.error());
    }
    services = *named;
  } else {
    for (const lb::Service& service : snapshot->services()) {
      services.push_back(&service);
    }
  }
  Json list = Json::array();
  for (const lb::Service* service : services) {
    if (node.protections() != nullptr && service->protocol == lb::Protocol::tcp) {
      list.push_back(protection_row(*node.protections(), *service));
    }
  }
  return list;
}

}  // namespace weft::ops
