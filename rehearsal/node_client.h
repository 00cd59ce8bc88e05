// SPDX-License-Identifier: Apache-2.0
/// @file The node's runtime socket, asked within a time.
#pragma once

#include <chrono>
#include <string>
#include <tl/expected.hpp>
#include <utility>

#include "rehearsal/scenario.h"

namespace weft::rehearsal {

struct AskFailure {
  bool unreachable = false;  ///< no node, or none that answers; else it refused
  bool interrupted = false;  ///< and nothing else: the node may be well, and may have heard it or not
  std::string message;
};

class NodeClient {
 public:
  explicit NodeClient(std::string socket) : socket_(std::move(socket)) {}

  /// One command and its whole answer. @param line without "json" and end
  tl::expected<Json, AskFailure> ask(const std::string& line) const;
  /// A command whose answer goes on, as JSON, a line each.
  /// @returns a non-blocking socket that is the caller's
  tl::expected<int, AskFailure> follow(const std::string& line) const;
  /// Whoever waits gives up as soon as there is something to read; that is left to whom the descriptor is. @param fd
  /// -1: none. @returns what it was
  int interrupt_by(int fd) { return std::exchange(interrupt_, fd); }
  const std::string& socket() const { return socket_; }

 private:
  tl::expected<int, AskFailure> say(const std::string& line) const;

  std::string socket_;
  int interrupt_ = -1;
};

}  // namespace weft::rehearsal
