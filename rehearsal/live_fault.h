// SPDX-License-Identifier: Apache-2.0
/// @file A step's fault as the node's commands have it: `fault start`, `fault list`, `fault stop`.
#pragma once

#include "rehearsal/node_client.h"

namespace weft::rehearsal {

/// For as long as the step lasts, and a little longer: the player stops it.
tl::expected<void, AskFailure> start_fault(const NodeClient& node, const Step& step);
/// One that has ended by itself is stopped, too.
tl::expected<void, AskFailure> stop_fault(const NodeClient& node, const Step& step);
/// Its row in `fault list`; null: there is none.
Json counts_of_fault(const NodeClient& node, const Step& step);
/// What such a row counts: "aborted 12, delayed 3".
std::string fault_in_words(const Json& counts);
/// "default/web" of one that is a Service's; nothing: it is a route's or a gateway's, or the step is no fault.
std::optional<std::string> service_of_fault(const Step& step);
/// In one line.
std::string describe_fault(const Step& step);

}  // namespace weft::rehearsal
