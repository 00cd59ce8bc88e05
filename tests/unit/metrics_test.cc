// SPDX-License-Identifier: Apache-2.0
// What `show metrics` says is read by a reader that takes the format at its word, and nothing beside it.
#include "ops/metrics.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <map>
#include <regex>
#include <set>
#include <sstream>

#include "ops/show_metrics.h"

namespace weft::ops {
namespace {

using testing::HasSubstr;

/// Samples by name and labels as they stand there.
using Samples = std::map<std::string, std::string>;

/// Strict: HELP, TYPE and samples of a family in this order and together, each family and each sample once, only the
/// escapes there are, counters by "_total" and no gauge. What is wrong fails the test.
Samples read(const std::string& text) {
  static const std::regex kHelp(R"(# HELP ([a-z][a-z0-9_]*) ((?:[^\\]|\\\\|\\n)+))");
  static const std::regex kType(R"(# TYPE ([a-z][a-z0-9_]*) (counter|gauge))");
  static const std::regex kSample(
      R"re(([a-z][a-z0-9_]*)((?:\{[a-z]+="(?:[^"\\]|\\\\|\\n|\\")*"(?:,[a-z]+="(?:[^"\\]|\\\\|\\n|\\")*")*\})?) (\S+))re");
  static const std::regex kValue(R"(-?\d+(\.\d+)?(e[+-]?\d+)?|NaN|[+-]Inf)");
  Samples samples;
  std::set<std::string> families;
  std::string helped;
  std::string family;
  EXPECT_TRUE(text.empty() || text.back() == '\n');
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    std::smatch match;
    if (std::regex_match(line, match, kHelp)) {
      helped = match[1];
      EXPECT_TRUE(families.insert(helped).second) << "twice: " << line;
      EXPECT_TRUE(helped.starts_with("weft_")) << line;
    } else if (std::regex_match(line, match, kType)) {
      family = match[1];
      EXPECT_EQ(family, helped) << line;
      EXPECT_EQ(match[2] == "counter", family.ends_with("_total")) << line;
    } else if (std::regex_match(line, match, kSample)) {
      EXPECT_EQ(match[1], family) << line;
      const std::string value = match[3];
      EXPECT_TRUE(std::regex_match(value, kValue)) << line;
      EXPECT_TRUE(samples.emplace(match[1].str() + match[2].str(), value).second) << "twice: " << line;
    } else {
      ADD_FAILURE() << "not of the format: " << line;
    }
  }
  return samples;
}

TEST(Metrics, AFamilyIsItsHelpItsTypeAndItsSamples) {
  Metrics metrics;
  metrics.gauge("weft_up", "whether it is up").add(true);
  metrics.counter("weft_packets_total", "by worker").add(7U, {{"worker", "0"}}).add(UINT64_MAX, {{"worker", "1"}});
  EXPECT_EQ(metrics.text(),
            "# HELP weft_up whether it is up\n"
            "# TYPE weft_up gauge\n"
            "weft_up 1\n"
            "# HELP weft_packets_total by worker\n"
            "# TYPE weft_packets_total counter\n"
            "weft_packets_total{worker=\"0\"} 7\n"
            "weft_packets_total{worker=\"1\"} 18446744073709551615\n");
  EXPECT_EQ(read(metrics.text()).size(), 3U);
}

TEST(Metrics, WhateverALabelHoldsItStaysOneLine) {
  Metrics metrics;
  metrics.gauge("weft_info", "a \\ and\na line, \"quoted\"").add(1, {{"node", "a\"b\\c\nd} 2"}, {"zone", ""}});
  EXPECT_EQ(metrics.text(),
            "# HELP weft_info a \\\\ and\\na line, \"quoted\"\n"
            "# TYPE weft_info gauge\n"
            "weft_info{node=\"a\\\"b\\\\c\\nd} 2\",zone=\"\"} 1\n");
  EXPECT_EQ(read(metrics.text()).size(), 1U);
}

TEST(Metrics, NumbersAreAsTheFormatWritesThem) {
  Metrics metrics;
  metrics.gauge("weft_x", "x")
      .add(0.25, {{"of", "a"}})
      .add(1e300, {{"of", "b"}})
      .add(std::nan(""), {{"of", "c"}})
      .add(std::numeric_limits<double>::infinity(), {{"of", "d"}})
      .add(-std::numeric_limits<double>::infinity(), {{"of", "e"}})
      .add(int64_t{-3}, {{"of", "f"}});
  EXPECT_EQ(read(metrics.text()), (Samples{{"weft_x{of=\"a\"}", "0.25"},
                                           {"weft_x{of=\"b\"}", "1e+300"},
                                           {"weft_x{of=\"c\"}", "NaN"},
                                           {"weft_x{of=\"d\"}", "+Inf"},
                                           {"weft_x{of=\"e\"}", "-Inf"},
                                           {"weft_x{of=\"f\"}", "-3"}}));
}

TEST(Metrics, RowsAreFamiliesByWorker) {
  struct Pair {
    uint64_t bytes = 0;
    uint64_t now = 0;
  };
  constexpr std::array kRows = {
      CounterRow<Pair>{"bytes_sent", "bytes", [](const Pair& pair) { return pair.bytes; }, "of payload"},
      CounterRow<Pair>{"clients", "connections", [](const Pair& pair) { return pair.now; }, "now"}};
  Metrics metrics;
  add_counters(metrics, "x", kRows, std::vector<std::pair<size_t, Pair>>{{0, {5, 1}}, {2, {6, 3}}},
               [](std::string_view name) { return name == "clients"; });
  EXPECT_EQ(read(metrics.text()), (Samples{{"weft_x_sent_bytes_total{worker=\"0\"}", "5"},
                                           {"weft_x_sent_bytes_total{worker=\"2\"}", "6"},
                                           {"weft_x_clients{worker=\"0\"}", "1"},
                                           {"weft_x_clients{worker=\"2\"}", "3"}}));
  EXPECT_THAT(metrics.text(), HasSubstr("# HELP weft_x_sent_bytes_total bytes: of payload\n"));
}

registry::Status::Time at(int64_t second) {
  return registry::Status::Time(std::chrono::seconds(second));
}

Samples of_registry(const registry::Status& status) {
  Metrics metrics;
  add_registry_metrics(status, at(1000), metrics);
  return read(metrics.text());
}

TEST(RegistryMetrics, TellOfAStoreThatIsAwayAndOfWhatIsHeld) {
  registry::Status status;
  status.whole = true;
  status.revision = 42;
  status.last_good = at(900);
  status.store = {.endpoint = "http://10.0.0.1:2379",
                  .connected = false,
                  .since = at(990),
                  .reconnects = 3,
                  .lists = 2,
                  .error = "away"};
  status.admission = {.keys = 10,
                      .instances = 8,
                      .in_force = 9,
                      .refused = 1,
                      .held = 4,
                      .held_of = {},
                      .refusals = 7,
                      .holds = 5,
                      .messages = {}};
  const Samples away = of_registry(status);
  const Samples expected = {
      {"weft_registry_ready", "1"},          {"weft_registry_connected", "0"},
      {"weft_registry_age_seconds", "10"},   {"weft_registry_reconnects_total", "3"},
      {"weft_registry_lists_total", "2"},    {"weft_registry_keys", "10"},
      {"weft_registry_instances", "8"},      {"weft_registry_refused_keys", "1"},
      {"weft_registry_held_keys", "4"},      {"weft_registry_holds_total", "5"},
      {"weft_registry_refusals_total", "7"}, {"weft_registry_alarm", "1"},
      {"weft_registry_revision", "42"},      {"weft_registry_last_good_timestamp_seconds", "900"}};
  for (const auto& [name, value] : expected) {
    EXPECT_EQ(away.contains(name) ? away.at(name) : "none", value) << name;
  }
  EXPECT_FALSE(away.contains("weft_registry_cache_writes_total")) << "there is no cache";
  status.store->connected = true;
  status.admission->held = 0;
  const Samples back = of_registry(status);
  EXPECT_EQ(back.at("weft_registry_connected"), "1");
  EXPECT_EQ(back.at("weft_registry_age_seconds"), "0");
  EXPECT_EQ(back.at("weft_registry_alarm"), "0");
  EXPECT_EQ(back.at("weft_registry_holds_total"), "5");
}

TEST(RegistryMetrics, TellOfTheCache) {
  registry::Status status;
  status.store.emplace();
  status.cached = at(500);
  status.cache = {
      .path = "/x",
      .read_error = "",
      .written = {.writes = 3, .failures = 2, .last_error = "", .documents = 9, .bytes = 800, .saved = at(950)}};
  const Samples samples = of_registry(status);
  EXPECT_EQ(samples.at("weft_registry_from_cache"), "1");
  EXPECT_EQ(samples.at("weft_registry_cache_writes_total"), "3");
  EXPECT_EQ(samples.at("weft_registry_cache_failures_total"), "2");
  EXPECT_EQ(samples.at("weft_registry_cache_documents"), "9");
  EXPECT_EQ(samples.at("weft_registry_cache_bytes"), "800");
  EXPECT_EQ(samples.at("weft_registry_cache_written_timestamp_seconds"), "950");
}

TEST(RegistryMetrics, OfAFolderSayNothingOfEtcd) {
  const Samples samples = of_registry({});
  EXPECT_EQ(samples.at("weft_registry_ready"), "0");
  EXPECT_EQ(samples.at("weft_registry_last_good_timestamp_seconds"), "0");
  EXPECT_FALSE(samples.contains("weft_registry_connected"));
  EXPECT_FALSE(samples.contains("weft_registry_alarm"));
}

}  // namespace
}  // namespace weft::ops
