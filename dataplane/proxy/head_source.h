// SPDX-License-Identifier: Apache-2.0
/// @file Takes a message's head from a connection as one run of bytes: where it lies, if it came in one segment, else
/// put together in a buffer of its own.
#pragma once

#include <cstdint>

#include "buffer/heap.h"
#include "tcp/engine.h"

namespace weft::proxy {

/// What is known of a head that is not whole yet; 24 bytes.
struct PartialHead {
  buffer::Slice gathered;  ///< empty: it still lies in the connection's receive queue
  uint32_t searched = 0;   ///< of its bytes: no end is there

  bool begun() const { return !gathered.empty(); }
};

class HeadSource {
 public:
  enum class Outcome : uint8_t {
    whole,
    partial,  ///< more must come
    too_long,
    no_memory,  ///< all buffers for heads that came in pieces are in use
  };

  /// @param gathered how many heads may be put together at a time. Throws std::bad_alloc.
  HeadSource(tcp::Engine& engine, uint32_t longest, uint32_t gathered)
      : engine_(engine), longest_(longest), buffers_(gathered, longest) {}

  /// Takes the head, and nothing behind it, out of the connection. @param head set if whole
  Outcome take(tcp::ConnectionId id, PartialHead& partial, buffer::Slice& head);
  /// Room as for the longest head, empty, for what else belongs to one. Without a buffer: none is left.
  buffer::Slice spare() {
    buffer::Buffer* const buffer = buffers_.pool().take();
    return buffer == nullptr ? buffer::Slice() : buffer::Slice(buffer, 0, 0);
  }

 private:
  Outcome gather(tcp::ConnectionId id, PartialHead& partial, buffer::Slice& head);

  tcp::Engine& engine_;
  const uint32_t longest_;
  buffer::HeapBuffers buffers_;
};

}  // namespace weft::proxy
