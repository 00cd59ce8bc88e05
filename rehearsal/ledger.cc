// SPDX-License-Identifier: Apache-2.0
#include "rehearsal/ledger.h"

#include <algorithm>

namespace weft::rehearsal {
namespace {

constexpr size_t kMostCallers = 50;  // of a service, that the report names
constexpr std::string_view kOtherCallers = "(others)";
/// What weft's access records say of what was aborted or delayed on purpose, as Envoy's do. What looks dead on purpose
/// has the flags of what is dead.
constexpr std::array<std::string_view, 2> kFaultFlags = {"FI", "DI"};

bool had_fault(const Request& request) {
  return !request.fault.empty() || std::any_of(kFaultFlags.begin(), kFaultFlags.end(),
                                               [&](std::string_view flag) { return request.has_flag(flag); });
}

bool means(const Match& match, const Request& request) {
  return request.status >= match.first_status && request.status <= match.last_status &&
         (match.flag.empty() || request.has_flag(match.flag)) &&
         (match.detail.empty() || request.has_detail(match.detail)) &&
         (match.answered_by.empty() || request.answered_by == match.answered_by);
}

bool is_of(const Caller& caller, const lb::Address& client, const std::vector<std::string>& services) {
  return caller.anybody() || (caller.prefix && caller.prefix->contains(client)) ||
         (!caller.service.empty() && std::find(services.begin(), services.end(), caller.service) != services.end());
}

bool is_meant(const Expectation& expected, const std::string& service) {
  return expected.service.empty()
             ? std::find(expected.excepted.begin(), expected.excepted.end(), service) == expected.excepted.end()
             : expected.service == service;
}

}  // namespace

void Tally::add(const Request& request) {
  ++requests;
  succeeded += request.succeeded();
  attempts += request.attempts;
  ++statuses[request.status];
  if (request.flags != "-" && !request.flags.empty()) {
    ++flags[request.flags];
  }
  latencies.add(static_cast<uint64_t>(std::max<int64_t>(0, request.duration.count())));
}

double Tally::success_rate() const {
  return requests == 0 ? 0 : 100 * static_cast<double>(succeeded) / static_cast<double>(requests);
}

Ledger::Ledger(const Scenario& scenario, std::function<std::vector<std::string>(const lb::Address&)> callers_of)
    : scenario_(scenario),
      callers_of_(std::move(callers_of)),
      phases_(phases_of(scenario)),
      books_(phases_.size()),
      steps_(scenario.steps.size()),
      evidence_(scenario.expectations.size()) {}

size_t Ledger::index_of(const Phase& phase) const {
  return static_cast<size_t>(std::find(phases_.begin(), phases_.end(), phase) - phases_.begin());
}

void Ledger::open(size_t phase) {
  books_[phase].open = books_[phase].opened = true;
  books_[phase].first = books_[phase].last = latest_;
}

void Ledger::began(Moment now) {
  began_ = now;
  for (size_t i = 0; i < phases_.size(); ++i) {
    if (phases_[i].kind == Phase::Kind::whole || phases_[i].kind == Phase::Kind::before) {
      open(i);
    }
  }
}

void Ledger::step_began(size_t step, Moment now) {
  steps_[step].began = now;
  if (!scenario_.steps[step].disrupts()) {
    return;
  }
  if (!first_disruption_) {
    first_disruption_ = now;
    books_[index_of({.kind = Phase::Kind::before})].open = false;
  }
  open(index_of({.kind = Phase::Kind::during, .step = step}));
}

void Ledger::step_ended(size_t step, Moment now) {
  steps_[step].ended = now;
  if (!scenario_.steps[step].disrupts() || ended_) {
    return;
  }
  books_[index_of({.kind = Phase::Kind::during, .step = step})].open = false;
  bool all = true;
  for (size_t i = 0; i < steps_.size(); ++i) {
    all = all && (!scenario_.steps[i].disrupts() || steps_[i].ended);
  }
  if (all) {
    last_disruption_ended_ = now;
    open(index_of({.kind = Phase::Kind::after}));
  }
}

void Ledger::ended(Moment now) {
  ended_ = now;
  for (Books& books : books_) {
    books.open = false;
  }
}

bool Ledger::covers(const Phase& phase, Millis settle, const Request& request) const {
  switch (phase.kind) {
    case Phase::Kind::whole:
      return began_ && request.began >= *began_ + settle;
    case Phase::Kind::before:
      return began_ && request.began >= *began_ + settle &&
             (!first_disruption_ || request.ended() < *first_disruption_);
    case Phase::Kind::during: {
      const StepTimes& times = steps_[phase.step];
      return times.began && (!times.ended || request.began <= *times.ended) &&
             (settle == Millis(0) ? request.ended() >= *times.began : request.began >= *times.began + settle);
    }
    case Phase::Kind::after:
      return last_disruption_ended_ && request.began >= *last_disruption_ended_ + settle;
  }
  return false;
}

std::string Ledger::caller_shown(const std::string& service, const lb::Address& client,
                                 const std::vector<std::string>& services) {
  std::string name = services.empty() ? to_string(client) : services.front();
  std::set<std::string>& known = callers_[service];
  if (known.contains(name) || known.size() < kMostCallers) {
    known.insert(name);
    return name;
  }
  return std::string(kOtherCallers);
}

void Ledger::add(const Request& request) {
  if (!began_ || request.began < *began_ || (ended_ && request.ended() > *ended_)) {
    return;
  }
  ++requests_;
  const std::vector<std::string> callers = callers_of_(request.client);
  const std::string caller = caller_shown(request.service, request.client, callers);
  for (size_t i = 0; i < phases_.size(); ++i) {
    if (!covers(phases_[i], Millis(0), request)) {
      continue;
    }
    cells_[{.service = request.service, .caller = caller, .phase = i}].add(request);
    Books& books = books_[i];
    ++books.requests[request.service];
    if (request.attempts > 1) {
      books.retries[request.service] += request.attempts - 1;
    }
    books.denied[request.service] += request.denied;
    books.faults[request.service] += had_fault(request);
  }
  for (size_t i = 0; i < evidence_.size(); ++i) {
    const Expectation& expected = scenario_.expectations[i];
    if (!is_meant(expected, request.service) || !is_of(expected.caller, request.client, callers)) {
      continue;
    }
    Evidence& evidence = evidence_[i][request.service];
    if (expected.unchanged && covers({.kind = Phase::Kind::before}, Millis(0), request)) {
      evidence.before.add(request);
    }
    if (covers(expected.phase, expected.settle, request)) {
      evidence.all.add(request);
      if (means(expected.match, request)) {
        evidence.matched.add(request);
      }
    }
  }
}

void Ledger::looked(const Look& look) {
  latest_ = look;
  for (Books& books : books_) {
    if (!books.open) {
      continue;
    }
    books.last = look;
    for (const auto& [service, sample] : look) {
      if (sample.panic) {
        books.panicked.insert(service);
      }
    }
  }
}

void Ledger::looked_at_endpoints(const std::string& service, const std::set<std::string>& all,
                                 const std::set<std::string>& ejected) {
  for (Books& books : books_) {
    if (books.open) {
      Endpoints& seen = books.endpoints[service];
      seen.looked = true;
      seen.all.insert(all.begin(), all.end());
      seen.ever_ejected.insert(ejected.begin(), ejected.end());
      seen.last_ejected = ejected;
    }
  }
}

bool Ledger::reached(const Phase& phase) const {
  return books_[index_of(phase)].opened;
}

std::set<std::string> Ledger::services() const {
  std::set<std::string> names;
  for (const auto& [cell, tally] : cells_) {
    names.insert(cell.service);
  }
  for (const auto& [service, sample] : books_[0].last) {
    names.insert(service);
  }
  return names;
}

Acts Ledger::acts(const std::string& service, const Phase& phase) const {
  const Books& books = books_[index_of(phase)];
  Acts acts;
  const auto last = books.last.find(service);
  if (last != books.last.end()) {
    const auto first = books.first.find(service);
    for (size_t i = 0; i < kProtectionCounters.size(); ++i) {
      // A service that is new counts from 0; one that was removed and came back begins anew.
      const uint64_t from = first == books.first.end() ? 0 : first->second.counts[i];
      const uint64_t to = last->second.counts[i];
      const uint64_t more = to >= from ? to - from : to;
      acts.by_row[kProtectionCounters[i].row] += more;
      acts.by_protection[kProtectionCounters[i].protection] += more;
    }
  }
  const auto of = [&](const std::map<std::string, uint64_t>& counts) {
    const auto at = counts.find(service);
    return at == counts.end() ? uint64_t{0} : at->second;
  };
  acts.was_seen = last != books.last.end();
  acts.requests = of(books.requests);
  acts.by_protection["panic"] = books.panicked.contains(service);
  acts.by_protection["retries"] = of(books.retries);
  acts.by_protection["accessPolicy"] = of(books.denied);
  acts.by_protection["faultInjection"] = of(books.faults);
  return acts;
}

Ledger::Endpoints Ledger::endpoints(const std::string& service, const Phase& phase) const {
  const auto& all = books_[index_of(phase)].endpoints;
  const auto at = all.find(service);
  return at == all.end() ? Endpoints{} : at->second;
}

}  // namespace weft::rehearsal
