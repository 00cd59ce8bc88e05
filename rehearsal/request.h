// SPDX-License-Identifier: Apache-2.0
/// @file A request that finished, as an access record tells of it.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "lb/address.h"

namespace weft::rehearsal {

using Moment = std::chrono::time_point<std::chrono::system_clock, std::chrono::microseconds>;

struct Request {
  Moment began{};  ///< when its head had come
  std::chrono::microseconds duration{};
  std::string service;
  lb::Address client;
  uint16_t status = 0;  ///< 0: the client was told nothing
  uint32_t attempts = 0;
  std::string flags;   ///< "UF,URX"; "-": none
  std::string detail;  ///< "no_healthy_upstream,fault:sick", or "-"
  std::string fault;   ///< that was injected on purpose, by its name; empty: none
  std::string answered_by;
  bool denied = false;  ///< by a policy of access

  Moment ended() const { return began + duration; }
  /// As Istio has it: the client was told something, and it was no 5xx.
  bool succeeded() const { return status != 0 && status < 500; }
  bool has_flag(std::string_view flag) const;
  /// The whole, or one of its parts between commas.
  bool has_detail(std::string_view wanted) const;
};

struct Missed {
  uint64_t requests = 0;
};
struct Followed {};  ///< the stream's first line: nothing from now on is left out in silence
struct Over {};      ///< its last

/// A line of `json access`. Nothing: it is no such line.
std::optional<std::variant<Request, Missed, Followed, Over>> read_access_line(std::string_view line);

}  // namespace weft::rehearsal
