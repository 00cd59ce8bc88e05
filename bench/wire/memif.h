// SPDX-License-Identifier: Apache-2.0
/// @file The server's end of a shared memory packet interface (memif, version 2.0), for a generator of packets.
///
/// DPDK's own driver copies every packet on the server's side, which makes a generator on it slower than what it is to
/// measure. Here frames are written straight into the client's buffers and looked at where the client left them; no
/// EAL, no huge pages of its own. One connection, one queue each way, polled. One thread. A client that breaks the
/// protocol, or goes away, ends the generator: there is nothing left to measure.
///
/// The client owns the memory: it hands over files (regions), in which lie two rings of descriptors. On the ring
/// towards the client it advances the head as it offers empty buffers, and we the tail as we fill them; on the ring
/// from the client it advances the head as it sends, and we the tail as we are done.
#pragma once

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <tl/expected.hpp>
#include <vector>

namespace weft::bench {

class MemifServer {
 public:
  /// Listens at `path` and completes one client's connection. The socket's file is the caller's to remove.
  static tl::expected<std::unique_ptr<MemifServer>, std::string> accept(const std::string& path,
                                                                        std::chrono::milliseconds patience);
  ~MemifServer();
  MemifServer(const MemifServer&) = delete;
  MemifServer& operator=(const MemifServer&) = delete;

  /// Sends up to `count` frames of `length` bytes; `write(buffer)` writes the next one. @returns for how many the
  /// client had offered a buffer
  template <typename Write>
  uint32_t send(uint32_t count, uint16_t length, Write&& write) {
    count = std::min(count, to_client_.ready(count));
    for (uint32_t i = 0; i < count; ++i) {
      __builtin_prefetch(buffer(to_client_, i), 1);
    }
    for (uint32_t i = 0; i < count; ++i) {
      Descriptor& descriptor = to_client_.descriptor(i);
      write(buffer(to_client_, i));
      descriptor.flags = 0;
      descriptor.length = length;
    }
    to_client_.advance(count);
    return count;
  }

  /// Takes up to `count` frames that the client sent; `read(frame)` may look at each. @returns how many there were
  template <typename Read>
  uint32_t receive(uint32_t count, Read&& read) {
    count = std::min(count, from_client_.ready(1));
    for (uint32_t i = 0; i < count; ++i) {
      read(std::span<const std::byte>(buffer(from_client_, i), from_client_.descriptor(i).length));
    }
    if (count > 0) {
      from_client_.advance(count);
    }
    return count;
  }

  /// Has the client hung up?
  bool gone() const;

 private:
  struct Descriptor {
    uint16_t flags;
    uint16_t region;
    uint32_t length;
    uint32_t offset;
    uint32_t metadata;
  };
  static_assert(sizeof(Descriptor) == 16);

  struct Ring {
    uint32_t cookie;
    uint16_t flags;
    std::atomic<uint16_t> head;
    alignas(64) std::atomic<uint16_t> tail;
  };  // and its descriptors
  static_assert(sizeof(Ring) == 128);

  struct Queue {
    Ring* ring = nullptr;
    uint16_t mask = 0;
    uint16_t at = 0;    ///< our tail
    uint16_t seen = 0;  ///< the client's head when it was last looked at

    Descriptor& descriptor(uint32_t ahead) const {
      return reinterpret_cast<Descriptor*>(ring + 1)[(at + ahead) & mask];
    }

    /// How many descriptors are ours. Looks at the client's head, and so takes its cache line away from it, only if
    /// fewer than `wanted` are known of.
    uint32_t ready(uint32_t wanted) {
      if (static_cast<uint16_t>(seen - at) < wanted) {
        seen = ring->head.load(std::memory_order_acquire);
      }
      return static_cast<uint16_t>(seen - at);
    }
    void advance(uint32_t count) {
      at = static_cast<uint16_t>(at + count);
      ring->tail.store(at, std::memory_order_release);
    }
  };
  struct Region {
    std::byte* bytes = nullptr;
    size_t size = 0;
  };
  struct Message;

  /// A descriptor is the client's word; a buffer that would not lie in its memory is not touched.
  std::byte* buffer(const Queue& queue, uint32_t ahead) const {
    const Descriptor& descriptor = queue.descriptor(ahead);
    if (descriptor.region >= regions_.size() ||
        uint64_t{descriptor.offset} + kLargestFrame > regions_[descriptor.region].size) [[unlikely]] {
      misbehaved();
    }
    return regions_[descriptor.region].bytes + descriptor.offset;
  }

  static constexpr uint32_t kLargestFrame = 2048;

  MemifServer() = default;
  [[noreturn]] static void misbehaved();
  tl::expected<void, std::string> listen(const std::string& path, std::chrono::milliseconds patience);
  tl::expected<void, std::string> handshake(std::chrono::milliseconds patience);
  tl::expected<void, std::string> add_region(const Message& message, int file);
  tl::expected<void, std::string> add_ring(const Message& message);
  void answer(uint16_t type) const;

  int socket_ = -1;
  std::vector<Region> regions_;
  Queue to_client_;
  Queue from_client_;
};

}  // namespace weft::bench
