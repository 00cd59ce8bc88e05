// SPDX-License-Identifier: Apache-2.0
#include "rehearsal/report.h"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <algorithm>

#include "rehearsal/tables.h"

namespace weft::rehearsal {
namespace {

double seconds_between(Moment from, Moment to) {
  return std::chrono::duration<double>(to - from).count();
}

std::string seconds_text(const Ledger& ledger, const std::optional<Moment>& moment) {
  return moment && ledger.beginning() ? fmt::format("{:.1f} s", seconds_between(*ledger.beginning(), *moment)) : "-";
}

std::string utc_text(const std::optional<Moment>& moment) {
  return moment ? fmt::format("{:%Y-%m-%dT%H:%M:%S}Z", std::chrono::floor<std::chrono::seconds>(*moment)) : "-";
}

double played_s(const Ledger& ledger) {
  return ledger.beginning() && ledger.end() ? seconds_between(*ledger.beginning(), *ledger.end()) : 0;
}

std::string millis_text(uint64_t micros) {
  return fmt::format("{:.2f}", static_cast<double>(micros) / 1000);
}

std::string percent_text(double percent) {
  // What is not all is never shown as 100.
  return percent == 100 ? "100" : fmt::format("{:.3f}", std::min(percent, 99.999));
}

std::string status_text(uint16_t status) {
  return status == 0 ? "none" : std::to_string(status);
}

/// "200: 812, 503: 4"
std::string statuses_of(const Tally& tally) {
  std::string text;
  for (const auto& [status, count] : tally.statuses) {
    text += fmt::format("{}{}: {}", text.empty() ? "" : ", ", status_text(status), count);
  }
  return text;
}

std::string flags_of(const Tally& tally) {
  std::string text;
  for (const auto& [flags, count] : tally.flags) {
    text += fmt::format("{}{}: {}", text.empty() ? "" : ", ", flags, count);
  }
  return text.empty() ? "-" : text;
}

std::string acts_text(const Acts& acts) {
  std::string text;
  for (const auto& [protection, times] : acts.by_protection) {
    if (times == 0) {
      continue;
    }
    text += fmt::format("{}{} {}", text.empty() ? "" : ", ", protection, times);
    std::string rows;
    for (const ProtectionCounter& counter : kProtectionCounters) {
      const auto at = acts.by_row.find(counter.row);
      if (counter.protection == protection && at != acts.by_row.end() && at->second > 0) {
        rows += fmt::format("{}{}", rows.empty() ? "" : ", ", counter.row);
      }
    }
    text += rows.empty() ? "" : " (" + rows + ")";
  }
  return text;
}

std::string_view word_of(Step::Kind kind) {
  return kind == Step::Kind::fault ? "fault" : kind == Step::Kind::run ? "run" : "load";
}

std::string injected(const Ledger& ledger, const Outcome& outcome) {
  std::vector<Row> rows = {{"STEP", "BEGAN", "ENDED", "WHAT"}};
  std::string notes;
  for (size_t i = 0; i < outcome.steps.size(); ++i) {
    const Step& step = ledger.scenario().steps[i];
    const auto& times = ledger.times_of(i);
    rows.push_back({step.name, seconds_text(ledger, times.began), seconds_text(ledger, times.ended),
                    fmt::format("{} {}", word_of(step.kind), outcome.steps[i].what)});
    if (!outcome.steps[i].problem.empty()) {
      notes += fmt::format("  {}: {}\n", step.name, outcome.steps[i].problem);
    }
    if (!outcome.steps[i].said.empty()) {
      notes += fmt::format("  {}: {}\n", step.name, outcome.steps[i].said);
    }
  }
  return "injected:\n" + as_table(rows, {1, 2}) + notes;
}

std::string callers(const Ledger& ledger) {
  std::vector<Row> rows = {{"SERVICE", "CALLER", "PHASE", "REQUESTS", "SUCCESS %", "P50 MS", "P99 MS", "MAX MS",
                            "ATTEMPTS", "STATUSES", "FLAGS"}};
  for (const auto& [cell, tally] : ledger.cells()) {
    rows.push_back({cell.service, cell.caller, to_string(ledger.scenario(), ledger.phases()[cell.phase]),
                    std::to_string(tally.requests), percent_text(tally.success_rate()),
                    millis_text(tally.latencies.quantile(0.5)), millis_text(tally.latencies.quantile(0.99)),
                    millis_text(tally.latencies.quantile(1)), std::to_string(tally.attempts), statuses_of(tally),
                    flags_of(tally)});
  }
  return "callers saw:\n" + (rows.size() == 1 ? "  no requests\n" : as_table(rows, {3, 4, 5, 6, 7, 8}));
}

std::string protections(const Ledger& ledger) {
  std::vector<Row> rows = {{"SERVICE", "PHASE", "ACTED"}};
  for (const std::string& service : ledger.services()) {
    for (const Phase& phase : ledger.phases()) {
      const std::string acts = acts_text(ledger.acts(service, phase));
      const Ledger::Endpoints seen = ledger.endpoints(service, phase);
      std::string endpoints;
      for (const std::string& each : seen.ever_ejected) {
        endpoints += (endpoints.empty() ? "ejected: " : ", ") + each;
      }
      for (const std::string& each : seen.ever_ejected) {
        endpoints += seen.last_ejected.contains(each) ? "" : "; back: " + each;
      }
      if (!acts.empty() || !endpoints.empty()) {
        rows.push_back({service, to_string(ledger.scenario(), phase),
                        acts + (acts.empty() || endpoints.empty() ? "" : "; ") + endpoints});
      }
    }
  }
  return "protections:\n" + (rows.size() == 1 ? "  none acted\n" : as_table(rows, {}));
}

std::string expectations(const Outcome& outcome) {
  std::vector<Row> rows;
  for (const Verdict& verdict : outcome.verdicts) {
    for (const Finding& finding : verdict.findings) {
      rows.push_back({finding.met ? "met" : "NOT MET", verdict.name, verdict.phase, finding.service, finding.measure,
                      finding.expected, finding.found});
    }
  }
  rows.insert(rows.begin(), {"", "EXPECTATION", "PHASE", "SERVICE", "MEASURE", "EXPECTED", "FOUND"});
  return "expectations:\n" + as_table(rows, {});
}

size_t met_count(const Outcome& outcome) {
  return static_cast<size_t>(
      std::count_if(outcome.verdicts.begin(), outcome.verdicts.end(), [](const Verdict& each) { return each.met(); }));
}

std::string_view word_of(Outcome::Ending ending) {
  return ending == Outcome::Ending::complete      ? "complete"
         : ending == Outcome::Ending::interrupted ? "interrupted"
                                                  : "cut short";
}

std::string in_xml(std::string_view text) {
  std::string escaped;
  for (const char c : text) {
    switch (c) {
      case '&':
        escaped += "&amp;";
        break;
      case '<':
        escaped += "&lt;";
        break;
      case '>':
        escaped += "&gt;";
        break;
      case '"':
        escaped += "&quot;";
        break;
      case '\n':
      case '\t':
        escaped += c == '\n' ? "&#10;" : "&#9;";  // as they are, an attribute has a blank for them
        break;
      default:
        // Of control characters XML 1.0 has only three.
        escaped += (c >= 0 && c < ' ') || c == '\x7f' ? '?' : c;
    }
  }
  return escaped;
}

/// A `testsuite` element, and the document around it.
class JUnitSuite {
 public:
  explicit JUnitSuite(std::string_view name) : name_(in_xml(name)) {}

