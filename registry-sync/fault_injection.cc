// SPDX-License-Identifier: Apache-2.0
#include "registry-sync/fault_injection.h"

#include "lb/http_policy.h"
#include "registry-sync/http_resources.h"

namespace weft::registry {

std::string FaultInjection::key() const {
  switch (kind) {
    case Kind::gateway:
      return gateway_key(target);
    case Kind::route:
      return route_faults_key(target);
    case Kind::service:
      break;
  }
  return target;
}

FaultCarrier carrier_of(const lb::Service& service) {
  return {.mode = service.policy.mode,
          .protocol = service.protocol,
          .reads_requests = service.http != nullptr && service.http->protocol != lb::AppProtocol::opaque};
}

std::string carrying_problem(const FaultInjection& injection, const FaultCarrier& carrier) {
  const lb::Fault& fault = injection.fault;
  const bool asks_requests = !fault.headers.empty() || !fault.route.empty();
  if (carrier.mode == lb::Mode::proxy) {
    if (fault.loss > 0 || fault.bits_per_second > 0) {
      return std::string("its connections end at weft, and ") + (fault.loss > 0 ? "loss" : "bandwidth") +
             " is for packets that are forwarded";
    }
    if (!carrier.reads_requests && (asks_requests || fault.abort_status != 0)) {
      return std::string("its requests are not read, and ") + (asks_requests ? "headers are" : "abort.httpStatus is") +
             " for requests";
    }
    return "";
  }
  const std::string forwarded = "it is forwarded packet by packet, and ";
  if (asks_requests) {
    return forwarded + "headers are for requests";
  }
  if (fault.abort_status != 0) {
    return forwarded + "abort.httpStatus is for requests";
  }
  if (fault.delay) {
    return forwarded + "delay is for requests, and for connections that end at weft";
  }
  if (fault.resets && carrier.protocol != lb::Protocol::tcp) {
    return "it is UDP, and abort.reset is for TCP";
  }
  return "";
}

}  // namespace weft::registry
