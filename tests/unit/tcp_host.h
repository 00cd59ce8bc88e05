// SPDX-License-Identifier: Apache-2.0
/// @file An engine with buffers of its own, and a perfect wire between two of them.
#pragma once

#include <algorithm>
#include <cstring>
#include <string>
#include <vector>

#include "buffer/heap.h"
#include "tcp/engine.h"

namespace weft::tcp {

/// An engine with buffers, and what it said.
struct Host {
  explicit Host(uint8_t key, const Config& config = {})
      : buffers(std::min(config.pieces, 4096U), 2048), engine(config, Secret{{key}}, time::Time{}) {}

  buffer::Slice slice_of(std::string_view text) {
    buffer::Slice slice(buffers.pool().take(), 0, static_cast<uint16_t>(text.size()));
    std::memcpy(slice.writable().data(), text.data(), text.size());
    return slice;
  }
  std::string read(ConnectionId id) {
    std::string text;
    while (const buffer::Slice* front = engine.front(id)) {
      text.append(reinterpret_cast<const char*>(front->data()), front->size());
      engine.consume(id, front->size());
    }
    return text;
  }

  buffer::HeapBuffers buffers;
  Engine engine;
  Output output;
  std::vector<Event> events;
};

/// What one has to say, to the other it is meant for. @param silent nothing comes to this address @returns segments
inline size_t carry(Host& from, Host& to, time::Time now, const lb::Address& silent = {}) {
  from.engine.flush(now, from.output);
  std::vector<Segment> segments;
  for (const Transmission& out : from.output.segments) {
    if (out.pair.remote == silent) {
      continue;
    }
    Segment& in = segments.emplace_back();
    in.pair = {out.pair.remote, out.pair.local, out.pair.remote_port, out.pair.local_port};
    in.sequence = out.sequence;
    in.acknowledgment = out.acknowledgment;
    in.window = out.window;
    in.flags = out.flags;
    in.options = out.options.data();
    in.options_length = out.options_length;
    if (out.payload_length > 0) {
      in.payload = buffer::Slice(to.buffers.pool().take(), 0, out.payload_length);
      size_t at = 0;
      for (uint32_t i = 0; i < out.slice_count; ++i) {
        const auto bytes = from.output.slices[out.first_slice + i].bytes();
        std::memcpy(&in.payload.writable()[at], bytes.data(), bytes.size());
        at += bytes.size();
      }
    }
  }
  to.engine.input(segments, now, to.output);
  from.output.segments.clear();
  from.output.slices.clear();
  for (Host* host : {&from, &to}) {
    host->events.insert(host->events.end(), host->output.events.begin(), host->output.events.end());
    host->output.events.clear();
  }
  return segments.size();
}

}  // namespace weft::tcp
