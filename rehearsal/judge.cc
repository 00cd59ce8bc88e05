// SPDX-License-Identifier: Apache-2.0
#include "rehearsal/judge.h"

#include <fmt/format.h>

#include <algorithm>

namespace weft::rehearsal {
namespace {

/// As many digits as say something: 99.95, and 100.
std::string digits_of(double value) {
  std::string text = fmt::format("{:.3f}", value);
  text.erase(text.find_last_not_of('0') + 1);
  return text.ends_with('.') ? text.substr(0, text.size() - 1) : text;
}

std::string milliseconds_of(uint64_t micros) {
  return digits_of(static_cast<double>(micros) / 1000) + " ms";
}

std::string in_text(const Bounds& bounds, std::string_view unit) {
  const std::string least = bounds.least ? fmt::format("{}{} at least", digits_of(*bounds.least), unit) : "";
  const std::string most = bounds.most ? fmt::format("{}{} at most", digits_of(*bounds.most), unit) : "";
  return least + (least.empty() || most.empty() ? "" : ", ") + most;
}

bool within(const Bounds& bounds, double value) {
  return (!bounds.least || value >= *bounds.least) && (!bounds.most || value <= *bounds.most);
}

double share_of(uint64_t part, uint64_t whole) {
  return whole == 0 ? 0 : 100 * static_cast<double>(part) / static_cast<double>(whole);
}

std::string joined(const std::set<std::string>& names) {
  std::string text;
  for (const std::string& name : names) {
    text += (text.empty() ? "" : ", ") + name;
  }
  return text.empty() ? "none" : text;
}

class Judgement {
 public:
  Judgement(const Ledger& ledger, size_t number)
      : ledger_(ledger), expected_(ledger.scenario().expectations[number]), evidence_(ledger.evidence(number)) {}

  std::vector<Finding> findings() {
    if (!ledger_.reached(expected_.phase)) {
      add("", "phase", to_string(ledger_.scenario(), expected_.phase), "the scenario ended before it", false);
      return std::move(findings_);
    }
    for (const std::string& service : services()) {
      const auto at = evidence_.find(service);
      judge_requests(service, at == evidence_.end() ? Evidence{} : at->second);
      judge_acts(service);
      judge_endpoints(service);
    }
    if (findings_.empty()) {
      add("", "services", "any", "no such service had a request", false);
    }
    return std::move(findings_);
  }

 private:
  void add(const std::string& service, std::string measure, std::string expected, std::string found, bool met) {
    findings_.push_back({.service = service,
                         .measure = std::move(measure),
                         .expected = std::move(expected),
                         .found = std::move(found),
                         .met = met});
  }

  /// The one that is named, or those that were seen.
  std::set<std::string> services() const {
    if (!expected_.service.empty()) {
      return {expected_.service};
    }
    std::set<std::string> names;
    for (const auto& [service, evidence] : evidence_) {
      if (!expected_.unchanged || evidence.before.requests > 0) {
        names.insert(service);
      }
    }
    return names;
  }

  bool asks_for_requests() const {
    return expected_.success_rate || expected_.share || expected_.attempts || expected_.count || expected_.unchanged ||
           std::any_of(std::begin(expected_.latency), std::end(expected_.latency),
                       [](const auto& each) { return each.has_value(); });
  }

  void judge_requests(const std::string& service, const Evidence& evidence) {
    const Tally& all = evidence.all;
    const Tally& matched = evidence.matched;
    if (!asks_for_requests()) {
      return;
    }
    if (all.requests < expected_.min_requests) {
      add(service, "requests", fmt::format("{} at least", expected_.min_requests), std::to_string(all.requests), false);
      return;
    }
    if (expected_.success_rate) {
      const double rate = matched.success_rate();
      add(service, "successRate", in_text(*expected_.success_rate, " %"),
          fmt::format("{} % of {} requests", digits_of(rate), matched.requests),
          matched.requests > 0 && within(*expected_.success_rate, rate));
    }
    if (expected_.share) {
      const double share = share_of(matched.requests, all.requests);
      add(service, "share", in_text(*expected_.share, " %"),
          fmt::format("{} %: {} of {}", digits_of(share), matched.requests, all.requests),
          within(*expected_.share, share));
    }
    if (expected_.count) {
      add(service, "count", in_text(*expected_.count, ""), std::to_string(matched.requests),
          within(*expected_.count, static_cast<double>(matched.requests)));
    }
    if (expected_.attempts) {
      const double attempts =
          matched.requests == 0 ? 0 : static_cast<double>(matched.attempts) / static_cast<double>(matched.requests);
      add(service, "attempts", in_text(*expected_.attempts, " a request"),
          fmt::format("{} a request", digits_of(attempts)), within(*expected_.attempts, attempts));
    }
    judge_latency(service, matched);
    if (expected_.unchanged) {
      compare(service, evidence);
    }
  }

