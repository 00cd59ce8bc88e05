// SPDX-License-Identifier: Apache-2.0
#include "rehearsal/live_fault.h"

#include <fmt/format.h>

namespace weft::rehearsal {

tl::expected<void, AskFailure> start_fault(const NodeClient&, const Scenario&, size_t) {
  return tl::make_unexpected(AskFailure{.unreachable = false, .message = "the node has no faults"});
}

tl::expected<void, AskFailure> stop_fault(const NodeClient&, const Scenario&, size_t) {
  return {};
}

Json counts_of_fault(const NodeClient&, const Scenario&, size_t) {
  return nullptr;
}

std::string fault_in_words(const Json&) {
  return "";
}

std::string describe_fault(const Step& step) {
  return step.fault.dump();
}

}  // namespace weft::rehearsal
