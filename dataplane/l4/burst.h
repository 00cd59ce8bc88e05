// SPDX-License-Identifier: Apache-2.0
/// @file The packets that one poll of one port received, with what the pipeline finds out about each beside them.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "flow/table.h"
#include "l4/verdict.h"
#include "packet/parse.h"

namespace weft::l4 {

/// One packet's bytes, from the Ethernet header on. Borrowed: whoever received it owns it.
struct Frame {
  std::byte* data = nullptr;
  uint16_t length = 0;
  uint16_t headroom = 0;  ///< writable bytes before the frame
  uint16_t room = 0;      ///< writable bytes behind the frame
};

struct Burst {
  static constexpr uint32_t kMax = 32;

  // in
  uint32_t size = 0;
  bool taken_over = false;  ///< another worker handed these over: it says that they are this worker's
  std::array<Frame, kMax> frames;
  std::array<uint8_t, kMax> ingress;
  /// Source and destination port as they lie in a packet, of a fragment that has none of its own: beside it, when it is
  /// handed over. Else 0.
  std::array<uint32_t, kMax> ports;

  // out, with the frames' new bytes, lengths and starts
  std::array<Verdict, kMax> verdicts;
  std::array<uint8_t, kMax> egress;      ///< which port to send to; set if transmitted or passed
  std::array<uint8_t, kMax> owners;      ///< which worker to hand over to; set if handed over
  std::array<uint32_t, kMax> listeners;  ///< whose service's slot; set if delivered; kNoListener: an own connection's
  static constexpr uint32_t kNoListener = UINT32_MAX;
  static constexpr uint32_t kSilent =
      UINT32_MAX - 1;  ///< of a source that is not permitted: it is answered nothing new

  // between the pipeline's passes
  std::array<packet::Parsed, kMax> parsed;
  std::array<uint64_t, kMax> hashes;
  std::array<flow::Ref, kMax> nominees;
  uint32_t without_flow = 0;
  std::array<uint8_t, kMax> flowless;  ///< indices of those
};

}  // namespace weft::l4
