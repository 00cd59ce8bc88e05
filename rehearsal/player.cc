// SPDX-License-Identifier: Apache-2.0
#include "rehearsal/player.h"

#include <fmt/format.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <algorithm>

#include "rehearsal/live_fault.h"
#include "rehearsal/put_text.h"

namespace weft::rehearsal {
namespace {

constexpr Millis kEnding{2'000};     // for a load to end by itself once it is told to
constexpr Millis kMostUnheard{100};  // what loads say meanwhile is in memory
constexpr const char* kCannotBeEnded = "does not end, though it was killed";

Moment wall_clock_now() {
  return std::chrono::time_point_cast<std::chrono::microseconds>(std::chrono::system_clock::now());
}

/// Step, and whether it begins; those that end go first.
struct Event {
  Millis at{};
  bool begins = false;
  size_t step = 0;
  auto operator<=>(const Event&) const = default;
};

std::vector<Event> events_of(const Scenario& scenario) {
  std::vector<Event> events;
  for (size_t i = 0; i < scenario.steps.size(); ++i) {
    const Step& step = scenario.steps[i];
    events.push_back({.at = step.at, .begins = true, .step = i});
    if (step.lasts && step.at + *step.lasts < scenario.duration) {
      events.push_back({.at = step.at + *step.lasts, .begins = false, .step = i});
    }
  }
  std::sort(events.begin(), events.end());
  return events;
}

/// By expectations and as faults' targets.
std::set<std::string> services_named(const Scenario& scenario) {
  std::set<std::string> names;
  for (const Expectation& expected : scenario.expectations) {
    names.insert(expected.excepted.begin(), expected.excepted.end());
    names.insert({expected.service, expected.caller.service});
  }
  for (const Step& step : scenario.steps) {
    if (const std::optional<std::string> target = service_of_fault(step)) {
      names.insert(*target);
    }
  }
  names.erase("");
  return names;
}

}  // namespace

Player::Player(const Scenario& scenario, const NodeClient& node, bool says_progress)
    : scenario_(scenario),
      node_(node),
      says_progress_(says_progress),
      ledger_(scenario,
              [this](const lb::Address& address) {
                const auto at = callers_.find(address);
                return at == callers_.end() ? std::vector<std::string>()
                                            : std::vector<std::string>(at->second.begin(), at->second.end());
              }),
      outcomes_(scenario.steps.size()) {
  sigset_t set;
  sigemptyset(&set);
  for (const int each : {SIGINT, SIGTERM, SIGHUP, SIGQUIT}) {
    sigaddset(&set, each);
  }
  sigprocmask(SIG_BLOCK, &set, nullptr);
  signals_ = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
  node_.interrupt_by(signals_);
  signal(SIGCHLD, SIG_DFL);  // who called may have ignored it, and then nobody learns how a command ended
  signal(SIGPIPE, SIG_IGN);  // of a terminal that went away: what was begun is ended all the same
}

Player::~Player() {
  for (const int fd : {stream_, signals_}) {
    if (fd >= 0) {
      close(fd);
    }
  }
}

void Player::say(const Step& step, std::string_view what) const {
  if (says_progress_) {
    put_text(stderr, fmt::format("{:6.1f} s  {} {}\n", std::chrono::duration<double>(Clock::now() - start_).count(),
                                 step.name, what));
  }
}

void Player::cut_short(std::string why) {
  if (problem_.empty()) {
    problem_ = std::move(why);
  }
}

void Player::lose_node(const AskFailure& failure) {
  if (failure.interrupted) {
    take_signals();
    return;
  }
  lost_node_ = lost_node_ || failure.unreachable;
  cut_short(failure.message);
}

PlayRefusal Player::refusal_of(const AskFailure& failure) {
  if (failure.interrupted) {
    take_signals();
  }
  return {.unreachable = failure.unreachable,
          .interrupted = failure.interrupted,
          .message = failure.interrupted ? "interrupted before the first step" : failure.message};
}

tl::expected<void, PlayRefusal> Player::prepare() {
  const auto services = node_.ask("show services");
  if (!services) {
    return tl::make_unexpected(refusal_of(services.error()));
  }
  std::set<std::string> known;
  for (const Json& row : *services) {
    known.insert(row.value("service", ""));
  }
  for (const std::string& name : services_named(scenario_)) {
    if (!known.contains(name)) {
      return tl::make_unexpected(
          PlayRefusal{.message = fmt::format("{}: the node knows no service {}", scenario_.file, name)});
    }
  }
  if (auto learnt = learn_callers(); !learnt) {
    return learnt;
  }
  return follow();
}

bool Player::run(size_t step, const std::string& command, bool may_be_interrupted) {
  StepOutcome& outcome = outcomes_[step];
  auto child = Child::start(command);
  if (!child) {
    outcome.problem = "can't be run: " + child.error();
    return false;
  }
  const auto deadline = Clock::now() + scenario_.steps[step].timeout;
  while (!child->exit_code() && Clock::now() < deadline && !(may_be_interrupted && interrupted_)) {
    watch_for(kTurn);
    child->bound_output();
    bound_outputs();
    end_due();
  }
  const std::optional<int> code = child->exit_code();
  const bool killed = child->kill();
  outcome.said = child->said();
  std::string problem;
  if (!killed) {
    problem = kCannotBeEnded;
  } else if (code) {
    problem = *code == 0 ? "" : fmt::format("exit code {}", *code);
  } else if (may_be_interrupted && interrupted_) {
    problem = "interrupted";
  } else {
    problem = fmt::format("took longer than {} ms", scenario_.steps[step].timeout.count());
  }
  if (!problem.empty()) {
    outcome.problem = problem;
  }
  return problem.empty();
}

void Player::begin_fault(size_t step) {
  if (const auto started = start_fault(node_, scenario_.steps[step]); !started) {
    outcomes_[step].problem = started.error().message;
    lose_node({.unreachable = started.error().unreachable,
               .interrupted = started.error().interrupted,
               .message = fmt::format("step {}: {}", scenario_.steps[step].name, started.error().message)});
  }
}

void Player::end_fault(size_t step) {
  const int interrupt = node_.interrupt_by(-1);
  if (!lost_node_) {
    outcomes_[step].counted = counts_of_fault(node_, scenario_.steps[step]);
  }
  outcomes_[step].said = fault_in_words(outcomes_[step].counted);
  if (const auto stopped = stop_fault(node_, scenario_.steps[step]); !stopped) {
    outcomes_[step].problem = stopped.error().message;
    lose_node(stopped.error());
  }
  node_.interrupt_by(interrupted_ ? -1 : interrupt);
}

void Player::begin_load(size_t step) {
  auto child = Child::start(scenario_.steps[step].command, Child::Orphaned::dies);
  if (!child) {
    outcomes_[step].problem = "can't be run: " + child.error();
    cut_short(fmt::format("step {}: {}", scenario_.steps[step].name, outcomes_[step].problem));
    return;
  }
  loads_.emplace(step, std::move(*child));
}

void Player::end_load(size_t step) {
  const auto at = loads_.find(step);
  if (at == loads_.end()) {
    return;
  }
  Child& child = at->second;
  const std::optional<int> by_itself = child.exit_code();
  child.terminate();
  const auto deadline = Clock::now() + kEnding;
  while (!child.is_over() && Clock::now() < deadline) {
    watch_for(kTurn);
    bound_outputs();
  }
  StepOutcome& outcome = outcomes_[step];
  // What a load did not ask for, no expectation was tested with. Who put it into the background says 0.
  outcome.problem = !child.kill()                ? kCannotBeEnded
                    : by_itself.value_or(0) != 0 ? fmt::format("ended by itself with exit code {}", *by_itself)
                                                 : "";
  outcome.said = child.said();
  loads_.erase(at);
}

void Player::end_due() {
  const auto now = Clock::now();
  for (const size_t step : std::set<size_t>(under_way_)) {
    const Step& each = scenario_.steps[step];
    // What lasts to the scenario's end is ended after it, as otherwise.
    const bool is_due = each.lasts && start_ + each.at + *each.lasts <= now &&
                        (each.at + *each.lasts < scenario_.duration || ledger_.end());
    if (each.kind != Step::Kind::run && is_due) {
      end_step(step);
    }
  }
}

void Player::bound_outputs() {
  for (auto& [step, child] : loads_) {
    child.bound_output();
  }
}

void Player::begin_step(size_t step) {
  const Step& each = scenario_.steps[step];
  look();
  if (over()) {
    return;
  }
  say(each, "begins");
  ledger_.step_began(step, wall_clock_now());
  under_way_.insert(step);
  switch (each.kind) {
    case Step::Kind::fault:
      begin_fault(step);
      break;
    case Step::Kind::run:
      if (!run(step, each.command, true)) {
        cut_short(fmt::format("step {}: {}", each.name, outcomes_[step].problem));
      }
      break;
    case Step::Kind::load:
      begin_load(step);
      break;
  }
}

void Player::end_step(size_t step) {
  const Step& each = scenario_.steps[step];
  under_way_.erase(step);
  switch (each.kind) {
    case Step::Kind::fault:
      end_fault(step);
      break;
    case Step::Kind::run:
      if (!each.undo.empty() && !run(step, each.undo, false)) {
        outcomes_[step].problem = "undone: " + outcomes_[step].problem;
        cut_short(fmt::format("step {}: {}", each.name, outcomes_[step].problem));
      }
      break;
    case Step::Kind::load:
      end_load(step);
      break;
  }
  say(each, "ends");
  if (!lost_node_ && !ledger_.end()) {
    look();
  }
  ledger_.step_ended(step, wall_clock_now());
}

void Player::play_steps() {
  const std::vector<Event> events = events_of(scenario_);
  auto next = events.begin();
  auto next_look = start_ + scenario_.interval;
  const auto end = start_ + scenario_.duration;
  while (!over() && Clock::now() < end) {
    const auto now = Clock::now();
    if (next != events.end() && start_ + next->at <= now) {
      const Event event = *next++;
      if (event.begins) {
        begin_step(event.step);
      } else if (under_way_.contains(event.step)) {
        end_step(event.step);
      }
      continue;
    }
    if (now >= next_look) {
      look();
      next_look = Clock::now() + scenario_.interval;
      continue;
    }
    auto until = std::min(end, next_look);
    if (next != events.end()) {
      until = std::min(until, start_ + next->at);
    }
    watch_for(std::min(std::chrono::ceil<Millis>(until - now), kMostUnheard));
    bound_outputs();
  }
}

tl::expected<Outcome, PlayRefusal> Player::play() {
  if (auto prepared = prepare(); !prepared) {
    return tl::make_unexpected(prepared.error());
  }
  look();
  for (size_t i = 0; i < scenario_.steps.size(); ++i) {
    const Step& step = scenario_.steps[i];
    outcomes_[i].what = step.kind == Step::Kind::fault ? describe_fault(step) : registry::escaped(step.command, 200);
  }
  start_ = Clock::now();
  ledger_.began(wall_clock_now());
  play_steps();
  if (!lost_node_ && !interrupted_) {  // it may be interrupted because the node says nothing
    look();
  }
  node_.interrupt_by(-1);
  ledger_.ended(wall_clock_now());
  drain();
  while (!under_way_.empty()) {
    end_step(*under_way_.rbegin());
  }
  return Outcome{.ending = interrupted_       ? Outcome::Ending::interrupted
                           : problem_.empty() ? Outcome::Ending::complete
                                              : Outcome::Ending::cut_short,
                 .problem = problem_,
                 .steps = outcomes_,
                 .verdicts = judge(ledger_)};
}

}  // namespace weft::rehearsal
