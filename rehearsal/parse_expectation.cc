// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "registry-sync/parse_http_values.h"
#include "rehearsal/parse_parts.h"
#include "rehearsal/protection.h"

namespace weft::rehearsal {
namespace {

using registry::Fields;
using registry::in_quotes;

constexpr double kMostCount = 1e12;
constexpr uint16_t kMostStatus = 599;

std::optional<Bounds> bounds(Fields& outer, std::string_view key, double least, double most) {
  Fields fields = outer.mapping(key);
  if (!fields) {
    return std::nullopt;
  }
  const Bounds read{.least = decimal(fields, "min", least, most), .most = decimal(fields, "max", least, most)};
  if (!fields.has("min") && !fields.has("max")) {
    outer.error(key, "expected min, max or both");
  } else if (read.least && read.most && *read.least > *read.most) {
    fields.error("min", "expected no more than max, " + fields.text("max") + ", got " + fields.text("min"));
  }
  fields.finish();
  return read;
}

/// For reports: a line of a table each.
void check_one_line(Fields& fields, std::string_view key, const std::string& text) {
  if (std::any_of(text.begin(), text.end(), [](char c) { return (c >= 0 && c < ' ') || c == '\x7f'; })) {
    fields.error(key, "expected one line without control characters, got " + in_quotes(text));
  }
}

std::string service_name(Fields& fields, std::string_view key, const std::string& text) {
  const bool good = !text.empty() && text.size() <= 4 * kMostName &&
                    std::all_of(text.begin(), text.end(), [](char c) { return c > ' ' - 1 && c < '\x7f'; }) &&
                    std::count(text.begin(), text.end(), '/') <= 1;
  if (!good) {
    fields.error(key, "expected a service such as shop/cart, got " + in_quotes(text));
  }
  return full_service_name(text);
}

void parse_services(Fields& fields, Expectation& expected) {
  const std::optional<std::string> service = fields.string("service");
  const std::vector<std::string> excepted = fields.strings("servicesExcept");
  if (fields.has("service") == fields.has("servicesExcept")) {
    fields.error("service", "expected one of service or servicesExcept");
  }
  if (service) {
    expected.service = service_name(fields, "service", *service);
  }
  for (const std::string& each : excepted) {
    expected.excepted.push_back(service_name(fields, "servicesExcept", each));
  }
}

Caller parse_caller(Fields& fields) {
  const std::optional<std::string> text = fields.string("caller");
  if (!text) {
    return {};
  }
  if (const std::optional<lb::Prefix> prefix = lb::parse_prefix(*text)) {
    return {.prefix = prefix};
  }
  const size_t slash = text->find('/');
  if (lb::parse_address(text->substr(0, slash))) {
    fields.error("caller", "expected an address prefix without bits behind its length, got " + in_quotes(*text));
  }
  return {.service = service_name(fields, "caller", *text)};
}

/// Is there such a phase, and does it last for longer than is left out of it?
Phase parse_phase(Fields& fields, const Scenario& scenario, Millis settle) {
  constexpr std::string_view kDuring = "during ";
  const std::string text = fields.string("phase").value_or("whole");
  const auto& steps = scenario.steps;
  Millis lasts = scenario.duration;
  Phase phase;
  const auto disrupts = [](const Step& step) { return step.disrupts(); };
  if (text.starts_with(kDuring)) {
    const std::string name = text.substr(kDuring.size());
    const auto at = std::find_if(steps.begin(), steps.end(), [&](const Step& step) { return step.name == name; });
    if (at == steps.end() || !at->disrupts()) {
      fields.error("phase", at == steps.end() ? "there is no step " + in_quotes(name)
                                              : "step " + in_quotes(name) + " is load, and begins no phase");
      return phase;
    }
    phase = {.kind = Phase::Kind::during, .step = static_cast<size_t>(at - steps.begin())};
    lasts = at->lasts.value_or(scenario.duration - at->at);
  } else if (text == "before" || text == "after") {
    if (std::none_of(steps.begin(), steps.end(), disrupts)) {
      fields.error("phase", "no step is a fault or run, which it could be " + text);
      return phase;
    }
    Millis first = scenario.duration;
    Millis last{};
    for (const Step& step : steps) {
      if (step.disrupts()) {
        first = std::min(first, step.at);
        last = std::max(last, step.lasts ? step.at + *step.lasts : scenario.duration);
      }
    }
    phase.kind = text == "before" ? Phase::Kind::before : Phase::Kind::after;
    lasts = text == "before" ? first : scenario.duration - last;
    if (lasts <= Millis(0)) {
      fields.error("phase", text == "before" ? "the first step begins at once: nothing is before it"
                                             : "the last step ends with the scenario: nothing is after it");
      return phase;
    }
  } else if (text != "whole") {
    fields.error("phase", "expected whole, before, after or during and the name of a step, got " + in_quotes(text));
    return phase;
  }
  if (scenario.duration > Millis(0) && settle >= lasts) {
    fields.error("settle", "expected less than the phase lasts, " + in_words(lasts) + ", got " +
                               in_quotes(fields.text("settle")));
  }
  return phase;
}

void parse_statuses(Fields& fields, Match& match) {
  fields.ignore({"status"});
  if (!fields.has("status")) {
    return;
  }
  const std::string text = fields.text("status");
  const auto status = [](std::string_view digits) { return registry::parse_integer(digits, 100, kMostStatus); };
  const size_t dash = text.find('-');
  std::optional<int64_t> first = status(text.substr(0, dash));
  std::optional<int64_t> last = dash == std::string::npos ? first : status(text.substr(dash + 1));
  if (text == "none") {
    first = last = 0;
  } else if (text.size() == 3 && text.ends_with("xx") && text[0] >= '1' && text[0] <= '5') {
    first = (text[0] - '0') * 100;
    last = *first + 99;
  }
  if (!first || !last || *first > *last) {
    fields.error("status", "expected a status, a range such as 500-503, 5xx or none, got " + in_quotes(text));
    return;
  }
  match.first_status = static_cast<uint16_t>(*first);
  match.last_status = static_cast<uint16_t>(*last);
}

Match parse_match(Fields fields) {
  Match match;
  if (!fields) {
    return match;
  }
  parse_statuses(fields, match);
  match.flag = fields
                   .word("flag", {"UH", "UF", "UO", "NR", "URX", "UC", "UT", "UR", "DC", "DPE", "UPE", "SI", "DT",
                                  "RBAC", "RL", "DI", "FI", "SIG"})
                   .value_or("");
  match.detail = fields.string("detail").value_or("");
  match.answered_by = fields.word("answeredBy", {"endpoint", "weft", "nobody"}).value_or("");
  if (match == Match{}) {
    fields.error("status", "expected one of status, flag, detail or answeredBy");
  }
  fields.finish();
  return match;
}

void parse_latency(Fields fields, Expectation& expected) {
  if (!fields) {
    return;
  }
  bool any = false;
  for (size_t i = 0; i < kQuantileCount; ++i) {
    any = any || fields.has(kQuantiles[i].name);
    expected.latency[i] = duration_within(fields, kQuantiles[i].name, Millis(1), kMostDuration);
  }
  if (!any) {
    fields.error("p99", "expected one of p50, p90, p95, p99, p999 or max");
  }
  fields.finish();
}

std::optional<Unchanged> parse_unchanged(Fields fields) {
  constexpr double kMostFactor = 1000;
  if (!fields) {
    return std::nullopt;
  }
  Unchanged read;
  read.success_points = decimal(fields, "successRate", 0, kAll).value_or(read.success_points);
  read.latency_factor = decimal(fields, "latency", 1, kMostFactor).value_or(read.latency_factor);
  read.slack = duration_within(fields, "slack", Millis(0), Millis(60'000)).value_or(read.slack);
  fields.finish();
  return read;
}

std::vector<std::string> parse_protections(Fields& fields, std::string_view key) {
  std::vector<std::string> names = fields.strings(key);
  for (const std::string& name : names) {
    if (std::find(kProtections.begin(), kProtections.end(), name) == kProtections.end()) {
      fields.error(
          key, "expected " + registry::listed({kProtections.begin(), kProtections.end()}) + ", got " + in_quotes(name));
    }
  }
  return names;
}

void check_measures(Fields& fields, const Scenario& scenario, const Expectation& expected) {
  bool any = fields.has("unchanged");
  for (const char* key : {"successRate", "share", "count", "attempts", "latency"}) {
    any = any || fields.has(key);
  }
  const bool of_service = !(expected.acted.empty() && expected.not_acted.empty() && expected.ejected.empty() &&
                            expected.in_service.empty());
  if (!any && !of_service) {
    fields.error("successRate",
                 "expected one of successRate, share, count, attempts, latency, unchanged, acted, notActed, ejected "
                 "or inService");
  }
  if (fields.has("share") && expected.match == Match{}) {
    fields.error("share", "expected match beside it: a share of which requests?");
  }
  for (const char* key : {"ejected", "inService"}) {
    if (fields.has(key) && expected.service.empty()) {
      fields.error(key, "expected service beside it: endpoints of which one?");
    }
  }
  for (const std::string& name : expected.acted) {
    if (std::find(expected.not_acted.begin(), expected.not_acted.end(), name) != expected.not_acted.end()) {
      fields.error("notActed", in_quotes(name) + " is in acted, too");
    }
  }
  if (fields.has("unchanged") &&
      (expected.phase.kind == Phase::Kind::whole || expected.phase.kind == Phase::Kind::before)) {
    fields.error("unchanged", "expected the phase during a step, or after: it is compared with before");
  } else if (fields.has("unchanged") && std::any_of(scenario.steps.begin(), scenario.steps.end(), [](const Step& step) {
               return step.disrupts() && step.at == Millis(0);
             })) {
    fields.error("unchanged", "the first step begins at once: there is nothing before it to compare with");
  }
}

}  // namespace

Expectation parse_expectation(Fields fields, const Scenario& scenario) {
  Expectation expected;
  expected.name = fields.string("name").value_or("");
  registry::check_length(fields, "name", expected.name, 2 * kMostName);
  check_one_line(fields, "name", expected.name);
  parse_services(fields, expected);
  expected.caller = parse_caller(fields);
  expected.settle = duration_within(fields, "settle", Millis(0), kMostDuration).value_or(Millis(0));
  expected.phase = parse_phase(fields, scenario, expected.settle);
  expected.min_requests =
      static_cast<uint64_t>(fields.integer("minRequests", 0, static_cast<int64_t>(kMostCount)).value_or(1));
  expected.match = parse_match(fields.mapping("match"));
  expected.success_rate = bounds(fields, "successRate", 0, kAll);
  expected.share = bounds(fields, "share", 0, kAll);
  expected.count = bounds(fields, "count", 0, kMostCount);
  expected.attempts = bounds(fields, "attempts", 0, kAll);
  parse_latency(fields.mapping("latency"), expected);
  expected.unchanged = parse_unchanged(fields.mapping("unchanged"));
  expected.acted = parse_protections(fields, "acted");
  expected.not_acted = parse_protections(fields, "notActed");
  expected.ejected = fields.strings("ejected");
  expected.in_service = fields.strings("inService");
  for (const auto& [key, endpoints] : {std::pair("ejected", &expected.ejected), {"inService", &expected.in_service}}) {
    for (const std::string& each : *endpoints) {
      check_one_line(fields, key, each);
    }
  }
  check_measures(fields, scenario, expected);
  fields.finish();
  return expected;
}

}  // namespace weft::rehearsal
