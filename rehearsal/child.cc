// SPDX-License-Identifier: Apache-2.0
#include "rehearsal/child.h"

#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <utility>

#include "registry-sync/diagnostic.h"

namespace weft::rehearsal {
namespace {

using ChildClock = std::chrono::steady_clock;

constexpr int kNotExecuted = 127;  // as shells have it
constexpr int kBySignal = 128;     // and the signal's number
constexpr int kDyingTurnMs = 5;

/// In the new process: only what may be called between fork and exec. Does not return.
[[noreturn]] void become_shell(const char* command, int output, pid_t parent, Child::Orphaned orphaned) {
  setpgid(0, 0);
  for (int each = 1; each < NSIG; ++each) {
    signal(each, SIG_DFL);
  }
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
  if (orphaned == Child::Orphaned::dies) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent) {  // it ended before this
      _exit(kNotExecuted);
    }
  }
  const int input = open("/dev/null", O_RDONLY);
  dup2(input, STDIN_FILENO);
  dup2(output, STDOUT_FILENO);
  dup2(output, STDERR_FILENO);
  if (input > STDERR_FILENO) {
    close(input);
  }
  execl("/bin/sh", "/bin/sh", "-c", command, nullptr);
  _exit(kNotExecuted);
}

/// Of /proc/<pid>/stat: is it of this group, and more than a remembered exit code?
bool runs_in_group(const char* process, pid_t group) {
  const std::string path = std::string("/proc/") + process + "/stat";
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) {
    return false;  // it has ended meanwhile
  }
  std::array<char, 512> text{};
  const ssize_t count = read(fd, text.data(), text.size() - 1);
  close(fd);
  // The name, in parentheses, may have any.
  const char* const name_ends = count > 0 ? std::strrchr(text.data(), ')') : nullptr;
  char state = 0;
  int parent = 0;
  int its_group = 0;
  return name_ends != nullptr && std::sscanf(name_ends + 1, " %c %d %d", &state, &parent, &its_group) == 3 &&
         its_group == group && state != 'Z' && state != 'X';
}

/// Whoever can't know says so: what is not over is killed, and nothing worse.
bool group_runs(pid_t group) {
  DIR* const processes = opendir("/proc");
  if (processes == nullptr) {
    return true;
  }
  bool runs = false;
  bool any = false;
  while (const dirent* const entry = runs ? nullptr : readdir(processes)) {
    if (entry->d_name[0] >= '1' && entry->d_name[0] <= '9') {
      any = true;
      runs = runs_in_group(entry->d_name, group);
    }
  }
  closedir(processes);
  return runs || !any;
}

}  // namespace

tl::expected<Child, std::string> Child::start(const std::string& command, Orphaned orphaned) {
  // A file in memory and no pipe: what is left in the background may go on to write.
  const int output = memfd_create("weftctl-step", MFD_CLOEXEC);
  if (output < 0) {
    return tl::make_unexpected(std::string(std::strerror(errno)));
  }
  const pid_t parent = getpid();
  const pid_t pid = fork();
  if (pid == 0) {
    become_shell(command.c_str(), output, parent, orphaned);
  }
  if (pid < 0) {
    const int error = errno;
    close(output);
    return tl::make_unexpected(std::string(std::strerror(error)));
  }
  setpgid(pid, pid);  // whoever of the two comes first: a signal to the group has one to go to
  return Child(pid, output);
}

Child::Child(Child&& other) noexcept
    : pid_(std::exchange(other.pid_, 0)), output_(std::exchange(other.output_, -1)), code_(other.code_) {}

Child::~Child() {
  if (pid_ > 0) {
    kill();
    waitpid(pid_, nullptr, WNOHANG);
  }
  if (output_ >= 0) {
    close(output_);
  }
}

std::optional<int> Child::exit_code() {
  siginfo_t info{};
  if (!code_ && waitid(P_PID, static_cast<id_t>(pid_), &info, WEXITED | WNOHANG | WNOWAIT) == 0 &&
      info.si_pid == pid_) {
    code_ = info.si_code == CLD_EXITED ? info.si_status : kBySignal + info.si_status;
  }
  return code_;
}

bool Child::is_over() {
  return exit_code() && !group_runs(pid_);
}

void Child::terminate() {
  ::kill(-pid_, SIGTERM);
}

bool Child::kill() {
  ::kill(-pid_, SIGKILL);
  const auto deadline = ChildClock::now() + kDying;
  while (!is_over()) {
    if (ChildClock::now() >= deadline) {
      return false;
    }
    poll(nullptr, 0, kDyingTurnMs);
  }
  return true;
}

int64_t Child::output_held() const {
  constexpr int64_t kBlock = 512;  // of stat(2), whatever the file's
  struct stat state {};
  return fstat(output_, &state) == 0 ? static_cast<int64_t>(state.st_blocks) * kBlock : 0;
}

void Child::bound_output() {
  constexpr off_t kKept = 8192;  // whole pages; more than said() shows
  struct stat state {};
  if (output_held() > kMostOutput && fstat(output_, &state) == 0) {
    const off_t forgotten = (state.st_size - kKept) / kKept * kKept;
    fallocate(output_, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, forgotten);
  }
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
