// SPDX-License-Identifier: Apache-2.0
/// @file How many requests a service takes in a time: each takes a token of every limit that is about it.
#include "lb/http_policy.h"
#include "lb/request_limit.h"
#include "proxy/http_proxy.h"

namespace weft::proxy {

/// Precondition: request_ is the exchange's. What limits before the one that is used up gave is spent. @returns false:
/// answered
bool HttpProxy::is_within_limits(uint32_t number, const lb::Service& service, const lb::HttpRule& rule) {
  constexpr uint64_t kSecond = 1'000'000'000;
  Exchange& x = exchanges_[number];
  const auto now_ns = static_cast<uint64_t>(turn_.time.count());
  for (const lb::RequestLimit& limit : service.request_policy().limits) {
    if (!limit.route.empty() && limit.route != rule.route) {
      continue;
    }
    const lb::Caller* const caller = limit.by == lb::RequestLimit::By::service ? caller_of(x.pair.remote) : nullptr;
    const uint64_t wait =
        limiter_.take(lb::bucket_key(limit, request_.view, x.pair.remote, caller), limit.rate, now_ns);
    if (wait == 0) {
      continue;
    }
    ++books_.limited;
    protections_->counters[config_.worker][service.slot].limited.add();
    x.decided_by = Protection::request_limit;
    x.limit.set(limit.name);
    x.flags |= response_flag::rate_limited;
    edits_.clear();
    edits_.add({HeaderEdit::Kind::set, "retry-after", texts_.take_number((wait + kSecond - 1) / kSecond)});
    reply(number, {.status = 429,
                   .flags = response_flag::rate_limited,
                   .why = "more requests came than a limit of the service allows"});
    return false;
  }
  return true;
}

}  // namespace weft::proxy
