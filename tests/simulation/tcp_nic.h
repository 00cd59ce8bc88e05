// SPDX-License-Identifier: Apache-2.0
/// @file Between frames and a host's engine: in one way the bytes are the simulation's own, in the other they go
/// through the data plane's code, checksums and all.
#pragma once

#include "tcp_frame.h"
#include "tcp_host.h"

namespace weft::simulation {

/// What arrived, for the engine.
struct Arrived {
  tcp::Segment segment;
  buffer::Slice frame;  ///< where the segment's options lie, if the data plane read it
};

enum class Reading : uint8_t { taken, no_buffer };

/// Precondition: the packet is good, and its spans are the frame's. Throws Violation.
Reading read_frame(Host& host, const Frame& frame, const Packet& packet, Arrived& arrived);
/// Is the checksum found to be wrong by the data plane, too? Precondition: it is.
void expect_refused(Host& host, const Frame& frame);
Frame write_frame(const Host& host, const tcp::Transmission& out, std::span<const buffer::Slice> slices);

}  // namespace weft::simulation
