// SPDX-License-Identifier: Apache-2.0
// What the player sees: requests as they finish, and looks at protections and endpoints.
#include <fmt/format.h>
#include <poll.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "rehearsal/player.h"

namespace weft::rehearsal {
namespace {

constexpr Millis kFollowing{10'000};  // for the stream to begin
constexpr Millis kQuiet{200};         // without a record, after which all have come that will
constexpr Millis kMostQuiet{3'000};
constexpr size_t kMostLine = size_t{1} << 20;

std::string without_port(const std::string& address) {
  const std::string host = address.substr(0, address.rfind(':'));
  return host.starts_with('[') && host.ends_with(']') ? host.substr(1, host.size() - 2) : host;
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

tl::expected<void, PlayRefusal> Player::learn_callers() {
  const auto endpoints = node_.ask("show endpoints");
  if (!endpoints) {
    return tl::make_unexpected(refusal_of(endpoints.error()));
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
    return tl::make_unexpected(refusal_of(fd.error()));
  }
  stream_ = *fd;
  const auto deadline = Clock::now() + kFollowing;
  while (!following_ && !over() && Clock::now() < deadline) {
    watch_for(kTurn);
  }
  if (interrupted_) {
    return tl::make_unexpected(refusal_of({.interrupted = true}));
  }
  if (!following_) {
    return tl::make_unexpected(
        PlayRefusal{.unreachable = true, .message = problem_.empty() ? "the node tells of no requests" : problem_});
  }
  return {};
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

void Player::take_signals() {
  signalfd_siginfo info;
  while (read(signals_, &info, sizeof info) == sizeof info) {
    interrupted_ = true;
    node_.interrupt_by(-1);
  }
}

void Player::watch_for(Millis most) {
  std::array<pollfd, 2> ready = {
      {{.fd = signals_, .events = POLLIN, .revents = 0}, {.fd = stream_, .events = POLLIN, .revents = 0}}};
  if (poll(ready.data(), ready.size(), static_cast<int>(std::max<int64_t>(0, most.count()))) <= 0) {
    return;
  }
  if (ready[0].revents != 0) {
    take_signals();
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
    if (!rows && (rows.error().unreachable || rows.error().interrupted)) {
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
    if (!rows && (rows.error().unreachable || rows.error().interrupted)) {
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

}  // namespace weft::rehearsal
