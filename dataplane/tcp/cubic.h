// SPDX-License-Identifier: Apache-2.0
/// @file CUBIC (RFC 9438) and HyStart++ (RFC 9406): how the congestion window grows, and what a loss takes from it.
#pragma once

#include "tcp/connection.h"

namespace weft::tcp {

/// Bytes were acknowledged while the window was what limited the sender.
void grow_window(Connection& connection, Details& details, uint32_t acknowledged, time::Millis now);
/// HyStart++ (RFC 9406): a round trip of the first slow start was timed. When round trips grow, so does a queue, and
/// the window needs no doubling until something is lost to see that it is large enough. Slow start goes on at a quarter
/// of its pace, and ends after some rounds.
/// @param rtt in microseconds
void look_for_queue(const Connection& connection, Details& details, uint32_t rtt);
/// A loss was found: sets the slow start threshold. What becomes of the window is recovery's.
void reduce_threshold(const Connection& connection, Details& details);

}  // namespace weft::tcp
