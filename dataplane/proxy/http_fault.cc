// SPDX-License-Identifier: Apache-2.0
/// @file Faults that are injected on purpose, as requests meet them. As with Envoy's fault filter, a request is delayed
/// and aborted before it is balanced: no endpoint, breaker or budget hears of it. What looks dead is the opposite: an
/// attempt like any other, whose connection never comes about.
#include "lb/fault.h"
#include "proxy/http_proxy.h"

namespace weft::proxy {
namespace {

/// In Exchange's abort_status: no status, but the client's connection is reset.
constexpr uint16_t kReset = 1;

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
    if (const lb::Fault* const fault = injection.aborted_by) {
      x.abort_status = fault->resets ? kReset : fault->abort_status;
      note_fault(x, *fault, fault->resets ? lb::Injected::reset : lb::Injected::aborted);
    }
    if (injection.delayed_by != nullptr) {
      x.flags |= response_flag::delay_injected;
      note_fault(x, *injection.delayed_by, lb::Injected::delayed);
      try_again(number, injection.delay_ms);
      return false;
    }
  }
  if (x.abort_status == 0) {
    return true;
  }
  x.flags |= response_flag::fault_injected;
  if (x.abort_status == kReset) {
    engine_.abort(clients_[x.client].id);
    forget_client(std::exchange(x.client, kNobody));
    close_exchange(number);
    return false;
  }
  const bool has_body = x.abort_status != 204 && x.abort_status != 205 && x.abort_status != 304;
  fail(number, {x.abort_status, response_flag::fault_injected, has_body ? "a fault is injected" : ""});
  return false;
}

/// Does the attempt at this endpoint get no answer?
bool HttpProxy::looks_dead(Exchange& x, const lb::Service& listener, const lb::Service& service,
                           const lb::HttpRule& rule, const lb::Target& target) {
  const lb::FaultScope scope = fault_scope(x, rule);
  for (const lb::Service* each : {&listener, &service == &listener ? nullptr : &service}) {
    if (each == nullptr || each->faults == nullptr) {
      continue;
    }
    if (const lb::Fault* const fault = lb::killer_of(*each->faults, scope, target.address, random_)) {
      note_fault(x, *fault, lb::Injected::dead);
      return true;
    }
  }
  return false;
}

}  // namespace weft::proxy
