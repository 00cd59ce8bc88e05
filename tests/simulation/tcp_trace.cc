// SPDX-License-Identifier: Apache-2.0
#include "tcp_trace.h"

#include <cstdio>
#include <string_view>

namespace weft::simulation {
namespace {

template <typename Value>
void put(std::ofstream& file, Value value) {
  file.write(reinterpret_cast<const char*>(&value), sizeof value);
}

}  // namespace

void Trace::write_pcap(const std::string& path) {
  pcap_.open(path, std::ios::binary);
  if (!pcap_) {
    throw std::runtime_error("cannot write " + path);
  }
  put<uint32_t>(pcap_, 0xa1b23c4d);  // times in nanoseconds
  put<uint16_t>(pcap_, 2);
  put<uint16_t>(pcap_, 4);
  put<uint64_t>(pcap_, 0);
  put<uint32_t>(pcap_, 65'535);
  put<uint32_t>(pcap_, 101);  // LINKTYPE_RAW: packets begin with their IP header
}

void Trace::sent(Time now, uint32_t host, const Frame& frame, const Packet& packet) {
  ++segments_;
  mix(std::hash<std::string_view>()({reinterpret_cast<const char*>(frame.data()), frame.size()}));
  if (pcap_.is_open()) {
    put(pcap_, static_cast<uint32_t>(now / 1s));
    put(pcap_, static_cast<uint32_t>(now % 1s / 1ns));
    put(pcap_, static_cast<uint32_t>(frame.size()));
    put(pcap_, static_cast<uint32_t>(frame.size()));
    pcap_.write(reinterpret_cast<const char*>(frame.data()), static_cast<std::streamsize>(frame.size()));
  }
  add({.at = now, .kind = Kind::sent, .host = host, .packet = packet});
}

void Trace::arrived(Time now, uint32_t host, const Packet& packet) {
  add({.at = now, .kind = Kind::arrived, .host = host, .packet = packet});
}

void Trace::lost(Time now, uint32_t host, const Packet& packet, const char* why) {
  add({.at = now, .kind = Kind::lost, .host = host, .why = why, .packet = packet});
}

void Trace::told(Time now, uint32_t host, const tcp::Event& event) {
  mix(uint64_t{event.id.index} << 32 | event.id.generation);
  mix(uint64_t{event.user} << 16 | event.what);
  add({.at = now, .kind = Kind::event, .host = host, .event = event});
}

void Trace::mix(uint64_t value) {
  hash_ = (hash_ ^ value) * 0x9e3779b97f4a7c15;
  hash_ ^= hash_ >> 29;
}

void Trace::add(const Line& line) {
  mix(static_cast<uint64_t>(line.at.count()));
  mix(uint64_t{line.host} << 8 | static_cast<uint64_t>(line.kind));
  if (prints_) {
    std::puts(to_text(line).c_str());
  }
  lines_[next_++ % kLines] = line;
}

std::string Trace::last_lines() const {
  std::string text;
  for (size_t i = next_ > kLines ? next_ - kLines : 0; i < next_; ++i) {
    text += to_text(lines_[i % kLines]) + "\n";
  }
  return text;
}

std::string Trace::to_text(const Line& line) {
  char time[32];
  std::snprintf(time, sizeof time, "%12.6f", std::chrono::duration<double>(line.at).count());
  const std::string host(1, static_cast<char>('A' + line.host));
  switch (line.kind) {
    case Kind::sent:
      return time + (" " + host + " sends   ") + to_string(line.packet);
    case Kind::arrived:
      return time + (" " + host + " gets    ") + to_string(line.packet);
    case Kind::lost:
      return time + (" " + host + " loses   ") + to_string(line.packet) + " (" + line.why + ")";
    case Kind::event:
      return time + (" " + host + " is told ") + std::to_string(line.event.id.index) + "." +
             std::to_string(line.event.id.generation) + " " + event_names(line.event.what);
  }
  return {};
}

std::string event_names(uint16_t what) {
  constexpr std::array<std::string_view, 9> kNames{"accepted", "connected", "readable",  "writable",   "peer closed",
                                                   "closed",   "reset",     "timed out", "unreachable"};
  std::string names;
  for (size_t i = 0; i < kNames.size(); ++i) {
    if ((what >> i & 1) != 0) {
      names += (names.empty() ? "" : ", ") + std::string(kNames[i]);
    }
  }
  return names;
}

}  // namespace weft::simulation
