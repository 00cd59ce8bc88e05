// SPDX-License-Identifier: Apache-2.0
/// @file A step's command: a shell in a process group of its own, whose output is kept for the report.
#pragma once

#include <sys/types.h>

#include <optional>
#include <string>
#include <tl/expected.hpp>

namespace weft::rehearsal {

class Child {
 public:
  /// Without input. What it leaves behind in the background goes on when it has ended, but not when it is killed.
  static tl::expected<Child, std::string> start(const std::string& command);
  Child(Child&& other) noexcept;
  Child& operator=(Child&&) = delete;
  /// Kills what still runs.
  ~Child();

  /// Its exit code, as shells have it, once it has ended.
  std::optional<int> exit_code();
  /// SIGTERM to its whole group: wait for exit_code() then.
  void terminate();
  /// SIGKILL, and waits: it is over.
  void kill();
  /// The end of what it has said, in one line.
  std::string said() const;

 private:
  Child(pid_t pid, int output) : pid_(pid), output_(output) {}

  pid_t pid_;
  int output_;
  std::optional<int> code_;
};

}  // namespace weft::rehearsal
