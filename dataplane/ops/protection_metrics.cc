// SPDX-License-Identifier: Apache-2.0
#include "ops/protection_metrics.h"

#include <string>

#include "lb/http_policy.h"

namespace weft::ops {
namespace {

using proxy::Protection;
using proxy::ProtectionCounters;

class ProtectionFamilies {
 public:
  ProtectionFamilies(const lb::Snapshot& snapshot, const proxy::Protections& protections, Metrics& metrics)
      : snapshot_(snapshot), protections_(protections), metrics_(metrics) {}

  /// @param of a service's counters, the tally
  template <typename Of>
  void add(std::string_view label, std::string_view value, Of of) const {
    for_each([&](const lb::Service& service, const std::string& address) {
      uint64_t sum = 0;
      for (const std::vector<ProtectionCounters>& worker : protections_.counters) {
        sum += of(worker[service.slot]).get();
      }
      if (sum > 0) {
        metrics_.add(sum, {{"service", service.name}, {"address", address}, {label, value}});
      }
    });
  }
  void add_ejected() const {
    for_each([&](const lb::Service& service, const std::string& address) {
      if (const uint32_t ejected = protections_.outliers.ejected(service.slot); ejected > 0) {
        metrics_.add(ejected, {{"service", service.name}, {"address", address}});
      }
    });
  }

 private:
  template <typename Use>
  void for_each(Use use) const {
    for (const lb::Service& service : snapshot_.services()) {
      if (service.protocol == lb::Protocol::tcp) {
        use(service, to_string(service.address, service.port));
      }
    }
  }

  const lb::Snapshot& snapshot_;
  const proxy::Protections& protections_;
  Metrics& metrics_;
};

}  // namespace

void add_protection_metrics(const lb::Snapshot& snapshot, const proxy::Protections& protections, Metrics& metrics) {
  const ProtectionFamilies families(snapshot, protections, metrics);
  metrics.counter("weft_protection_refusals_total", "requests, connections and retries, by what refused them");
  for (size_t i = 0; i < ProtectionCounters::kBounds; ++i) {
    families.add(
        "protection",
        proxy::to_string(static_cast<Protection>(i + 1)), [i](const ProtectionCounters& each) -> const auto& {
          return each.overflows[i];
        });
  }
  families.add(
      "protection", proxy::to_string(Protection::request_limit),
      [](const ProtectionCounters& each) -> const auto& { return each.limited; });
  families.add(
      "protection", proxy::to_string(Protection::retry_budget),
      [](const ProtectionCounters& each) -> const auto& { return each.retries_refused; });
  metrics.counter("weft_protection_ejections_total", "of endpoints, by what was seen");
  for (size_t i = 1; i < lb::kEjections; ++i) {
    families.add(
        "why", lb::to_string(static_cast<lb::Ejection>(i)), [i](const ProtectionCounters& each) -> const auto& {
          return each.ejections[i];
        });
  }
  families.add(
      "why", "held_back", [](const ProtectionCounters& each) -> const auto& { return each.held_back; });
  metrics.gauge("weft_protection_ejected_endpoints", "now");
  families.add_ejected();
}

}  // namespace weft::ops
