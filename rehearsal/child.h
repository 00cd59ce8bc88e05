// SPDX-License-Identifier: Apache-2.0
/// @file A step's command: a shell in a process group of its own, whose output is kept for the report.
///
/// The group is what is ended, and not the shell alone: the shell is reaped last, so that as long as there is a Child,
/// the group's number is nobody else's, though the shell ended long ago. Who made a session of his own (setsid) has
/// left the group.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <optional>
#include <string>
#include <tl/expected.hpp>

namespace weft::rehearsal {

class Child {
 public:
  enum class Orphaned : uint8_t {
    goes_on,  ///< the shell ends by itself
    dies,     ///< the shell is killed when the thread that started it ends, even by SIGKILL
  };
  /// In which what was killed has to be over: what hangs in the kernel is not.
  static constexpr std::chrono::milliseconds kDying{2'000};

  /// Of what is said so much is held by bound_output(), at most.
  static constexpr int64_t kMostOutput = int64_t{1} << 20;

  /// Without input.
  static tl::expected<Child, std::string> start(const std::string& command, Orphaned orphaned = Orphaned::goes_on);
  Child(Child&& other) noexcept;
  Child& operator=(Child&&) = delete;
  /// Kills what still runs of its group.
  ~Child();

  /// The shell's exit code, as shells have it, once it has ended.
  std::optional<int> exit_code();
  /// Does nothing run any more, of its whole group?
  bool is_over();
  /// SIGTERM to its whole group: wait for is_over() then.
  void terminate();
  /// SIGKILL to its whole group, and waits, but no longer than kDying. @returns whether it is over
  bool kill();
  /// Forgets what it said long ago, if that is much: to be called now and then.
  void bound_output();
  /// The memory that holds what it said, in bytes.
  int64_t output_held() const;
  /// The end of what it has said, in one line.
  std::string said() const;

 private:
  Child(pid_t pid, int output) : pid_(pid), output_(output) {}

  pid_t pid_;
  int output_;
  std::optional<int> code_;
};

}  // namespace weft::rehearsal
