// SPDX-License-Identifier: Apache-2.0
/// @file Faults that are injected on purpose, as requests meet them. As with Envoy's fault filter, a request is delayed
/// and aborted before it is balanced: no endpoint, breaker or budget hears of it. What looks dead is the opposite: an
/// attempt like any other, whose connection never comes about.
#include <algorithm>
#include <utility>

#include "lb/fault.h"
#include "proxy/http_proxy.h"

namespace weft::proxy {
namespace {

/// Within which a request that waits learns that its fault was stopped.
constexpr time::Millis kLookAtDelayed = 1'000;

}  // namespace

lb::FaultScope HttpProxy::fault_scope(const Exchange& x, const lb::HttpRule& rule) {
  return {.client = x.pair.remote,
          .caller = caller_of(x.pair.remote),
          .route = rule.route,
          .request = &request_.view,
          .now_ns = static_cast<uint64_t>(turn_.time.count())};
}

void HttpProxy::note_fault(Exchange& x, const lb::Fault& fault, lb::Injected what) {
  faults_->count(config_.worker, fault, what);
  if (x.fault.length == 0) {
    x.fault.set(fault.name);
  }
}

/// Null: it has been stopped or changed since.
const lb::Fault* HttpProxy::fault_of(const Exchange& x, uint64_t id) const {
  for (const uint32_t slot : {x.listener_slot, x.backend_slot}) {
    const lb::Service* const service = slot == kNobody ? nullptr : turn_.snapshot->service_at(slot);
    if (const lb::Fault* const fault = service == nullptr ? nullptr : lb::find_fault(service->faults.get(), id)) {
      return fault;
    }
  }
  return nullptr;
}

/// Decided once a request, of the service asked for and then of where the route leads. Precondition: request_ is the
/// exchange's. @returns false: it was answered, or waits
bool HttpProxy::pass_faults(uint32_t number, const lb::Service& listener, const lb::Service& service,
                            const lb::HttpRule& rule) {
  Exchange& x = exchanges_[number];
  if (x.attempts > 0) {
    return true;
  }
  if (!x.faults_decided) {
    x.faults_decided = true;
    const lb::FaultScope scope = fault_scope(x, rule);
    lb::Injection injection;
    for (const lb::Service* each : {&listener, &service == &listener ? nullptr : &service}) {
      if (each != nullptr && each->faults != nullptr) {
        injection.add(*each->faults, scope, random_);
      }
    }
    x.aborted_by = injection.aborted_by == nullptr ? 0 : injection.aborted_by->id;
    if (injection.delayed_by != nullptr) {
      delay_request(number, service, injection);
      return false;
    }
  }
  const uint64_t by = std::exchange(x.aborted_by, 0);
  const lb::Fault* const fault = by == 0 ? nullptr : fault_of(x, by);
  if (fault == nullptr || lb::is_over(*fault, static_cast<uint64_t>(turn_.time.count()))) {
    return true;
  }
  abort_request(number, *fault);
  return false;
}

/// Among the requests of the service that it goes to: one that is slow leaves the others theirs, rehearsed or not.
void HttpProxy::delay_request(uint32_t number, const lb::Service& service, const lb::Injection& injection) {
  if (!has_request_share(service)) {
    return overflow(number, service.slot, Protection::request_share);
  }
  Exchange& x = exchanges_[number];
  x.flags |= response_flag::delay_injected;
  note_fault(x, *injection.delayed_by, lb::Injected::delayed);
  x.delayed_by = injection.delayed_by->id;
  x.delayed_at = service.slot;
  ++delayed_[service.slot];
  ++all_delayed_;
  x.delay_end = turn_.millis + injection.delay_ms;
  try_again(number, std::min<time::Millis>(injection.delay_ms, kLookAtDelayed));
}

/// Is it to wait on? Then until resume_at.
bool HttpProxy::waits_for_fault(Exchange& x) const {
  const auto left = static_cast<int32_t>(x.delay_end - turn_.millis);
  if (x.delayed_by == 0 || left <= 0 || fault_of(x, x.delayed_by) == nullptr) {
    return false;
  }
  x.resume_at = turn_.millis + std::min<time::Millis>(static_cast<time::Millis>(left), kLookAtDelayed);
  return true;
}

void HttpProxy::end_delay(Exchange& x) {
  if (x.delayed_at != kNobody) {
    --delayed_[std::exchange(x.delayed_at, kNobody)];
    --all_delayed_;
    x.delayed_by = 0;
  }
}

void HttpProxy::abort_request(uint32_t number, const lb::Fault& fault) {
  Exchange& x = exchanges_[number];
  x.fault.set(fault.name);
  note_fault(x, fault, fault.resets ? lb::Injected::reset : lb::Injected::aborted);
  x.flags |= response_flag::fault_injected;
  if (fault.resets) {
    engine_.abort(clients_[x.client].id);
    forget_client(std::exchange(x.client, kNobody));
    return close_exchange(number);
  }
  const bool has_body = fault.abort_status != 204 && fault.abort_status != 205 && fault.abort_status != 304;
  fail(number, {fault.abort_status, response_flag::fault_injected, has_body ? "a fault is injected" : ""});
}

/// The fault by which the attempt at this endpoint gets no answer; null: none. It is counted with the attempt.
const lb::Fault* HttpProxy::killer_of(const Exchange& x, const lb::Service& listener, const lb::Service& service,
                                      const lb::HttpRule& rule, const lb::Target& target) {
  const lb::FaultScope scope = fault_scope(x, rule);
  for (const lb::Service* each : {&listener, &service == &listener ? nullptr : &service}) {
    const lb::Fault* const fault = each == nullptr || each->faults == nullptr
                                       ? nullptr
                                       : lb::killer_of(*each->faults, scope, target.address, random_);
    if (fault != nullptr) {
      return fault;
    }
  }
  return nullptr;
}

}  // namespace weft::proxy
