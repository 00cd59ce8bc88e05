// SPDX-License-Identifier: Apache-2.0
/// @file Addresses from a worker to the slow path, which asks for their Ethernet addresses: one producer, one consumer.
///
/// Bounded, and the worker never waits: what finds no room is lost, and asked for again with the address's next packet.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <span>
#include <vector>

#include "lb/address.h"

namespace weft::runtime {

class UnresolvedRing {
 public:
  static constexpr uint32_t kRoom = 1024;

  /// The worker's side.
  void put(std::span<const lb::Address> addresses) {
    uint32_t head = head_.load(std::memory_order_relaxed);
    const uint32_t tail = tail_.load(std::memory_order_acquire);
    for (const lb::Address& address : addresses) {
      if (head - tail == kRoom) {
        break;
      }
      ring_[head++ % kRoom] = address;
    }
    head_.store(head, std::memory_order_release);
  }

  /// The slow path's side: all that is there, appended.
  void take(std::vector<lb::Address>& addresses) {
    uint32_t tail = tail_.load(std::memory_order_relaxed);
    for (const uint32_t head = head_.load(std::memory_order_acquire); tail != head; ++tail) {
      addresses.push_back(ring_[tail % kRoom]);
    }
    tail_.store(tail, std::memory_order_release);
  }

 private:
  alignas(64) std::atomic<uint32_t> head_{0};
  alignas(64) std::atomic<uint32_t> tail_{0};
  alignas(64) std::array<lb::Address, kRoom> ring_;
};

}  // namespace weft::runtime
