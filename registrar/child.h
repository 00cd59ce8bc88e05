// SPDX-License-Identifier: Apache-2.0
/// @file A program that runs as a child, in a process group of its own. What it and its children leave behind is
/// reaped.
///
/// Signals that weftctl was told to pass on come through a signalfd: block() is called before any thread starts.
#pragma once

#include <sys/types.h>

#include <optional>
#include <string>
#include <tl/expected.hpp>
#include <vector>

namespace weft::registrar {

/// Blocks all that is passed on, and SIGCHLD. @returns a signalfd of them, non-blocking; -1 if there can't be one
int block_signals();

/// Starts it, by PATH, with these words; with weftctl's own files and the signals as they were before block_signals().
/// If the terminal is weftctl's, it is the child's from now on, as with a shell: what is typed goes to it, and so does
/// Ctrl-C.
/// @returns its process, whose group has the same number
/// The error is errno.
tl::expected<pid_t, int> start_program(const std::vector<std::string>& words);
/// To be called once the program ended: whoever reads behind weftctl, such as a script's next line, would be stopped.
void take_terminal_back();
/// As start_program(), a check's: without input and output, in the background.
tl::expected<pid_t, int> start_check(const std::string& command);

/// As shells have it: its exit code, or 128 and the signal that ended it.
int exit_code_of(int status);

struct Ended {
  pid_t pid = 0;
  int status = 0;
};
/// One that ended and was not reaped yet, ours or (of process 1) an orphan.
std::optional<Ended> reap_one();

}  // namespace weft::registrar
