// SPDX-License-Identifier: Apache-2.0
/// @file Metrics of protections: a sample of what happened, by service and by what it was.
#include "ops/protection_metrics.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace weft::ops {
namespace {

using proxy::Protection;
using testing::HasSubstr;
using testing::Not;

TEST(ProtectionMetrics, AreOfWhatHappenedInAllWorkers) {
  constexpr uint32_t kWorkers = 2;
  lb::Service web{.name = "shop/web",
                  .address = *lb::parse_address("10.96.0.10"),
                  .port = lb::port_from_host(80),
                  .protocol = lb::Protocol::tcp,
                  .slot = 1};
  web.table = std::make_shared<lb::MaglevTable>(std::vector<lb::MaglevMember>(), 251, 1);
  lb::Service quiet = web;
  quiet.name = "shop/quiet";
  quiet.address = *lb::parse_address("10.96.0.11");
  quiet.slot = 2;
  const lb::Snapshot snapshot(1, 1, {web, quiet});
  proxy::Protections protections(4, 4, kWorkers);
  for (uint32_t worker = 0; worker < kWorkers; ++worker) {
    protections.counters[worker][1].overflow(Protection::caller_max_requests).add();
  }
  protections.counters[0][1].limited.add();
  protections.counters[1][1].retries_refused.add();
  protections.counters[0][1].ejections[static_cast<size_t>(lb::Ejection::consecutive_5xx)].add();
  Metrics metrics;
  add_protection_metrics(snapshot, protections, metrics);
  const std::string of_web = R"({service="shop/web",address="10.96.0.10:80",)";
  EXPECT_THAT(metrics.text(),
              HasSubstr("weft_protection_refusals_total" + of_web + "protection=\"caller_max_requests\"} 2\n"));
  EXPECT_THAT(metrics.text(),
              HasSubstr("weft_protection_refusals_total" + of_web + "protection=\"request_limit\"} 1\n"));
  EXPECT_THAT(metrics.text(),
              HasSubstr("weft_protection_refusals_total" + of_web + "protection=\"retry_budget\"} 1\n"));
  EXPECT_THAT(metrics.text(), HasSubstr("weft_protection_ejections_total" + of_web + "why=\"consecutive_5xx\"} 1\n"));
  EXPECT_THAT(metrics.text(), Not(HasSubstr("shop/quiet")));
}

}  // namespace
}  // namespace weft::ops