  /// @param failure empty: none
  void add(const std::string& test, const std::string& failure) {
    tests_ += fmt::format("  <testcase classname=\"{}\" name=\"{}\"", name_, in_xml(test));
    tests_ += failure.empty() ? "/>\n" : fmt::format("><failure message=\"{}\"/></testcase>\n", in_xml(failure));
    ++count_;
    failures_ += !failure.empty();
  }

  /// @param attributes more of them, each behind a blank
  std::string text(const std::string& attributes) const {
    return fmt::format(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
        "<testsuite name=\"{}\" tests=\"{}\" failures=\"{}\" errors=\"0\"{}>\n{}</testsuite>\n",
        name_, count_, failures_, attributes, tests_);
  }

 private:
  std::string name_;
  std::string tests_;
  size_t count_ = 0;
  size_t failures_ = 0;
};

Json cell_as_json(const Ledger& ledger, const Ledger::Cell& cell, const Tally& tally) {
  Json statuses = Json::object();
  for (const auto& [status, count] : tally.statuses) {
    statuses[status_text(status)] = count;
  }
  Json flags = Json::object();
  for (const auto& [each, count] : tally.flags) {
    flags[each] = count;
  }
  Json latency = Json::object();
  for (const Quantile& quantile : kQuantiles) {
    latency[quantile.name] = tally.latencies.quantile(quantile.share);
  }
  return {{"service", cell.service},
          {"caller", cell.caller},
          {"phase", to_string(ledger.scenario(), ledger.phases()[cell.phase])},
          {"requests", tally.requests},
          {"succeeded", tally.succeeded},
          {"success_percent", tally.success_rate()},
          {"attempts", tally.attempts},
          {"statuses", statuses},
          {"flags", flags},
          {"latency_us", latency}};
}

}  // namespace

bool Outcome::met() const {
  return ending == Ending::complete && met_count(*this) == verdicts.size() &&
         std::all_of(steps.begin(), steps.end(), [](const StepOutcome& step) { return step.problem.empty(); });
}

std::string as_text(const Ledger& ledger, const Outcome& outcome) {
  const Scenario& scenario = ledger.scenario();
  std::string text =
      fmt::format("scenario {}{}{}\n", scenario.name, scenario.description.empty() ? "" : ": ", scenario.description);
  text += fmt::format("{}: began {}, played {:.1f} s of {:.1f} s; {} requests seen, {} missed\n",
                      word_of(outcome.ending), utc_text(ledger.beginning()), played_s(ledger),
                      std::chrono::duration<double>(scenario.duration).count(), ledger.requests(), ledger.missed());
  if (!outcome.problem.empty()) {
    text += outcome.problem + "\n";
  }
  text += "\n" + injected(ledger, outcome) + "\n" + callers(ledger) + "\n" + protections(ledger) + "\n" +
          expectations(outcome);
  text += fmt::format("{} of {} expectations met: {}\n", met_count(outcome), outcome.verdicts.size(),
                      outcome.met() ? "passed" : "FAILED");
  return text;
}

Json as_json(const Ledger& ledger, const Outcome& outcome) {
  const Scenario& scenario = ledger.scenario();
  Json steps = Json::array();
  for (size_t i = 0; i < outcome.steps.size(); ++i) {
    const auto& times = ledger.times_of(i);
    const auto offset = [&](const std::optional<Moment>& moment) {
      return moment && ledger.beginning() ? Json(seconds_between(*ledger.beginning(), *moment)) : Json();
    };
    steps.push_back({{"step", scenario.steps[i].name},
                     {"kind", word_of(scenario.steps[i].kind)},
                     {"what", outcome.steps[i].what},
                     {"began_s", offset(times.began)},
                     {"ended_s", offset(times.ended)},
                     {"said", outcome.steps[i].said},
                     {"problem", outcome.steps[i].problem},
                     {"counted", outcome.steps[i].counted}});
  }
  Json cells = Json::array();
  for (const auto& [cell, tally] : ledger.cells()) {
    cells.push_back(cell_as_json(ledger, cell, tally));
  }
  Json acted = Json::array();
  for (const std::string& service : ledger.services()) {
    for (const Phase& phase : ledger.phases()) {
      const Ledger::Endpoints seen = ledger.endpoints(service, phase);
      Json row = {{"service", service}, {"phase", to_string(scenario, phase)}};
      const Acts acts = ledger.acts(service, phase);
      row["protections"] = Json::object();
      for (const std::string_view protection : kProtections) {
        const auto at = acts.by_protection.find(protection);
        row["protections"][std::string(protection)] = at == acts.by_protection.end() ? 0 : at->second;
      }
      row["counters"] = Json::object();
      for (const auto& [name, count] : acts.by_row) {
        row["counters"][std::string(name)] = count;
      }
      row["ejected"] = seen.ever_ejected;
      row["ejected_at_end"] = seen.last_ejected;
      const bool any = std::any_of(acts.by_protection.begin(), acts.by_protection.end(),
                                   [](const auto& each) { return each.second > 0; });
      if (any || !seen.ever_ejected.empty()) {
        acted.push_back(std::move(row));
      }
    }
  }
  Json verdicts = Json::array();
  for (const Verdict& verdict : outcome.verdicts) {
    Json findings = Json::array();
    for (const Finding& each : verdict.findings) {
      findings.push_back({{"service", each.service},
                          {"measure", each.measure},
                          {"expected", each.expected},
                          {"found", each.found},
                          {"met", each.met}});
    }
    verdicts.push_back(
        {{"expectation", verdict.name}, {"phase", verdict.phase}, {"met", verdict.met()}, {"findings", findings}});
  }
  return {{"scenario", scenario.name},
          {"description", scenario.description},
          {"ending", word_of(outcome.ending)},
          {"problem", outcome.problem},
          {"began", utc_text(ledger.beginning())},
          {"played_s", played_s(ledger)},
          {"requests", ledger.requests()},
          {"missed", ledger.missed()},
          {"steps", steps},
          {"callers", cells},
          {"protections", acted},
          {"expectations", verdicts},
          {"met", outcome.met()}};
}

std::string as_junit(const Ledger& ledger, const Outcome& outcome) {
  JUnitSuite suite(ledger.scenario().name);
  for (const Verdict& verdict : outcome.verdicts) {
    std::string failure;
    for (const Finding& each : verdict.findings) {
      if (!each.met) {
        failure += fmt::format("{}{} {}: expected {}, found {}", failure.empty() ? "" : "; ", each.service,
                               each.measure, each.expected, each.found);
      }
    }
    suite.add(fmt::format("{} ({})", verdict.name, verdict.phase), failure);
  }
  for (size_t i = 0; i < outcome.steps.size(); ++i) {
    if (!outcome.steps[i].problem.empty()) {
      suite.add("step " + ledger.scenario().steps[i].name, outcome.steps[i].problem);
    }
  }
  if (outcome.ending != Outcome::Ending::complete) {
    suite.add("played to its end", fmt::format("{}: {}", word_of(outcome.ending), outcome.problem));
  }
  return suite.text(
      fmt::format(" timestamp=\"{}\" time=\"{:.3f}\"", utc_text(ledger.beginning()).substr(0, 19), played_s(ledger)));
}

std::string refusal_as_junit(const std::string& scenario, const std::string& why) {
  JUnitSuite suite(scenario);
  suite.add("played to its end", why);
  return suite.text("");
}

}  // namespace weft::rehearsal
