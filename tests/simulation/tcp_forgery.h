// SPDX-License-Identifier: Apache-2.0
/// @file Segments that nobody sent: what one who does not see the connection may send into it (RFC 5961), as close as
/// it gets without being right. They must change nothing.
#pragma once

#include <optional>

#include "tcp_nic.h"
#include "tcp_wire_watch.h"

namespace weft::simulation {

/// One to the host that gets the packet. Nothing: of this connection too little is known, or there is no buffer.
std::optional<tcp::Segment> forge(Host& host, const Packet& packet, const WireWatch& watch);
/// An ICMP error of a segment that is not on its way.
tcp::NetworkError forge_error(Host& host, const Packet& packet);

}  // namespace weft::simulation
