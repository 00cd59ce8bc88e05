// SPDX-License-Identifier: Apache-2.0
/// @file Copies of packets for one operator, as workers receive and as they send them: workers write, one thread reads.
///
/// A packet that is handed over counts as received once, where it came in. What a worker gives to a port counts as
/// sent, although the port may take no more (transmit_full). Of a packet in several buffers the first is copied.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "l4/burst.h"
#include "runtime/packet_filter.h"
#include "runtime/record_ring.h"

namespace weft::runtime {

struct CaptureConfig {
  PacketFilter filter;
  bool received = true;
  bool sent = true;
  uint32_t snap_bytes = 2048;           ///< of each packet, at most
  size_t ring_bytes = size_t{4} << 20;  ///< a worker
};

class Capture {
 public:
  struct Copy {
    uint64_t cycles = 0;               ///< of the time-stamp counter, at the copying
    uint32_t length = 0;               ///< of the frame
    std::span<const std::byte> bytes;  ///< valid until the next look()
  };

  /// Takes all memory that it will need.
  Capture(uint32_t workers, CaptureConfig config);

  // A worker's side.
  void before(uint32_t worker, const l4::Burst& burst);
  void after(uint32_t worker, const l4::Burst& burst);
  /// What the worker's own TCP sends.
  void originated(uint32_t worker, const l4::Frame& frame);

  // The reader's side.
  /// Calls use(copy) for what was copied, at most `most` times and while it returns true: in the order of time, as far
  /// as the workers have written by now.
  template <typename Use>
  void look(uint32_t most, Use use);
  /// How many copies found no room.
  uint64_t missed() const;

 private:
  struct Head {
    uint64_t cycles = 0;
    uint32_t length = 0;
    uint32_t captured = 0;
  };

  void copy(RecordRing& ring, const l4::Frame& frame);
  static Copy read(const std::byte* record);
  RecordRing* with_oldest() const;

  const CaptureConfig config_;
  std::vector<std::unique_ptr<RecordRing>> rings_;
};

template <typename Use>
void Capture::look(uint32_t most, Use use) {
  for (RecordRing* ring; most > 0 && (ring = with_oldest()) != nullptr; --most) {
    if (!use(read(ring->front()))) {
      return;
    }
    ring->pop();
  }
}

}  // namespace weft::runtime