  void judge_latency(const std::string& service, const Tally& matched) {
    for (size_t i = 0; i < kQuantileCount; ++i) {
      if (expected_.latency[i]) {
        const uint64_t found = matched.latencies.quantile(kQuantiles[i].share);
        const auto most = static_cast<uint64_t>(expected_.latency[i]->count()) * 1000;
        add(service, fmt::format("latency {}", kQuantiles[i].name), milliseconds_of(most) + " at most",
            matched.requests == 0 ? "no such request" : milliseconds_of(found), matched.requests > 0 && found <= most);
      }
    }
  }

  void compare(const std::string& service, const Evidence& evidence) {
    const Unchanged& allowed = *expected_.unchanged;
    if (evidence.before.requests == 0) {
      add(service, "unchanged", "requests before", "none", false);
      return;
    }
    const double before = evidence.before.success_rate();
    const double now = evidence.all.success_rate();
    add(service, "unchanged successRate",
        fmt::format("{} % less {} at most", digits_of(before), digits_of(allowed.success_points)),
        fmt::format("{} % of {} requests", digits_of(now), evidence.all.requests),
        now >= before - allowed.success_points);
    for (const Quantile& quantile : {kQuantiles[0], kQuantiles[3]}) {
      const uint64_t was = evidence.before.latencies.quantile(quantile.share);
      const uint64_t is = evidence.all.latencies.quantile(quantile.share);
      const auto most = static_cast<uint64_t>(static_cast<double>(was) * allowed.latency_factor) +
                        static_cast<uint64_t>(allowed.slack.count()) * 1000;
      add(service, fmt::format("unchanged latency {}", quantile.name),
          fmt::format("{} at most, as it was {}", milliseconds_of(most), milliseconds_of(was)), milliseconds_of(is),
          is <= most);
    }
  }

  void judge_acts(const std::string& service) {
    if (expected_.acted.empty() && expected_.not_acted.empty()) {
      return;
    }
    const Acts acts = ledger_.acts(service, expected_.phase);
    const auto times = [&](const std::string& protection) {
      const auto at = acts.by_protection.find(protection);
      return at == acts.by_protection.end() ? uint64_t{0} : at->second;
    };
    for (const std::string& each : expected_.acted) {
      add(service, each, "to act", fmt::format("{} times", times(each)), times(each) > 0);
    }
    for (const std::string& each : expected_.not_acted) {
      const bool of_requests = std::find(kOfRequests.begin(), kOfRequests.end(), each) != kOfRequests.end();
      const bool could_tell = of_requests ? acts.requests > 0 : acts.was_seen;
      add(service, each, "not to act",
          could_tell || times(each) > 0 ? fmt::format("{} times", times(each))
          : of_requests                 ? "no requests, which would tell"
                                        : "the node told nothing of the service",
          could_tell && times(each) == 0);
    }
  }

  void judge_endpoints(const std::string& service) {
    if (expected_.ejected.empty() && expected_.in_service.empty()) {
      return;
    }
    const Ledger::Endpoints seen = ledger_.endpoints(service, expected_.phase);
    for (const std::string& each : expected_.ejected) {
      add(service, "endpoint " + each, "ejected", "ejected were: " + joined(seen.ever_ejected),
          seen.ever_ejected.contains(each));
    }
    for (const std::string& each : expected_.in_service) {
      const bool there = seen.all.contains(each);
      add(service, "endpoint " + each, "in service at the end",
          !there ? "there is no such endpoint" : "ejected at the end: " + joined(seen.last_ejected),
          there && !seen.last_ejected.contains(each));
    }
  }

  const Ledger& ledger_;
  const Expectation& expected_;
  const std::map<std::string, Evidence>& evidence_;
  std::vector<Finding> findings_;
};

std::string name_of_expectation(const Expectation& expected) {
  if (!expected.name.empty()) {
    return expected.name;
  }
  std::string text = expected.service;
  if (text.empty()) {
    text = "every service";
    for (const std::string& each : expected.excepted) {
      text += (&each == &expected.excepted.front() ? " but " : ", ") + each;
    }
  }
  if (!expected.caller.anybody()) {
    text += " for " + (expected.caller.prefix ? to_string(*expected.caller.prefix) : expected.caller.service);
  }
  return text;
}

}  // namespace

bool Verdict::met() const {
  return std::all_of(findings.begin(), findings.end(), [](const Finding& each) { return each.met; });
}

std::vector<Verdict> judge(const Ledger& ledger) {
  const Scenario& scenario = ledger.scenario();
  std::vector<Verdict> verdicts;
  for (size_t i = 0; i < scenario.expectations.size(); ++i) {
    const Expectation& expected = scenario.expectations[i];
    verdicts.push_back({.name = name_of_expectation(expected),
                        .phase = to_string(scenario, expected.phase),
                        .findings = Judgement(ledger, i).findings()});
  }
  const double missed = share_of(ledger.missed(), ledger.missed() + ledger.requests());
  verdicts.push_back({.name = "requests that no record came of",
                      .phase = to_string(scenario, {}),
                      .findings = {{.service = "",
                                    .measure = "missed",
                                    .expected = digits_of(scenario.most_missed) + " % at most",
                                    .found = fmt::format("{} %: {}", digits_of(missed), ledger.missed()),
                                    .met = missed <= scenario.most_missed}}});
  return verdicts;
}

}  // namespace weft::rehearsal
