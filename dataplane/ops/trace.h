// SPDX-License-Identifier: Apache-2.0
/// @file `trace`: the next packets' way through every stage, packet by packet as they come.
#pragma once

#include "ops/show.h"
#include "ops/stream.h"

namespace weft::ops {

/// How an answer is to be written.
enum class Form : uint8_t { text, json };

/// Begins an answer that goes on, or says why not; an empty error asks for the usage.
using Begun = tl::expected<std::unique_ptr<Stream>, std::string>;

/// `trace <packets> [for <seconds>] [<filter>]`
Begun trace(node::Node& node, const Words& arguments, Form form);

}  // namespace weft::ops
