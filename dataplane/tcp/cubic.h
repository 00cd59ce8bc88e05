// SPDX-License-Identifier: Apache-2.0
/// @file CUBIC (RFC 9438): how the congestion window grows, and what a loss takes from it.
#pragma once

#include "tcp/connection.h"

namespace weft::tcp {

/// Bytes were acknowledged while the window was what limited the sender.
void grow_window(Connection& connection, Details& details, uint32_t acknowledged, time::Millis now);
/// A loss was found: sets the slow start threshold. What becomes of the window is recovery's.
void reduce_threshold(const Connection& connection, Details& details);

}  // namespace weft::tcp
