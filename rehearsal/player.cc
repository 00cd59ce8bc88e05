// SPDX-License-Identifier: Apache-2.0
#include "rehearsal/player.h"

#include <fmt/format.h>
#include <poll.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "rehearsal/live_fault.h"

namespace weft::rehearsal {
namespace {

constexpr Millis kTurn{20};           // in which a command's end, or a signal, is noticed
constexpr Millis kFollowing{10'000};  // for the stream to begin
constexpr Millis kQuiet{200};         // without a record, after which all have come that will
constexpr Millis kMostQuiet{3'000};
constexpr Millis kEnding{2'000};  // for a load to end by itself once it is told to
constexpr size_t kMostLine = size_t{1} << 20;

Moment wall_clock_now() {
  return std::chrono::time_point_cast<std::chrono::microseconds>(std::chrono::system_clock::now());
}

std::string without_port(const std::string& address) {
  const std::string host = address.substr(0, address.rfind(':'));
  return host.starts_with('[') && host.ends_with(']') ? host.substr(1, host.size() - 2) : host;
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

/// Those that expectations name; empty: all are asked for.
std::set<std::string> services_asked(const Scenario& scenario) {
  std::set<std::string> names;
  for (const Expectation& expected : scenario.expectations) {
    if (expected.service.empty() || expected.service.find(' ') != std::string::npos) {
      return {};
    }
    names.insert(expected.service);
  }
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
  for (const int each : {SIGINT, SIGTERM, SIGHUP}) {
    sigaddset(&set, each);
  }
  sigprocmask(SIG_BLOCK, &set, nullptr);
  signals_ = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
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
    fmt::print(stderr, "{:6.1f} s  {} {}\n", std::chrono::duration<double>(Clock::now() - start_).count(), step.name,
               what);
  }
}

void Player::cut_short(std::string why) {
  if (problem_.empty()) {
    problem_ = std::move(why);
  }
}

void Player::lose_node(const AskFailure& failure) {
  lost_node_ = lost_node_ || failure.unreachable;
  cut_short(failure.message);
}

tl::expected<void, PlayRefusal> Player::learn_callers() {
  const auto endpoints = node_.ask("show endpoints");
  if (!endpoints) {
    return tl::make_unexpected(
        PlayRefusal{.unreachable = endpoints.error().unreachable, .message = endpoints.error().message});
  }
  for (const Json& row : *endpoints) {
    if (const auto address = lb::parse_address(without_port(row.value("address", "")))) {
      callers_[*address].insert(row.value("service", ""));
    }
  }
  return {};
}

tl::expected<void, PlayRefusal> Player::follow() {
  const auto fd = node_.follow("access");
  if (!fd) {
    return tl::make_unexpected(PlayRefusal{.unreachable = true, .message = fd.error().message});
  }
  stream_ = *fd;
  const auto deadline = Clock::now() + kFollowing;
  while (!following_ && !over() && Clock::now() < deadline) {
    watch_for(kTurn);
  }
  if (!following_) {
    return tl::make_unexpected(
        PlayRefusal{.unreachable = true, .message = problem_.empty() ? "the node tells of no requests" : problem_});
  }
  return {};
}

tl::expected<void, PlayRefusal> Player::prepare() {
  const auto services = node_.ask("show services");
  if (!services) {
    return tl::make_unexpected(
        PlayRefusal{.unreachable = services.error().unreachable, .message = services.error().message});
  }
  std::set<std::string> known;
  for (const Json& row : *services) {
    known.insert(row.value("service", ""));
  }
  for (const Expectation& expected : scenario_.expectations) {
    std::vector<std::string> named = expected.excepted;
    named.push_back(expected.service);
    named.push_back(expected.caller.service);
    for (const std::string& name : named) {
      if (!name.empty() && !known.contains(name)) {
        return tl::make_unexpected(
            PlayRefusal{.message = fmt::format("{}: the node knows no service {}", scenario_.file, name)});
      }
    }
  }
  if (auto learnt = learn_callers(); !learnt) {
    return learnt;
  }
  return follow();
}

void Player::take_lines() {
  size_t from = 0;
  for (size_t end; (end = input_.find('\n', from)) != std::string::npos; from = end + 1) {
    const std::string_view line(input_.data() + from, end - from);
    const auto read = read_access_line(line);
    if (!read) {
      cut_short("the node told of a request in words that are not known: " + registry::escaped(line, 300));
      continue;
    }
    if (const auto* request = std::get_if<Request>(&*read)) {
      ledger_.add(*request);
    } else if (const auto* missed = std::get_if<Missed>(&*read)) {
      ledger_.missed(missed->requests);
    } else if (std::holds_alternative<Followed>(*read)) {
      following_ = true;
    }
  }
  input_.erase(0, from);
  if (input_.size() > kMostLine) {
    cut_short("the node told of a request without an end");
  }
}

void Player::watch_for(Millis most) {
  std::array<pollfd, 2> ready = {
      {{.fd = signals_, .events = POLLIN, .revents = 0}, {.fd = stream_, .events = POLLIN, .revents = 0}}};
  if (poll(ready.data(), ready.size(), static_cast<int>(std::max<int64_t>(0, most.count()))) <= 0) {
    return;
  }
  signalfd_siginfo info;
  while (ready[0].revents != 0 && read(signals_, &info, sizeof info) == sizeof info) {
    interrupted_ = true;
  }
  if (ready[1].revents == 0) {
    return;
  }
  std::array<char, 65536> buffer;
  const ssize_t count = recv(stream_, buffer.data(), buffer.size(), 0);
  if (count > 0) {
    input_.append(buffer.data(), static_cast<size_t>(count));
    take_lines();
  } else if (count == 0 || (errno != EAGAIN && errno != EINTR)) {
    close(stream_);
    stream_ = -1;
    // A refusal has no line of its own kind: what it said is all that there is.
    lose_node({.unreachable = true, .message = "the node stopped telling of requests"});
  }
}

void Player::look() {
  std::set<std::string> asked = services_asked(scenario_);
  Look look;
  std::vector<std::string> questions;
  for (const std::string& service : asked) {
    questions.push_back("show protections " + service);
  }
  if (asked.empty()) {
    questions.emplace_back("show protections");
  }
  for (const std::string& question : questions) {
    const auto rows = node_.ask(question);
    if (!rows && rows.error().unreachable) {
      return lose_node(rows.error());
    }
    // A service may leave the registry, as a part of the scenario.
    for (const Json& row : rows.value_or(Json::array())) {
      ProtectionSample& sample = look[row.value("service", "")];
      for (size_t i = 0; i < kProtectionCounters.size(); ++i) {
        sample.counts[i] += row.value(std::string(kProtectionCounters[i].row), uint64_t{0});
      }
      sample.panic = sample.panic || row.value("panic", false);
    }
  }
  ledger_.looked(look);
  std::set<std::string> with_endpoints;
  for (const Expectation& expected : scenario_.expectations) {
    if (!expected.service.empty() && expected.service.find(' ') == std::string::npos) {
      with_endpoints.insert(expected.service);
    }
  }
  for (const std::string& service : with_endpoints) {
    const auto rows = node_.ask("show endpoints " + service);
    if (!rows && rows.error().unreachable) {
      return lose_node(rows.error());
    }
    std::set<std::string> all;
    std::set<std::string> ejected;
    for (const Json& row : rows.value_or(Json::array())) {
      const std::string endpoint = row.value("endpoint", "");
      all.insert(endpoint);
      if (!row.value("outlier", "").empty()) {
        ejected.insert(endpoint);
      }
    }
    ledger_.looked_at_endpoints(service, all, ejected);
  }
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
  }
  const bool late = !child->exit_code();
  child->kill();
  outcome.said = child->said();
  if (late || *child->exit_code() != 0) {
    outcome.problem = late ? fmt::format("took longer than {} ms", scenario_.steps[step].timeout.count())
                           : fmt::format("exit code {}", *child->exit_code());
    return false;
  }
  return true;
}

void Player::begin_fault(size_t step) {
  if (const auto started = start_fault(node_, scenario_.steps[step]); !started) {
    outcomes_[step].problem = started.error().message;
    lose_node({.unreachable = started.error().unreachable,
               .message = fmt::format("step {}: {}", scenario_.steps[step].name, started.error().message)});
  }
}

void Player::end_fault(size_t step) {
  outcomes_[step].counted = counts_of_fault(node_, scenario_.steps[step]);
  outcomes_[step].said = fault_in_words(outcomes_[step].counted);
  if (const auto stopped = stop_fault(node_, scenario_.steps[step]); !stopped) {
    outcomes_[step].problem = stopped.error().message;
    lose_node(stopped.error());
  }
}

void Player::begin_load(size_t step) {
  auto child = Child::start(scenario_.steps[step].command);
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
  const bool by_itself = child.exit_code().has_value();
  child.terminate();
  const auto deadline = Clock::now() + kEnding;
  while (!child.exit_code() && Clock::now() < deadline) {
    watch_for(kTurn);
  }
  child.kill();
  const std::string said = child.said();
  outcomes_[step].said =
      fmt::format("{}{}{}", by_itself ? fmt::format("ended by itself with exit code {}", *child.exit_code()) : "",
                  by_itself && !said.empty() ? ": " : "", said);
  loads_.erase(at);
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
    watch_for(std::chrono::ceil<Millis>(until - now));
  }
}

void Player::drain() {
  const auto most = Clock::now() + kMostQuiet;
  auto heard = Clock::now();
  while (stream_ >= 0 && Clock::now() < most && Clock::now() < heard + kQuiet) {
    const uint64_t before = ledger_.requests();
    watch_for(kTurn);
    if (ledger_.requests() != before) {
      heard = Clock::now();
    }
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
  if (!lost_node_) {
    look();
  }
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
