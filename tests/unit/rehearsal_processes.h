// SPDX-License-Identifier: Apache-2.0
/// @file Processes that commands of scenarios left, for tests that ask what became of them.
#pragma once

#include <poll.h>
#include <sys/types.h>

#include <chrono>
#include <fstream>
#include <functional>
#include <string>

namespace weft::rehearsal {

inline bool comes_true(const std::function<bool()>& what) {
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(60);
  while (!what()) {
    if (std::chrono::steady_clock::now() > deadline) {
      return false;
    }
    poll(nullptr, 0, 2);
  }
  return true;
}

/// The number that a command wrote, once it did; 0: it did not.
inline pid_t process_in(const std::string& file) {
  pid_t pid = 0;
  comes_true([&] { return std::ifstream(file) >> pid && pid > 0; });
  return pid;
}

/// A zombie that nobody reaps is gone, too.
inline bool is_gone(pid_t pid) {
  std::ifstream stat("/proc/" + std::to_string(pid) + "/stat");
  std::string word;
  stat >> word >> word >> word;
  return !stat || word == "Z" || word == "X";
}

}  // namespace weft::rehearsal
