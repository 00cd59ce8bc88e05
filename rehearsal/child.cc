// SPDX-License-Identifier: Apache-2.0
#include "rehearsal/child.h"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "registrar/child.h"
#include "registry-sync/diagnostic.h"

extern char** environ;

namespace weft::rehearsal {

tl::expected<Child, std::string> Child::start(const std::string& command) {
  // A file in memory and no pipe: what is left in the background may go on to write.
  const int output = memfd_create("weftctl-step", MFD_CLOEXEC);
  if (output < 0) {
    return tl::make_unexpected(std::string(std::strerror(errno)));
  }
  posix_spawn_file_actions_t files;
  posix_spawn_file_actions_init(&files);
  posix_spawn_file_actions_addopen(&files, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_adddup2(&files, output, STDOUT_FILENO);
  posix_spawn_file_actions_adddup2(&files, output, STDERR_FILENO);
  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  sigset_t none;
  sigemptyset(&none);
  posix_spawnattr_setsigmask(&attributes, &none);
  sigset_t defaults;
  sigfillset(&defaults);
  posix_spawnattr_setsigdefault(&attributes, &defaults);
  posix_spawnattr_setpgroup(&attributes, 0);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP);
  std::string words[] = {"/bin/sh", "-c", command};
  char* pointers[] = {words[0].data(), words[1].data(), words[2].data(), nullptr};
  pid_t pid = 0;
  const int error = posix_spawn(&pid, pointers[0], &files, &attributes, pointers, environ);
  posix_spawnattr_destroy(&attributes);
  posix_spawn_file_actions_destroy(&files);
  if (error != 0) {
    close(output);
    return tl::make_unexpected(std::string(std::strerror(error)));
  }
  return Child(pid, output);
}

Child::Child(Child&& other) noexcept
    : pid_(std::exchange(other.pid_, 0)), output_(std::exchange(other.output_, -1)), code_(other.code_) {}

Child::~Child() {
  if (pid_ > 0 && !code_) {
    kill();
  }
  if (output_ >= 0) {
    close(output_);
  }
}

std::optional<int> Child::exit_code() {
  int status = 0;
  if (!code_ && waitpid(pid_, &status, WNOHANG) == pid_) {
    code_ = registrar::exit_code_of(status);
  }
  return code_;
}

void Child::terminate() {
  if (!code_) {
    ::kill(-pid_, SIGTERM);
  }
}

void Child::kill() {
  if (code_) {
    return;
  }
  ::kill(-pid_, SIGKILL);
  int status = 0;
  while (waitpid(pid_, &status, 0) < 0 && errno == EINTR) {
  }
  code_ = registrar::exit_code_of(status);
}

std::string Child::said() const {
  constexpr off_t kMost = 300;
  struct stat state {};
  if (fstat(output_, &state) != 0 || state.st_size == 0) {
    return "";
  }
  const off_t from = state.st_size > kMost ? state.st_size - kMost : 0;
  std::string text(static_cast<size_t>(state.st_size - from), '\0');
  const ssize_t count = pread(output_, text.data(), text.size(), from);
  text.resize(count > 0 ? static_cast<size_t>(count) : 0);
  while (text.ends_with('\n')) {
    text.pop_back();
  }
  for (char& c : text) {
    c = c == '\n' ? ' ' : c;
  }
  return registry::escaped(text, static_cast<size_t>(kMost));
}

}  // namespace weft::rehearsal
