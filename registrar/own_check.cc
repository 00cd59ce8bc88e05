// SPDX-License-Identifier: Apache-2.0
#include "registrar/own_check.h"

#include <signal.h>
#include <sys/wait.h>

#include <cstring>
#include <random>

#include "registrar/child.h"
#include "registry-sync/diagnostic.h"
#include "registry-sync/parse_http_values.h"

namespace weft::registrar {
namespace {

using registry::CheckResult;
using registry::HealthCheck;
using std::chrono::milliseconds;

constexpr std::string_view kExec = "exec:";
constexpr uint64_t kId = 1;

tl::unexpected<std::string> no_check(const std::string& text) {
  return tl::make_unexpected("--check: expected http://ADDRESS:PORT/PATH, tcp://ADDRESS:PORT or exec:COMMAND, got " +
                             registry::in_quotes(text));
}

/// Of http and tcp.
tl::expected<registry::CheckTarget, std::string> parse_target(const std::string& text, HealthCheck check) {
  const bool is_http = text.starts_with("http://");
  if (!is_http && !text.starts_with("tcp://")) {
    return no_check(text);
  }
  std::string rest = text.substr(is_http ? 7 : 6);
  const size_t slash = rest.find('/');
  check.kind = is_http ? HealthCheck::Kind::http : HealthCheck::Kind::tcp;
  if (slash != std::string::npos) {
    check.path = rest.substr(slash);
    rest = rest.substr(0, slash);
  }
  const size_t colon = rest.rfind(':');
  const bool has_port = colon != std::string::npos && rest.find(']', colon) == std::string::npos;
  std::string host = has_port ? rest.substr(0, colon) : rest;
  if (host.starts_with('[') && host.ends_with(']')) {
    host = host.substr(1, host.size() - 2);
  }
  const auto address = lb::parse_address(host == "localhost" ? "127.0.0.1" : host);
  const auto port = has_port ? lb::parse_port(rest.substr(colon + 1)) : std::optional(lb::port_from_host(80));
  const bool printable =
      std::all_of(check.path.begin(), check.path.end(), [](char c) { return c > ' ' && c < '\x7f'; });
  if (!address || !port || (!has_port && !is_http) || (slash != std::string::npos && !is_http) || !printable) {
    return no_check(text);
  }
  return registry::CheckTarget{.id = kId,
                               .service = "own",
                               .name = "own",
                               .address = *address,
                               .port = *port,
                               .check = std::make_shared<const HealthCheck>(std::move(check))};
}

tl::expected<HealthCheck, std::string> parse_pace(const CheckFlags& flags) {
  HealthCheck check{.rise = flags.rise, .fall = flags.fall};
  const auto interval = registry::parse_duration(flags.interval);
  const auto timeout = registry::parse_duration(flags.timeout);
  if (!interval || *interval < milliseconds(100)) {
    return tl::make_unexpected("--check-interval: expected a duration of 100ms or more, got " +
                               registry::in_quotes(flags.interval));
  }
  if (!timeout || *timeout < milliseconds(10) || *timeout > *interval) {
    return tl::make_unexpected(
        "--check-timeout: expected a duration of 10ms or more and no more than the interval, got " +
        registry::in_quotes(flags.timeout));
  }
  check.interval = *interval;
  check.timeout = *timeout;
  return check;
}

}  // namespace

tl::expected<std::unique_ptr<OwnCheck>, std::string> OwnCheck::make(const CheckFlags& flags) {
  std::unique_ptr<OwnCheck> own(new OwnCheck());
  if (flags.what.empty()) {
    return own;
  }
  const tl::expected<HealthCheck, std::string> pace = parse_pace(flags);
  if (!pace) {
    return tl::make_unexpected(pace.error());
  }
  const uint64_t seed = std::random_device{}();
  own->timeout_ = pace->timeout;
  if (flags.what.starts_with(kExec) && flags.what.size() > kExec.size()) {
    own->command_ = flags.what.substr(kExec.size());
    own->book_ = std::make_unique<registry::HealthBook>(seed);
    own->book_->replace("own", {{.id = kId, .service = "own", .check = std::make_shared<const HealthCheck>(*pace)}},
                        std::chrono::steady_clock::now());
    return own;
  }
  const tl::expected<registry::CheckTarget, std::string> target = parse_target(flags.what, *pace);
  if (!target) {
    return tl::make_unexpected(target.error());
  }
  auto prober = registry::Prober::start({.seed = seed, .most_at_once = 1}, [](const auto&) {});
  if (!prober) {
    return tl::make_unexpected("--check: " + prober.error());
  }
  own->prober_ = std::move(*prober);
  own->prober_->replace({{"own", {*target}}});
  return own;
}

OwnCheck::~OwnCheck() {
  if (running_ != 0) {
    kill(-running_, SIGKILL);
  }
}

void OwnCheck::go_on(registry::Time now) {
  if (book_ == nullptr) {
    return;
  }
  if (running_ != 0 && now - began_ >= timeout_) {
    kill(-running_, SIGKILL);
    running_ = 0;
    book_->finish(kId, {.outcome = CheckResult::Outcome::failed, .error = "no end within its time"}, now);
  }
  if (running_ != 0 || !book_->begin(now)) {
    return;
  }
  if (const tl::expected<pid_t, int> pid = start_check(command_)) {
    running_ = *pid;
    began_ = now;
  } else {
    book_->finish(kId, {.outcome = CheckResult::Outcome::inconclusive, .error = std::strerror(pid.error())}, now);
  }
}

void OwnCheck::note_ended(pid_t pid, int status, registry::Time now) {
  if (pid != running_) {
    return;
  }
  running_ = 0;
  const int code = exit_code_of(status);
  book_->finish(kId,
                {.outcome = code == 0 ? CheckResult::Outcome::passed : CheckResult::Outcome::failed,
                 .error = "exit code " + std::to_string(code)},
                now);
}

registry::CheckState OwnCheck::state() const {
  return prober_ != nullptr ? prober_->states().at(0) : book_->states().at(0);
}

bool OwnCheck::passing() const {
  if (prober_ == nullptr && book_ == nullptr) {
    return true;
  }
  const registry::CheckState now = state();
  return !now.failed && now.checks > now.failures;
}

std::string OwnCheck::last_error() const {
  return prober_ == nullptr && book_ == nullptr ? "" : state().last_error;
}

}  // namespace weft::registrar
