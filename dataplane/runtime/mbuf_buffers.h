// SPDX-License-Identifier: Apache-2.0
/// @file Packet buffers as those of slices (buffer/slice.h): what describes one lies in its mbuf's private area.
///
/// A buffer whose last slice is gone comes to a Pool; drain() gives the mbufs in it back, many at once. The device may
/// hold an mbuf beside: then it is the device that frees it.
#pragma once

#include <rte_mbuf.h>

#include <array>

#include "buffer/slice.h"

namespace weft::runtime {

/// Precondition: its pool has room for it (BufferPool).
inline buffer::Buffer* buffer_of(rte_mbuf* packet) {
  return static_cast<buffer::Buffer*>(rte_mbuf_to_priv(packet));
}
inline rte_mbuf* mbuf_of(buffer::Buffer* buffer) {
  return reinterpret_cast<rte_mbuf*>(reinterpret_cast<std::byte*>(buffer) - sizeof(rte_mbuf));
}

/// All of the packet's bytes; its buffer goes to `pool` in the end. Takes ownership. Precondition: one segment.
inline buffer::Slice slice_of(rte_mbuf* packet, buffer::Pool& pool) {
  buffer::Buffer* const buffer = buffer_of(packet);
  *buffer = {.bytes = static_cast<std::byte*>(packet->buf_addr), .pool = &pool, .capacity = packet->buf_len};
  return {buffer, packet->data_off, packet->data_len};
}

/// Gives back all that came to the pool but `keep`.
inline void drain(buffer::Pool& pool, size_t keep) {
  std::array<rte_mbuf*, 64> packets;
  while (pool.size() > keep) {
    uint32_t count = 0;
    while (count < packets.size() && pool.size() > keep) {
      packets[count++] = mbuf_of(pool.take());
    }
    rte_pktmbuf_free_bulk(packets.data(), count);
  }
}

}  // namespace weft::runtime
