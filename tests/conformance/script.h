// SPDX-License-Identifier: Apache-2.0
/// @file Scripts of exact time, of what arrives, what the application does, and what must be sent: from text to steps.
///
/// A line is a comment (#), a setting, or a step. Settings stand before all steps:
///
///     use accepted                      the lines of openings/accepted.tcp
///     config receive_buffer 8192, timestamps off
///     family 4                          for one address family alone
///
/// A step begins with how long after the last one it is, in milliseconds ("+40", "+0.5"), seconds ("+3s") or days; a
/// range, for what may be sent within it ("+190..210"); or with "&": in the same turn of the engine as the line before.
/// "on 2" names another connection than the first.
///
///     +0  <  SA 0 ack 1 win 1000 [mss 1460, sack-ok, ts 100 T1, shift 7]
///     +10 >  A 1:1001 ack 1 [ts T1+10 100, sack 1:11 21:31]
///     +0  on 2 write 1000
///
/// A segment is its flags (S F R P A U E C, "-": none), its first sequence number and the one behind its payload (a SYN
/// or FIN does not count), what it acknowledges, its window as on the wire, and its options. Sequence numbers count
/// from the sender's initial one; with "=" they are absolute. A timestamp is a number, "any", or a name that has the
/// value that the engine used where it first stands. "garbage" in an arrival: other bytes than the stream's.
///
/// What arrives without "win" has the last one; what is expected without it may have any. Expected without options, it
/// may have timestamps alone, or anything on a SYN; with them, exactly those. PSH counts if it is written. What is sent
/// and not expected is an error, at every moment.
///
/// runner.h tells the rest: calls, events, and what can be asserted.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "tcp/config.h"

namespace weft::conformance {

using Duration = std::chrono::microseconds;

struct Failure : std::runtime_error {
  using std::runtime_error::runtime_error;
};

struct Sequence {
  uint32_t number = 0;
  bool is_absolute = false;
};

struct Stamp {
  bool is_any = false;
  std::string name;     ///< empty: a number
  uint32_t number = 0;  ///< what is added to the name's value
};

struct OptionList {
  std::optional<uint16_t> mss;
  bool is_our_mss = false;  ///< "mss ours": what the link allows, which differs by family
  std::optional<uint8_t> shift;
  bool sack_permitted = false;
  std::optional<std::pair<Stamp, Stamp>> timestamps;
  std::vector<std::pair<Sequence, Sequence>> blocks;
  std::vector<uint8_t> raw;  ///< "raw 0204ffff", behind the others
};

struct SegmentLine {
  uint8_t flags = 0;
  Sequence begin;
  uint32_t length = 0;  ///< payload
  std::optional<Sequence> acknowledgment;
  std::optional<uint16_t> window;
  std::optional<OptionList> options;
  bool is_garbage = false;
};

struct Step {
  enum class Kind : uint8_t { arrive, expect, command };

  std::string place;  ///< file and line
  std::string text;
  Kind kind = Kind::command;
  bool same_turn = false;
  Duration earliest{};  ///< since the last step
  Duration latest{};
  uint32_t connection = 1;
  SegmentLine segment;             ///< of arrive and expect
  std::vector<std::string> words;  ///< of a command
};

struct Script {
  std::string name;
  tcp::Config config;
  std::optional<int> family;
  std::vector<Step> steps;
};

/// Throws Failure, which says where and what.
Script read_script(const std::filesystem::path& path);
/// The same of lines that are not in a file; they can't "use" others.
Script parse_script(const std::string& name, const std::string& text);

/// A number, of a command too. Throws Failure.
uint64_t parse_number(const std::string& text);
/// "10", or "=10". Throws Failure.
Sequence parse_sequence(const std::string& text);

}  // namespace weft::conformance
