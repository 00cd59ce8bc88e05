// SPDX-License-Identifier: Apache-2.0
/// @file The words of the runtime socket: one line in, one answer out.
///
/// Reads come from snapshots and from what workers publish; changes go through the registry's follower. No command
/// reaches into a worker. Control thread only.
#pragma once

#include <string>
#include <string_view>
#include <tl/expected.hpp>

#include "node/node.h"
#include "ops/render.h"
#include "ops/stream.h"

namespace weft::ops {

constexpr size_t kMaxLine = 4096;

using Answer = tl::expected<Json, std::string>;

/// The reply to a line that may begin with "json": text, or JSON in lines, newlines included; errors too.
/// @param line without its end
Reply reply_to(node::Node& node, std::string_view line);

}  // namespace weft::ops
