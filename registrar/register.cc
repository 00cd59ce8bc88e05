// SPDX-License-Identifier: Apache-2.0
#include "registrar/register.h"

#include <fmt/format.h>
#include <poll.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <deque>

#include "registrar/child.h"
#include "registrar/registration.h"

namespace weft::registrar {
namespace {

using Clock = std::chrono::steady_clock;

constexpr int kBadFlags = 64;        // EX_USAGE of sysexits.h
constexpr int kUnavailable = 69;     // EX_UNAVAILABLE
constexpr int kCannotExecute = 126;  // as shells have it
constexpr int kNotFound = 127;
constexpr std::chrono::milliseconds kTick(100);
/// That the end may take: of telling the mesh before the program is told, and of leaving it.
constexpr std::chrono::seconds kTelling(2);
constexpr std::chrono::seconds kLeaving(3);

void say(const std::string& text) {
  fmt::print(stderr, "weftctl register: {}\n", text);
}

/// The program, its check and what etcd is to know of them.
class Registrar {
 public:
  Registrar(const Instance& instance, std::unique_ptr<OwnCheck> check, Registration& registration, pid_t program)
      : instance_(instance), check_(std::move(check)), registration_(registration), program_(program) {}

  /// @returns the program's exit code once it ended
  std::optional<int> go_on(int signals) {
    std::optional<int> code;
    signalfd_siginfo heard;
    while (read(signals, &heard, sizeof heard) == sizeof heard) {
      take(static_cast<int>(heard.ssi_signo));
    }
    // Several ends may be one SIGCHLD.
    while (const std::optional<Ended> ended = reap_one()) {
      if (ended->pid == program_) {
        code = exit_code_of(ended->status);
      }
      check_->note_ended(ended->pid, ended->status, Clock::now());
    }
    check_->go_on(Clock::now());
    tell();
    pass_on();
    return code;
  }

 private:
  void take(int number) {
    if (number == SIGCHLD) {
      return;
    }
    if (number == SIGTERM && !terminating_) {
      terminating_ = true;
      told_by_ = Clock::now() + kTelling;
    }
    waiting_.push_back(number);
  }

  void tell() {
    const bool passes = check_->passing();
    const std::string error = check_->last_error();
    if (passes != said_passing_ && (passes || !error.empty())) {
      say(passes ? "the check passes" : "the check fails: " + error);
      said_passing_ = passes;
    }
    registered_ |= passes && !terminating_;
    if (registered_) {
      registration_.want(value_of(instance_, {.ready = passes && !terminating_, .terminating = terminating_}));
    }
  }

  /// The mesh knows first, if it can be told in time: then no request meets a program that has begun to end.
  void pass_on() {
    if (terminating_ && registered_ && !registration_.settled() && Clock::now() < told_by_) {
      return;
    }
    for (; !waiting_.empty(); waiting_.pop_front()) {
      kill(-program_, waiting_.front());
    }
  }

  const Instance& instance_;
  const std::unique_ptr<OwnCheck> check_;
  Registration& registration_;
  const pid_t program_;
  std::deque<int> waiting_;  ///< signals for the program
  bool terminating_ = false;
  bool registered_ = false;  ///< ever
  bool said_passing_ = true;
  Clock::time_point told_by_{};
};

}  // namespace

int run_registered(RegisterFlags flags, const PlaceFlags& place_flags) {
  const int signals = block_signals();
  if (signals < 0) {
    say(std::string("can't open a signalfd: ") + std::strerror(errno));
    return kUnavailable;
  }
  const tl::expected<Instance, std::string> instance = checked(std::move(flags.instance));
  if (!instance) {
    say(instance.error());
    return kBadFlags;
  }
  tl::expected<Place, std::string> place = find_place(place_flags);
  if (!place || !place->etcd) {
    say(!place ? place.error() : "a registry of files knows no leases: instances are registered in etcd (--etcd)");
    return kBadFlags;
  }
  const std::chrono::seconds time_to_live(flags.time_to_live_s);
  place->etcd->timeout = patience_with_etcd(place->etcd->timeout, time_to_live, place->etcd->endpoints.size());
  auto client = etcd::Client::make(*place->etcd);
  if (!client) {
    say("etcd: " + client.error());
    return kBadFlags;
  }
  auto check = OwnCheck::make(flags.check);
  if (!check) {
    say(check.error());
    return kBadFlags;
  }
  const tl::expected<pid_t, int> program = start_program(flags.command);
  if (!program) {
    say("can't run " + registry::in_quotes(flags.command.at(0)) + ": " + std::strerror(program.error()));
    return program.error() == ENOENT ? kNotFound : kCannotExecute;
  }
  Registration registration(std::move(*client), key_of(*instance), time_to_live, say);
  Registrar registrar(*instance, std::move(*check), registration, *program);
  std::optional<int> code;
  while (!(code = registrar.go_on(signals))) {
    pollfd waiting{.fd = signals, .events = POLLIN, .revents = 0};
    poll(&waiting, 1, static_cast<int>(kTick.count()));
  }
  take_terminal_back();
  registration.want("");
  if (!registration.finish(kLeaving)) {
    say(fmt::format("etcd does not answer: the registration ends with its lease, within {} s", flags.time_to_live_s));
  }
  close(signals);
  return *code;
}

}  // namespace weft::registrar
