// SPDX-License-Identifier: Apache-2.0
/// @file What happened in a simulation: a hash of all of it, the last lines, and if asked for everything, as text or as
/// a pcap file.
#pragma once

#include <array>
#include <fstream>
#include <string>

#include "tcp_frame.h"
#include "tcp_host.h"

namespace weft::simulation {

class Trace {
 public:
  enum class Kind : uint8_t { sent, arrived, lost, event };

  /// Every line goes to standard output, too.
  void print() { prints_ = true; }
  /// Every frame that is sent goes to a pcap file. Throws std::runtime_error.
  void write_pcap(const std::string& path);

  void sent(Time now, uint32_t host, const Frame& frame, const Packet& packet);
  void arrived(Time now, uint32_t host, const Packet& packet);
  void lost(Time now, uint32_t host, const Packet& packet, const char* why);
  void told(Time now, uint32_t host, const tcp::Event& event);

  uint64_t hash() const { return hash_; }
  uint64_t segments() const { return segments_; }
  std::string last_lines() const;

 private:
  static constexpr size_t kLines = 40;

  struct Line {
    Time at{};
    Kind kind{};
    uint32_t host = 0;
    const char* why = "";
    Packet packet;  ///< its bytes are gone: their number alone is looked at
    tcp::Event event;
  };

  void add(const Line& line);
  void mix(uint64_t value);
  static std::string to_text(const Line& line);

  uint64_t hash_ = 0;
  uint64_t segments_ = 0;
  bool prints_ = false;
  std::ofstream pcap_;
  std::array<Line, kLines> lines_;
  size_t next_ = 0;
};

/// "readable, peer closed"
std::string event_names(uint16_t what);

}  // namespace weft::simulation
