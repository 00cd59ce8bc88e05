// SPDX-License-Identifier: Apache-2.0
#include "rehearsal/live_fault.h"

#include <fmt/format.h>

#include <algorithm>

#include "registrar/fault_flags.h"

namespace weft::rehearsal {
namespace {

constexpr Millis kSpare{5'000};             // in which the player has stopped it
constexpr Millis kLongestFault{3'600'000};  // that the node takes
constexpr std::string_view kDone[] = {"delayed", "aborted", "reset", "dead", "lost", "throttled"};

std::string name_of_fault(const Step& step) {
  return step.fault["metadata"]["name"].get<std::string>();
}

}  // namespace

tl::expected<void, AskFailure> start_fault(const NodeClient& node, const Step& step) {
  const Millis lasts = std::min(*step.lasts + kSpare, kLongestFault);
  const auto started =
      node.ask(fmt::format("fault start spec {} for {}s{}ms", registrar::in_one_word(step.fault.dump()),
                           lasts.count() / 1000, lasts.count() % 1000));
  return started ? tl::expected<void, AskFailure>() : tl::make_unexpected(started.error());
}

tl::expected<void, AskFailure> stop_fault(const NodeClient& node, const Step& step) {
  const auto stopped = node.ask("fault stop " + name_of_fault(step));
  return stopped || !stopped.error().unreachable ? tl::expected<void, AskFailure>()
                                                 : tl::make_unexpected(stopped.error());
}

Json counts_of_fault(const NodeClient& node, const Step& step) {
  const auto rows = node.ask("fault list");
  for (const Json& row : rows ? *rows : Json::array()) {
    if (row.value("live", false) && row.value("fault", "") == name_of_fault(step)) {
      return row;
    }
  }
  return nullptr;
}

std::string fault_in_words(const Json& counts) {
  if (!counts.is_object()) {
    return "";
  }
  std::string text = counts.value("does", "");
  for (const std::string_view each : kDone) {
    const auto count = counts.value(std::string(each), uint64_t{0});
    text += count == 0 ? "" : fmt::format("{}{} {}", text.empty() ? "" : "; ", each, count);
  }
  return text;
}

std::optional<std::string> service_of_fault(const Step& step) {
  if (step.kind != Step::Kind::fault) {
    return std::nullopt;
  }
  const Json target = step.fault["spec"].value("targetRef", Json::object());
  if (target.value("kind", "") != "Service") {
    return std::nullopt;
  }
  return step.fault["metadata"].value("namespace", "") + "/" + target.value("name", "");
}

std::string describe_fault(const Step& step) {
  return step.fault["spec"].dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace weft::rehearsal
