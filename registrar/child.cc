// SPDX-License-Identifier: Apache-2.0
#include "registrar/child.h"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <utility>

extern char** environ;

namespace weft::registrar {
namespace {

constexpr std::array kPassedOn = {SIGTERM, SIGINT, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2, SIGWINCH, SIGALRM};

bool gave_terminal = false;  // to the program, and not taken back yet

sigset_t all_of_ours() {
  sigset_t set;
  sigemptyset(&set);
  for (const int each : kPassedOn) {
    sigaddset(&set, each);
  }
  sigaddset(&set, SIGCHLD);
  return set;
}

tl::expected<pid_t, int> spawn(const std::vector<std::string>& words, const posix_spawn_file_actions_t* files) {
  std::vector<char*> pointers;
  for (const std::string& word : words) {
    pointers.push_back(const_cast<char*>(word.c_str()));
  }
  pointers.push_back(nullptr);
  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  sigset_t none;
  sigemptyset(&none);
  posix_spawnattr_setsigmask(&attributes, &none);
  sigset_t defaults = all_of_ours();
  sigaddset(&defaults, SIGPIPE);
  sigaddset(&defaults, SIGTTOU);
  posix_spawnattr_setsigdefault(&attributes, &defaults);
  posix_spawnattr_setpgroup(&attributes, 0);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP);
  pid_t pid = 0;
  const int error = posix_spawnp(&pid, pointers[0], files, &attributes, pointers.data(), environ);
  posix_spawnattr_destroy(&attributes);
  return error == 0 ? tl::expected<pid_t, int>(pid) : tl::make_unexpected(error);
}

}  // namespace

int block_signals() {
  const sigset_t set = all_of_ours();
  sigprocmask(SIG_BLOCK, &set, nullptr);
  signal(SIGTTOU, SIG_IGN);  // of giving the terminal to the child, from behind it
  return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

tl::expected<pid_t, int> start_program(const std::vector<std::string>& words) {
  const bool has_terminal = isatty(STDIN_FILENO) == 1 && tcgetpgrp(STDIN_FILENO) == getpgrp();
  posix_spawn_file_actions_t files;
  posix_spawn_file_actions_init(&files);
  if (has_terminal) {
    // By the child, before it is the program: that may read at once.
    posix_spawn_file_actions_addtcsetpgrp_np(&files, STDIN_FILENO);
  }
  tl::expected<pid_t, int> pid = spawn(words, &files);
  posix_spawn_file_actions_destroy(&files);
  gave_terminal = has_terminal && pid;
  if (has_terminal && !pid) {
    tcsetpgrp(STDIN_FILENO, getpgrp());
  }
  return pid;
}

void take_terminal_back() {
  if (std::exchange(gave_terminal, false)) {
    tcsetpgrp(STDIN_FILENO, getpgrp());
  }
}

tl::expected<pid_t, int> start_check(const std::string& command) {
  posix_spawn_file_actions_t files;
  posix_spawn_file_actions_init(&files);
  posix_spawn_file_actions_addopen(&files, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_addopen(&files, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
  posix_spawn_file_actions_addopen(&files, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
  tl::expected<pid_t, int> pid = spawn({"/bin/sh", "-c", command}, &files);
  posix_spawn_file_actions_destroy(&files);
  return pid;
}

int exit_code_of(int status) {
  constexpr int kSignalled = 128;
  return WIFSIGNALED(status) ? kSignalled + WTERMSIG(status) : WEXITSTATUS(status);
}

std::optional<Ended> reap_one() {
  Ended ended;
  ended.pid = waitpid(-1, &ended.status, WNOHANG);
  return ended.pid > 0 ? std::optional(ended) : std::nullopt;
}

}  // namespace weft::registrar
