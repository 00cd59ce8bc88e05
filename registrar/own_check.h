// SPDX-License-Identifier: Apache-2.0
/// @file The check of a program that weftctl runs: by TCP, HTTP, or another program's exit code.
///
/// It has passed nothing at first: a program is registered once its check passes.
#pragma once

#include <memory>
#include <string>
#include <tl/expected.hpp>

#include "registry-sync/prober.h"

namespace weft::registrar {

struct CheckFlags {
  std::string what;  ///< "http://127.0.0.1:8080/health", "tcp://10.1.0.7:8080", "exec:COMMAND"; empty: none
  std::string interval = "2s";
  std::string timeout = "1s";
  uint32_t rise = 1;
  uint32_t fall = 3;
};

class OwnCheck {
 public:
  /// The error names the flag.
  static tl::expected<std::unique_ptr<OwnCheck>, std::string> make(const CheckFlags& flags);
  ~OwnCheck();

  /// Begins what is due and ends what takes too long. Call it ten times a second.
  void go_on(registry::Time now);
  /// Of a process that was reaped: maybe the check's.
  void note_ended(pid_t pid, int status, registry::Time now);
  /// May it be registered as ready? Without a check, yes.
  bool passing() const;
  std::string last_error() const;

 private:
  OwnCheck() = default;
  registry::CheckState state() const;

  std::string command_;                         ///< of exec
  std::unique_ptr<registry::Prober> prober_;    ///< of TCP and HTTP
  std::unique_ptr<registry::HealthBook> book_;  ///< of exec
  std::chrono::milliseconds timeout_{0};
  pid_t running_ = 0;  ///< 0: none
  registry::Time began_{};
};

}  // namespace weft::registrar
