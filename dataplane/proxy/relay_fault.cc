// SPDX-License-Identifier: Apache-2.0
/// @file Faults that are injected on purpose, as connections meet them whose requests nobody reads: they are reset,
/// wait before they go on to their endpoint, or find it dead.
#include "lb/fault.h"
#include "lb/http_policy.h"
#include "proxy/relay.h"

namespace weft::proxy {

/// Precondition: the service has faults.
Relay::Suffering Relay::suffer(const lb::Service& service, const lb::Target& target, const lb::Address& client,
                               const lb::Snapshot& snapshot, time::Time now) {
  Suffering suffering;
  if (config_.faults == nullptr) {
    return suffering;
  }
  const lb::FaultScope scope{
      .client = client, .caller = snapshot.callers().find(client), .now_ns = static_cast<uint64_t>(now.count())};
  lb::Injection injection;
  injection.add(*service.faults, scope, random_);
  const auto count = [&](const lb::Fault& fault, lb::Injected what) {
    config_.faults->count(config_.worker, fault, what);
  };
  if (injection.delayed_by != nullptr) {
    count(*injection.delayed_by, lb::Injected::delayed);
    suffering.waits_ms = injection.delay_ms;
  }
  if (injection.aborted_by != nullptr) {
    count(*injection.aborted_by, lb::Injected::reset);
    suffering.ends = End::reset;
  } else if (const lb::Fault* const killer = lb::killer_of(*service.faults, scope, target.address, random_)) {
    count(*killer, lb::Injected::dead);
    suffering.ends = End::dead;
    suffering.waits_ms +=
        static_cast<uint32_t>(std::min<int64_t>(service.request_policy().connect_timeout.count(), INT32_MAX));
  }
  return suffering;
}

/// A session's time has come: it goes on to its endpoint, or ends as it was to end.
void Relay::fire(uint32_t number) {
  Session& session = sessions_[number];
  if (!session.in_use || session.called) {
    return;
  }
  switch (session.fault_end) {
    case End::reset:
      return reset(number);
    case End::dead:
      return over(number, false, tcp::event::timed_out);
    case End::none:
      call(number);
  }
}

}  // namespace weft::proxy
