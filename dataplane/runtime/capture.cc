// SPDX-License-Identifier: Apache-2.0
#include "runtime/capture.h"

#include <algorithm>
#include <cstring>

#include "time/clock.h"

namespace weft::runtime {

Capture::Capture(uint32_t workers, CaptureConfig config) : config_(std::move(config)) {
  const size_t record = sizeof(Head) + config_.snap_bytes;
  const size_t records = std::bit_floor(std::max<size_t>(config_.ring_bytes / record, l4::Burst::kMax));
  for (uint32_t worker = 0; worker < workers; ++worker) {
    rings_.push_back(std::make_unique<RecordRing>(records, record));
  }
}

void Capture::before(uint32_t worker, const l4::Burst& burst) {
  if (!config_.received || burst.taken_over) {
    return;
  }
  for (uint32_t i = 0; i < burst.size; ++i) {
    copy(*rings_[worker], burst.frames[i]);
  }
}

void Capture::after(uint32_t worker, const l4::Burst& burst) {
  if (!config_.sent) {
    return;
  }
  for (uint32_t i = 0; i < burst.size; ++i) {
    const l4::Outcome outcome = outcome_of(burst.verdicts[i]);
    if (outcome == l4::Outcome::transmitted || outcome == l4::Outcome::passed) {
      copy(*rings_[worker], burst.frames[i]);
    }
  }
}

void Capture::originated(uint32_t worker, const l4::Frame& frame) {
  if (config_.sent) {
    copy(*rings_[worker], frame);
  }
}

void Capture::copy(RecordRing& ring, const l4::Frame& frame) {
  if (!config_.filter.matches({frame.data, frame.length})) {
    return;
  }
  std::byte* place = ring.reserve();
  if (place == nullptr) {
    return;
  }
  const Head head{.cycles = time::TscClock::cycles(),
                  .length = frame.length,
                  .captured = std::min<uint32_t>(frame.length, config_.snap_bytes)};
  std::memcpy(place, &head, sizeof head);
  std::memcpy(place + sizeof head, frame.data, head.captured);
  ring.commit();
}

Capture::Copy Capture::read(const std::byte* record) {
  Head head;
  std::memcpy(&head, record, sizeof head);
  return {.cycles = head.cycles, .length = head.length, .bytes = {record + sizeof head, head.captured}};
}

RecordRing* Capture::with_oldest() const {
  RecordRing* oldest = nullptr;
  uint64_t cycles = 0;
  for (const auto& ring : rings_) {
    const std::byte* record = ring->front();
    if (record != nullptr && (oldest == nullptr || read(record).cycles < cycles)) {
      oldest = ring.get();
      cycles = read(record).cycles;
    }
  }
  return oldest;
}

uint64_t Capture::missed() const {
  uint64_t sum = 0;
  for (const auto& ring : rings_) {
    sum += ring->missed();
  }
  return sum;
}

}  // namespace weft::runtime
